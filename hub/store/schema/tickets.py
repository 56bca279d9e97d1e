"""Tickets with timeline, milestones and clocks, and what keeps some of them quiet for a while."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    false,
    text,
)

from hub.store.schema.base import ACTIVE_IN_SQLITE, SerialKey, metadata

tickets = Table(
    "tickets",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("subject_name", Text, nullable=False),  # as it was called when the ticket was opened
    Column("place", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("severity", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("title", Text, nullable=False),  # in the site's language; `reason` and `fields` say it in any other
    Column("occurred_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # when it last ceased to be active
    Column("count", Integer, nullable=False),
    Column("assignee", Text),
    Column("fields_json", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),  # the ETag
    Column("shelved_until", BigInteger),  # off the main list until then; null: not shelved
    Column("maintenance", Boolean, nullable=False, server_default=false()),  # raised under maintenance: pages nobody
    # The case or roll-up that it belongs to. No foreign key: a parent is often younger than its child, also in a restore.
    Column("parent_id", BigInteger),
    Index(
        "uq_tickets_active",
        "kind",
        "site",
        "subject_type",
        "subject_id",
        unique=True,
        sqlite_where=ACTIVE_IN_SQLITE,
        postgresql_where=text("active"),
    ),
    Index(None, "site", "id"),
    Index("ix_tickets_site_kind_opened_at", "site", "kind", "opened_at"),
    Index(None, "parent_id"),
    # Few of many thousands are active: those lists never look through all that has ever been. Of two that serve
    # alike SQLite takes the one that was made last.
    Index("ix_tickets_active_site_id", "site", "id", sqlite_where=ACTIVE_IN_SQLITE, postgresql_where=text("active")),
    Index("ix_tickets_active_id", "id", sqlite_where=ACTIVE_IN_SQLITE, postgresql_where=text("active")),
    Index(None, "subject_id", "id"),
)

ticket_timeline = Table(
    "ticket_timeline",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("entry", Text, nullable=False),  # raised | repeat | signal | action | clock | quiet
    Column("name", Text, nullable=False),  # action, trigger or clock
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),  # person, or rule:entrapment
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("state_from", Text),
    Column("state_to", Text, nullable=False),
    Column("data_json", Text, nullable=False),  # the facts used, or the fields of the action
    Column("event_key", LargeBinary(16)),  # the event that caused it; retention leaves that one alone
    Index(None, "ticket_id", "id"),
    Index(None, "event_key"),
    Index(None, "recorded_at"),
)

ticket_milestones = Table(
    "ticket_milestones",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Index(None, "ticket_id"),
)

ticket_clocks = Table(
    "ticket_clocks",
    metadata,
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # running | met | breached
    Index(
        "ix_ticket_clocks_running",
        "ticket_id",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

ticket_numbers = Table(
    "ticket_numbers",
    metadata,
    Column("site", Text, primary_key=True),
    Column("year", SmallInteger, primary_key=True),
    Column("last", Integer, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("what", Text, nullable=False),  # shelf | silence | maintenance
    Column("ticket_id", BigInteger, ForeignKey("tickets.id")),  # of a shelf
    Column("subject_type", Text),  # of silence and maintenance; null: the whole site
    Column("subject_id", Text),
    Column("kind", Text),  # of a silence; null: every kind
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # null: running
    Column("ended_by", Text),
    Column("end_reason", Text),  # due | by_hand | ticket_over | critical | renewed
    Index(
        "ix_suppressions_running",
        "site",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(None, "ticket_id"),
)
