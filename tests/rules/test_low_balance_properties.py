"""Whatever order, doubles, gaps and restarts bring: the same tickets of `low_balance`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.vocabulary.events import MeterReading
from hub.vocabulary.units import Relay
from rules.low_balance import LowBalance
from support.meters import meter_facts, reading
from support.timeline import Timeline

BALANCES = st.sampled_from(["-5", "0", "4.99", "5", "9", "10.01", "14", "15", "29.90", "30.10", "34", "35", "80"])


def played(events: Sequence[MeterReading], *, restarts: bool = False) -> Timeline:
    return Timeline(LowBalance(), devices=[meter_facts()], restarts=restarts).push(*events)


def outcome(story: Timeline) -> list[tuple[object, ...]]:
    """What people see of the tickets."""
    return [
        (ticket.fields, ticket.reasons, ticket.moves, ticket.state, ticket.count, ticket.occurred_at)
        for ticket in story.tickets
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[MeterReading]:
    """Readings in order: credit, purchases, relay, alarm and gaps at will."""
    minute, purchases, events = 0.0, 9_990, []
    for _ in range(draw(st.integers(0, 25))):
        minute += draw(st.sampled_from([1, 4, 5, 15, 60]))
        purchases = (purchases + draw(st.sampled_from([0, 0, 0, 0, 1, 3]))) % 10_000
        events.append(
            reading(
                minute,
                draw(BALANCES),
                draw(st.sampled_from([purchases, purchases, None])),
                relay=draw(st.sampled_from([Relay.CLOSED, Relay.OPEN, Relay.UNKNOWN])),
                alarm=draw(st.sampled_from([None, 0, 0, 1, 2, 3])),
                serial=draw(st.sampled_from([None, "A1", "A1", "A1", "A1", "B2"])),
            )
        )
    return events


@given(histories())
def test_a_restart_between_any_two_readings_changes_nothing(events: list[MeterReading]) -> None:
    assert outcome(played(events, restarts=True)) == outcome(played(events))


@given(histories(), st.data())
def test_doubles_change_nothing(events: list[MeterReading], data: st.DataObject) -> None:
    doubled = [copy for event in events for copy in [event] * data.draw(st.integers(1, 3))]
    assert outcome(played(doubled)) == outcome(played(events))


@given(histories())
def test_replaying_everything_changes_nothing(events: list[MeterReading]) -> None:
    assert outcome(played(events + events)) == outcome(played(events))


@given(histories(), st.data())
def test_unknown_stale_and_retained_readings_change_nothing(events: list[MeterReading], data: st.DataObject) -> None:
    noise = st.sampled_from(["unknown", "late", "retained"])
    mixed: list[MeterReading] = []
    for event in events:
        mixed.extend(_noise(event, kind) for kind in data.draw(st.lists(noise, max_size=2)))
        mixed.append(event)
    assert outcome(played(mixed)) == outcome(played(events))


def _noise(event: MeterReading, kind: str) -> MeterReading:
    """Something beside a reading that must not count: at the extremes, where it would matter most."""
    if kind == "unknown":
        return replace(event, credit=None, purchases=1)
    credit = 100_000 if (event.credit or 0) <= 3_000 else -100
    return replace(event, credit=credit, late=kind == "late", live=kind != "retained")


@given(histories())
def test_never_two_active_and_within_an_episode_only_deeper(events: list[MeterReading]) -> None:
    story = played([])
    for event in events:
        story.push(event)
        assert len(story.active()) <= 1
    told = [(ticket.fields["episode"], ticket.fields["level"]) for ticket in story.tickets]
    assert told == sorted(set(told)), "no level twice in an episode, no episode out of order"
    assert all(ticket.count == 1 for ticket in story.tickets)


@given(st.lists(st.tuples(st.sampled_from([1, 4, 5, 15]), BALANCES), max_size=25))
def test_the_first_ticket_comes_exactly_when_two_low_readings_confirm_each_other(steps: list[tuple[int, str]]) -> None:
    """Against a plain search: some earlier reading, at least 5 minutes ago, and all since then at or below 30 yuan."""
    minute, events = 0, []
    for gap, balance in steps:
        minute += gap
        events.append(reading(minute, balance))
    due = [
        later.occurred_at
        for j, later in enumerate(events)
        if any(
            later.occurred_at - events[i].occurred_at >= 300_000
            and all((event.credit or 0) <= 3_000 for event in events[i : j + 1])
            for i in range(j)
        )
    ]
    opened = [ticket.opened_at for ticket in played(events).tickets]
    assert opened[:1] == due[:1]


@given(st.lists(st.integers(2_501, 3_499), min_size=1, max_size=60))
def test_credit_that_flaps_around_a_threshold_opens_at_most_one_ticket(credits_fen: list[int]) -> None:
    events = [reading(15 * step, f"{fen / 100:.2f}") for step, fen in enumerate(credits_fen)]
    assert len(played(events).tickets) <= 1


@pytest.mark.parametrize("window", [2, 4])
@given(data=st.data())
def test_disorder_within_a_window_ends_at_the_same_level(window: int, data: st.DataObject) -> None:
    """A credit that only falls, delivered out of order: three readings later the same level is active, each told once."""
    fall = sorted(data.draw(st.lists(st.integers(-2_000, 6_000), min_size=1, max_size=20)), reverse=True)
    events = [reading(15 * step, f"{fen / 100:.2f}") for step, fen in enumerate(fall)]
    chunks = [events[i : i + window] for i in range(0, len(events), window)]
    mixed = [event for chunk in chunks for event in data.draw(st.permutations(chunk))]
    tail = [reading(15 * (len(events) + step), f"{fall[-1] / 100:.2f}") for step in range(3)]
    straight, shuffled = played(events + tail), played(mixed + tail)
    assert [t.fields["level"] for t in shuffled.active()] == [t.fields["level"] for t in straight.active()]
    told = [ticket.fields["level"] for ticket in shuffled.tickets]
    assert told == sorted(set(told))
