"""Households, the people in them, and the staff who look after them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from hub.store.schema.base import SerialKey, metadata

people = Table(
    "people",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("code", Text, nullable=False),  # the site's own number for the person; imports match on it
    Column("name", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("role", Text),  # staff: housekeeper, technician …; residents have none
    Column("zone", Text, nullable=False),  # housekeepers: buildings they look after, space-separated; empty: all
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    UniqueConstraint("site", "code"),
)

person_channels = Table(
    "person_channels",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("person_id", BigInteger, ForeignKey("people.id"), nullable=False),
    Column("channel", Text, nullable=False),  # sms, wecom, dingtalk, feishu, mail … as the site's notifiers are named
    Column("address", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),  # 1 is tried first
    Column("consent_at", BigInteger),  # null: not agreed to, never used
    UniqueConstraint("person_id", "channel", "address"),
)

households = Table(
    "households",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("unit", Text, nullable=False),  # place of the site file: b1/0101
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),  # null: lives there now; no row without an end: the unit is vacant
    Index(None, "site", "unit"),
    Index(
        "uq_households_current",
        "site",
        "unit",
        unique=True,
        sqlite_where=text("until IS NULL"),
        postgresql_where=text("until IS NULL"),
    ),
)

household_members = Table(
    "household_members",
    metadata,
    Column("household_id", BigInteger, ForeignKey("households.id"), primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, ForeignKey("people.id"), primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),  # owner | tenant | member
    Column("notified", Boolean, nullable=False),  # whether power notices go to this person
)
