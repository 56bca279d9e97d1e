"""What is read once a day is read that day."""

import msgspec

from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_profile import Period
from connectors.modbus.exchange import PollDone, Silence
from connectors.modbus.planner import Point, Read
from connectors.modbus.scheduler import Schedule
from support.modbus_bus import SimulatedBus, healthy, spec


def test_settings_that_a_lost_poll_should_have_read_are_read_with_the_next():
    """Limits and serial number are asked for once a day: a time-out on the way must not cost a day."""
    unit = spec(1, slow=[(0, 4)], identity=(100, 5))
    daily = Read(Span(3, 50, 6), Period.DAILY, (Point(Span(3, 50, 6), Period.DAILY, ("limits.alarm_1",)),))
    unit = msgspec.structs.replace(unit, reads=(*unit.reads, daily))

    def behave(request, now):
        return (Silence(), request.timeout_ms) if request.span.addr == 50 and now < 30_000 else healthy(request, now)

    bus = SimulatedBus(Schedule([unit], now=0, quiet_ms=500, traceable=True), behave).run(120_000)
    read = [{segment.addr for segment in poll.segments} for poll in bus.told(PollDone)]
    assert read[0] >= {0, 50}
    assert sum(50 in each for each in read) == 1
