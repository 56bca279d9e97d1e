"""Top-ups, and what happened to meters."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from hub.store.schema.base import SerialKey, metadata

topups = Table(
    "topups",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the vending system's own number
    Column("device_pk", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("paid_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger),
    Column("proof", Text),  # purchase_count | recharge_record | balance
    UniqueConstraint("site", "reference"),
    Index(None, "device_pk", "paid_at"),
)

meter_lives = Table(
    "meter_lives",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("device_pk", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),  # installed | replaced | handed_over
    Column("at", BigInteger, nullable=False),
    Column("serial", Text),
    Column("end_energy_wh", BigInteger),
    Column("begin_energy_wh", BigInteger),
    Column("credit", BigInteger),  # carried over, or at hand-over
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "device_pk", "at"),
)
