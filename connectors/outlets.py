"""Ways out to other systems by the word that a publication uses. A new kind is a module and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.codecs import cap
from connectors.codecs.cloudevents import Source
from connectors.codecs.outside_address import read_networks
from connectors.mqtt_tickets import TicketTopics
from connectors.outside_http import Outside
from connectors.webhook import FORMATS, WebhookWay
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import TopicPublisher, WayOrder, WayOut


class WayMaker:
    """Makes the ways out of one hub. `networks` and `ca` as hub.yaml's `publishing` gives them."""

    def __init__(
        self,
        hub: str,
        networks: Sequence[str],
        ca: Path | None,
        topics: TopicPublisher,
        clock: Callable[[], UtcMs],
    ) -> None:
        """Raises ValueError (no network), OSError (no such file), ssl.SSLError (no certificate in it)."""
        self._hub = hub
        self._outside = Outside(read_networks(networks), None if ca is None else str(ca))
        self._topics = topics
        self._clock = clock

    def __call__(self, order: WayOrder) -> WayOut | None:
        """None where the order names something that this hub does not have."""
        source = Source(hub=self._hub, zone=order.zone, locale=order.locale)
        if order.channel == "mqtt":
            return TicketTopics(self._topics)
        if order.channel == "webhook" and order.format in FORMATS:
            return WebhookWay(self._outside, order.url, FORMATS[order.format], order.keys, source, self._clock)
        return None

    def cap(self, ticket: Mapping[str, Any], locale: str) -> bytes | None:
        """A ticket as a CAP 1.2 message; None: it is no incident."""
        if not cap.is_incident(ticket):
            return None
        return cap.encode_ticket(ticket, Source(hub=self._hub, locale=locale))
