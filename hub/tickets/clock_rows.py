"""Clocks of tickets as rows. A clock that was breached stays so for ever; one that begins anew has forgotten what it was.

Rule: statements are built once, as in `hub.tickets.rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, select

from hub.store.bulk import Upsert
from hub.store.schema import ticket_clocks
from hub.vocabulary.instants import UtcMs

RUNNING: Final = "running"
MET: Final = "met"
BREACHED: Final = "breached"

_OF = select(ticket_clocks).where(ticket_clocks.c.ticket_id == bindparam("_id")).order_by(ticket_clocks.c.name)
_NAMED = ticket_clocks.c.ticket_id == bindparam("_id"), ticket_clocks.c.name == bindparam("_name")
_ONE = select(ticket_clocks).where(*_NAMED)
_END = ticket_clocks.update().where(*_NAMED, ticket_clocks.c.state == RUNNING).values(state=bindparam("_state"))
_BEGIN = Upsert(ticket_clocks, ("ticket_id", "name"), ("ticket_id", "name", "started_at", "due_at", "state"))


class Begun(msgspec.Struct, frozen=True):
    """A clock that begins to run."""

    name: str
    started_at: UtcMs
    due_at: UtcMs


def of(connection: Connection, ticket_id: int) -> Sequence[Row[Any]]:
    """All clocks of a ticket, by name."""
    return connection.execute(_OF, {"_id": ticket_id}).all()


def one(connection: Connection, ticket_id: int, name: str) -> Row[Any] | None:
    """One clock; None where it has never run."""
    return connection.execute(_ONE, {"_id": ticket_id, "_name": name}).one_or_none()


def begin(connection: Connection, ticket_id: int, begun: Sequence[Begun]) -> None:
    """Let them run, again where they have run before."""
    _BEGIN.run(connection, [(ticket_id, each.name, each.started_at, each.due_at, RUNNING) for each in begun])


def end(connection: Connection, ticket_id: int, name: str, state: str) -> None:
    """A running clock is met or breached; one that does not run stays as it is."""
    connection.execute(_END, {"_id": ticket_id, "_name": name, "_state": state})
