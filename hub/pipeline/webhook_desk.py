"""What integrators do with webhooks: set up, change, stop, start, replay, give a new key, ping. Behind `/webhooks` of the API.

A webhook of a file is changed in the file; only its going on and off, its place in the feed and its ping are anybody's here.
A secret leaves this module twice at most: when a key is made, and in the signature of what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row

from hub.pipeline import feed_queries, publication_keys, publication_plan, publications
from hub.pipeline.publication_keys import WebhookKeys
from hub.pipeline.publication_plan import Progress, Verdict
from hub.pipeline.publications import Publication, Wanted
from hub.pipeline.publisher import Publisher
from hub.settings.publishing import MQTT_TICKETS
from hub.settings.urls import UrlError
from hub.settings.webhook_url import webhook_url
from hub.store.database import Store
from hub.tickets.lifecycle import Refused
from hub.vocabulary import signing_keys
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import PublicChange
from hub.vocabulary.publications import Channel, Origin, PublicationState

MOST_PER_SITE: Final = 20
"""Each has a thread of its own while it is told something."""

PING: Final = "ping"


class WebhookDesk:
    """Thread-safe. Raises Refused for what cannot be done."""

    def __init__(self, store: Store, publisher: Publisher, ring: WebhookKeys, clock: Callable[[], UtcMs]) -> None:
        self._store = store
        self._publisher = publisher
        self._ring = ring
        self._clock = clock

    # --- reading ------------------------------------------------------------------------------------------

    def page(self, sites: Collection[str], site: str | None, after: int, limit: int) -> list[Publication]:
        """Of these sites (none named: all), by id."""
        with self._store.read() as connection:
            return publications.page(connection, sites, site, after, limit)

    def get(self, publication_id: int) -> Publication | None:
        """None where there is none (any more)."""
        with self._store.read() as connection:
            return publications.one(connection, publication_id)

    def attempts(self, publication_id: int, before: int | None, limit: int) -> Sequence[Row[Any]]:
        """The log, newest first."""
        with self._store.read() as connection:
            return publications.attempts(connection, publication_id, before, limit)

    def newest_secret(self, publication_id: int) -> str | None:
        """To be shown once, to whoever has just had the key made."""
        with self._store.read() as connection:
            rows = publication_keys.rows_of(connection, publication_id)
        return signing_keys.secret_of(self._ring.derive(rows[0].salt)) if rows else None

    def keys_in_use(self, publication: Publication) -> int | None:
        """How many keys made here sign now; None: the file's own do."""
        if publication.wanted.origin is Origin.FILE:
            return None
        with self._store.read() as connection:
            rows = publication_keys.rows_of(connection, publication.id)
        return len(self._ring.in_use(rows, self._clock()))

    # --- changing -----------------------------------------------------------------------------------------

    def add(self, wanted: Wanted, by: str) -> int:
        """A new webhook with its first key, told from now on; its id."""
        self._check(wanted)
        now = self._clock()
        with self._store.write() as connection:
            if len(publications.page(connection, (), wanted.site, 0, MOST_PER_SITE)) >= MOST_PER_SITE:
                raise Refused("conflict", f"A site has {MOST_PER_SITE} publications at most.")
            publication_id = publications.add(connection, wanted, by, now)
            self._ring.add(connection, publication_id, now)
        self._publisher.changed()
        return publication_id

    def edit(self, publication_id: int, wanted: Wanted, if_match: int | None) -> None:
        """Another address, format or choice; its place in the feed and its keys stay."""
        self._check(wanted)

        def write(connection: Connection, publication: Publication) -> None:
            publications.describe(connection, publication, wanted, self._clock())

        self._change(publication_id, write, if_match, own=True)

    def remove(self, publication_id: int, if_match: int | None) -> None:
        """It is told nothing more; its keys are gone."""
        self._change(
            publication_id, lambda each, row: publications.remove(each, row, self._clock()), if_match, own=True
        )

    def rotate(self, publication_id: int, if_match: int | None) -> None:
        """A new key; the one before signs beside it for a day, so that the receiver can change over."""

        def write(connection: Connection, publication: Publication) -> None:
            self._ring.add(connection, publication.id, self._clock())
            publications.change(connection, publication, self._clock())

        self._change(publication_id, write, if_match, own=True)

    def enable(self, publication_id: int, if_match: int | None) -> None:
        """Goes on where it stopped."""
        self._move(publication_id, publication_plan.enabled, if_match)

    def disable(self, publication_id: int, if_match: int | None) -> None:
        """Stops, and keeps its place."""
        self._refuse_mqtt(publication_id)
        self._move(publication_id, publication_plan.disabled, if_match)

    def replay(self, publication_id: int, after: int, if_match: int | None) -> None:
        """To be told everything behind this number of the feed, again or, where it lies ahead, not at all."""
        with self._store.read() as connection:
            oldest, latest = feed_queries.oldest_seq(connection), feed_queries.latest_seq(connection)
        least = latest if oldest is None else oldest - 1
        if not least <= after <= latest:
            allowed = f"the feed holds what came after {least}, up to {latest}"
            raise Refused("invalid", "Some fields are wrong.", errors=(("after", allowed),))
        self._refuse_mqtt(publication_id)
        self._move(publication_id, lambda progress: publication_plan.moved(progress, after), if_match)

    def ping(self, publication_id: int) -> Verdict:
        """One message of type `ping`, out of turn; what came of it."""
        publication = self.get(publication_id)
        if publication is None:
            raise Refused("not_found", "There is no such webhook.")
        site = publication.wanted.site
        body = {"site": site, "webhook": publication.wanted.name}
        change = PublicChange(seq=0, site=site, at=self._clock(), type=PING, body=body)
        verdict = self._publisher.try_now(publication_id, change)
        if verdict is None:
            raise Refused("not_allowed", "Only webhooks can be pinged.")
        return verdict

    # --- inside -------------------------------------------------------------------------------------------

    def _refuse_mqtt(self, publication_id: int) -> None:
        """Stopped, it would leave tickets on the broker that are long over."""
        publication = self.get(publication_id)
        if publication is not None and publication.wanted.channel is Channel.MQTT:
            raise Refused(
                "not_allowed", "Tickets on the broker are switched on and off in the site file: mqtt_tickets."
            )

    def _check(self, wanted: Wanted) -> None:
        try:
            webhook_url(wanted.url)
        except UrlError as error:
            raise Refused(
                "invalid", "Some fields are wrong.", errors=(("url", f"{error.problem}; {error.allowed}"),)
            ) from error
        if wanted.name == MQTT_TICKETS:
            raise Refused("invalid", "Some fields are wrong.", errors=(("name", "is the hub's own word"),))

    def _move(self, publication_id: int, to: Callable[[Progress], Progress], if_match: int | None) -> None:
        def write(connection: Connection, publication: Publication) -> None:
            publications.put_progress(connection, publication, to(publication.progress), self._clock())

        self._change(publication_id, write, if_match, own=False)

    def _change(
        self,
        publication_id: int,
        write: Callable[[Connection, Publication], None],
        if_match: int | None,
        *,
        own: bool,
    ) -> None:
        with self._store.write() as connection:
            publication = publications.one(connection, publication_id)
            if publication is None or publication.progress.state is PublicationState.REMOVING:
                raise Refused("not_found", "There is no such webhook.")
            if if_match is not None and if_match != publication.revision:
                raise Refused("stale", "Somebody else has changed it meanwhile.")
            if own and publication.wanted.origin is Origin.FILE:
                raise Refused("not_allowed", "This one stands in a site file: change it there.")
            write(connection, publication)
        self._publisher.changed()


def as_wanted(publication: Publication, **other: Any) -> Wanted:
    """What a publication is to become."""
    return msgspec.structs.replace(publication.wanted, **other)


def new_webhook(site: str, name: str, url: str, form: str, types: Sequence[str], kinds: Sequence[str]) -> Wanted:
    """A webhook that a person describes."""
    return Wanted(
        site=site,
        name=name,
        channel=Channel.WEBHOOK,
        origin=Origin.API,
        url=url,
        format=form,
        types=tuple(dict.fromkeys(types)),
        kinds=tuple(dict.fromkeys(kinds)),
    )
