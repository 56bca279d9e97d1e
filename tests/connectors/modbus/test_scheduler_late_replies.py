"""Nothing late is ever believed: a reply that comes after its time-out is never taken for another block's or device's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.modbus.exchange import (
    Answer,
    Mismatch,
    PollDone,
    Silence,
)
from connectors.modbus.scheduler import Schedule
from support.modbus_bus import LateWire, bus, healthy, meters, spec, truth


def wrong_values(run):
    """Registers of a poll that are not those of its device."""
    return [
        (effect.device, segment.addr)
        for effect in run.told(PollDone)
        for segment in effect.segments
        if list(segment.registers)
        != [truth(int(effect.device[1:]), segment.addr + i) for i in range(len(segment.registers))]
    ]


def blocks(count, lengths=((0x300, 21), (0x400, 12), (0x500, 7)), **options):
    return [
        spec(number, slow=lengths, every_ms=1000, timeout_ms=100, min_gap_ms=0, **options)
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_late_replies_on_rtu_framing_are_never_believed(seed):
    """Domain/meters.md 5.3: 5 % of the replies after the time-out, three meters of three blocks: 0 wrong values."""
    wire = LateWire(seed, share=0.05, lateness_ms=250, timeout_ms=100)
    run = bus(blocks(3), wire, quiet_ms=300, traceable=False).run(until=300_000)
    assert wire.late > 20
    assert len(run.told(PollDone)) > 300
    assert wrong_values(run) == []


def test_the_late_wire_does_deceive_a_schedule_without_silence():
    """The tests here can fail: blocks of equal length and no silence give wrong values."""
    wire = LateWire(1, share=0.2, lateness_ms=1400, timeout_ms=100)
    run = bus(blocks(1, ((0x300, 21), (0x400, 21), (0x500, 21))), wire, traceable=False).run(until=300_000)
    assert wrong_values(run)


@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.4), count=st.integers(1, 5), same=st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_share_of_late_replies_gives_a_wrong_value(seed, share, count, same):
    """As long as no reply is later than the silence, not even blocks of equal length can be mixed up."""
    wire = LateWire(seed, share, lateness_ms=1300, timeout_ms=100)
    lengths = ((0x300, 21), (0x400, 21)) if same else ((0x300, 21), (0x400, 12), (0x500, 7))
    run = bus(blocks(count, lengths), wire, quiet_ms=1300, traceable=False).run(until=60_000)
    assert wrong_values(run) == []


@pytest.mark.parametrize("outcome", [Silence(), Mismatch("short_reply"), Mismatch("wrong_function")])
def test_after_anything_odd_on_rtu_the_bus_is_silent_for_the_longest_reply(outcome):
    run = bus(
        meters(3),
        lambda request, now: (outcome, 100) if now < 50 else healthy(request, now),
        quiet_ms=700,
        traceable=False,
    )
    run.run(until=5_000)
    (first, _), (second, _), *_ = run.sent
    assert second - first >= 100 + 700


def test_a_reply_later_than_the_silence_lengthens_it():
    schedule = Schedule(meters(1), now=0, quiet_ms=300, traceable=False)
    schedule.late_reply(200)
    assert schedule.quiet_ms == 300
    schedule.late_reply(1000)
    assert schedule.quiet_ms == 1500


def test_a_gateway_that_answers_without_transaction_numbers_is_treated_like_rtu():
    outcomes = iter([Answer(right_registers(21), traceable=False), Silence()])
    run = bus(meters(3), lambda request, now: (next(outcomes, None) or healthy(request, now)[0], 100), quiet_ms=700)
    run.run(until=3_000)
    assert run.sent[2][0] - run.sent[1][0] >= 100 + 700


def right_registers(count):
    return tuple(truth(1, 0x300 + n) for n in range(count))
