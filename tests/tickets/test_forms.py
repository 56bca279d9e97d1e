"""Forms about a case: a signature needs everything, a draft nothing, and what was saved cannot be changed unseen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.tickets import forms
from hub.tickets.forms import FORMS, MAX_COURSE, FieldType, FormName, Version
from hub.tickets.kinds import KINDS
from hub.tickets.refusals import Refused
from hub.vocabulary.roles import Role

MAJOR = FORMS[FormName.MAJOR_INCIDENT]
COMPLETE: dict[str, Any] = {
    "fault": "门机故障",
    "course": "10:02 接报…",
    "injuries": "无",
    "cause_kind": "door_system",
    "cause": "门刀松动",
    "responsible": "维保单位",
    "remedy": "更换门刀",
    "prevention": "每月检查",
    "measures": [{"measure": "检查全部门刀", "effect": "已完成", "by": "赵", "on": "2026-11-25"}],
}


def problems(form: forms.Form, given: dict[str, Any], flags: dict[str, Any] | None = None, **how: Any) -> set[str]:
    with pytest.raises(Refused) as refused:
        forms.checked(form, given, flags or {}, how.get("signatory", "王"), sign=how.get("sign", True))
    assert refused.value.status == "invalid"
    return {name for name, _ in refused.value.errors}


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_a_form_asks_for_what_the_ticket_can_do_and_whoever_signs_may_do_it(form: forms.Form) -> None:
    kinds = [KINDS[name] for name in form.kinds] if form.kinds else list(KINDS.values())
    for kind in kinds:
        assert form.signatories <= kind.actions[form.action].roles
    assert form.signatories <= form.writers
    assert len({field.name for field in form.fields}) == len(form.fields)
    assert all(bool(field.choices) == (field.type is FieldType.CHOICE) for field in form.fields)
    assert Role.TECHNICIAN not in form.writers, "the firm does not sign what it is judged by"


def test_the_procedures_six_questions_are_in_both_reports() -> None:
    """Cause, responsible party, remedy, prevention, and how each measure was put into effect (procedures.md 1.6)."""
    for name in (FormName.MAJOR_INCIDENT, FormName.EMERGENCY):
        required = {field.name for field in FORMS[name].fields if field.required}
        assert {"cause", "responsible", "remedy", "prevention", "measures", "course"} <= required


def test_a_signature_names_everything_that_is_missing_and_a_draft_may_be_empty() -> None:
    missing = problems(MAJOR, {"fault": "  "}, signatory=" ")
    assert missing == {*COMPLETE, "signatory"}
    assert forms.checked(MAJOR, {"fault": "  "}, {}, None, sign=False) == {}


def test_what_is_complete_is_kept_as_it_was_given_without_blanks() -> None:
    given = {**COMPLETE, "firm": "", "cause": " 门刀松动 "}
    assert forms.checked(MAJOR, given, {}, "王", sign=True) == COMPLETE


def test_whether_it_was_an_accident_is_asked_only_where_the_case_was_flagged() -> None:
    assert problems(MAJOR, COMPLETE, {"accident_candidate": True}) == {"classification"}
    said = {**COMPLETE, "classification": "no_accident"}
    assert forms.checked(MAJOR, said, {"accident_candidate": True}, "王", sign=True) == said


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"cause_kind": "bad luck"}, {"cause_kind"}),
        ({"cause": 5}, {"cause"}),
        ({"cause": "a\0b"}, {"cause"}),
        ({"course": "x" * (MAX_COURSE + 1)}, {"course"}),
        ({"weather": "fine"}, {"weather"}),
        ({"measures": "checked"}, {"measures"}),
        ({"measures": ["checked"]}, {"measures.0"}),
        ({"measures": [{"measure": "a"}, {"effect": "b", "x": "c"}]}, {"measures.0.effect", "measures.1.measure", "measures.1.x"}),
        ({"measures": [{"measure": "a", "effect": 7}]}, {"measures.0.effect"}),
        ({"measures": [{"measure": "a", "effect": "b"}] * 51}, {"measures"}),
    ],
)  # fmt: skip
def test_each_wrong_field_is_named_also_in_a_draft(changed: dict[str, Any], wrong: set[str]) -> None:
    assert problems(MAJOR, {**COMPLETE, **changed}, sign=False) == wrong


def chain(*signatories: str | None) -> list[tuple[Version, str]]:
    saved: list[tuple[Version, str]] = []
    for number, signatory in enumerate(signatories, 1):
        version = Version(
            ticket_id=1, form="emergency", version=number, signed=signatory is not None, at=1_000 * number, by="wang",
            signatory=signatory, fields={"cause": "x", "measures": [{"measure": "a"}]}, record={"n": 1} if signatory else None,
        )  # fmt: skip
        saved.append((version, forms.digest(version, saved[-1][1] if saved else "")))
    return saved


def test_versions_as_they_were_saved_are_intact() -> None:
    assert forms.first_broken(chain(None, "王", "李")) is None
    assert forms.first_broken([]) is None


@pytest.mark.parametrize(
    "change",
    [{"signatory": "赵"}, {"at": 1}, {"fields": {"cause": "y"}}, {"record": {"n": 2}}, {"by": "li"}, {"signed": False}],
)
def test_a_version_that_was_edited_is_found(change: dict[str, Any]) -> None:
    saved = chain(None, "王", "李")
    saved[1] = (msgspec.structs.replace(saved[1][0], **change), saved[1][1])
    assert forms.first_broken(saved) == 2


def test_a_version_that_was_taken_out_is_found_even_when_the_others_were_numbered_anew() -> None:
    first, _, third = chain(None, "王", "李")
    renumbered = msgspec.structs.replace(third[0], version=2)
    assert forms.first_broken([first, (renumbered, third[1])]) == 2
    assert forms.first_broken([first, (renumbered, forms.digest(renumbered, ""))]) == 2
