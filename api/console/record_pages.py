"""Pages for paper: the record of a case, and the forms about it, as staff sign them; A4, through the browser's print.

A signed form shows the case as it stood when it was signed; a draft as it stands now. No script but on the page to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request, Security
from fastapi.responses import Response
from sqlalchemy import Connection

from api.auth import PageGuard, services_of
from api.console.catalogue import catalogue, text
from api.console.pages import LanguageChoice, language_of, page
from api.people_texts import facts
from api.records import VersionChoice, record_for, report, view_of
from api.report_texts import clock_time, line_text, who
from api.requests import RowId
from api.services import Services
from api.shapes_records import Report
from hub.store.accounts import Principal
from hub.tickets import records
from hub.tickets.forms import FORMS, MEASURE_KEYS, REPORT_WRITERS, FormName
from hub.tickets.record_lines import LineKind
from hub.tickets.records import Record
from hub.vocabulary.roles import EMERGENCY_STAFF

router = APIRouter(include_in_schema=False)

ForRecordPages = Annotated[Principal, Security(PageGuard(EMERGENCY_STAFF))]
ForReportPages = Annotated[Principal, Security(PageGuard(REPORT_WRITERS))]

SIGNATURES: Final[Mapping[str, tuple[str, ...]]] = {
    FormName.MAJOR_INCIDENT: ("filled_in", "department_manager", "manager"),
    FormName.EMERGENCY: ("filled_in", "department_manager", "manager"),
    FormName.RETURN_TO_SERVICE: ("filled_in", "safety_officer", "department_manager"),
}
SCRIPT_TEXTS: Final = ("ui.record.", "record.measure.", "record.field.")


@router.get("/tickets/{ticket_id}/record")
def show_record(request: Request, principal: ForRecordPages, ticket_id: RowId, lang: LanguageChoice = None) -> Response:
    """The whole record of a case."""
    services, language = services_of(request), language_of(request, lang)
    with services.store.read() as connection:
        record = record_for(connection, principal, ticket_id, services.now())
        saved = records.versions(connection, ticket_id)
    return page(
        request,
        "record.html",
        language,
        ticket_id=ticket_id,
        case=_case(services, language, _view(services, record)),
        lines=_lines(services, language, record),
        forms=[
            {"name": name, "saved": sum(version.form == name for version, _ in saved)}
            for name, form in FORMS.items()
            if form.kinds is None or record.ticket.kind in form.kinds
        ],
    )


@router.get("/tickets/{ticket_id}/reports/{form}")
def show_report(
    request: Request,
    principal: ForRecordPages,
    ticket_id: RowId,
    form: FormName,
    version: VersionChoice = None,
    lang: LanguageChoice = None,
) -> Response:
    """A form as it is printed, with lines for signatures."""
    services, language = services_of(request), language_of(request, lang)
    with services.store.read() as connection:
        found = report(services, connection, principal, (ticket_id, form, version), language)
        view = found.record or _live(services, connection, principal, ticket_id)
    return page(
        request,
        "report.html",
        language,
        report=found,
        case=_case(services, language, view),
        fields=_shown(language, found),
        measure_keys=MEASURE_KEYS,
        signatures=SIGNATURES[form],
        saved_at=None if found.at is None else _short(found.at),
    )


@router.get("/tickets/{ticket_id}/reports/{form}/edit")
def edit_report(
    request: Request, principal: ForReportPages, ticket_id: RowId, form: FormName, lang: LanguageChoice = None
) -> Response:
    """A form to fill in, from the newest version or from the case."""
    services, language = services_of(request), language_of(request, lang)
    with services.store.read() as connection:
        found = report(services, connection, principal, (ticket_id, form, None), language)
        view = _live(services, connection, principal, ticket_id)
    texts = {key: words for key, words in catalogue(language).items() if key.startswith(SCRIPT_TEXTS)}
    return page(
        request,
        "report_edit.html",
        language,
        report=found,
        case=_case(services, language, view),
        user=principal.name,
        measure_keys=MEASURE_KEYS,
        longest={field.name: field.longest for field in FORMS[form].fields},
        start={
            "language": language,
            "csrf": principal.csrf,
            "sites": {},
            "home": "",
            "texts": texts,
            "ticket": ticket_id,
            "form": form,
            "version": found.newest,
        },
    )


def _live(services: Services, connection: Connection, principal: Principal, ticket_id: int) -> dict[str, Any]:
    return _view(services, record_for(connection, principal, ticket_id, services.now()))


def _view(services: Services, record: Record) -> dict[str, Any]:
    return view_of(services, record)


def _short(moment: str) -> str:
    """ISO text as people read it, in the zone that it is in."""
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M:%S")


def _case(services: Services, language: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """The head of every page, from a record as it is kept."""
    fields, subject = view["fields"], view["subject"]
    people, welfare = (found if isinstance(found := fields.get(name), dict) else {} for name in ("people", "welfare"))
    sites = {site.id: site.name for site in services.sites}
    return {
        "number": view["number"],
        "drill": view["drill"],
        "kind": text(language, f"ticket.{view['kind']}", view["kind"]),
        "site": sites.get(view["site"], view["site"]),
        "lift": subject["name"] or subject["id"],
        "papers": [
            {"name": text(language, f"record.lift.{key}", key), "value": value}
            for key, value in view.get("lift", {}).items()
        ],
        "place": " · ".join(str(part) for part in (subject["place"], fields.get("floor")) if part),
        "state": text(language, f"state.{view['state']}", view["state"]),
        "severity": text(language, f"severity.{view['severity']}", view["severity"]),
        "occurred_at": _short(view["occurred_at"]),
        "inside": people.get("inside"),
        "out": fields.get("people_out"),
        "people": [*facts(people, language), *facts(welfare, language)],
        "times": [
            {
                "name": text(language, f"milestone.{point['name']}", point["name"]),
                "at": _short(point["at"]) if point["at"] else "",
                "by": who(point["by"], language),
            }
            for point in view["times"]
            if point["at"] or view["kind"] == "entrapment"
        ],
        "clocks": [
            {
                "name": text(language, f"clock.{clock['name']}", clock["name"]),
                "due": _short(clock["due_at"]),
                "state": clock["state"],
                "result": text(language, f"record.clock.{clock['state']}"),
            }
            for clock in view["clocks"]
        ],
    }


def _lines(services: Services, language: str, record: Record) -> list[dict[str, Any]]:
    zone = services.zone(record.ticket.site)
    return [
        {
            "at": clock_time(line.at, zone),
            "late": clock_time(line.occurred_at, zone) if abs(line.at - line.occurred_at) >= 60_000 else "",
            "kind": text(language, f"record.kind.{line.kind}"),
            "what": line_text(line, language),
            "unused": line.kind is LineKind.SIGNAL and line.data.get("used") is False,
            "state": text(language, f"state.{line.state_to}", line.state_to or "")
            if line.state_to and line.state_to != line.state_from
            else "",
            "detail": _detail(line.data),
        }
        for line in record.course
    ]


def _detail(data: Mapping[str, Any]) -> str:
    """The facts of a line, as they are kept."""
    return msgspec.json.encode(data).decode() if data else ""


def _shown(language: str, found: Report) -> list[dict[str, Any]]:
    shown = []
    for field in found.form_fields:
        value = found.fields.get(field.name)
        if field.type == "choice" and isinstance(value, str):
            value = text(language, f"record.choice.{value}", value)
        shown.append({"name": field.name, "type": str(field.type), "value": value, "required": field.required})
    return shown
