"""What goes out: the feed, commands to devices, problems."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    SmallInteger,
    Table,
    Text,
    text,
)

from hub.store.schema.base import ACTIVE_IN_SQLITE, SerialKey, metadata

feed_head = Table(
    "feed_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

feed = Table(
    "feed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # from feed_head, so that commits cannot overtake
    Column("site", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),  # ticket_opened, ticket_changed, problem_raised …
    Column("body_json", Text, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("args_json", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("reply_by", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # pending | sent | done | failed | expired
    Column("detail", Text),
    Index(None, "state", "created_at"),
    Index(None, "site", "name", "created_at"),  # which controllers were compared lately: asked every few seconds
)

problems = Table(
    "problems",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Column("count", BigInteger, nullable=False),
    Column("detail_json", Text, nullable=False),
    Index(
        "uq_problems_active",
        "site",
        "code",
        "subject_type",
        "subject_id",
        unique=True,
        sqlite_where=ACTIVE_IN_SQLITE,
        postgresql_where=text("active"),
    ),
)
