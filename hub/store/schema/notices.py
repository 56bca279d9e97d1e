"""Notices: ordered by rules, one row per recipient and channel, every attempt kept."""

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
)

from hub.store.schema.base import SerialKey, metadata

notice_orders = Table(
    "notice_orders",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("params_json", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("merge", Text),
    Column("ticket_id", BigInteger),
    Column("drill", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False),  # quiet hours move it
    Column("expires_at", BigInteger, nullable=False),
    Column(
        "state", Text, nullable=False
    ),  # waiting | sending | delivered | sent | undelivered | nobody | expired | withdrawn
    Column("settled_at", BigInteger),
    UniqueConstraint("rule", "site", "subject_type", "subject_id", "key"),
    Index(None, "state", "not_before"),
    Index(None, "ticket_id"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("order_id", BigInteger, ForeignKey("notice_orders.id"), nullable=False),
    Column("site", Text, nullable=False),
    Column("person_id", BigInteger),  # null: a channel that belongs to nobody (a group, the housekeeper's list)
    Column("recipient", Text, nullable=False),  # name as it was when it was sent
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # queued | sending | sent | delivered | failed | expired | withdrawn
    Column("attempts", SmallInteger, nullable=False),
    Column("next_try_at", BigInteger),
    Column("provider_id", Text),
    Column("outcome", Text),  # the provider's last answer, in one line
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("delivered_at", BigInteger),
    UniqueConstraint("order_id", "channel", "address"),
    Index(None, "state", "next_try_at"),
    Index(None, "site", "id"),
    Index(None, "channel", "address", "sent_at"),
)

notice_attempts = Table(
    "notice_attempts",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("notice_id", BigInteger, ForeignKey("notices.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("retry", Boolean, nullable=False),  # the sender's word on whether trying again makes sense
    Column("answer", Text, nullable=False),
    Index(None, "notice_id"),
)

notice_merges = Table(
    "notice_merges",
    metadata,
    Column("order_id", BigInteger, ForeignKey("notice_orders.id"), primary_key=True, autoincrement=False),
    Column(
        "notice_id", BigInteger, ForeignKey("notices.id"), primary_key=True, autoincrement=False
    ),  # sent with this one
    Index(None, "notice_id"),
)

templates = Table(
    "templates",
    metadata,
    Column("site", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
)
