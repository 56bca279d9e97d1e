"""Readings as compact rows: one meter's readings lie together in time, numbers only, no JSON."""

from __future__ import annotations

import hashlib
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, select, tuple_

from hub.store.bulk import InsertNew
from hub.store.schema import readings, rollup_due
from hub.vocabulary.events import MeterReading
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.units import BalanceUnit, Relay

UNITS: Final = (BalanceUnit.CNY, BalanceUnit.KWH)
RELAYS: Final = (Relay.UNKNOWN, Relay.CLOSED, Relay.OPEN)
_UNIT_CODE: Final = {unit: code for code, unit in enumerate(UNITS)}
_RELAY_CODE: Final = {relay: code for code, relay in enumerate(RELAYS)}

COLUMNS: Final = (
    "device_pk",
    "at",
    "key",
    "lag_ms",
    "credit",
    "unit",
    "energy_wh",
    "purchases",
    "relay",
    "meter_alarm",
    "late",
)
_INSERT = InsertNew(readings, COLUMNS)
_MARK = InsertNew(rollup_due, ("device_pk", "start_at"))

ReadingRow: TypeAlias = tuple[Any, ...]


def key_of(event: MeterReading) -> int:
    """64-bit digest of the source key; with device and time it makes the reading's identity."""
    return int.from_bytes(hashlib.blake2b(event.source_key.encode(), digest_size=8).digest(), "big", signed=True)


def row_of(event: MeterReading, device_pk: int, key: int, *, late: bool) -> ReadingRow:
    """Values in the order of COLUMNS."""
    return (
        device_pk,
        event.occurred_at,
        key,
        event.received_at - event.occurred_at,
        event.credit,
        _UNIT_CODE[event.unit],
        event.energy_wh,
        event.purchases,
        _RELAY_CODE[event.relay],
        event.meter_alarm,
        1 if late else 0,
    )


def insert_new(connection: Connection, rows: list[ReadingRow]) -> set[tuple[int, int, int]]:
    """Store readings; returns the identities (device_pk, at, key) of those that were stored already before.

    The usual case, all new, costs one statement; only when the count says that some were known they are looked up.
    """
    if not rows:
        return set()
    savepoint = connection.begin_nested()
    written = _INSERT.run(connection, rows)
    if written == len(rows):
        savepoint.commit()
        return set()
    savepoint.rollback()
    identities = [row[:3] for row in rows]
    statement = select(readings.c.device_pk, readings.c.at, readings.c.key).where(
        tuple_(readings.c.device_pk, readings.c.at, readings.c.key).in_(identities)
    )
    known = {(row[0], row[1], row[2]) for row in connection.execute(statement)}
    _INSERT.run(connection, [row for row in rows if row[:3] not in known])
    return known


def mark_late(connection: Connection, hours: list[tuple[int, UtcMs]]) -> None:
    """Remember that these hours (device_pk, start) have to be rolled up again: a late reading fell into them."""
    _MARK.run(connection, list(dict.fromkeys(hours)))
