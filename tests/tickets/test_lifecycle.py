"""A ticket moves by the table in hub.tickets.kinds, and by nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
import pytest

from hub.notices import texts
from hub.tickets import lifecycle
from hub.tickets.kind import Trait
from hub.tickets.kinds import ANY_STATE, KINDS, Action, Field
from hub.tickets.lifecycle import Actor, Refused, Ticket, traits_of
from hub.tickets.occupants import PEOPLE
from hub.vocabulary.decisions import MoveTicket, RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import EMERGENCY_STAFF, Role

SUBJECT = Subject("lakeside", SubjectType.DEVICE, "lift-1")
NOW = 1_780_000_000_000
ADMIN = Actor("wang", frozenset({Role.ADMIN}))


class Why(StrEnum):
    TEST = "test"


def raised(kind: str, **other: Any) -> RaiseTicket:
    values = {"reason": Why.TEST, "severity": Severity.HIGH, "occurred_at": NOW}
    return RaiseTicket(kind=TicketKind(kind), subject=SUBJECT, **(values | other))


def ticket(kind: str, state: str | None = None, **other: Any) -> Ticket:
    fresh = lifecycle.opened(raised(kind), "rule:x", ("1号梯", "b1", "title"), NOW).ticket
    spec = KINDS[kind]
    state = state or spec.initial
    return msgspec.structs.replace(fresh, id=1, state=state, active=state in spec.active_states, **other)


def fields_of(specs: tuple[Field, ...]) -> dict[str, Any]:
    sample = {"text": "x", "count": 1, "flag": True, "device": "lift-2", "devices": ["lift-2"]}
    return {spec.name: sample[spec.type] for spec in specs if spec.required}


def bearing(action: Action) -> dict[str, Any]:
    """What a ticket has to be for this action."""
    site = Subject("lakeside", SubjectType.SITE, "lakeside")
    traits: dict[Trait | None, dict[str, Any]] = {
        None: {},
        Trait.SHELVED: {"shelved_until": NOW + 1},
        Trait.MASS: {"subject": site, "fields": {"children": {"lift-2": {}}}},
        Trait.DRILL: {"drill": True},
    }
    return traits[action.needs]


TRIPLES = [
    (kind, state, action, role)
    for kind, spec in KINDS.items()
    for state in spec.states
    for action in spec.actions
    for role in Role
]


@pytest.mark.parametrize(("kind", "spec"), KINDS.items())
def test_every_state_and_milestone_that_a_kind_names_exists(kind: str, spec: Any) -> None:
    milestones = {"opened"} | {each.milestone for each in (*spec.actions.values(), *spec.triggers.values())}
    for each in (*spec.actions.values(), *spec.triggers.values()):
        assert each.from_states == ANY_STATE or set(each.from_states) <= set(spec.states)
        assert each.to_state is None or each.to_state in spec.states
    assert {*spec.on_repeat, *spec.on_repeat.values(), spec.initial, *spec.active_states} <= set(spec.states)
    moments = [what for clock in spec.clocks.values() for what in (*clock.warnings.values(), clock.otherwise)]
    milestones |= {what.flag for what in moments if what.flag} | {"medical_need"}
    for clock in spec.clocks.values():
        assert {clock.start, clock.stop} <= milestones
    assert {name for action in spec.actions.values() for name in action.requires} <= milestones
    assert {what.unless_reached for what in moments if what.unless_reached} <= milestones
    assert set(spec.tells) <= milestones | {"reopened"}
    for tell in [each for tells in spec.tells.values() for each in tells] + [t for what in moments for t in what.tell]:
        assert tell.template in texts.parameters()
        assert tell.after is None or tell.after in milestones
    assert spec.done_states <= set(spec.on_repeat)
    assert {"zh-CN", "en"} == set(spec.title)


def test_every_action_in_every_state_by_every_role_does_what_the_table_says() -> None:
    done = 0
    for kind, state, name, role in TRIPLES:
        action = KINDS[kind].actions[name]
        before = ticket(kind, state, milestones=frozenset(action.requires), **bearing(action))
        possible = role in action.roles and (action.from_states == ANY_STATE or state in action.from_states)
        actor = Actor("someone", frozenset({role}))
        allowed = lifecycle.allowed_actions(kind, state, actor.roles, before.milestones, traits_of(before))
        assert (name in allowed) == possible
        if not possible:
            with pytest.raises(Refused) as refused:
                lifecycle.acted(before, name, fields_of(action.fields), actor, NOW)
            assert refused.value.status == ("not_allowed" if role not in action.roles else "conflict")
            assert name not in refused.value.allowed
            continue
        change = lifecycle.acted(before, name, fields_of(action.fields), actor, NOW)
        assert change.ticket.state == (action.to_state or state)
        assert change.ticket.active == (change.ticket.state in KINDS[kind].active_states)
        assert change.ticket.revision == before.revision + 1
        assert (change.entry.name, change.entry.by, change.entry.state_from) == (name, "someone", state)
        done += 1
    assert done > 500


def test_only_emergency_staff_moves_a_rescue_and_everybody_may_write_a_note() -> None:
    housekeeper = Actor("zhao", frozenset({Role.HOUSEKEEPER}))
    assert lifecycle.allowed_actions("entrapment", "suspected", housekeeper.roles) == ("note",)
    assert Role.HOUSEKEEPER not in EMERGENCY_STAFF


def test_missing_unknown_and_wrong_fields_are_each_named() -> None:
    with pytest.raises(Refused) as refused:
        lifecycle.acted(ticket("entrapment"), "people", {"inside": -1, "shoe_size": 43}, ADMIN, NOW)
    assert refused.value.status == "invalid"
    assert dict(refused.value.errors) == {
        "shoe_size": f"unknown; allowed: {', '.join(field.name for field in PEOPLE)}",
        "inside": "must be a whole number from 0 to 10000",
    }
    with pytest.raises(Refused) as refused:
        lifecycle.acted(ticket("entrapment"), "note", {}, ADMIN, NOW)
    assert refused.value.errors == (("text", "missing"),)


@pytest.mark.parametrize("value", [True, "3", 1.5, None])
def test_a_head_count_is_a_whole_number(value: object) -> None:
    with pytest.raises(Refused):
        lifecycle.acted(ticket("entrapment"), "people", {"inside": value}, ADMIN, NOW)


def test_an_unknown_action_is_not_found() -> None:
    with pytest.raises(Refused) as refused:
        lifecycle.acted(ticket("low_balance"), "dance", {}, ADMIN, NOW)
    assert refused.value.status == "not_found"


def test_severity_only_rises_on_a_repeat() -> None:
    higher = lifecycle.repeated(
        ticket("elevator_fault"), raised("elevator_fault", severity=Severity.CRITICAL), "r", NOW
    )
    assert higher.ticket.severity is Severity.CRITICAL
    lower = lifecycle.repeated(higher.ticket, raised("elevator_fault", severity=Severity.LOW), "r", NOW)
    assert (lower.ticket.severity, lower.ticket.count) == (Severity.CRITICAL, 3)


def test_a_further_signal_of_the_same_occurrence_is_written_down_but_not_counted() -> None:
    change = lifecycle.repeated(
        ticket("entrapment"), raised("entrapment", count=False, fields={"floor": "3"}), "r", NOW
    )
    assert (change.ticket.count, change.entry.entry, change.ticket.fields) == (1, "signal", {"floor": "3"})


def test_fields_are_merged_lists_united_and_nothing_known_is_lost_to_unknown() -> None:
    before = {"sources": ["button"], "floor": "3", "mode": None}
    after = lifecycle.merged(before, {"sources": ["device", "button"], "floor": None, "mode": "normal"})
    assert after == {"sources": ["button", "device"], "floor": "3", "mode": "normal"}


def move(kind: str, trigger: str) -> MoveTicket:
    return MoveTicket(kind=TicketKind(kind), subject=SUBJECT, trigger=trigger, reason=Why.TEST, occurred_at=NOW)


def test_sensor_clear_is_release_pending_and_comms_loss_changes_no_state() -> None:
    cleared = lifecycle.triggered(ticket("entrapment", "confirmed"), move("entrapment", "sensor_clear"), "r", NOW)
    assert cleared is not None
    assert (cleared.ticket.state, cleared.ticket.active) == ("release_pending", True)
    for state in ("suspected", "confirmed", "release_pending", "released"):
        lost = lifecycle.triggered(ticket("entrapment", state), move("entrapment", "telemetry_lost"), "r", NOW)
        assert lost is not None
        assert lost.ticket.state == state
    assert lifecycle.triggered(ticket("entrapment", "released"), move("entrapment", "sensor_clear"), "r", NOW) is None


def test_no_trigger_of_a_machine_ends_an_entrapment() -> None:
    kind = KINDS["entrapment"]
    assert all(trigger.to_state in {None, "release_pending"} for trigger in kind.triggers.values())


def test_acknowledging_takes_the_ticket_over_and_starts_the_next_clock() -> None:
    opened = lifecycle.opened(raised("entrapment"), "rule:x", ("1号梯", "b1", "t"), NOW)
    assert {(start.name, start.due_at - NOW) for start in opened.started} == {
        ("acknowledge", 60_000),
        ("progress", 1_800_000),
        ("release", 7_200_000),
    }
    change = lifecycle.acted(opened.ticket, "acknowledge", {}, ADMIN, NOW)
    assert change.ticket.assignee == "wang"
    assert change.stopped == ("acknowledge",)
    assert [start.name for start in change.started] == ["voice_contact", "guard_sent", "firm_told", "progress"]
    with pytest.raises(Refused) as refused:
        lifecycle.acted(change.ticket, "acknowledge", {}, ADMIN, NOW)
    assert "acknowledge" not in refused.value.allowed


def test_milestones_may_come_in_any_order_and_a_clock_does_not_start_for_what_has_happened() -> None:
    arrived = lifecycle.acted(ticket("entrapment"), "technician_arrived", {}, ADMIN, NOW).ticket
    told = lifecycle.acted(arrived, "firm_told", {}, ADMIN, NOW)
    assert [start.name for start in told.started] == ["firm_answer", "progress"]


def test_a_plain_ticket_goes_its_way_and_may_be_reopened() -> None:
    current = ticket("elevator_fault")
    for action, state, active in (
        ("acknowledge", "acknowledged", True),
        ("resolve", "resolved", False),
        ("close", "closed", False),
        ("reopen", "open", True),
    ):
        current = lifecycle.acted(current, action, {}, ADMIN, NOW).ticket
        assert (current.state, current.active, current.ended_at is None) == (state, active, active)
