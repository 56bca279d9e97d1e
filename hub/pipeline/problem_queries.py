"""Reading problems: what the hub itself finds wrong. Newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from hub.store.schema import problems

SITELESS = ""

# A row is a tuple, whose own `count` hides the column's: it is read as `times`.
_COLUMNS = [column.label("times") if column.name == "count" else column for column in problems.c]


def page(
    connection: Connection,
    active: bool | None,
    site: str | None,
    sites: Collection[str],
    before: int | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Problems with an id below `before`, of these sites (none named: all) and of no site."""
    statement = select(*_COLUMNS).order_by(problems.c.id.desc()).limit(limit)
    if active is not None:
        statement = statement.where(problems.c.active if active else ~problems.c.active)
    if site is not None:
        statement = statement.where(problems.c.site == site)
    if sites:
        statement = statement.where(problems.c.site.in_([*sorted(sites), SITELESS]))
    if before is not None:
        statement = statement.where(problems.c.id < before)
    return connection.execute(statement).all()


def active_about(connection: Connection, site: str, subject_type: str, subject_id: str) -> Sequence[Row[Any]]:
    """Active problems of one subject, oldest first."""
    statement = (
        select(*_COLUMNS)
        .where(problems.c.site == site, problems.c.active)
        .where(problems.c.subject_type == subject_type, problems.c.subject_id == subject_id)
        .order_by(problems.c.id)
    )
    return connection.execute(statement).all()
