"""Tickets with timeline, milestones and clocks."""

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
    text,
)

from hub.store.schema.base import SerialKey, metadata

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
    Index(
        "uq_tickets_active",
        "kind",
        "site",
        "subject_type",
        "subject_id",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
    Index(None, "site", "id"),
)

ticket_timeline = Table(
    "ticket_timeline",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("entry", Text, nullable=False),  # raised | repeat | signal | action | clock
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
)

ticket_numbers = Table(
    "ticket_numbers",
    metadata,
    Column("site", Text, primary_key=True),
    Column("year", SmallInteger, primary_key=True),
    Column("last", Integer, nullable=False),
)
