"""Publications as rows: in line with the files, how far each is in the feed, and its log of attempts.

The feed itself is the outbox: a row here holds a cursor and nothing is copied. Nothing is ever deleted but old attempts: a
webhook that comes back into its file goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from hub.pipeline import feed_queries, publication_keys
from hub.pipeline.publication_plan import DisabledReason, Outcome, Progress
from hub.store.schema import feed, publication_attempts, publications
from hub.tickets.lifecycle import Refused
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.publications import TICKET_TYPES, USUAL_TYPES, Channel, Origin, PublicationState

KEPT_ATTEMPTS: Final = 500
"""Of each publication; older ones go as new ones come."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_COLUMNS: Final = tuple(publications.c)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A publication as a file or a person describes it. No `kinds`: tickets of every kind; no `types`: the usual ones."""

    site: str
    name: str
    channel: Channel
    origin: Origin
    url: str = ""
    format: str = ""
    types: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what is wanted, and how it stands."""

    id: int
    wanted: Wanted
    progress: Progress
    created_at: UtcMs
    created_by: str
    revision: int

    @property
    def told(self) -> tuple[str, ...]:
        """Types of changes that it is told of."""
        return self.wanted.types or USUAL_TYPES


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log. `at`: when it ended."""

    seq: int
    type: str
    at: UtcMs
    took_ms: int
    attempt: int
    outcome: Outcome
    answer: str


class Change(msgspec.Struct, frozen=True):
    """A row of the feed that a publication is told of, its body decoded."""

    seq: int
    at: UtcMs
    type: str
    body: dict[str, Any]


# --- reading ------------------------------------------------------------------------------------------------


def _of(row: Row[Any]) -> Publication:
    return Publication(
        id=row.id,
        wanted=Wanted(
            site=row.site,
            name=row.name,
            channel=Channel(row.channel),
            origin=Origin(row.origin),
            url=row.url,
            format=row.format,
            types=tuple(msgspec.json.decode(row.types_json)),
            kinds=tuple(msgspec.json.decode(row.kinds_json)),
        ),
        progress=Progress(
            state=PublicationState(row.state),
            cursor=row.cursor,
            attempts=row.attempts,
            next_try_at=row.next_try_at,
            failing_since=row.failing_since,
            last_error=row.last_error,
            delivered_at=row.delivered_at,
            disabled_reason=None if row.disabled_reason is None else DisabledReason(row.disabled_reason),
        ),
        created_at=row.created_at,
        created_by=row.created_by,
        revision=row.revision,
    )


def every(connection: Connection) -> list[Publication]:
    """All of them, also those that are removed, by id."""
    return [_of(row) for row in connection.execute(select(*_COLUMNS).order_by(publications.c.id))]


def one(connection: Connection, publication_id: int) -> Publication | None:
    """By id; None also where it was removed."""
    row = connection.execute(select(*_COLUMNS).where(publications.c.id == publication_id)).one_or_none()
    return None if row is None or row.state == PublicationState.REMOVED else _of(row)


def named(connection: Connection, site: str, name: str) -> Publication | None:
    """By name, also where it was removed."""
    here = (publications.c.site == site) & (publications.c.name == name)
    row = connection.execute(select(*_COLUMNS).where(here)).one_or_none()
    return None if row is None else _of(row)


def page(connection: Connection, sites: Collection[str], site: str | None, after: int, limit: int) -> list[Publication]:
    """Those that are not removed, of these sites (none named: all), by id."""
    statement = select(*_COLUMNS).where(publications.c.id > after, publications.c.state != PublicationState.REMOVED)
    if sites:
        statement = statement.where(publications.c.site.in_(sorted(sites)))
    if site is not None:
        statement = statement.where(publications.c.site == site)
    return [_of(row) for row in connection.execute(statement.order_by(publications.c.id).limit(limit))]


def attempts(connection: Connection, publication_id: int, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """The log, newest first."""
    log = publication_attempts
    statement = select(log).where(log.c.publication_id == publication_id).order_by(log.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(log.c.id < before)
    return connection.execute(statement).all()


def last_of(connection: Connection, publication_id: int, outcome: Outcome) -> UtcMs | None:
    """When an attempt last ended with this word."""
    log = publication_attempts
    here = (log.c.publication_id == publication_id) & (log.c.outcome == str(outcome))
    return connection.execute(select(log.c.at).where(here).order_by(log.c.id.desc()).limit(1)).scalar_one_or_none()


class Ahead(msgspec.Struct, frozen=True):
    """What comes next for a publication: `read_to` is how far the feed was looked through; `lost`: numbers that the feed
    no longer holds.
    """

    changes: Sequence[Change]
    read_to: int
    lost: int = 0


def ahead(connection: Connection, publication: Publication, read_to: int, limit: int) -> Ahead:
    """The next changes behind `read_to` that it is told of, oldest first."""
    wanted = publication.wanted
    head = feed_queries.latest_seq(connection)
    oldest = feed_queries.oldest_seq(connection)
    lost = max(0, (head if oldest is None else oldest - 1) - read_to)
    rows = connection.execute(
        select(feed)
        .where(feed.c.seq > read_to, feed.c.site == wanted.site, feed.c.type.in_(publication.told))
        .order_by(feed.c.seq)
        .limit(limit)
    ).all()
    changes = [Change(row.seq, row.at, row.type, _decode(row.body_json)) for row in rows]
    told = [each for each in changes if _is_of_kind(each, wanted.kinds)]
    return Ahead(told, changes[-1].seq if len(changes) == limit else head, lost)


def _is_of_kind(change: Change, kinds: Sequence[str]) -> bool:
    return not kinds or change.type not in TICKET_TYPES or change.body.get("kind") in kinds


# --- writing ------------------------------------------------------------------------------------------------


def _described(wanted: Wanted) -> dict[str, Any]:
    return {
        "channel": str(wanted.channel),
        "origin": str(wanted.origin),
        "url": wanted.url,
        "format": wanted.format,
        "types_json": msgspec.json.encode(wanted.types).decode(),
        "kinds_json": msgspec.json.encode(wanted.kinds).decode(),
    }


def _standing(progress: Progress) -> dict[str, Any]:
    return {
        "state": str(progress.state),
        "cursor": progress.cursor,
        "attempts": progress.attempts,
        "next_try_at": progress.next_try_at,
        "failing_since": progress.failing_since,
        "last_error": progress.last_error,
        "delivered_at": progress.delivered_at,
        "disabled_reason": None if progress.disabled_reason is None else str(progress.disabled_reason),
    }


def add(connection: Connection, wanted: Wanted, by: str, now: UtcMs) -> int:
    """A new publication, told from now on; its id. Raises Refused where the name is taken."""
    known = named(connection, wanted.site, wanted.name)
    if known is not None and known.progress.state is not PublicationState.REMOVED:
        raise Refused("conflict", f"There is a publication {wanted.name!r} in this site already.")
    progress = Progress(cursor=feed_queries.latest_seq(connection))
    values = {**_described(wanted), **_standing(progress), "created_at": now, "created_by": by, "updated_at": now}
    if known is not None:
        change(connection, known, now, **values)
        return known.id
    row = publications.insert().values(site=wanted.site, name=wanted.name, revision=1, **values)
    return int(connection.execute(row.returning(publications.c.id)).scalar_one())


def change(connection: Connection, publication: Publication, now: UtcMs, **values: Any) -> None:
    """What a person or a file changes; whatever is being sent meanwhile does not count for the cursor any more."""
    connection.execute(
        publications.update()
        .where(publications.c.id == publication.id)
        .values(**{**values, "updated_at": now, "revision": publication.revision + 1})
    )


def put_progress(connection: Connection, publication: Publication, progress: Progress, now: UtcMs) -> None:
    """A person moves, stops or starts it."""
    change(connection, publication, now, **_standing(progress))


def describe(connection: Connection, publication: Publication, wanted: Wanted, now: UtcMs) -> None:
    """A person or a file says it otherwise."""
    change(connection, publication, now, **_described(wanted))


def log_attempts(connection: Connection, publication_id: int, log: Sequence[Attempt]) -> None:
    """Into the log; the oldest lines leave it."""
    if not log:
        return
    rows = [
        {
            "publication_id": publication_id,
            "seq": each.seq,
            "type": each.type,
            "at": each.at,
            "took_ms": each.took_ms,
            "attempt": each.attempt,
            "ok": each.outcome is Outcome.DELIVERED,
            "outcome": str(each.outcome),
            "answer": each.answer,
        }
        for each in log
    ]
    connection.execute(publication_attempts.insert(), rows)
    _trim(connection, publication_id)


def put_if_unchanged(connection: Connection, publication: Publication, progress: Progress) -> bool:
    """How it stands after some attempts. False: somebody has changed it meanwhile, and what they said counts."""
    here = (publications.c.id == publication.id) & (publications.c.revision == publication.revision)
    return connection.execute(publications.update().where(here).values(**_standing(progress))).rowcount == 1


def _trim(connection: Connection, publication_id: int) -> None:
    log = publication_attempts
    newest = select(log.c.id).where(log.c.publication_id == publication_id).order_by(log.c.id.desc())
    last = connection.execute(newest.offset(KEPT_ATTEMPTS).limit(1)).scalar_one_or_none()
    if last is not None:
        connection.execute(log.delete().where(log.c.publication_id == publication_id, log.c.id <= last))


def align(connection: Connection, wanted: Iterable[Wanted], now: UtcMs) -> None:
    """In line with the files: new ones begin now, changed ones go on, missing ones stop and keep their place.

    What people have set up through the API is left alone, unless a file takes its name.
    """
    named_in_files = {(each.site, each.name): each for each in wanted}
    known = {(each.wanted.site, each.wanted.name): each for each in every(connection)}
    for key, each in named_in_files.items():
        row = known.get(key)
        if row is None:
            add(connection, each, "file", now)
        elif row.progress.state in {PublicationState.REMOVED, PublicationState.REMOVING}:
            again = msgspec.structs.replace(row.progress, state=PublicationState.ACTIVE, next_try_at=0)
            change(connection, row, now, **_described(each), **_standing(again))
        elif row.wanted != each:
            describe(connection, row, each, now)
    for key, row in known.items():
        from_file = row.wanted.origin is Origin.FILE
        if from_file and key not in named_in_files and row.progress.state is not PublicationState.REMOVED:
            remove(connection, row, now)


def remove(connection: Connection, publication: Publication, now: UtcMs) -> None:
    """It is told nothing more. What it has left at a broker has to be taken away first."""
    left = publication.wanted.channel is Channel.MQTT
    state = PublicationState.REMOVING if left else PublicationState.REMOVED
    put_progress(connection, publication, msgspec.structs.replace(publication.progress, state=state), now)
    publication_keys.drop(connection, publication.id)
