"""Elevators as devices: one car behind each way of telling the world about it.

The same car and the same actions stand behind every format, so that one story can be told in each. A format that cannot
express an action's effect simply stays silent about it, as the real device would.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from simulators.detector import EdgeCountingDetector, Thresholds, TimedDetector
from simulators.elevator import MAX_STEP_S, Car, ServiceMode, Traffic, Trip
from simulators.formats import car_top_monitor, city_push, elevatorcloud, hub_json, lift_controller, shmashine
from simulators.modbus import ILLEGAL_ADDRESS, ModbusError, words
from simulators.sensors import Fault, Presence, Reading, Sensors
from simulators.site import Device
from simulators.uplink import Uplink

HEARTBEAT_S = 15.0
MIN_REPORT_GAP_S = 0.5
TEST_CALL_EVERY_S = 72 * 3600.0
JSON_THRESHOLDS = Thresholds(level_s=45.0, off_level_s=30.0, outside_zone_s=45.0)
MONITOR_THRESHOLDS = Thresholds()

Action = Callable[..., None]


class ElevatorDevice:
    """A car with its sensors and its traffic; subclasses report what `look` returns."""

    def __init__(self, device: Device, rng: random.Random, traffic: bool) -> None:
        self.device = device
        self.car = Car(device.floors, height_m=0.0)
        self.car.height_m = 3.0 * min(1, len(device.floors) - 1)
        self.sensors = Sensors(rng)
        self._traffic, self._traffic_on = Traffic(rng), traffic
        self._detector = TimedDetector(JSON_THRESHOLDS)

    def actions(self) -> dict[str, Action]:
        """What a scenario can do to this elevator, by the word that it uses."""
        return {
            "trip": self.trip,
            "stick": self.car.stick,
            "free": self.car.free,
            "block_doors": self.block_doors,
            "press": self.press,
            "power_cut": self.car.cut_power,
            "power_back": self.car.restore_power,
            "automatic_rescue": self.car.automatic_rescue,
            "inspection": self.inspection,
            "presence": self.presence,
            "traffic": self.traffic,
        }

    def trip(self, to: str, people: int = 1, **start: str) -> None:
        """People ride from one floor (`from`, default: where the car is) to another."""
        origin = self.car.floor_index(str(start["from"])) if "from" in start else self.car.nearest
        self.car.ride(Trip(origin, self.car.floor_index(str(to)), people))

    def block_doors(self) -> None:
        """The doors will not open at the next landing."""
        self.car.doors_blocked = True

    def press(self, seconds: float = 4.0) -> None:
        """Somebody holds the alarm button."""
        self.car.press_button(seconds)

    def inspection(self, enabled: bool) -> None:
        """A technician switches inspection on or off."""
        self.car.service_mode = ServiceMode.INSPECTION if enabled else ServiceMode.NORMAL

    def presence(self, mode: str) -> None:
        """How the presence detector behaves from now on."""
        self.sensors.presence = Presence(mode)

    def traffic(self, enabled: bool) -> None:
        """Ordinary riders or none."""
        self._traffic_on = enabled

    def advance(self, seconds: float) -> None:
        """Let simulated time pass in steps in which no detector misses a landing, then report."""
        left = seconds
        reading = self.look(0.0)
        while left > 1e-9:
            step = min(left, MAX_STEP_S)
            if self._traffic_on:
                self._traffic.advance(self.car, step)
            self.car.advance(step)
            self.sensors.advance(self.car, step)
            reading = self.look(step)
            left -= step
        self.report(reading, seconds)

    def look(self, seconds: float) -> Reading:
        """One consistent reading with the on-board device's faults."""
        reading = self.sensors.read(self.car)
        return reading.with_faults(self._detector.advance(reading, self.car.door_open_failed, seconds))

    def report(self, reading: Reading, seconds: float) -> None:
        """Tell the world; Modbus devices wait to be asked."""


class MqttElevator(ElevatorDevice):
    """An elevator with its own connection to the broker."""

    def __init__(self, device: Device, rng: random.Random, traffic: bool, uplink: Uplink) -> None:
        super().__init__(device, rng, traffic)
        self.uplink = uplink
        self._last: dict[str, Any] | None = None
        self._since_report_s = HEARTBEAT_S
        self._faults: frozenset[Fault] = frozenset()

    def actions(self) -> dict[str, Action]:
        return super().actions() | self.uplink.actions()

    def report(self, reading: Reading, seconds: float) -> None:
        self.uplink.advance(seconds)
        self._since_report_s += seconds
        self.report_faults(reading, reading.faults - self._faults, self._faults - reading.faults)
        self._faults = reading.faults
        state = self.state(reading)
        due = self._since_report_s >= HEARTBEAT_S
        changed = state != self._last and self._since_report_s >= MIN_REPORT_GAP_S
        if state is not None and (due or changed):
            self.report_state(state)

    def state(self, reading: Reading) -> dict[str, Any] | None:
        """The state message of this format, None when it has none."""
        return None

    def report_state(self, state: dict[str, Any]) -> None:
        """Send the state and remember it."""
        self._last, self._since_report_s = state, 0.0
        self.send_state(state)

    def send_state(self, state: dict[str, Any]) -> None:
        """Put the state on the wire."""

    def report_faults(self, reading: Reading, appeared: frozenset[Fault], gone: frozenset[Fault]) -> None:
        """Put fault events on the wire."""


class HubJsonElevator(MqttElevator):
    """Profile hub-json: a controller that reports its state and its alarms, and leaves the judging to the hub."""

    def __init__(self, device: Device, rng: random.Random, traffic: bool, uplink: Uplink) -> None:
        super().__init__(device, rng, traffic, uplink)
        self._to_test_call_s = 0.0

    def actions(self) -> dict[str, Action]:
        return super().actions() | {"alarm": self.alarm}

    def alarm(self, type: str, state: str = "add", code: str | None = None, detail: str | None = None) -> None:
        """Send any alarm of the contract."""
        extra = {name: value for name, value in (("code", code), ("detail", detail)) if value is not None}
        self.uplink.send("alarm", type=type, state=state, floor=self.car.floors[self.car.nearest], **extra)

    def report(self, reading: Reading, seconds: float) -> None:
        self.greet(reading)
        self.answer(reading)
        self._to_test_call_s -= seconds
        if self._to_test_call_s <= 0 and self.uplink.link.connected:
            self._to_test_call_s = TEST_CALL_EVERY_S
            self.alarm("test")
        super().report(reading, seconds)

    def greet(self, reading: Reading) -> None:
        """After every connect: online, then the full state."""
        if self.uplink.greet():
            self.report_state(hub_json.elevator_state(reading))

    def answer(self, reading: Reading) -> None:
        """Do what the hub asks for."""
        for command in self.uplink.link.commands():
            known = command.get("name") == "report_state"
            if known:
                self.report_state(hub_json.elevator_state(reading))
            self.uplink.result(command, ok=known, detail="" if known else f"unknown command {command.get('name')}")

    def state(self, reading: Reading) -> dict[str, Any]:
        return hub_json.elevator_state(reading)

    def send_state(self, state: dict[str, Any]) -> None:
        self.uplink.send("state", **state)

    def report_faults(self, reading: Reading, appeared: frozenset[Fault], gone: frozenset[Fault]) -> None:
        if Fault.ALARM_BUTTON in appeared:
            self.alarm("passenger_alarm")
        for fault, type_, code in ((Fault.POWER_LOST, "power_lost", None), (Fault.DOOR_OPEN_FAILED, "fault", "3")):
            if fault in appeared | gone:
                self.alarm(type_, "add" if fault in appeared else "clear", code)


class ElevatorcloudElevator(MqttElevator):
    """Profile elevatorcloud-json: the whole state with fault numbers, at every change."""

    def state(self, reading: Reading) -> dict[str, Any]:
        return elevatorcloud.info(reading)

    def send_state(self, state: dict[str, Any]) -> None:
        self.uplink.send_raw(elevatorcloud.topic(self.device.site, self.device.id), state)


class EventElevator(MqttElevator):
    """Profiles shmashine-event and city-push: nothing but fault events with a snapshot."""

    def __init__(self, device: Device, rng: random.Random, traffic: bool, uplink: Uplink) -> None:
        super().__init__(device, rng, traffic, uplink)
        self._fault_ids: dict[Fault, str] = {}

    def report_faults(self, reading: Reading, appeared: frozenset[Fault], gone: frozenset[Fault]) -> None:
        for fault in appeared:
            self._fault_ids[fault] = self.uplink.next_id()
            self._send(fault, True, reading)
        for fault in gone:
            self._send(fault, False, reading)

    def _send(self, fault: Fault, add: bool, reading: Reading) -> None:
        site, code, fault_id, now = self.device.site, self.device.id, self._fault_ids[fault], self.uplink.now()
        if self.device.profile == "city-push":
            if add and fault in city_push.FAILURE_CODES:
                self.uplink.send_raw(city_push.topic(site, code), city_push.alarm(code, fault, fault_id, now, reading))
        elif fault in shmashine.FAULT_TYPES:
            event = shmashine.event(code, fault, add, fault_id, now, reading)
            self.uplink.send_raw(shmashine.topic(site, code), event)


class ModbusElevator(ElevatorDevice):
    """Profiles car-top-monitor and lift-controller: a unit on a bus that answers when it is asked."""

    def __init__(self, device: Device, rng: random.Random, traffic: bool) -> None:
        super().__init__(device, rng, traffic)
        self._monitor = device.profile == "car-top-monitor"
        self._base = 0 if self._monitor else lift_controller.BASE
        self._movement = car_top_monitor.Movement()
        self._edges = EdgeCountingDetector(MONITOR_THRESHOLDS)
        self._detector = TimedDetector(MONITOR_THRESHOLDS)
        self._registers = self._encode(self.look(0.0))

    def look(self, seconds: float) -> Reading:
        if not self._monitor:
            return super().look(seconds)
        reading = self.sensors.read(self.car)
        self._movement.advance(reading, seconds)
        return reading.with_faults(self._edges.advance(reading, self.sensors.infrared(), seconds))

    def report(self, reading: Reading, seconds: float) -> None:
        self._registers = self._encode(reading)

    def read(self, address: int, count: int) -> bytes:
        """Registers of the last look, all from the same moment."""
        start = address - self._base
        if start < 0 or start + count > len(self._registers):
            raise ModbusError(ILLEGAL_ADDRESS)
        return words(self._registers[start : start + count])

    def _encode(self, reading: Reading) -> list[int]:
        if not self._monitor:
            return lift_controller.registers(reading)
        infrared = self.sensors.infrared()
        return car_top_monitor.registers(reading, self._movement, infrared, self.device.floors, MONITOR_THRESHOLDS)
