"""People and machines that sign in, and what they have asked for already."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from hub.store.schema.base import SerialKey, metadata

users = Table(
    "users",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),  # argon2
    Column("roles", Text, nullable=False),  # space-separated words of the contract
    Column("sites", Text, nullable=False),  # space-separated ids; empty: all
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of 32 random bytes
    Column("roles", Text, nullable=False),
    Column("sites", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("csrf", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
