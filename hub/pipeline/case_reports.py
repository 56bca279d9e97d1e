"""Saving a version of a form about a case, within a step. A signature does the form's action on the ticket in the same
transaction, so that no report is signed whose case does not know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

import msgspec

from hub.pipeline.step import Step
from hub.store.schema import case_reports
from hub.tickets import forms, records
from hub.tickets.forms import FORMS, Form, Version
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.records import Record

MAX_VERSIONS: Final = 500


class Save(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be saved. `based_on`: the version that it was written on; None: whichever is the newest."""

    ticket_id: int
    form: str
    fields: Mapping[str, Any]
    sign: bool
    signatory: str | None
    by: Actor
    lift: Mapping[str, str] = {}  # papers of the elevator, kept with a signature
    zone: tzinfo  # of the site: in which the kept record tells its times
    based_on: int | None = None


def save(step: Step, wish: Save) -> int:
    """The number of the new version. Raises Refused; then nothing was changed."""
    record = records.record_of(step.connection, wish.ticket_id, step.now)
    if record is None:
        raise Refused("not_found", f"There is no ticket {wish.ticket_id}.")
    form = form_for(wish.form, record.ticket.kind)
    _check_role(form, wish)
    known = records.versions(step.connection, wish.ticket_id, wish.form)
    if wish.based_on is not None and wish.based_on != len(known):
        raise Refused("stale", f"The form has changed: it is at version {len(known)} now.")
    if len(known) >= MAX_VERSIONS:
        raise Refused("conflict", f"There are {MAX_VERSIONS} versions of this form already.")
    fields = forms.checked(form, wish.fields, record.fields, wish.signatory, sign=wish.sign)
    if wish.sign:
        record = _acted(step, form, wish, record, len(known) + 1)
    version = Version(
        ticket_id=wish.ticket_id,
        form=form.name,
        version=len(known) + 1,
        signed=wish.sign,
        at=step.now,
        by=wish.by.name,
        signatory=(wish.signatory or "").strip() if wish.sign else None,
        fields=fields,
        record=records.record_view(record, wish.zone, wish.lift) if wish.sign else None,
    )
    _insert(step, version, known[-1][1] if known else "")
    return version.version


def form_for(name: str, kind: str) -> Form:
    """The form of this name for tickets of this kind. Raises Refused."""
    form = FORMS.get(name)
    if form is None or (form.kinds is not None and kind not in form.kinds):
        fitting = tuple(each.name for each in FORMS.values() if each.kinds is None or kind in each.kinds)
        raise Refused("not_found", f"There is no form {name!r} about tickets of kind {kind}.", fitting)
    return form


def _check_role(form: Form, wish: Save) -> None:
    roles = form.signatories if wish.sign else form.writers
    if not roles & wish.by.roles:
        what = "signed" if wish.sign else "written"
        raise Refused("not_allowed", f"This form is not {what} by the roles of {wish.by.name}.")


def _acted(step: Step, form: Form, wish: Save, before: Record, version: int) -> Record:
    """Do what the signature means; the record as it stands after that."""
    note = f"{form.name} {version}: {(wish.signatory or '').strip()}"
    wanted = {field.name for field in KINDS[before.ticket.kind].actions[form.action].fields}
    given = {"text" if "text" in wanted else "note": note}
    if "safety_officer" in wanted:
        given["safety_officer"] = (wish.signatory or "").strip()
    step.act(wish.ticket_id, form.action, given, wish.by, None)
    after = records.record_of(step.connection, wish.ticket_id, step.now)
    assert after is not None
    return after


def _insert(step: Step, version: Version, previous: str) -> None:
    step.connection.execute(
        case_reports.insert().values(
            ticket_id=version.ticket_id,
            form=version.form,
            version=version.version,
            signed=version.signed,
            at=version.at,
            by=version.by,
            signatory=version.signatory,
            fields_json=msgspec.json.encode(version.fields).decode(),
            record_json=None if version.record is None else msgspec.json.encode(version.record).decode(),
            digest=forms.digest(version, previous),
        )
    )
