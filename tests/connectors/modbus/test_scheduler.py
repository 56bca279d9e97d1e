"""Promises of the bus schedule, in virtual time: alarm points first, the dead never in the way, nothing late believed."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs.modbus_profile import Period
from connectors.modbus.connector import unit_spec
from connectors.modbus.exchange import (
    Answer,
    BusBack,
    BusLost,
    Dropped,
    Exceptional,
    Mismatch,
    PollDone,
    Silence,
    Sleep,
    UnitBack,
    UnitLost,
    Unsupported,
)
from connectors.modbus.scheduler import Schedule
from hub.vocabulary.ports import BusEntry, DeviceEntry
from support.modbus_bus import LINE_MS, SimulatedBus, bus, dead, healthy, meters, refusing, right, spec


def polled(run, device):
    return [at for at, effect in run.effects if isinstance(effect, PollDone) and effect.device == device]


def test_every_meter_is_read_once_a_period_and_not_all_at_the_same_moment():
    run = bus(meters(30)).run(until=10 * 60_000)
    for number in range(1, 31):
        times = polled(run, f"d{number}")
        assert 9 <= len(times) <= 11
        assert all(later - earlier <= 1.3 * 60_000 for earlier, later in pairwise(times))
    third_round = sorted(polled(run, f"d{number}")[3] for number in range(1, 31))
    assert third_round[-1] - third_round[0] > 30_000, "spread over the period"


def test_alarm_points_keep_their_period_while_two_hundred_meters_are_read():
    lift = spec(250, fast=[(0, 3)])
    run = bus([lift, *meters(200, every_ms=30_000)]).run(until=120_000)
    times = polled(run, "d250")
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= 500 + 2 * (LINE_MS + 20) + 20
    assert len({effect.device for effect in run.told(PollDone)}) == 201


def test_more_alarm_points_than_the_bus_can_carry_do_not_starve_the_meters():
    lifts = [spec(100 + n, fast=[(0, 3)]) for n in range(30)]
    run = bus([*lifts, *meters(5)]).run(until=60_000)
    assert {effect.device for effect in run.told(PollDone)} == {each.device for each in [*lifts, *meters(5)]}
    counts = [len(polled(run, lift.device)) for lift in lifts]
    assert max(counts) - min(counts) <= 1, "no lift before another"


def test_an_overloaded_bus_says_how_long_its_alarm_points_really_wait():
    easy = bus([spec(n, fast=[(0, 3)]) for n in range(1, 4)]).run(until=30_000)
    assert easy.schedule.alarm_gap_ms() <= 600
    full = bus([spec(n, fast=[(0, 3)]) for n in range(1, 61)]).run(until=60_000)
    assert full.schedule.alarm_gap_ms() >= 60 * LINE_MS


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_dead_meters_cost_the_healthy_ones_nothing(share):
    """Issue 3 section 6b: healthy meters keep their period, whatever share of the bus is dead."""
    count = 100
    silent = set(range(1, int(count * share) + 1))
    run = bus(meters(count), dead(silent)).run(until=10 * 60_000)
    for number in range(len(silent) + 1, count + 1):
        assert len(polled(run, f"d{number}")) >= 9
    assert {effect.device for effect in run.told(UnitLost)} == {f"d{number}" for number in silent}
    assert len(run.told(UnitLost)) == len(silent), "each is told once"


def test_asking_the_dead_again_takes_at_most_a_quarter_of_the_bus():
    """Forty dead meters that are due for another try leave the bus to the lift and the living."""
    count, timeout_ms = 40, 500
    run = bus([spec(100, fast=[(0, 3)]), *meters(count), spec(90, slow=[(0x300, 21)])], dead(set(range(1, count + 1))))
    run.run(until=60_000)
    asked = [request.unit_id for _, request in run.sent if request.unit_id <= count]
    again_ms = (len(asked) - len(set(asked))) * timeout_ms
    assert len(set(asked)) == count
    assert 0.15 * 60_000 < again_ms < 0.27 * 60_000
    assert len(polled(run, "d100")) > 80


def test_a_dead_lift_is_noticed_within_seconds_and_its_neighbour_goes_on():
    run = bus([spec(1, fast=[(0, 3)]), spec(2, fast=[(0, 3)])], dead({1})).run(until=60_000)
    assert [effect.device for effect in run.told(UnitLost)] == ["d1"]
    assert next(at for at, effect in run.effects if isinstance(effect, UnitLost)) < 10_000
    gaps = [b - a for a, b in pairwise(polled(run, "d2"))]
    assert max(gaps) <= 500 + 500 + 100, "at most one time-out in the way"
    assert sum(gaps) / len(gaps) < 600


def test_a_device_that_returns_is_told_once_and_read_again():
    silent = {1}
    run = bus([*meters(3)], dead(silent)).run(until=300_000)
    silent.clear()
    run.run(until=1_500_000)
    assert [effect.device for effect in run.told(UnitBack)] == ["d1"]
    assert len(polled(run, "d1")) >= 2


def test_a_bus_on_which_nobody_answers_is_told_once_for_all():
    everybody = set(range(1, 37))
    silent = set()
    run = bus(meters(36), dead(silent)).run(until=120_000)
    silent |= everybody
    run.run(until=240_000)
    assert [effect.cause for effect in run.told(BusLost)] == ["no_unit_answers"]
    lost_at = next(at for at, effect in run.effects if isinstance(effect, BusLost))
    assert lost_at < 180_000, "within a minute"
    run.run(until=600_000)
    silent.clear()
    run.run(until=720_000)
    assert len(run.told(BusLost)) == 1
    assert len(run.told(BusBack)) == 2, "the first answer after the start, and the return"
    assert not run.told(UnitLost)
    assert len({effect.device for at, effect in run.effects if at > 600_000 and isinstance(effect, PollDone)}) == 36


def test_those_who_stay_dead_when_the_bus_returns_are_told_by_themselves():
    silent = set(range(1, 9))
    run = bus(meters(8), dead(silent)).run(until=120_000)
    silent -= {2, 3, 4, 5, 6, 7, 8}
    run.run(until=400_000)
    assert len(run.told(BusLost)) == 1
    assert [effect.device for effect in run.told(UnitLost)] == ["d1"]


def test_a_single_device_on_a_living_gateway_is_itself_the_problem():
    run = bus(meters(1), dead({1})).run(until=120_000)
    assert [effect.device for effect in run.told(UnitLost)] == ["d1"]
    assert not run.told(BusLost)


@pytest.mark.parametrize(("code", "cause"), [(0x0A, "exception_0a"), (0x0B, "exception_0b"), (0x04, "exception_04")])
def test_a_gateway_that_answers_for_a_dead_meter_is_alive(code, cause):
    run = bus(meters(4), refusing({2}, code)).run(until=300_000)
    assert [(effect.device, effect.cause) for effect in run.told(UnitLost)] == [("d2", cause)]
    assert not run.told(BusLost)


def test_busy_is_no_failure_until_it_lasts():
    """Exceptions 5 and 6: ask again in a moment."""
    answers = {"left": 3}

    def busy(request, now):
        answers["left"] -= 1
        return (Exceptional(6), LINE_MS) if answers["left"] >= 0 else healthy(request, now)

    run = bus(meters(1), busy).run(until=20_000)
    assert not run.told(UnitLost)
    assert len(polled(run, "d1")) == 1
    forever = bus(meters(2), refusing({1}, 6)).run(until=120_000)
    assert [effect.device for effect in forever.told(UnitLost)] == ["d1"]


# --- illegal addresses ------------------------------------------------------------------------------------


def without(addresses):
    """A device whose firmware does not have these registers (domain/meters.md 7 no. 22)."""

    def behave(request, now):
        asked = range(request.span.addr, request.span.end)
        return (Exceptional(2), LINE_MS) if addresses.intersection(asked) else healthy(request, now)

    return behave


def test_an_illegal_address_costs_its_own_field_and_no_other():
    profile = profiles.load()["acrel-adf400l-1p"].modbus
    device = DeviceEntry(
        site="s", device="d1", kind="meter", profile=profile.id, timezone="UTC", unit_id=1, options={"every_s": 60}
    )
    unit = unit_spec(device, BusEntry(site="s", bus="b", url=""), profile)
    run = bus([unit], without({0x30C})).run(until=200_000)
    assert run.told(Unsupported) == [Unsupported("d1", ("extra.purchased",), 2)]
    assert not run.told(UnitLost)
    first, second, *_ = run.told(PollDone)
    for poll in (first, second):
        read = {
            addr for segment in poll.segments for addr in range(segment.addr, segment.addr + len(segment.registers))
        }
        assert {0x300, 0x302, 0x306, 0x307, 0x30A, 0x30B, 0x30E, 0x311} <= read
        assert 0x30C not in read
    asked_later = [request.span for at, request in run.sent if at > 100_000]
    assert len(asked_later) < 7 * 2, "what is supported is merged again"


def test_a_device_that_refuses_everything_is_lost_with_its_exception():
    run = bus(meters(2), refusing({1}, 2)).run(until=120_000)
    assert [(effect.device, effect.cause) for effect in run.told(UnitLost)] == [("d1", "exception_02")]
    assert not run.told(UnitBack)


# --- who is it ------------------------------------------------------------------------------------------------


def named(names):
    """Units that answer 2 registers at 0x947 with their name; everything else as it is."""

    def behave(request, now):
        if request.span.addr == 0x947:
            return Answer(
                tuple(names[request.unit_id].encode()[i] << 8 | names[request.unit_id].encode()[i + 1] for i in (0, 2))
            ), LINE_MS
        return healthy(request, now)

    return behave


def test_after_a_silence_the_device_must_say_who_it_is_before_its_values_count():
    fail = {"at": 130_000}

    def behave(request, now):
        if now >= fail["at"]:
            fail["at"] = 10**9
            return Silence(), request.timeout_ms
        return named({1: "ABCD"})(request, now)

    run = bus(meters(1, identity=(0x947, 2)), behave, quiet_ms=500, traceable=False).run(until=400_000)
    after = [request.span.addr for at, request in run.sent if at >= 130_000]
    assert after[:3] == [0x300, 0x947, 0x300]


def test_another_device_at_the_address_is_quarantined_and_its_values_are_not_handed_in():
    run = bus(meters(2, identity=(0x947, 2), expected_identity="ABCD"), named({1: "ABCD", 2: "WXYZ"}))
    run.schedule.connected(0)
    run.run(until=300_000)
    assert {effect.device for effect in run.told(PollDone)} == {"d1"}
    assert [(effect.device, effect.cause) for effect in run.told(UnitLost)] == [("d2", "identity_mismatch")]


def test_a_replaced_meter_is_accepted_when_it_says_so_twice():
    names = {1: "ABCD"}
    run = bus(meters(1, identity=(0x947, 2)), named(names))
    run.schedule.connected(0)
    run.run(until=100_000)
    names[1] = "WXYZ"
    before = len(run.told(PollDone))
    run.schedule.connected(100_000)
    run.run(until=300_000)
    assert len(run.told(PollDone)) > before
    assert not run.told(UnitLost)


# --- the link -------------------------------------------------------------------------------------------------


def test_one_lost_connection_that_returns_at_once_is_no_news():
    schedule = Schedule(meters(2), now=0, quiet_ms=0, traceable=True)
    assert schedule.connection_failed("connect_failed", 0) == []
    schedule.connected(500)
    assert SimulatedBus(schedule, healthy, now=500).run(until=2_000).told(BusLost) == []


def test_a_link_that_cannot_be_made_is_told_once():
    schedule = Schedule(meters(2), now=0, quiet_ms=0, traceable=True)
    effects = [effect for at in range(0, 60_000, 1000) for effect in schedule.connection_failed("connect_failed", at)]
    assert effects == [BusLost("connect_failed")]


def test_a_gateway_that_hangs_up_on_everything_is_down():
    run = bus(meters(3), lambda request, now: (Dropped("connection_closed"), 10)).run(until=60_000)
    assert len(run.told(BusLost)) == 1


# --- for any bus ----------------------------------------------------------------------------------------------


@given(
    units=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["ok", "dead", "0b", "flaky", "short"])), min_size=1, max_size=12
    ),
    seed=st.integers(0, 1000),
    traceable=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_units_do_the_schedule_goes_on_and_tells_each_change_once(units, seed, traceable):
    chance = random.Random(seed)

    def behave(request, now):
        how = units[request.unit_id - 1][1]
        if how == "dead" or (how == "flaky" and chance.random() < 0.5):
            return Silence(), request.timeout_ms
        if how == "0b":
            return Exceptional(0x0B), LINE_MS
        return (Mismatch("short_reply"), LINE_MS) if how == "short" else healthy(request, now)

    specs = [
        spec(n, fast=[(0, 3)] if lift else [], slow=[] if lift else [(0x300, 21)], every_ms=10_000)
        for n, (lift, _) in enumerate(units, start=1)
    ]
    run = bus(specs, behave, quiet_ms=200, traceable=traceable).run(until=300_000)
    heard = {effect.device for effect in run.told(PollDone)}
    assert {f"d{n}" for n, (_, how) in enumerate(units, start=1) if how == "ok"} <= heard
    assert not {f"d{n}" for n, (_, how) in enumerate(units, start=1) if how in {"dead", "0b", "short"}} & heard
    for n in range(1, len(units) + 1):
        changes = [
            type(e)
            for e in (eff for _, eff in run.effects)
            if isinstance(e, UnitLost | UnitBack) and e.device == f"d{n}"
        ]
        assert all(a is not b for a, b in pairwise(changes)), "lost and back take turns"
        assert not changes or changes[0] is UnitLost
    buses = [type(effect) for _, effect in run.effects if isinstance(effect, BusLost | BusBack)]
    assert all(a is not b for a, b in pairwise(buses))


def test_a_sleep_is_never_longer_than_the_next_due_moment():
    schedule = Schedule([spec(1, fast=[(0, 3)])], now=0, quiet_ms=0, traceable=True)
    run = SimulatedBus(schedule, healthy).run(until=100)
    step = schedule.next(run.now)
    assert isinstance(step, Sleep)
    assert step.until == 500


def test_a_device_that_somebody_waits_for_is_read_before_the_others_and_only_once():
    schedule = Schedule(meters(50), now=0, quiet_ms=0, traceable=True)
    schedule.attend({"d50"}, 0)
    run = SimulatedBus(schedule, healthy).run(until=100)
    schedule.attend({"d50"}, run.now)
    run.run(until=4_000)
    assert right(run.sent[0][1])
    assert [request.device for _, request in run.sent].count("d50") == 1
    assert run.sent[0][1].device == "d50"
    assert Period.SLOW is run.told(PollDone)[0].period


def test_while_somebody_waits_a_meter_is_read_every_five_minutes_and_then_in_its_turn_again():
    """domain/meters.md 5.5: 15 minutes are the rule, 5 for whoever has paid or is nearly out of credit."""
    minute = 60_000
    schedule = Schedule(meters(4, every_ms=15 * minute), now=0, quiet_ms=0, traceable=True)
    run = SimulatedBus(schedule, healthy).run(until=60 * minute)
    schedule.attend({"d2", "d9"}, run.now)
    run.run(until=120 * minute)
    schedule.attend((), run.now)
    run.run(until=180 * minute)

    def reads(device, begin):
        return sum(begin * minute <= at < (begin + 60) * minute for at, asked in run.sent if asked.device == device)

    assert reads("d2", 60) in {12, 13}
    assert reads("d2", 120) in {4, 5}
    assert {reads(other, 60) for other in ("d1", "d3", "d4")} == {4}


def test_who_is_waited_for_from_the_start_does_not_wait_for_the_spread_of_the_others():
    schedule = Schedule(meters(4, every_ms=900_000), now=0, quiet_ms=0, traceable=True)
    schedule.attend({"d4"}, 0)
    run = SimulatedBus(schedule, healthy).run(until=600_000)
    assert [request.device for _, request in run.sent].count("d4") == 2


def test_a_meter_that_is_read_more_often_anyway_is_left_at_that():
    schedule = Schedule(meters(1, every_ms=20_000), now=0, quiet_ms=0, traceable=True)
    schedule.attend({"d1"}, 0)
    assert len(SimulatedBus(schedule, healthy).run(until=200_000).sent) in {10, 11}
