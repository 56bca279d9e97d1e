"""Silence: one ticket for what is broken, none for what merely hangs on it, no burst on return."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.events import (
    DeviceStatus,
    ElevatorState,
    Event,
    GatewayChanged,
    Subject,
    SubjectType,
    SupervisionTick,
    Unreachable,
)
from hub.vocabulary.facts import DeviceFacts, DeviceKind
from hub.vocabulary.instants import SECOND_MS
from rules.device_silent import DeviceSilent
from rules.silence import DeviceSilentLimits
from support.meters import meter_facts
from support.timeline import SITE, SITE_SUBJECT, T0, Timeline, device_facts, device_subject

SILENT = TicketKind.DEVICE_SILENT
TICK_S = 10


def gateway(name: str) -> Subject:
    return Subject(SITE.id, SubjectType.GATEWAY, name)


class Story(Timeline):
    """A timeline whose devices speak in rounds and whose supervision ticks."""

    def __init__(self, *devices: DeviceFacts, **limits: Any) -> None:
        super().__init__(DeviceSilent(), devices=devices, limits=limits, started_at=T0, restarts=True)

    def at(self, event_type: type[Event], **more: Any) -> Event:
        return event_type(site=SITE.id, occurred_at=self.now, received_at=self.now, **more)

    def hear(self, *names: str) -> Story:
        for name in names or self.devices:
            self.push(self.at(ElevatorState, device=name))
        return self

    def wait(self, seconds: float, *, heard: tuple[str, ...] = (), every_s: float = 60) -> Story:
        """Time passes, supervised; these devices go on speaking."""
        end, next_words = self.now + round(seconds * SECOND_MS), self.now + every_s * SECOND_MS
        while self.now < end:
            self.advance(min(TICK_S, (end - self.now) / SECOND_MS))
            if self.now >= next_words:
                for name in heard:
                    self.push(self.at(ElevatorState, device=name))
                next_words += every_s * SECOND_MS
            self.push(self.at(SupervisionTick))
        return self

    def bus(self, name: str, *, up: bool) -> Story:
        self.push(self.at(GatewayChanged, gateway=name, up=up, cause="refused"))
        return self


def cabinet(size: int = 36, bus: str = "meters-1") -> list[DeviceFacts]:
    return [meter_facts(f"m-{number:03}", pk=number, gateway=bus) for number in range(size)]


def names(devices: list[DeviceFacts]) -> tuple[str, ...]:
    return tuple(device.id for device in devices)


ELEVATOR = device_facts("b1-e1")
DOOR = device_facts("gate-1", DeviceKind.ACCESS_CONTROLLER)
METER = meter_facts("m-1", gateway="meters-1")


# --- single devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "allowed_s", "severity"),
    [(ELEVATOR, 720, Severity.HIGH), (DOOR, 720, Severity.MEDIUM), (METER, 2820, Severity.LOW)],
)
def test_each_kind_has_its_own_time(device: DeviceFacts, allowed_s: int, severity: Severity) -> None:
    story = Story(device).hear().wait(allowed_s)
    assert story.tickets == []
    story.wait(TICK_S)
    ticket = story.one(SILENT, device_subject(device.id))
    assert (ticket.reason, ticket.severity, ticket.occurred_at) == ("not_heard", severity, T0)
    assert ticket.fields["last_heard_at"] == "2026-01-01T00:00:00.000+00:00"
    assert ticket.evidence[0]["expected_s"] + ticket.evidence[0]["grace_s"] == allowed_s


def test_heard_again_resolves_and_the_next_silence_is_a_new_ticket() -> None:
    story = Story(ELEVATOR).hear().wait(800).hear().wait(TICK_S)
    assert story.tickets[0].moves == [("recovered", "heard_again")]
    story.wait(800)
    assert [ticket.active for ticket in story.tickets] == [False, True]


def test_silence_is_told_once() -> None:
    story = Story(ELEVATOR).hear().wait(800)
    writes = story.writes
    story.wait(3600)
    assert (len(story.tickets), story.tickets[0].count, story.writes) == (1, 1, writes)


def test_closed_by_hand_stays_closed_until_heard() -> None:
    story = Story(ELEVATOR).hear().wait(800)
    story.people("close", "closed", SILENT)
    story.wait(3600)
    assert len(story.tickets) == 1
    story.hear().wait(800)
    assert len(story.tickets) == 2


def test_a_device_that_was_never_heard_is_silent_too() -> None:
    ticket = Story(ELEVATOR).wait(800).one(SILENT)
    assert ticket.fields["last_heard_at"] is None


def test_a_start_gives_everybody_the_whole_time_anew() -> None:
    story = Story(ELEVATOR).hear().wait(700)
    story.restart(down_s=7200)
    story.wait(720)
    assert story.tickets == []
    story.wait(TICK_S)
    assert len(story.tickets) == 1


def test_a_restart_neither_forgets_nor_repeats() -> None:
    story = Story(ELEVATOR).hear().wait(800)
    story.restart(60)
    story.wait(2000)
    assert (len(story.tickets), len(story.active())) == (1, 1)
    story.hear().wait(TICK_S)
    assert story.active() == []


def test_limits_of_a_single_device_win_and_zero_means_not_watched() -> None:
    story = Story(ELEVATOR, device_facts("b1-e2"), device_facts("b1-e3"))
    story.device_limits = {"b1-e2": {"elevator_s": 60}, "b1-e3": {"elevator_s": 0}}
    story.hear().wait(190)
    assert [ticket.subject.id for ticket in story.tickets] == ["b1-e2"]
    story.wait(86_400 / 8)
    assert sorted(ticket.subject.id for ticket in story.tickets) == ["b1-e1", "b1-e2"]


def test_a_device_not_watched_or_not_named_any_more_loses_its_ticket() -> None:
    story = Story(ELEVATOR, DOOR).hear().wait(800)
    story.device_limits = {"b1-e1": {"elevator_s": 0}}
    del story.devices["gate-1"]
    story.wait(TICK_S)
    assert {ticket.moves[0] for ticket in story.tickets} == {("recovered", "not_expected"), ("recovered", "retired")}
    assert story.state("device_silent", SITE_SUBJECT).silent == {}


# --- signs of absence ---------------------------------------------------------------------------------------------


def test_a_last_will_shortens_the_wait() -> None:
    story = Story(ELEVATOR).hear()
    story.push(story.at(DeviceStatus, device="b1-e1", online=False)).wait(110)  # type: ignore[attr-defined]
    assert story.verdicts() == ["offline_waiting"]
    assert story.tickets == []
    assert story.wait(TICK_S).one(SILENT).reason == "offline_reported"


@pytest.mark.parametrize("back", ["status", "words"])
def test_back_before_the_short_wait_is_over_is_nothing(back: str) -> None:
    story = Story(ELEVATOR).hear()
    story.push(story.at(DeviceStatus, device="b1-e1", online=False))
    story.wait(60)
    if back == "status":
        story.push(story.at(DeviceStatus, device="b1-e1", online=True))
    else:
        story.hear()
    story.wait(500)
    assert story.tickets == []
    assert story.state("device_silent", SITE_SUBJECT).doubts == {}


def test_a_retained_or_late_last_will_is_no_news() -> None:
    story = Story(ELEVATOR).hear()
    story.push(story.at(DeviceStatus, device="b1-e1", online=False, live=False))
    story.push(story.at(DeviceStatus, device="b1-e1", online=False, late=True))
    story.wait(600)
    assert (story.tickets, story.log) == ([], [])


def test_one_failed_poll_is_not_enough_two_are() -> None:
    story = Story(METER).hear()
    story.push(story.at(Unreachable, device="m-1", cause="timeout"))
    story.wait(600)
    assert story.tickets == []
    story.push(story.at(Unreachable, device="m-1", cause="exception_0b"))
    story.wait(TICK_S)
    ticket = story.one(SILENT)
    assert (ticket.reason, ticket.evidence[0]["cause"], ticket.evidence[0]["signs"]) == (
        "unreachable",
        "exception_0b",
        2,
    )


def test_a_dead_meter_does_not_write_at_every_failed_poll() -> None:
    story = Story(METER).hear()
    for _ in range(50):
        story.push(story.at(Unreachable, device="m-1", cause="timeout"))
        story.wait(30)
    assert len(story.tickets) == 1
    assert story.writes == 3  # first sign, second sign, silent


# --- gateways -----------------------------------------------------------------------------------------------------


def test_a_dead_gateway_is_one_ticket_and_its_36_meters_are_none() -> None:
    devices = cabinet()
    story = Story(*devices).hear().wait(60).bus("meters-1", up=False).wait(30)
    ticket = story.one(SILENT, gateway("meters-1"))
    assert (ticket.reason, ticket.fields["devices"], ticket.fields["cause"]) == ("gateway_down", 36, "refused")
    story.wait(7200)
    assert len(story.tickets) == 1


def test_on_return_no_burst_and_only_those_that_stay_away_are_told() -> None:
    devices = cabinet()
    story = Story(*devices).hear().bus("meters-1", up=False).wait(7200).bus("meters-1", up=True).wait(20)
    assert story.tickets[0].moves == [("recovered", "gateway_back")]
    assert len(story.tickets) == 1
    story.wait(2760, heard=names(devices[1:]), every_s=900)
    assert len(story.tickets) == 1
    story.wait(60, heard=names(devices[1:]), every_s=900)
    assert [ticket.subject.id for ticket in story.active()] == ["m-000"]


def test_a_short_fall_is_nothing() -> None:
    story = Story(*cabinet()).hear().bus("meters-1", up=False).wait(20).bus("meters-1", up=True).wait(120)
    assert story.tickets == []
    assert story.verdicts() == ["gateway_down_waiting", "gateway_unstable"]


def test_a_flapping_gateway_is_down_until_it_stays_up() -> None:
    story = Story(*cabinet()).hear()
    for _ in range(60):
        story.bus("meters-1", up=False).wait(7).bus("meters-1", up=True).wait(7)
    ticket = story.one(SILENT)
    assert (ticket.active, ticket.count) == (True, 1)
    story.wait(TICK_S)
    assert not ticket.active


def test_other_gateways_are_not_touched() -> None:
    story = Story(METER, ELEVATOR).hear().bus("meters-1", up=False).wait(800)
    assert sorted(ticket.subject.id for ticket in story.tickets) == ["b1-e1", "meters-1"]


def test_a_silent_device_keeps_its_ticket_while_its_gateway_is_down() -> None:
    story = Story(METER, meter_facts("m-2", gateway="meters-1")).hear().wait(3000, heard=("m-2",), every_s=900)
    story.bus("meters-1", up=False).wait(600).bus("meters-1", up=True).wait(60)
    assert [ticket.subject.id for ticket in story.active()] == ["m-1"]


def test_a_gateway_that_died_before_a_restart_is_given_time_to_come_back() -> None:
    story = Story(METER).hear().bus("meters-1", up=False)
    story.restart(down_s=600)
    story.wait(20).bus("meters-1", up=True).wait(120)
    assert story.tickets == []


def test_a_gateway_named_no_more_loses_its_ticket() -> None:
    story = Story(METER).hear().bus("meters-1", up=False).wait(60)
    story.devices = {"b1-e1": ELEVATOR}
    story.wait(TICK_S)
    assert story.tickets[0].moves == [("recovered", "retired")]


# --- a gateway that seems up --------------------------------------------------------------------------------------


def polled(devices: list[DeviceFacts], seconds: float = 1800) -> Story:
    """Meters read one after the other every 15 minutes, as on a real bus."""
    story = Story(*devices)
    for _ in range(round(seconds / 900)):
        for device in devices:
            story.hear(device.id).wait(900 / len(devices))
    return story


def test_many_silent_at_once_are_one_ticket_of_their_gateway() -> None:
    """The cabinet's own gateway dies behind a broker that is well: nobody reports it."""
    story = polled(cabinet()).wait(4000)
    ticket = story.one(SILENT)
    assert (ticket.subject, ticket.reason) == (gateway("meters-1"), "many_devices_silent")
    assert (ticket.fields["silent"], ticket.fields["devices"]) == (36, 36)
    story.wait(7200)
    assert len(story.tickets) == 1


def test_when_most_are_back_the_rest_get_their_own_time() -> None:
    devices = cabinet()
    story = polled(devices).wait(4000).hear(*names(devices[3:])).wait(TICK_S)
    assert story.tickets[0].moves == [("recovered", "gateway_back")]
    story.wait(2800, heard=names(devices[3:]), every_s=900)
    assert len(story.tickets) == 1
    story.wait(60, heard=names(devices[3:]), every_s=900)
    assert sorted(ticket.subject.id for ticket in story.active()) == ["m-000", "m-001", "m-002"]


def test_a_restart_does_not_take_a_blamed_gateway_for_well() -> None:
    story = polled(cabinet()).wait(4000)
    story.restart(60)
    story.wait(7200)
    assert (len(story.tickets), len(story.active())) == (1, 1)


def test_few_silent_devices_are_themselves_to_blame() -> None:
    devices = cabinet()
    story = polled(devices).wait(4000, heard=names(devices[4:]), every_s=600)
    assert sorted(ticket.subject.id for ticket in story.tickets) == ["m-000", "m-001", "m-002", "m-003"]


def test_long_dead_devices_do_not_count_against_their_gateway() -> None:
    """Five of ten have been dead for a day; the sixth is just one more."""
    devices = cabinet(10)
    story = Story(*devices).hear()
    for dead in range(1, 6):
        story.wait(4500, heard=names(devices[dead:]), every_s=600)
    assert len(story.tickets) == 5
    story.wait(4500, heard=names(devices[6:]), every_s=600)
    assert {ticket.subject.type for ticket in story.tickets} == {SubjectType.DEVICE}
    assert len(story.tickets) == 6


def test_units_behind_a_dead_gateway_device_are_one_ticket() -> None:
    """The bus answers, but for each unit with exception 0x0B; the first is certain while the others have one sign only."""
    devices = cabinet()
    story = Story(*devices).hear()
    for device in [*devices, devices[0]]:
        story.push(story.at(Unreachable, device=device.id, cause="exception_0b"))
        story.wait(5)
    story.wait(120)
    for device in devices:
        story.push(story.at(Unreachable, device=device.id, cause="exception_0b"))
    story.wait(240)
    assert story.one(SILENT).subject == gateway("meters-1")


def test_long_dead_devices_do_not_hide_that_the_others_are_gone() -> None:
    """24 of 30 have been dead for long, one after the other; then the last six go together."""
    devices = cabinet(30)
    story = Story(*devices)
    story.limits = {"many_min": 6, "many_window_s": 60, "meter_s": 600}
    story.hear()
    for dead in range(1, 25):
        story.wait(900, heard=names(devices[dead:]), every_s=200)
    story.wait(2000)
    assert [ticket.subject for ticket in story.active() if ticket.subject.type is SubjectType.GATEWAY] == [
        gateway("meters-1")
    ]
    assert len(story.tickets) == 25


# --- always -------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 2000)),
        st.tuples(st.just("hear"), st.integers(0, 7)),
        st.tuples(st.just("gone"), st.integers(0, 7)),
        st.tuples(st.just("down"), st.just(0)),
        st.tuples(st.just("up"), st.just(0)),
    ),
    max_size=25,
)


def play(steps: list[tuple[str, int]], *, restarts: bool, twice: bool = False) -> Story:
    devices = cabinet(8)
    story = Story(*devices)
    story.restarts = restarts
    for word, value in steps:
        for _ in range(2 if twice and word != "wait" else 1):
            if word == "hear":
                story.hear(devices[value].id)
            elif word == "gone":
                story.push(story.at(DeviceStatus, device=devices[value].id, online=False))
            elif word in {"up", "down"}:
                story.bus("meters-1", up=word == "up")
        if word == "wait":
            story.wait(value)
    return story


def seen(story: Story) -> list[tuple[object, ...]]:
    return [(t.subject, t.reasons, t.moves, t.opened_at, t.fields) for t in story.tickets]


@given(STEPS)
def test_restarts_of_state_and_doubles_change_nothing(steps: list[tuple[str, int]]) -> None:
    plain = seen(play(steps, restarts=False))
    assert seen(play(steps, restarts=True)) == plain
    assert seen(play(steps, restarts=False, twice=True)) == plain


@given(STEPS)
def test_whatever_was_wrong_all_heard_and_up_means_nothing_active_and_nothing_kept(
    steps: list[tuple[str, int]],
) -> None:
    story = play(steps, restarts=True).bus("meters-1", up=True).wait(20).hear().wait(20)
    assert story.active() == []
    state = story.state("device_silent", SITE_SUBJECT)
    assert state is None or (state.silent, state.doubts) == ({}, {})


@given(STEPS)
def test_never_two_active_for_one_and_none_for_a_child_raised_behind_a_dead_gateway(
    steps: list[tuple[str, int]],
) -> None:
    story = play(steps, restarts=False).bus("meters-1", up=False).wait(60)
    before = len(story.tickets)
    story.wait(6000)
    assert len(story.tickets) == before
    subjects = [ticket.subject for ticket in story.active()]
    assert len(subjects) == len(set(subjects))
    assert all(ticket.count == 1 for ticket in story.tickets)


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"meter": 5}, DeviceSilentLimits)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"meter_s": -5}, DeviceSilentLimits)
