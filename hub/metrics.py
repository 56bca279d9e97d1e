"""What Prometheus reads: collected from the parts when asked, so that nothing is counted twice or on the hot path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.pipeline.canary import CanaryWatch
from hub.pipeline.engine import Engine
from hub.pipeline.inbox import Inbox


class HubCollector(Collector):
    """Engine, inbox, canary, and what wiring adds (`extra`: name → value now)."""

    def __init__(
        self, engine: Engine, inbox: Inbox, canary: CanaryWatch, extra: Callable[[], Mapping[str, float]]
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._canary = canary
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
        for name, value in self._extra().items():
            yield GaugeMetricFamily(f"hub_{name}", name.replace("_", " "), value=value)
