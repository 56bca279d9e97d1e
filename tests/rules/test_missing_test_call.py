"""The 72-hour test of an elevator's alarm: its absence is a ticket, its arrival never is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.elevator import AlarmState, AlarmType
from hub.vocabulary.events import Clock, DeviceStatus, ElevatorAlarm, ElevatorState
from hub.vocabulary.instants import HOUR_MS
from rules.device_silent import DeviceSilent
from rules.missing_test_call import MissingTestCall, MissingTestCallLimits
from support.timeline import SITE, T0, Timeline, device_facts

SILENT = TicketKind.DEVICE_SILENT
H = 3600.0


def story(*, expects: bool = True, **limits: Any) -> Timeline:
    device = device_facts(expects_test_call=expects)
    return Timeline(MissingTestCall(), devices=[device], limits=limits, restarts=True)


def alarm(hour: float, *, arrives: float | None = None, type: AlarmType = AlarmType.TEST, **more: Any) -> ElevatorAlarm:
    at = T0 + round(hour * HOUR_MS)
    received = at if arrives is None else T0 + round(arrives * HOUR_MS)
    known: dict[str, Any] = {"state": AlarmState.ADD, "clock": Clock.DEVICE}
    return ElevatorAlarm(
        site=SITE.id, device="b1-e1", type=type, occurred_at=at, received_at=received, **(known | more)
    )


def words(hour: float) -> ElevatorState:
    at = T0 + round(hour * HOUR_MS)
    return ElevatorState(site=SITE.id, device="b1-e1", occurred_at=at, received_at=at)


def test_tests_in_time_open_nothing() -> None:
    told = story().push(*(alarm(hour) for hour in range(0, 1000, 71)))
    assert told.tickets == []


def test_three_days_without_a_test_are_a_ticket() -> None:
    told = story().push(alarm(0)).advance(72 * H - 1)
    assert told.tickets == []
    ticket = told.advance(1).one(SILENT)
    assert (ticket.reason, ticket.fields["test_call_h"]) == ("test_call_missing", 72)
    assert ticket.evidence[0]["last_test_at"] == "2026-01-01T00:00:00.000+00:00"


@pytest.mark.parametrize("first", [words(0), DeviceStatus(site=SITE.id, device="b1-e1", occurred_at=T0, received_at=T0, online=True)])  # fmt: skip
def test_without_any_test_the_time_counts_from_the_first_words(first: Any) -> None:
    told = story().push(first, words(50)).advance(22 * H)
    assert told.one(SILENT).evidence[0]["last_test_at"] is None


def test_a_test_clears_and_the_next_absence_is_a_new_ticket() -> None:
    told = story().push(alarm(0), alarm(80))
    assert told.tickets[0].moves == [("recovered", "test_call_received")]
    told.advance(72 * H)
    assert [ticket.active for ticket in told.tickets] == [False, True]


def test_other_alarms_are_not_tests() -> None:
    told = story().push(alarm(0), *(alarm(hour, type=AlarmType.FAULT) for hour in (20, 40, 60))).advance(12 * H)
    assert told.one(SILENT).active


def test_it_is_raised_again_daily_without_counting_up() -> None:
    """So a recovery by `device_silent`, which shares the ticket, does not hide that tests are missing."""
    told = story().push(alarm(0)).advance(72 * H)
    told.advance(48 * H)
    assert (len(told.tickets), told.tickets[0].count) == (1, 1)
    told.people("resolve", "resolved", SILENT)
    told.advance(24 * H)
    assert [ticket.active for ticket in told.tickets] == [False, True]


def test_together_with_silence_nothing_is_lost() -> None:
    device = device_facts(expects_test_call=True)
    told = Timeline(MissingTestCall(), DeviceSilent(), devices=[device])
    told.push(alarm(0)).advance(72 * H)
    told.people("resolve", "resolved", SILENT)
    told.push(alarm(80, arrives=97))
    told.advance(30 * H)
    assert told.active() == []


def test_a_late_test_counts_when_it_is_newer_than_the_last() -> None:
    told = story().push(alarm(0), words(71), alarm(40, arrives=71.5, late=True)).advance(30 * H)
    assert told.tickets == []
    told.advance(11 * H)
    assert len(told.active()) == 1


def test_an_older_one_does_not() -> None:
    told = story().push(alarm(10), alarm(5, arrives=11, late=True), alarm(10, arrives=12))
    assert told.verdicts() == ["older_than_the_last"] * 2
    assert len(told.advance(70 * H).active()) == 1


def test_a_test_that_is_itself_too_old_does_not_clear() -> None:
    told = story().push(alarm(0)).advance(150 * H)
    told.push(alarm(10, arrives=151, late=True))
    assert len(told.active()) == 1
    told.advance(1)
    assert told.tickets[0].count == 1


def test_a_retained_test_without_a_time_of_its_own_is_no_test() -> None:
    told = story().push(alarm(0), alarm(60, live=False, clock=Clock.ARRIVAL)).advance(13 * H)
    assert len(told.active()) == 1


def test_elevators_that_cannot_report_tests_are_not_watched() -> None:
    told = story(expects=False).push(words(0), alarm(1)).advance(500 * H)
    assert (told.log, told.states) == ([], {})


def test_zero_switches_it_off_and_closes_what_is_open() -> None:
    told = story(test_call_h=0).push(words(0), alarm(1), words(2)).advance(500 * H)
    assert told.tickets == []
    told = story().push(alarm(0)).advance(73 * H)
    told.limits = {"test_call_h": 0}
    told.push(words(74))
    assert told.tickets[0].moves == [("recovered", "test_call_not_expected")]
    assert told.timers == {}


def test_a_profile_that_expects_no_tests_any_more_closes_the_ticket_at_the_next_deadline() -> None:
    told = story().push(alarm(0)).advance(73 * H)
    told.devices = {"b1-e1": device_facts(expects_test_call=False)}
    told.advance(24 * H)
    assert told.active() == []
    assert told.timers == {}


@pytest.mark.parametrize(("hours", "missing_at"), [(48, 49), (96, 97)])
def test_a_changed_limit_counts_at_once(hours: int, missing_at: int) -> None:
    told = story().push(alarm(0), words(40))
    told.limits = {"test_call_h": hours}
    told.push(words(41)).advance((missing_at - 41) * H)
    assert len(told.active()) == 1


def test_a_longer_limit_is_seen_by_the_deadline_too() -> None:
    told = story().push(alarm(0), words(40))
    told.limits = {"test_call_h": 96}
    told.advance(55 * H)
    assert told.tickets == []
    assert len(told.advance(1 * H).active()) == 1


def test_after_days_without_the_hub_there_is_time_for_what_was_kept_for_it() -> None:
    told = story().push(alarm(0))
    told.restart(down_s=100 * H)
    assert (told.tickets, told.verdicts()) == ([], ["just_started"])
    told.push(alarm(90, arrives=100.1, late=True)).advance(1 * H)
    assert told.tickets == []
    told = story().push(alarm(0))
    told.restart(down_s=100 * H)
    assert len(told.advance(900).active()) == 1


def test_ordinary_words_write_once() -> None:
    told = story().push(*(words(hour / 10) for hour in range(200)))
    assert (told.writes, len(told.log)) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=15), st.randoms(use_true_random=False))
def test_order_and_doubles_of_tests_do_not_matter(raw: list[tuple[int, bool]], random: Any) -> None:
    """All arriving after hour 400, in any order: the same deadline."""
    events = [alarm(hour, arrives=400, type=AlarmType.TEST if test else AlarmType.FAULT) for hour, test in raw]
    mixed = events + events
    random.shuffle(mixed)
    first = words(399.9)

    def end(batch: list[ElevatorAlarm]) -> tuple[Any, Any]:
        told = story().push(first, *batch)
        state = told.state("missing_test_call")
        return state, told.timers

    assert end(mixed) == end(sorted(events, key=lambda event: event.occurred_at))


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hours": 5}, MissingTestCallLimits)
