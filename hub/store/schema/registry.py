"""Sites and devices as the site files describe them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Table,
    Text,
    UniqueConstraint,
)

from hub.store.schema.base import SerialKey, metadata

sites = Table(
    "sites",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("retired_at", BigInteger),
)

devices = Table(
    "devices",
    metadata,
    Column("pk", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    UniqueConstraint("site", "id"),
)

device_state = Table(
    "device_state",
    metadata,
    Column("device_pk", BigInteger, ForeignKey("devices.pk"), primary_key=True, autoincrement=False),
    Column("heard_at", BigInteger),  # received clock
    Column("reachable", Boolean),  # null: never tried or never heard
    Column("latest_at", BigInteger),  # occurred_at of `latest_json`
    Column("latest_json", Text),  # newest status of a kind that has one (elevators, doors)
)
