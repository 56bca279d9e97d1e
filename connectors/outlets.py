"""Ways out to other systems by the word that a publication uses. A new kind is a module and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from connectors.codecs import cap
from connectors.codecs.cloudevents import Source
from connectors.codecs.incidents import is_incident
from connectors.codecs.outside_address import read_networks
from connectors.mqtt_tickets import TicketTopics
from connectors.outside_http import Outside
from connectors.platforms import read_platform, shipped
from connectors.platforms.way import PlatformWay
from connectors.webhook import FORMATS, WebhookWay
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import PlatformOrder, TopicPublisher, WayOrder, WayOut


class OutsideRules(Protocol):
    """`publishing` of hub.yaml: networks beside the public ones, and a file of authorities beside the system's."""

    @property
    def private_networks(self) -> Sequence[str]: ...
    @property
    def ca(self) -> Path | None: ...


class WayMaker:
    """Makes the ways out of one hub; without `topics` none over the broker."""

    def __init__(
        self,
        hub: str,
        rules: OutsideRules,
        topics: TopicPublisher | None,
        clock: Callable[[], UtcMs],
    ) -> None:
        """Raises ValueError (no network), OSError (no such file), ssl.SSLError (no certificate in it)."""
        self._hub = hub
        self._outside = Outside(read_networks(rules.private_networks), None if rules.ca is None else str(rules.ca))
        self._topics = topics
        self._clock = clock

    def __call__(self, order: WayOrder) -> WayOut | None:
        """None where the order names something that this hub does not have."""
        source = Source(hub=self._hub, zone=order.zone, locale=order.locale)
        if order.channel == "mqtt" and self._topics is not None:
            return TicketTopics(self._topics)
        if order.channel == "webhook" and order.format in FORMATS:
            return WebhookWay(self._outside, order.url, FORMATS[order.format], order.keys, source, self._clock)
        if order.channel == "platform" and order.platform is not None:
            return self._platform(order.platform, order)
        return None

    def _platform(self, wanted: PlatformOrder, order: WayOrder) -> PlatformWay | None:
        found = (
            read_platform(Path(wanted.description)) if wanted.description is not None else shipped().get(wanted.type)
        )
        if found is None:
            return None
        return PlatformWay(self._outside, found, wanted.values, wanted.elevators, order.zone, self._clock)

    def cap(self, ticket: Mapping[str, Any], locale: str) -> bytes | None:
        """A ticket as a CAP 1.2 message; None: it is no incident."""
        if not is_incident(ticket):
            return None
        return cap.encode_ticket(ticket, Source(hub=self._hub, locale=locale))
