"""What came in: events, readings with their roll-ups, and input that could not be used."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from hub.store.schema.base import SerialKey, metadata

events = Table(
    "events",
    metadata,
    Column("seq", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("device_pk", BigInteger),
    Column("kind", Text, nullable=False),
    Column("key", LargeBinary(16), nullable=False, unique=True),  # digest of site, device, kind and source key
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("body_json", Text, nullable=False),
    Index(None, "device_pk", "occurred_at"),
    Index(None, "kind", "received_at"),
)

readings = Table(
    "readings",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # occurred_at
    Column("key", BigInteger, primary_key=True, autoincrement=False),  # 64-bit digest of the source key
    Column("lag_ms", BigInteger, nullable=False),  # received_at − at
    Column("credit", BigInteger),  # fen or Wh after `unit`; null: not readable
    Column("unit", SmallInteger, nullable=False),  # index in hub.meters.readings.UNITS
    Column("energy_wh", BigInteger),
    Column("purchases", Integer),
    Column("relay", SmallInteger, nullable=False),  # index in hub.meters.readings.RELAYS
    Column("meter_alarm", SmallInteger),
    Column("late", SmallInteger, nullable=False),
    sqlite_with_rowid=False,  # one B-tree: a meter's readings lie together, and the key holds duplicates off
)

_ROLLUP_COLUMNS = (
    ("credit_first", True),
    ("credit_last", True),
    ("credit_min", True),
    ("credit_max", True),
    ("energy_first_wh", True),
    ("energy_last_wh", True),
    ("used_wh", True),
    ("count", False),
)

readings_hour = Table(
    "readings_hour",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=nullable) for name, nullable in _ROLLUP_COLUMNS),
    sqlite_with_rowid=False,
)

readings_day = Table(
    "readings_day",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),  # midnight of the site's zone
    *(Column(name, BigInteger, nullable=nullable) for name, nullable in _ROLLUP_COLUMNS),
    sqlite_with_rowid=False,
)

rollup_due = Table(
    "rollup_due",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),  # hour that a late reading fell into
    sqlite_with_rowid=False,
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("digest", LargeBinary(16), nullable=False, unique=True),  # of channel, address, payload and reason
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("replayed_at", BigInteger),
    Column("outcome", Text),  # null: waiting; accepted; or the reason of the last replay
    Index(None, "site", "id"),
)
