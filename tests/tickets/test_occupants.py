"""The people in the car as structured facts: closed lists, what follows from a word, and what leaves the rescuers' circle."""

from typing import Any

import msgspec
import pytest

from hub.tickets import lifecycle
from hub.tickets.lifecycle import Actor, Refused, Ticket
from hub.tickets.occupants import KEPT, PEOPLE, Condition, Hazard, Injury, Need
from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import Role

ROOM = Actor("wang", frozenset({Role.CONTROL_ROOM}))
NOW = 1_795_255_200_000
WHO = {"refused_by": "张女士", "refused_why": "赶时间"}


def case(severity: Severity = Severity.HIGH, state: str = "suspected") -> Ticket:
    return Ticket(
        kind="entrapment", subject=Subject("lakeside", SubjectType.DEVICE, "b1-e1"), subject_name="1栋1号梯", place="b1",
        state=state, active=True, severity=severity, reason="button_held", title="电梯困人", occurred_at=NOW,
        opened_at=NOW, updated_at=NOW, milestones=frozenset({"opened"}),
    )  # fmt: skip


def told(ticket: Any = None, action: Any = "people", **fields: Any) -> lifecycle.Change:
    given = {"inside": 1, **fields} if action == "people" else fields
    return lifecycle.acted(ticket or case(), action, given, ROOM, NOW)


def errors(action: Any = "people", ticket: Any = None, **fields: Any) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        told(ticket, action, **fields)
    assert refused.value.status == "invalid"
    return dict(refused.value.errors)


def test_a_word_that_is_not_on_its_list_is_refused_by_name_with_the_list() -> None:
    assert errors(condition="calm, medicl") == {
        "condition": "unknown: medicl; allowed: calm, anxious, panicking, medical, child, elderly, pregnant"
    }
    assert errors(injury=["bleeding", "hiccups"], contact="fax") == {
        "injury": f"unknown: hiccups; allowed: {', '.join(Injury)}",
        "contact": "unknown: fax; allowed: intercom, phone, through_door, camera, none",
    }


@pytest.mark.parametrize("wrong", [["medical", 3], 7, {"medical": True}, [["medical"]], True])
def test_what_is_no_list_of_words_is_refused(wrong: Any) -> None:
    assert "must be a list of words; allowed: calm" in errors(condition=wrong)["condition"]


@pytest.mark.parametrize("said", ["Elderly, medical", ["medical", "elderly", "medical"], "medical、elderly"])
def test_text_of_before_there_were_lists_and_lists_are_kept_alike(said: Any) -> None:
    assert told(condition=said).ticket.fields["people"] == {"inside": 1, "condition": ["medical", "elderly"]}


GRAVE = [
    *(("condition", each) for each in (Condition.MEDICAL, Need.CHILD, Need.ELDERLY, Need.PREGNANT)),
    *(("special_needs", each) for each in (Need.CHILD, Need.ELDERLY, Need.PREGNANT)),
    *(("injury", each) for each in Injury),
    *(("hazards", each) for each in (Hazard.SMOKE, Hazard.HEAT, Hazard.WATER)),
]
NOT_GRAVE = [
    *(("condition", each) for each in (Condition.CALM, Condition.ANXIOUS, Condition.PANICKING)),
    *(("special_needs", each) for each in Need if ("special_needs", each) not in GRAVE),
    ("hazards", Hazard.DARK),
]


@pytest.mark.parametrize(("field", "word"), GRAVE)
def test_severity_follows_from_the_facts(field: str, word: str) -> None:
    after = told(**{field: [str(word)]}).ticket
    assert (after.severity, after.fields["severity_reason"]) == (Severity.CRITICAL, "p1_condition_of_people")
    assert after.fields["severity_facts"] == [str(word)]


@pytest.mark.parametrize(("field", "word"), NOT_GRAVE)
def test_what_is_not_grave_changes_no_severity(field: str, word: str) -> None:
    after = told(**{field: [str(word)]}).ticket
    assert (after.severity, after.fields.get("severity_facts")) == (Severity.HIGH, None)


def test_nobody_answering_is_grave_where_somebody_is_inside() -> None:
    assert told(contact="none").ticket.fields["severity_facts"] == ["no_contact"]
    assert told(inside=0, contact="none").ticket.severity is Severity.HIGH


def test_a_better_report_later_lowers_nothing() -> None:
    grave = told(injury=["bleeding"]).ticket
    later = told(grave, condition=["calm"]).ticket
    assert later.fields["people"] == {"inside": 1, "condition": ["calm"]}
    assert (later.severity, later.fields["severity_facts"]) == (Severity.CRITICAL, ["bleeding"])


@pytest.mark.parametrize("fields", [{"condition": ["medical"]}, {"injury": ["other"]}])
def test_whoever_needs_a_doctor_makes_a_medical_need(fields: dict[str, Any]) -> None:
    assert "medical_need" in told(**fields).milestones
    assert "medical_need" not in told(condition=["elderly"]).milestones


def test_confirmed_is_at_least_p2_and_lowers_nothing() -> None:
    for before, after in (
        (Severity.MEDIUM, Severity.HIGH),
        (Severity.HIGH, Severity.HIGH),
        (Severity.CRITICAL, Severity.CRITICAL),
    ):
        found = told(case(before), "confirm").ticket
        assert found.severity is after
        assert ("severity_reason" in found.fields) == (before is Severity.MEDIUM)


@pytest.mark.parametrize("action", ["people", "welfare"])
def test_a_refusal_says_what_who_and_why(action: str) -> None:
    before = case(state="released")
    assert errors(action, before, refused=["medical"]) == {"refused_by": "missing", "refused_why": "missing"}
    assert errors(action, before, **WHO) == {"refused": "missing"}
    after = told(before, action, refused=["medical", "left"], **WHO)
    assert after.ticket.fields[action]["refused"] == ["medical", "left"]
    assert after.entry.data["refused_by"] == "张女士"


def test_what_names_a_person_stays_on_the_timeline() -> None:
    after = told(contact="phone", contact_name="李女士", contact_phone="13800138000", refused=["help"], **WHO)
    shown = msgspec.json.encode(after.ticket.fields).decode()
    for personal in ("李女士", "13800138000", "张女士", "赶时间"):
        assert personal not in shown
        assert personal in after.entry.data.values()
    welfare = told(case(state="released"), "welfare", name="李女士", phone="1", address="a", note="李女士头晕")
    assert welfare.ticket.fields["welfare"] == {}
    assert KEPT["people"] < {field.name for field in PEOPLE}


def test_the_last_contact_is_a_time_with_its_offset() -> None:
    assert "ISO 8601" in errors(last_contact_at="20:15")["last_contact_at"]
    assert "ISO 8601" in errors(last_contact_at="2026-11-21T20:15:00")["last_contact_at"]
    kept = told(last_contact_at="2026-11-21T20:15:00+08:00").ticket.fields["people"]
    assert kept["last_contact_at"] == "2026-11-21T20:15:00+08:00"
