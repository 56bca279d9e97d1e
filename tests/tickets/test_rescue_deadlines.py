"""Deadlines of a rescue over restarts, a long time without power and the end of the case: each once, in order, or not at all."""

from __future__ import annotations

import pytest

from hub.store.database import Store
from hub.tickets.kinds import KINDS
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from support.desk import HOUR, MINUTE, SECOND
from support.one_rescue import LIFT, Why, act, alarm, clocks, orders, rig_on
from support.rig import START


def test_a_false_alarm_leaves_no_deadline_behind(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "acknowledge")
    act(rig, "false_alarm", note="spoken to: nobody inside")
    count = len(orders(rig))
    rig.advance(3 * HOUR, 30 * SECOND)
    assert (len(orders(rig)), clocks(rig)) == (count, [])


SCENES: tuple[tuple[str, ...], ...] = (
    (),
    ("acknowledge",),
    ("acknowledge", "confirm", "guard_sent"),
    ("acknowledge", "voice_contact", "firm_told"),
    ("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered"),
    ("acknowledge", "release"),
    ("acknowledge", "release", "report"),
)


@pytest.mark.parametrize("done", SCENES, ids=lambda done: "-".join(done) or "suspected")
def test_a_restart_in_every_state_neither_loses_nor_repeats_a_deadline(store: Store, done: tuple[str, ...]) -> None:
    """The hub dies after each minute; what people were told is what a hub that lives on tells."""
    rig = rig_on(store)
    alarm(rig)
    for action in done:
        act(rig, action)
    expected = expected_moments(done)
    for _ in range(130):
        rig = rig_on(store, rig.now)
        rig.advance(MINUTE, 20 * SECOND)
    assert sorted(clocks(rig)) == sorted(each for each in expected if each[2] <= 130 * 60)
    due = [at_s for _, _, at_s in clocks(rig)]
    assert due == sorted(due)
    keys = [order.key for order in orders(rig)]
    assert len(keys) == len(set(keys))


def expected_moments(done: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """From the table, for a case in which everything was done at the start and nothing since."""
    kind = KINDS["entrapment"]
    reached = {"opened"} | {kind.actions[name].milestone for name in done}
    if "released" not in reached:
        reached.add("accident_candidate")  # later, see below
    found = []
    for name, spec in kind.clocks.items():
        if spec.start not in reached or spec.stop in reached:
            continue
        start_s = 2 * 3_600 if spec.start == "accident_candidate" else 0
        for at_s, what in spec.warnings.items():
            if what.unless_reached not in reached:
                found.append((name, "warning", start_s + at_s))
        found.append((name, "breached", start_s + spec.within_s))
        if spec.otherwise.unless_reached not in reached:
            found += [
                (name, "paged_again", start_s + spec.within_s + number * spec.every_s)
                for number in range(1, spec.times + 1)
            ]
    return found


def test_after_a_long_time_without_power_every_deadline_fires_in_order_and_pages_only_once(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    rig = rig_on(store, START + 3 * HOUR)
    rig.advance(20 * SECOND)
    fired = clocks(rig)
    assert [name for name, moment, _ in fired if moment == "breached"] == ["acknowledge", "progress", "release"]
    assert [name for name, moment, _ in fired if moment == "paged_again"].count("acknowledge") == 1
    assert [(name, at) for name, moment, at in fired if moment == "warning"] == [
        ("release", 45 * 60),
        ("release", 110 * 60),
    ]


def test_a_plain_ticket_that_nobody_acknowledges_is_noted_and_only_a_critical_one_is_told(store: Store) -> None:
    rig = rig_on(store)
    for kind, severity in ((TicketKind.ELEVATOR_FAULT, Severity.MEDIUM), (TicketKind.DEVICE_SILENT, Severity.CRITICAL)):
        raised = RaiseTicket(kind=kind, subject=LIFT, reason=Why.TRAPPED, severity=severity, occurred_at=rig.now)
        rig.ask(lambda step, raised=raised: step.raise_ticket(raised))
    rig.advance(31 * MINUTE, 10 * SECOND)
    assert clocks(rig) == [("acknowledge", "breached", 1800)] * 2
    assert [(order.template, order.audience, order.ticket_id) for order in orders(rig)] == [
        ("ticket_unacknowledged", "control_room", 2),
        ("ticket_unacknowledged", "duty_supervisor", 2),
    ]
