"""Readings as compact rows: one meter's readings lie together in time, numbers only, no JSON."""

from __future__ import annotations

import hashlib
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, select, tuple_

from hub.store.bulk import InsertNew
from hub.store.schema import readings, rollup_due
from hub.vocabulary.events import MeterReading
from hub.vocabulary.instants import DAY_MS, UtcMs
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

REDELIVERED_WITHIN_MS: Final = 15 * DAY_MS
"""A broker keeps what is not acknowledged for as long as it keeps the session, which is two weeks."""

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


def stored_under_arrival(connection: Connection, events: list[tuple[int, int, MeterReading]]) -> set[tuple[int, int]]:
    """Which of these `(device_pk, key, reading)` are stored already at another time than they bring now; as (device_pk, key).

    A reading whose own time was not believed lies at the time of its arrival (its lag is 0). Delivered again, it arrives at
    another time, so that its identity in the table does not show it.
    """
    named = [(pk, key, event) for pk, key, event in events if event.source_key]
    if not named:
        return set()
    own = {(pk, key): event.occurred_at if event.device_at is None else event.device_at for pk, key, event in named}
    received_at = min(event.received_at for _, _, event in named)
    past = [at for at in own.values() if at <= received_at]  # from a time to come nothing follows
    since = max(min(past, default=0) if len(past) == len(own) else 0, received_at - REDELIVERED_WITHIN_MS)
    statement = select(readings.c.device_pk, readings.c.key, readings.c.at, readings.c.lag_ms).where(
        readings.c.device_pk.in_({pk for pk, _ in own}),
        readings.c.at >= since,
        readings.c.key.in_({key for _, key in own}),
    )
    return {
        (row.device_pk, row.key)
        for row in connection.execute(statement)
        if row.lag_ms == 0 or row.at == own.get((row.device_pk, row.key))
    }


def mark_late(connection: Connection, hours: list[tuple[int, UtcMs]]) -> None:
    """Remember that these hours (device_pk, start) have to be rolled up again: a late reading fell into them."""
    _MARK.run(connection, list(dict.fromkeys(hours)))
