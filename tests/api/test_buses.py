"""Buses over HTTP, as the poller itself reports them: also while a device has only just missed a reply."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec

from api.app import create_app
from connectors.modbus.poller import unusable
from connectors.modbus.scheduler import Schedule
from hub.connections import Connections
from hub.vocabulary.ports import BusEntry
from hub.vocabulary.roles import Role
from support.modbus_bus import bus, dead, meters
from support.running import RunningHub


def listed(hub: RunningHub, client_of: Any, schedule: Schedule, now: int) -> Any:
    """What an integrator gets to see of a bus with this schedule."""

    entry = BusEntry(site="lakeside", bus="meters-1", url="modbus+tcp://127.0.0.1:5020")
    status = msgspec.structs.replace(unusable(entry, ""), up=schedule.up, units=tuple(schedule.units(now)))
    lines = [SimpleNamespace(status=lambda: [status])]
    mqtt = SimpleNamespace(connected=True, state=lambda: SimpleNamespace(lanes=()))
    buses = Connections(["lakeside"], mqtt, lines, None, lambda: ()).buses  # type: ignore[arg-type]
    hub.app = create_app(replace(hub.services, buses=buses))
    answer = client_of(hub, Role.INTEGRATOR).get("/api/v1/buses")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["items"]
    return found


def test_a_device_that_has_just_missed_a_reply_is_shown_as_suspect(small_hub: RunningHub, client_of: Any) -> None:
    run = bus(meters(3), dead({2})).run(until=700)
    found = listed(small_hub, client_of, run.schedule, run.now)
    (unit,) = found["dead"]
    assert (unit["device"], unit["health"], unit["cause"]) == ("d2", "suspect", "timeout")
    assert unit["next_probe_ms"] is not None
    assert (found["up"], found["devices"], found["alarm_gap_ms"], found["quiet_ms"]) == (True, 3, 0, 0)


def test_a_dead_device_is_shown_with_its_cause_and_next_probe(small_hub: RunningHub, client_of: Any) -> None:
    run = bus(meters(3), dead({2})).run(until=60_000)
    (unit,) = listed(small_hub, client_of, run.schedule, run.now)["dead"]
    assert (unit["health"], unit["cause"]) == ("quarantined", "timeout")
    run.schedule.attend({"d2"}, run.now)
    run.behave = dead(())
    run.run(until=70_000)
    assert listed(small_hub, client_of, run.schedule, run.now)["dead"] == []
