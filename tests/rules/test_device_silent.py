"""Silence: one ticket for what is broken, none for what merely hangs on it, no burst on return."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import DeviceStatus, Unreachable
from hub.vocabulary.facts import DeviceFacts, DeviceKind
from rules.silence import DeviceSilentLimits
from support.supervised import METER, SILENT, TICK_S, Supervised, cabinet
from support.timeline import SITE_SUBJECT, T0, device_facts, device_subject

ELEVATOR = device_facts("b1-e1")
DOOR = device_facts("gate-1", DeviceKind.ACCESS_CONTROLLER)


# --- single devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "allowed_s", "severity"),
    [(ELEVATOR, 720, Severity.HIGH), (DOOR, 720, Severity.MEDIUM), (METER, 2820, Severity.LOW)],
)
def test_each_kind_has_its_own_time(device: DeviceFacts, allowed_s: int, severity: Severity) -> None:
    story = Supervised(device).hear().wait(allowed_s)
    assert story.tickets == []
    story.wait(TICK_S)
    ticket = story.one(SILENT, device_subject(device.id))
    assert (ticket.reason, ticket.severity, ticket.occurred_at) == ("not_heard", severity, T0)
    assert ticket.fields["last_heard_at"] == "2026-01-01T00:00:00.000+00:00"
    assert ticket.evidence[0]["expected_s"] + ticket.evidence[0]["grace_s"] == allowed_s


def test_heard_again_resolves_and_the_next_silence_is_a_new_ticket() -> None:
    story = Supervised(ELEVATOR).hear().wait(800).hear().wait(TICK_S)
    assert story.tickets[0].moves == [("recovered", "heard_again")]
    story.wait(800)
    assert [ticket.active for ticket in story.tickets] == [False, True]


def test_silence_is_told_once() -> None:
    story = Supervised(ELEVATOR).hear().wait(800)
    writes = story.writes
    story.wait(3600)
    assert (len(story.tickets), story.tickets[0].count, story.writes) == (1, 1, writes)


def test_closed_by_hand_stays_closed_until_heard() -> None:
    story = Supervised(ELEVATOR).hear().wait(800)
    story.people("close", "closed", SILENT)
    story.wait(3600)
    assert len(story.tickets) == 1
    story.hear().wait(800)
    assert len(story.tickets) == 2


def test_a_device_that_was_never_heard_is_silent_too() -> None:
    ticket = Supervised(ELEVATOR).wait(800).one(SILENT)
    assert ticket.fields["last_heard_at"] is None


def test_a_start_gives_everybody_the_whole_time_anew() -> None:
    story = Supervised(ELEVATOR).hear().wait(700)
    story.restart(down_s=7200)
    story.wait(720)
    assert story.tickets == []
    story.wait(TICK_S)
    assert len(story.tickets) == 1


def test_a_restart_neither_forgets_nor_repeats() -> None:
    story = Supervised(ELEVATOR).hear().wait(800)
    story.restart(60)
    story.wait(2000)
    assert (len(story.tickets), len(story.active())) == (1, 1)
    story.hear().wait(TICK_S)
    assert story.active() == []


def test_limits_of_a_single_device_win_and_zero_means_not_watched() -> None:
    story = Supervised(ELEVATOR, device_facts("b1-e2"), device_facts("b1-e3"))
    story.device_limits = {"b1-e2": {"elevator_s": 60}, "b1-e3": {"elevator_s": 0}}
    story.hear().wait(190)
    assert [ticket.subject.id for ticket in story.tickets] == ["b1-e2"]
    story.wait(86_400 / 8)
    assert sorted(ticket.subject.id for ticket in story.tickets) == ["b1-e1", "b1-e2"]


def test_a_device_not_watched_or_not_named_any_more_loses_its_ticket() -> None:
    story = Supervised(ELEVATOR, DOOR).hear().wait(800)
    story.device_limits = {"b1-e1": {"elevator_s": 0}}
    del story.devices["gate-1"]
    story.wait(TICK_S)
    assert {ticket.moves[0] for ticket in story.tickets} == {("recovered", "not_expected"), ("recovered", "retired")}
    assert story.state("device_silent", SITE_SUBJECT).silent == {}


# --- signs of absence ---------------------------------------------------------------------------------------------


def test_a_last_will_shortens_the_wait() -> None:
    story = Supervised(ELEVATOR).hear()
    story.push(story.at(DeviceStatus, device="b1-e1", online=False)).wait(110)  # type: ignore[attr-defined]
    assert story.verdicts() == ["offline_waiting"]
    assert story.tickets == []
    assert story.wait(TICK_S).one(SILENT).reason == "offline_reported"


@pytest.mark.parametrize("back", ["status", "words"])
def test_back_before_the_short_wait_is_over_is_nothing(back: str) -> None:
    story = Supervised(ELEVATOR).hear()
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
    story = Supervised(ELEVATOR).hear()
    story.push(story.at(DeviceStatus, device="b1-e1", online=False, live=False))
    story.push(story.at(DeviceStatus, device="b1-e1", online=False, late=True))
    story.wait(600)
    assert (story.tickets, story.log) == ([], [])


def test_one_failed_poll_is_not_enough_two_are() -> None:
    story = Supervised(METER).hear()
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
    story = Supervised(METER).hear()
    for _ in range(50):
        story.push(story.at(Unreachable, device="m-1", cause="timeout"))
        story.wait(30)
    assert len(story.tickets) == 1
    assert story.writes == 3  # first sign, second sign, silent


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


def play(steps: list[tuple[str, int]], *, restarts: bool, twice: bool = False) -> Supervised:
    devices = cabinet(8)
    story = Supervised(*devices)
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


def seen(story: Supervised) -> list[tuple[object, ...]]:
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
