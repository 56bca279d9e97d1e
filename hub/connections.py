"""How the hub's connections are: for health, metrics, the list of buses, and the watch that raises problems.

Knows the connectors by shape only; `hub.wiring` hands them in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from hub.health import Line
from hub.pipeline.watch import Condition, Trouble
from hub.vocabulary.events import Subject, SubjectType

BROKER_FULL_AT: Final = 0.8
MQTT_GATEWAY: Final = "mqtt"
SUBSCRIPTION_REFUSED: Final = "subscription_refused"
"""`cause` of a session that is connected, and does not get all that it asked for (connectors.mqtt_retry.Cause)."""


class MqttShape(Protocol):
    """connectors.mqtt.MqttConnector."""

    @property
    def connected(self) -> bool: ...
    def state(self) -> Any: ...


class BusesShape(Protocol):
    """connectors.modbus.connector.BusConnector, connectors.acrel.AcrelListener."""

    def status(self) -> Sequence[Any]: ...


class BrokerShape(Protocol):
    """connectors.broker.EmbeddedBroker."""

    damage: str | None
    deaths: int
    store_used_bytes: int
    store_limit_bytes: int


class Connections:
    """Broker, MQTT sessions and buses of one hub."""

    def __init__(
        self,
        sites: Sequence[str],
        mqtt: MqttShape,
        buses: Sequence[BusesShape],
        broker: BrokerShape | None,
        missing_canaries: Callable[[], Sequence[str]],
    ) -> None:
        self._sites = sites
        self._mqtt = mqtt
        self._buses = buses
        self._broker = broker
        self._missing = missing_canaries

    def lines(self) -> list[Line]:
        """For health."""
        found = [
            Line("broker", lane.connected and not _refused(lane), lane.lane, _why_not(lane))
            for lane in self._mqtt.state().lanes
        ]
        for bus in self._bus_states():
            why = "" if bus.up is not False else f"the gateway does not answer: {bus.cause}"
            found.append(Line("bus", bus.up is not False, f"{bus.site}/{bus.bus}", why, required=False))
        return found

    def _bus_states(self) -> list[Any]:
        return [bus for connector in self._buses for bus in connector.status()]

    def oldest_unacked_ms(self) -> int | None:
        """Age of the oldest message that the broker has not been told of."""
        return max((round(lane.oldest_unacked_s * 1000) for lane in self._mqtt.state().lanes), default=None)

    def metrics(self) -> Mapping[str, float]:
        """For Prometheus; of buses: `hub.metrics.bus_metrics`."""
        lanes = self._mqtt.state().lanes
        return {
            "broker_sessions_up": sum(lane.connected for lane in lanes),
            "oldest_unacknowledged_seconds": max((lane.oldest_unacked_s for lane in lanes), default=0),
        }

    def buses(self) -> list[dict[str, Any]]:
        """Every bus as the API shows it."""
        return [
            {
                "id": bus.bus,
                "site": bus.site,
                "url": bus.url,
                "up": bus.up,
                "cause": bus.cause,
                "cycle_ms": bus.cycle_ms,
                "alarm_gap_ms": bus.alarm_gap_ms,
                "utilisation": round(bus.utilisation, 4),
                "quiet_ms": bus.quiet_ms,
                "answers": bus.answers,
                "failures": bus.failures,
                "late_replies": bus.late_replies,
                "devices": len(bus.units),
                "dead": [
                    {
                        "device": unit.device,
                        "health": str(unit.health),
                        "cause": unit.cause,
                        "next_probe_ms": unit.next_probe_ms,
                    }
                    for unit in bus.dead_units
                ],
                "unsupported": {unit.device: list(unit.unsupported) for unit in bus.units if unit.unsupported},
            }
            for bus in self._bus_states()
        ]

    def conditions(self) -> Iterator[Condition]:
        """What the watch looks at, every second."""
        missing = list(self._missing())
        refused = [lane.lane for lane in self._mqtt.state().lanes if _refused(lane)]
        for site in self._sites:
            subject = Subject(site, SubjectType.GATEWAY, MQTT_GATEWAY)
            yield Condition(
                trouble=Trouble.CANARY_MISSING,
                subject=subject,
                wrong=bool(missing),
                detail={"lanes": missing},
            )
            yield Condition(
                trouble=Trouble.SUBSCRIPTION_REFUSED, subject=subject, wrong=bool(refused), detail={"lanes": refused}
            )
            if self._broker is not None:
                yield from broker_conditions(self._broker, subject)
        yield from self._unsupported()

    def _unsupported(self) -> Iterator[Condition]:
        for bus in self._bus_states():
            for unit in bus.units:
                yield Condition(
                    trouble=Trouble.FIELDS_UNSUPPORTED,
                    subject=Subject(bus.site, SubjectType.DEVICE, unit.device),
                    wrong=bool(unit.unsupported),
                    detail={"fields": ", ".join(map(str, unit.unsupported))},
                )


def _refused(lane: Any) -> bool:
    return bool(lane.connected and lane.cause == SUBSCRIPTION_REFUSED)


def _why_not(lane: Any) -> str:
    if _refused(lane):
        return "the broker refuses subscriptions: some messages do not come"
    return "" if lane.connected else f"no connection: {lane.cause}"


def broker_conditions(broker: BrokerShape, subject: Subject) -> list[Condition]:
    """What can be wrong with the hub's own broker."""
    fullness = broker.store_used_bytes / max(broker.store_limit_bytes, 1)
    return [
        Condition(
            trouble=Trouble.BROKER_DAMAGED,
            subject=subject,
            wrong=broker.damage is not None,
            detail={"damage": broker.damage or ""},
        ),
        Condition(
            trouble=Trouble.BROKER_STORE_FULL,
            subject=subject,
            wrong=fullness > BROKER_FULL_AT,
            detail={"percent": round(fullness * 100)},
        ),
        Condition(
            trouble=Trouble.BROKER_RESTARTED,
            subject=subject,
            wrong=broker.deaths > 0,
            detail={"times": broker.deaths},
        ),
    ]
