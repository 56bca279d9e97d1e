"""Case records over HTTP: the record of a ticket, and the forms that people complete and sign about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Security
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from api import shapes_records
from api.auth import Guard, actor, services_of, visible
from api.console.catalogue import DEFAULT_LANGUAGE, LANGUAGES
from api.openapi import answers
from api.problem_details import not_found
from api.report_texts import prefilled
from api.requests import Fields, IdempotencyKey, IfMatch, Json, RowId, Words, once, revision, versioned
from api.routing import noun_router
from api.services import Services
from hub.pipeline import case_reports
from hub.pipeline.case_reports import Save
from hub.store.accounts import Principal
from hub.tickets import forms, records
from hub.tickets.forms import REPORT_WRITERS, Form, FormName, Version
from hub.tickets.records import Record
from hub.vocabulary.instants import iso
from hub.vocabulary.roles import EMERGENCY_STAFF

router = noun_router("records", "/tickets")

ForRecords = Annotated[Principal, Security(Guard(EMERGENCY_STAFF))]
ForReports = Annotated[Principal, Security(Guard(REPORT_WRITERS))]
VersionChoice = Annotated[
    int | None, Query(ge=0, le=case_reports.MAX_VERSIONS, description="A version; the newest where it is left out.")
]


class ReportIn(BaseModel):
    """A version of a form: a draft, or signed with the name of whoever answers for it."""

    model_config = ConfigDict(extra="forbid")

    fields: Fields = {}
    sign: bool = False
    signatory: Words | None = None


def record_for(connection: Connection, principal: Principal, ticket_id: int, now: int) -> Record:
    """The record, where it is theirs to see. Raises ProblemError."""
    record = records.record_of(connection, ticket_id, now)
    if record is None or not visible(principal, record.ticket.site):
        raise not_found("ticket")
    return record


def view_of(services: Services, record: Record) -> dict[str, Any]:
    """The record as it goes out, with the papers of its elevator."""
    row = record.ticket
    return records.record_view(record, services.zone(row.site), services.lift_card(row.site, row.subject_id))


@router.get("/{ticket_id}/record", responses=answers(shapes_records.CaseRecord))
def show_record(request: Request, principal: ForRecords, ticket_id: RowId) -> Response:
    """Everything that is kept of a case, in one order: signals, decisions, actions, deadlines, notices with receipts."""
    services = services_of(request)
    with services.store.read() as connection:
        record = record_for(connection, principal, ticket_id, services.now())
    return Json(msgspec.json.encode(view_of(services, record)))


@router.get("/{ticket_id}/reports", responses=answers(shapes_records.ReportVersionList))
def list_reports(request: Request, principal: ForRecords, ticket_id: RowId) -> Response:
    """Every version of every form that was saved about a ticket, oldest first."""
    services = services_of(request)
    with services.store.read() as connection:
        record = record_for(connection, principal, ticket_id, services.now())
        found = records.versions(connection, ticket_id)
    zone = services.zone(record.ticket.site)
    items = [
        shapes_records.ReportVersion(
            form=FormName(version.form),
            version=version.version,
            signed=version.signed,
            at=iso(version.at, zone),
            by=version.by,
            signatory=version.signatory,
            digest=digest,
        )
        for version, digest in found
    ]
    return Json(msgspec.json.encode(shapes_records.ReportVersionList(items=items)))


@router.get("/{ticket_id}/reports/{form}", responses=answers(shapes_records.Report))
def show_report(
    request: Request, principal: ForRecords, ticket_id: RowId, form: FormName, version: VersionChoice = None
) -> Response:
    """A form about a case as it was saved; filled in from the case where it never was."""
    services = services_of(request)
    with services.store.read() as connection:
        found = report(services, connection, principal, (ticket_id, form, version))
    return versioned(msgspec.json.encode(found), found.newest, "")


@router.post("/{ticket_id}/reports/{form}", status_code=201, responses=answers(shapes_records.Report, created=True))
def save_report(
    request: Request,
    principal: ForReports,
    ticket_id: RowId,
    form: FormName,
    given: ReportIn,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Save a version: a draft, or signed. A signature does the form's action on the ticket. Nothing saved is ever changed."""
    services = services_of(request)
    with services.store.read() as connection:
        record = record_for(connection, principal, ticket_id, services.now())

    def write() -> Response:
        wish = Save(
            ticket_id=ticket_id,
            form=form,
            fields=given.fields,
            sign=given.sign,
            signatory=given.signatory,
            by=actor(principal),
            lift=services.lift_card(record.ticket.site, record.ticket.subject_id),
            zone=services.zone(record.ticket.site),
            based_on=revision(if_match),
        )
        number = services.door.ask(lambda step: case_reports.save(step, wish))
        with services.store.read() as connection:
            found = report(services, connection, principal, (ticket_id, form, number))
        place = f"/api/v1/tickets/{ticket_id}/reports/{form}?version={number}"
        return versioned(msgspec.json.encode(found), found.newest, place, 201)

    return once(request, services, principal, idempotency_key, [given.model_dump(mode="json"), if_match], write)


def report(
    services: Services,
    connection: Connection,
    principal: Principal,
    which: tuple[int, FormName, int | None],
    language: str | None = None,
) -> shapes_records.Report:
    """A version of a form (ticket, form, version or None: the newest). Raises ProblemError, Refused."""
    ticket_id, name, version = which
    record = record_for(connection, principal, ticket_id, services.now())
    form = case_reports.form_for(name, record.ticket.kind)
    saved = records.versions(connection, ticket_id, name)
    number = len(saved) if version is None else version
    if number > len(saved):
        raise not_found("version")
    zone = services.zone(record.ticket.site)
    common: dict[str, Any] = {
        "ticket": ticket_id,
        "form": name,
        "version": number,
        "newest": len(saved),
        "form_fields": _fields(form, record),
        "may_write": bool(form.writers & principal.roles),
        "may_sign": bool(form.signatories & principal.roles),
        "intact": forms.first_broken(saved) is None,
    }
    if number == 0:
        known = records.known_of_lift(connection, record.ticket.site, record.ticket.subject_id)
        card = services.lift_card(record.ticket.site, record.ticket.subject_id)
        known |= {key: value for key, value in card.items() if key in forms.LIFT_FIELDS}
        fields = prefilled(form, record, known, language or _language(services, record.ticket.site), zone)
        blank: dict[str, Any] = dict.fromkeys(("at", "by", "signatory", "digest", "record"))
        return shapes_records.Report(**common, **blank, signed=False, fields=fields)
    return _saved(common, saved, number, iso(saved[number - 1][0].at, zone))


def _saved(common: dict[str, Any], saved: Sequence[tuple[Version, str]], number: int, at: str) -> shapes_records.Report:
    version, digest = saved[number - 1]
    return shapes_records.Report(
        **common,
        signed=version.signed,
        at=at,
        by=version.by,
        signatory=version.signatory,
        fields=version.fields,
        digest=digest,
        record=version.record,
    )


def _fields(form: Form, record: Record) -> list[shapes_records.ReportField]:
    return [
        shapes_records.ReportField(
            name=field.name,
            type=field.type,
            required=field.required and (field.if_flagged is None or bool(record.fields.get(field.if_flagged))),
            choices=field.choices,
        )
        for field in form.fields
    ]


def _language(services: Services, site: str) -> str:
    """The site's own where the console speaks it."""
    locale = next((each.locale for each in services.sites if each.id == site), DEFAULT_LANGUAGE)
    return locale if locale in LANGUAGES else DEFAULT_LANGUAGE
