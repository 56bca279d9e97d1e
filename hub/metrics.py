"""What Prometheus reads: collected from the parts when asked, so that nothing is counted twice or on the hot path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.pipeline.canary import CanaryWatch
from hub.pipeline.engine import Engine
from hub.pipeline.inbox import Inbox


class HubCollector(Collector):
    """Engine, inbox, canary, buses as the API shows them, and what wiring adds (`extra`: name → value now)."""

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        canary: CanaryWatch,
        buses: Callable[[], Iterable[Mapping[str, Any]]],
        extra: Callable[[], Mapping[str, float]],
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._canary = canary
        self._buses = buses
        self._extra = extra

    def collect(self) -> Iterator[Metric]:
        """All families, as they stand."""
        progress = self._engine.progress
        yield CounterMetricFamily("hub_messages", "Items taken into committed steps.", value=progress.messages)
        yield CounterMetricFamily("hub_steps", "Committed transactions.", value=progress.steps)
        yield CounterMetricFamily("hub_rejected", "Input put aside as unusable.", value=progress.rejected)
        yield CounterMetricFamily("hub_commit_failures", "Steps that the database refused.", value=progress.failures)
        yield GaugeMetricFamily("hub_inbox_depth", "Items waiting for a step.", value=self._inbox.depth())
        yield GaugeMetricFamily("hub_last_batch", "Items in the newest step.", value=progress.last_batch)
        yield GaugeMetricFamily("hub_writable", "1 while commits succeed.", value=0 if progress.trouble else 1)
        age = GaugeMetricFamily("hub_canary_age_seconds", "Since the last canary came round.", labels=["lane"])
        trip = GaugeMetricFamily("hub_canary_round_trip_seconds", "How long it took.", labels=["lane"])
        for state in self._canary.states():
            if state.age_ms is not None and state.round_trip_ms is not None:
                age.add_metric([state.lane], state.age_ms / 1000)
                trip.add_metric([state.lane], state.round_trip_ms / 1000)
        yield age
        yield trip
        yield from bus_metrics(list(self._buses()))
        for name, value in self._extra().items():
            yield GaugeMetricFamily(f"hub_{name}", name.replace("_", " "), value=value)


_BUS: Final = ["site", "bus"]


def bus_metrics(buses: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    """One line for each bus: whether it is up, how long a round takes, how full it is, and who does not answer."""
    gauges: dict[str, tuple[str, Callable[[Mapping[str, Any]], float | None]]] = {
        "up": ("1 while the gateway answers; no line: not known yet.", lambda bus: bus["up"]),
        "cycle_seconds": ("Bus time of one round over all devices.", lambda bus: bus["cycle_ms"] / 1000),
        "utilisation": ("Share of the last minute in which the bus was in use.", lambda bus: bus["utilisation"]),
        "dead_units": ("Devices that do not answer.", lambda bus: len(bus["dead"])),
        "next_probe_seconds": ("Until the next of them is tried; no line: all answer.", _next_probe_s),
    }
    for name, (text, value_of) in gauges.items():
        gauge = GaugeMetricFamily(f"hub_bus_{name}", text, labels=_BUS)
        for bus in buses:
            value = value_of(bus)
            if value is not None:
                gauge.add_metric([bus["site"], bus["id"]], float(value))
        yield gauge
    for name, text in (
        ("answers", "Requests that were answered."),
        ("failures", "Requests that were not, or wrongly."),
        ("late_replies", "Replies that came when nobody waited for them any more."),
    ):
        counter = CounterMetricFamily(f"hub_bus_{name}", text, labels=_BUS)
        for bus in buses:
            counter.add_metric([bus["site"], bus["id"]], bus[name])
        yield counter


def _next_probe_s(bus: Mapping[str, Any]) -> float | None:
    return min((unit["next_probe_ms"] / 1000 for unit in bus["dead"]), default=None)
