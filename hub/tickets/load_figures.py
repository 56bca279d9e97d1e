"""Alarm load for Prometheus: read from the database when it is asked for, by site. Nothing is counted on the way of an alarm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.store.database import Store
from hub.tickets import alarm_load, load_queries
from hub.tickets.suppression import Suppressed
from hub.vocabulary.instants import DAY_MS, UtcMs


class AlarmLoadCollector(Collector):
    """Figures of every site as they stand."""

    def __init__(self, store: Store, sites: Sequence[str], clock: Callable[[], UtcMs]) -> None:
        self._store = store
        self._sites = tuple(sites)
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Nothing at registration: the database is read only when somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        now = self._clock()
        with self._store.read() as connection:
            raised = load_queries.raisings(connection, self._sites, now - DAY_MS, now + 1)
            stale = load_queries.stale(connection, self._sites, now)
            active = load_queries.active_now(connection)
            quiet = load_queries.suppressed_now(connection)
        day = GaugeMetricFamily("hub_alarm_tickets_24h", "Tickets opened in the last 24 hours.", labels=["site"])
        window = GaugeMetricFamily(
            "hub_alarm_tickets_10min", "Tickets opened in the last ten minutes.", labels=["site"]
        )
        chatter = GaugeMetricFamily("hub_alarm_chattering", "Subjects that chattered in 24 hours.", labels=["site"])
        still = GaugeMetricFamily("hub_alarm_stale", "Active tickets that have not moved for a day.", labels=["site"])
        open_now = GaugeMetricFamily("hub_alarm_active", "Active tickets.", labels=["site"])
        critical = GaugeMetricFamily("hub_alarm_active_critical", "Active critical tickets.", labels=["site"])
        kept = GaugeMetricFamily("hub_alarm_suppressed", "What is kept quiet now.", labels=["site", "what"])
        for site in self._sites:
            mine = [each for each in raised if each.site == site]
            opened = [each.at for each in mine if each.new]
            day.add_metric([site], len(opened))
            window.add_metric([site], sum(at > now - alarm_load.LIMITS.flood_window_ms for at in opened))
            chatter.add_metric([site], len(alarm_load.chattering(mine)))
            still.add_metric([site], sum(each.site == site for each in stale))
            open_now.add_metric([site], active.get(site, (0, 0))[0])
            critical.add_metric([site], active.get(site, (0, 0))[1])
            for what in Suppressed:
                kept.add_metric([site, what], quiet.get((site, what), 0))
        yield from (day, window, chatter, still, open_now, critical, kept)
