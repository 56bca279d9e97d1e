"""What the hub says of its connections: on the list of buses, to health, and as problems."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.mqtt_retry import Cause
from hub.connections import Connections
from hub.metrics import bus_metrics
from hub.pipeline.watch import Trouble


@dataclass
class Lane:
    lane: str = "alarm"
    connected: bool = True
    cause: str = "connected"
    oldest_unacked_s: float = 0.0


@dataclass
class State:
    lanes: tuple[Lane, ...]


@dataclass
class Mqtt:
    lane: Lane = field(default_factory=Lane)

    @property
    def connected(self) -> bool:
        return self.lane.connected

    def state(self) -> State:
        return State((self.lane,))


@dataclass
class Unit:
    device: str
    cause: str | None = None
    next_probe_ms: int | None = None
    unsupported: tuple[str, ...] = ()
    health: str = "quarantined"


@dataclass
class Bus:
    units: tuple[Unit, ...]
    up: bool | None = True
    cause: str = ""
    site: str = "lakeside"
    bus: str = "meters-1"
    url: str = "modbus+tcp://127.0.0.1:5020"
    cycle_ms: int = 10
    alarm_gap_ms: int = 600
    quiet_ms: int = 250
    utilisation: float = 0.12345
    answers: int = 5
    failures: int = 1
    late_replies: int = 2

    @property
    def dead_units(self) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.next_probe_ms is not None)


@dataclass
class Buses:
    bus: Bus

    def status(self) -> list[Bus]:
        return [self.bus]


@dataclass
class Broker:
    damage: str | None = None
    deaths: int = 0
    store_used_bytes: int = 0
    store_limit_bytes: int = 100


def connections(
    bus: Bus, broker: Broker | None = None, missing: tuple[str, ...] = (), lane: Lane | None = None
) -> Connections:
    return Connections(["lakeside"], Mqtt(lane or Lane()), (Buses(bus),), broker, lambda: missing)


def wrong(found: Connections) -> dict[Trouble, str]:
    return {each.trouble: each.subject.id for each in found.conditions() if each.wrong}


def test_a_bus_is_shown_with_its_dead_devices_and_what_they_do_not_know() -> None:
    bus = Bus((Unit("m-1"), Unit("m-2", "timeout", 900), Unit("m-3", unsupported=("relay",))))
    (shown,) = connections(bus).buses()
    assert shown["dead"] == [{"device": "m-2", "health": "quarantined", "cause": "timeout", "next_probe_ms": 900}]
    assert (shown["alarm_gap_ms"], shown["quiet_ms"]) == (600, 250)
    assert shown["unsupported"] == {"m-3": ["relay"]}
    assert (shown["devices"], shown["late_replies"], shown["utilisation"]) == (3, 2, 0.1235)


def test_prometheus_reads_each_bus_by_its_name() -> None:
    bus = Bus((Unit("m-1"), Unit("m-2", "timeout", 900), Unit("m-3", "timeout", 400)))
    quiet = Bus((Unit("m-9"),), up=None, bus="meters-2", late_replies=0)
    both = [*connections(bus).buses(), *connections(quiet).buses()]
    lines = {(sample.name, sample.labels["bus"]): sample.value for each in bus_metrics(both) for sample in each.samples}
    assert {name: value for (name, of), value in lines.items() if of == "meters-1"} == {
        "hub_bus_up": 1,
        "hub_bus_cycle_seconds": 0.01,
        "hub_bus_utilisation": 0.1235,
        "hub_bus_dead_units": 2,
        "hub_bus_next_probe_seconds": 0.4,
        "hub_bus_answers_total": 5,
        "hub_bus_failures_total": 1,
        "hub_bus_late_replies_total": 2,
    }
    assert ("hub_bus_up", "meters-2") not in lines, "not known yet is no 0"
    assert ("hub_bus_next_probe_seconds", "meters-2") not in lines


def test_what_is_wrong_becomes_a_condition_and_what_is_right_does_not() -> None:
    assert wrong(connections(Bus((Unit("m-1"),)), Broker())) == {}
    bad = connections(Bus((Unit("m-3", unsupported=("relay",)),)), Broker("torn", 1, 90, 100), ("alarm",))
    assert wrong(bad) == {
        Trouble.CANARY_MISSING: "mqtt",
        Trouble.BROKER_DAMAGED: "mqtt",
        Trouble.BROKER_STORE_FULL: "mqtt",
        Trouble.BROKER_RESTARTED: "mqtt",
        Trouble.FIELDS_UNSUPPORTED: "m-3",
    }


def test_a_session_without_all_its_subscriptions_is_a_problem_until_it_has_them_and_not_ready() -> None:
    refused = connections(Bus(()), lane=Lane(cause=str(Cause.SUBSCRIPTION_REFUSED)))
    assert wrong(refused) == {Trouble.SUBSCRIPTION_REFUSED: "mqtt"}
    (line,) = (line for line in refused.lines() if line.name == "broker")
    assert (line.ok, line.why) == (False, "the broker refuses subscriptions: some messages do not come")
    assert wrong(connections(Bus(()), lane=Lane())) == {}


def test_health_requires_the_broker_and_not_the_buses() -> None:
    down = connections(Bus((), up=False, cause="connect_failed"), lane=Lane(connected=False, cause="unreachable"))
    lines = {line.name: line for line in down.lines()}
    assert (lines["broker"].ok, lines["broker"].required) == (False, True)
    assert (lines["bus"].ok, lines["bus"].required) == (False, False)
    assert "connect_failed" in lines["bus"].why
    assert down.oldest_unacked_ms() == 0
    assert down.metrics()["broker_sessions_up"] == 0
