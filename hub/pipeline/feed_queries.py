"""Reading the feed from its table, for whoever wants more than memory holds. Numbers have no gaps before retention."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from hub.pipeline.feed import FeedRow
from hub.store.schema import feed, feed_head

SITELESS = ""
REJECTED = "rejected"


def page(
    connection: Connection, after: int, limit: int, sites: Collection[str], hidden: Collection[str] = ()
) -> list[FeedRow]:
    """Changes after number `after`, oldest first; of these sites (none named: all) and of no site; no `hidden` types.

    Rejected input of no known site may be anybody's: only whoever sees all sites is told of it.
    """
    statement = select(feed).where(feed.c.seq > after).order_by(feed.c.seq).limit(limit)
    if sites:
        of_all = (feed.c.site == SITELESS) & (feed.c.type != REJECTED)
        statement = statement.where(feed.c.site.in_(sorted(sites)) | of_all)
    if hidden:
        statement = statement.where(feed.c.type.not_in(sorted(hidden)))
    return [FeedRow(row.seq, row.site, row.at, row.type, row.body_json) for row in connection.execute(statement)]


def latest_seq(connection: Connection) -> int:
    """The newest number that was given."""
    return int(connection.execute(select(feed_head.c.seq)).scalar_one_or_none() or 0)


def oldest_seq(connection: Connection) -> int | None:
    """The oldest number that is still kept; None for an empty feed."""
    oldest = connection.execute(select(func.min(feed.c.seq))).scalar_one()
    return None if oldest is None else int(oldest)
