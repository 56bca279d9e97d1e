"""Reading rejected input: what came, why it could not be used, and what became of it. Newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from hub.store.schema import rejected

PREVIEW_BYTES = 4_096

# A row is a tuple, whose own `count` hides the column's: it is read as `times`.
_ROW = [
    column.label("times") if column.name == "count" else column
    for column in rejected.c
    if column is not rejected.c.payload
]


def page(
    connection: Connection,
    site: str | None,
    reason: str | None,
    waiting: bool | None,
    sites: Collection[str],
    before: int | None,
    limit: int,
) -> Sequence[Any]:
    """Rows with an id below `before`, with at most PREVIEW_BYTES of `payload` and its whole `size`.

    `waiting`: whether nothing has come of it yet. What belongs to no site is shown only to those who see all sites.
    """
    statement = (
        select(
            *_ROW,
            func.substr(rejected.c.payload, 1, PREVIEW_BYTES).label("payload"),
            func.length(rejected.c.payload).label("size"),
        )
        .order_by(rejected.c.id.desc())
        .limit(limit)
    )
    if site is not None:
        statement = statement.where(rejected.c.site == site)
    if reason is not None:
        statement = statement.where(rejected.c.reason == reason)
    if waiting is not None:
        statement = statement.where(rejected.c.outcome.is_(None) if waiting else rejected.c.outcome.is_not(None))
    if sites:
        statement = statement.where(rejected.c.site.in_(sorted(sites)))
    if before is not None:
        statement = statement.where(rejected.c.id < before)
    return connection.execute(statement).all()


def one(connection: Connection, rejected_id: int) -> Any | None:
    """The row with its whole payload."""
    statement = select(*_ROW, rejected.c.payload, func.length(rejected.c.payload).label("size"))
    return connection.execute(statement.where(rejected.c.id == rejected_id)).one_or_none()
