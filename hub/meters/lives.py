"""The lives of meters: what hung where from when on, and with which readings one followed the other.

Rows are only ever added. A counter that breaks without a replacement being recorded is found in the readings themselves and
shown beside the rows, because nobody entered it (domain/meters.md 7 nos. 8, 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, select

from hub.meters.life import CounterStep, judge_counter
from hub.store.schema import meter_lives, readings
from hub.vocabulary.instants import UtcMs

BREAKS: Final = frozenset({CounterStep.RESET, CounterStep.ROLLED_OVER, CounterStep.JUMPED})
BREAKS_SHOWN: Final = 100


class Entry(StrEnum):
    """What happened to a meter."""

    INSTALLED = "installed"
    REPLACED = "replaced"
    HANDED_OVER = "handed_over"


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, in Wh and in fen or Wh; None: not written down."""

    device_pk: int
    entry: Entry
    at: UtcMs
    serial: str | None = None
    end_energy_wh: int | None = None
    begin_energy_wh: int | None = None
    credit: int | None = None
    by: str
    note: str = ""


class CounterBreak(NamedTuple):
    """Two readings between which a counter did not simply count on."""

    step: CounterStep
    before_at: UtcMs
    at: UtcMs
    before_wh: int
    after_wh: int


def add(connection: Connection, life: Life) -> int:
    """Keep an entry; its id."""
    values = msgspec.structs.asdict(life) | {"entry": str(life.entry)}
    added: int = connection.execute(meter_lives.insert().values(**values).returning(meter_lives.c.id)).scalar_one()
    return added


def of(connection: Connection, device_pk: int) -> Sequence[Row[Any]]:
    """All entries of a meter, newest first."""
    statement = select(meter_lives).where(meter_lives.c.device_pk == device_pk)
    return connection.execute(statement.order_by(meter_lives.c.at.desc(), meter_lives.c.id.desc())).all()


def installed_serial(connection: Connection, device_pk: int) -> str | None:
    """Serial number of the meter that hangs there, as far as people have written it down."""
    for row in of(connection, device_pk):
        if row.entry in {Entry.INSTALLED, Entry.REPLACED}:
            serial: str | None = row.serial
            return serial
    return None


def installed_since(connection: Connection, device_pk: int) -> UtcMs:
    """Since when that meter hangs there; 0 where it was never replaced."""
    statement = select(func.max(meter_lives.c.at)).where(
        meter_lives.c.device_pk == device_pk, meter_lives.c.entry == str(Entry.REPLACED)
    )
    return connection.execute(statement).scalar_one() or 0


def replacements(connection: Connection, device_pk: int) -> Sequence[Row[Any]]:
    """All replacements of a meter, oldest first."""
    statement = select(meter_lives).where(
        meter_lives.c.device_pk == device_pk, meter_lives.c.entry == str(Entry.REPLACED)
    )
    return connection.execute(statement.order_by(meter_lives.c.at, meter_lives.c.id)).all()


def first_read_at(connection: Connection, device_pk: int) -> UtcMs | None:
    """Time of the oldest reading that is kept."""
    at: UtcMs | None = connection.execute(
        select(func.min(readings.c.at)).where(readings.c.device_pk == device_pk)
    ).scalar_one()
    return at


def counter_breaks(connection: Connection, device_pk: int) -> list[CounterBreak]:
    """Where the energy counter went back or jumped, newest first, as far back as single readings are kept.

    A change that a recorded replacement explains is not among them.
    """
    order = (readings.c.at, readings.c.key)
    pairs = (
        select(
            readings.c.at,
            readings.c.energy_wh,
            func.lag(readings.c.at).over(order_by=order).label("before_at"),
            func.lag(readings.c.energy_wh).over(order_by=order).label("before_wh"),
        )
        .where(readings.c.device_pk == device_pk, readings.c.energy_wh.is_not(None))
        .subquery()
    )
    swaps = [row.at for row in of(connection, device_pk) if row.entry == Entry.REPLACED]
    statement = select(pairs).where(pairs.c.energy_wh != pairs.c.before_wh).order_by(pairs.c.at.desc())
    found: list[CounterBreak] = []
    for row in connection.execute(statement):
        step = judge_counter(row.before_wh, row.energy_wh, row.at - row.before_at).kind
        if step in BREAKS and not any(row.before_at <= swap <= row.at for swap in swaps):
            found.append(CounterBreak(step, row.before_at, row.at, row.before_wh, row.energy_wh))
            if len(found) == BREAKS_SHOWN:
                break
    return found
