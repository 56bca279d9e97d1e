"""What protects people: the chain of who read what, and copies of documents under lock until they are not needed.

`audit` rows are only ever added: each carries the digest of the one before, and `meta` holds the newest (`audit_head`).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from hub.store.schema.base import SerialKey, metadata

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("action", Text, nullable=False),  # hub.cards.audit.Action
    Column("site", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail_json", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Index(None, "by", "subject", "at"),
)

id_copies = Table(
    "id_copies",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("assignment_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("cipher", LargeBinary),  # null: deleted
    Column("key_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("deleted_at", BigInteger),
    Column("deleted_why", Text),
    Index(None, "assignment_id"),
)
