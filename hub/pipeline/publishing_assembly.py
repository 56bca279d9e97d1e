"""Building the publisher from settings; who makes ways out is handed in, because hub imports no connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from hub.pipeline.feed import FeedBoard
from hub.pipeline.publication_case import with_case
from hub.pipeline.publication_keys import KEY_FILE, WebhookKeys, new_master
from hub.pipeline.publications import Publication, Wanted
from hub.pipeline.publisher import Keys, Outlets, Publisher
from hub.pipeline.webhook_desk import WebhookDesk
from hub.settings import Settings, SiteConfig
from hub.settings.publishing import MQTT_TICKETS
from hub.store.database import Store, StoreError
from hub.store.key_file import read_or_make
from hub.vocabulary import signing_keys
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import PlatformOrder, WayOrder, WayOut
from hub.vocabulary.publications import TICKET_TYPES, Channel, Origin

Make: TypeAlias = Callable[[WayOrder], WayOut | None]


def make_publisher(
    settings: Settings, store: Store, feed: FeedBoard, make: Make, clock: Callable[[], UtcMs]
) -> tuple[Publisher, WebhookDesk]:
    """The publisher of all sites, and what people do with it. Raises StoreError: the file of the keys cannot be used."""
    keys = _keys(settings.data_dir / KEY_FILE)
    orders = _Orders(settings)

    def make_way(publication: Publication, keys: Keys) -> WayOut | None:
        order = orders.of(publication.wanted, keys)
        return None if order is None else make(order)

    def zone(site: str) -> tzinfo:
        return orders.zones.get(site, UTC)

    outlets = Outlets(
        wanted=[each for site in settings.sites for each in wanted_of(site)],
        make_way=make_way,
        ring=keys,
        file_keys=dict(_file_keys(settings.sites)),
        case=partial(with_case, store, zone),
    )
    publisher = Publisher(store, feed, outlets, zone, clock)
    return publisher, WebhookDesk(store, publisher, keys, clock)


def check_publications(settings: Settings, maker: Callable[..., Make]) -> Iterator[tuple[bool, str, str]]:
    """Each webhook and platform of the files: whether its address may be used, `site/name`, and where it leads."""
    make, orders = maker(settings.mqtt.client_id, settings.publishing, None, lambda: 0), _Orders(settings)
    for wanted in (each for site in settings.sites for each in wanted_of(site)):
        order = orders.of(wanted, tuple)
        way = None if order is None else make(order)
        if way is not None:
            try:
                yield True, f"{wanted.site}/{wanted.name}", way.check()
            except ValueError as error:
                yield False, f"{wanted.site}/{wanted.name}", str(error)


class _Orders:
    """What ways out are made from: the wish, with what the site's file says beside it."""

    def __init__(self, settings: Settings) -> None:
        self.zones: Mapping[str, tzinfo] = {site.id: ZoneInfo(site.timezone) for site in settings.sites}
        self._locales = {site.id: site.locale for site in settings.sites}
        self._platforms = dict(_platforms(settings.sites))

    def of(self, wanted: Wanted, keys: Keys) -> WayOrder | None:
        """None: of a site that is in no file (any more)."""
        if wanted.site not in self.zones:
            return None
        return WayOrder(
            channel=wanted.channel,
            site=wanted.site,
            name=wanted.name,
            url=wanted.url,
            format=wanted.format,
            zone=self.zones[wanted.site],
            locale=self._locales[wanted.site],
            keys=keys,
            platform=self._platforms.get((wanted.site, wanted.name)),
        )


def _keys(file: Path) -> WebhookKeys:
    try:
        return WebhookKeys(read_or_make(file, new_master))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"The key of webhooks' secrets, {file}, cannot be used ({error}): put your copy back; "
            "without one, delete it and give every webhook a new key."
        ) from error


def wanted_of(site: SiteConfig) -> Iterator[Wanted]:
    """What a site file asks for."""
    for each in site.publishing.webhooks:
        yield Wanted(
            site=site.id,
            name=each.id,
            channel=Channel.WEBHOOK,
            origin=Origin.FILE,
            url=each.url,
            format=each.format,
            types=each.types,
            kinds=each.kinds,
        )
    for platform in site.publishing.platforms:
        yield Wanted(
            site=site.id,
            name=platform.id,
            channel=Channel.PLATFORM,
            origin=Origin.FILE,
            format=platform.type,
            types=TICKET_TYPES,
        )
    if site.publishing.mqtt_tickets:
        yield Wanted(
            site=site.id,
            name=MQTT_TICKETS,
            channel=Channel.MQTT,
            origin=Origin.FILE,
            format="ticket",
            types=TICKET_TYPES,
        )


def _platforms(sites: Sequence[SiteConfig]) -> Iterator[tuple[tuple[str, str], PlatformOrder]]:
    for site in sites:
        for each in site.publishing.platforms:
            values = {**each.settings, **{name: secret.reveal() for name, secret in each.secrets.items()}}
            order = PlatformOrder(
                type=each.type,
                values=values,
                elevators=each.elevators,
                description=None if each.description is None else str(each.description),
            )
            yield (site.id, each.id), order


def _file_keys(sites: Sequence[SiteConfig]) -> Iterator[tuple[tuple[str, str], list[bytes]]]:
    for site in sites:
        for each in site.publishing.webhooks:
            yield (site.id, each.id), [signing_keys.key_of(secret.reveal()) for secret in each.secrets]
