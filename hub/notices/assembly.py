"""Building the post from settings; who makes senders is handed in, because hub imports no connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from hub.notices.claims import Lane
from hub.notices.letters import Links, SiteNotices
from hub.notices.post import Post, Settle
from hub.registry.links import ADDRESS, LinkKey
from hub.settings import NotifierConfig, Settings, SiteConfig
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.database import Store
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import NoticeSender

MakeSender: TypeAlias = Callable[
    [str, Mapping[str, str], Mapping[str, tuple[str, tuple[str, ...]]], Path | None], NoticeSender
]
"""(type, settings and secrets, template → (code, order of parameters), description) → sender."""


LastsDays: TypeAlias = Callable[[Connection, str, str, tzinfo, UtcMs], int | None]
"""(transaction, site, meter, zone, now) → whole days that its credit lasts, or None."""


def make_post(
    settings: Settings,
    make_sender: MakeSender,
    store: Store,
    settle: Settle,
    clock: Callable[[], UtcMs],
    link_key: LinkKey | None = None,
    lasts_days: LastsDays | None = None,
) -> Post:
    """The post of all sites. `link_key` signs links in messages, where the hub has a public address."""
    senders = {lane: _sender(config, make_sender) for lane, config in _notifiers(settings)}
    public_url = settings.http.public_url
    links = Links(link_key, public_url + ADDRESS) if public_url and link_key is not None else None
    sites = {site.id: _site(site, senders, links, lasts_days, clock) for site in settings.sites}
    return Post(store, sites, senders, settle, clock)


def check_notifiers(settings: Settings, make_sender: MakeSender) -> Iterator[tuple[bool, str, str]]:
    """Each notifier: whether it can be used, `site/notifier`, and what it would ask. Sends nothing."""
    for (site, channel), config in _notifiers(settings):
        try:
            yield True, f"{site}/{channel}", f"{_sender(config, make_sender).check()}; nothing was sent"
        except (ValueError, KeyError, OSError) as error:
            yield False, f"{site}/{channel}", str(error)


def _notifiers(settings: Settings) -> Iterator[tuple[Lane, NotifierConfig]]:
    return (((site.id, config.id), config) for site in settings.sites for config in site.notifiers)


def _sender(config: NotifierConfig, make_sender: MakeSender) -> NoticeSender:
    values = {**config.settings, **{name: secret.reveal() for name, secret in config.secrets.items()}}
    texts = {name: (text.code, text.params) for name, text in config.texts.items()}
    return make_sender(config.type, values, texts, config.description)


def _site(
    site: SiteConfig,
    senders: Mapping[Lane, NoticeSender],
    links: Links | None,
    lasts_days: LastsDays | None,
    clock: Callable[[], UtcMs],
) -> SiteNotices:
    names, zone = frozenset(config.id for config in site.notifiers), ZoneInfo(site.timezone)

    def forecast(connection: Connection, meter: str) -> int | None:
        return None if lasts_days is None else lasts_days(connection, site.id, meter, zone, clock())

    return SiteNotices(
        policy=site.notices,
        zone=zone,
        forecast=forecast,
        notifiers=names | {HOUSEKEEPER_LIST},  # a list of the hub's own needs no notifier: whoever chose it reads it
        buildings={building.id: building.name for building in site.buildings},
        chain=site.escalation,
        links=links,
        receipts=frozenset(name for name in names if senders[site.id, name].receipts),
    )
