"""What rules remember: their states and their deadlines."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from hub.store.schema.base import SerialKey, metadata

rule_state = Table(
    "rule_state",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("subject_type", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("version", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # msgpack of the rule's state struct
    Column("updated_at", BigInteger, nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    UniqueConstraint("rule", "site", "subject_type", "subject_id", "key"),
    Index(None, "due_at"),
)
