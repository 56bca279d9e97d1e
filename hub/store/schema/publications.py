"""What other systems are told: who, how far each has been told, with which keys it is signed, and every attempt.

The feed is the outbox: a publication holds a cursor into it and no copies. No secret stands in these tables: a key's
secret is derived from its salt with a file beside the database (`hub.pipeline.publication_keys`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from hub.store.schema.base import SerialKey, metadata

publications = Table(
    "publications",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),  # webhook | platform | mqtt
    Column("origin", Text, nullable=False),  # file | api
    Column("url", Text, nullable=False),
    Column("format", Text, nullable=False),  # cloudevents | cap | a platform's description
    Column("types_json", Text, nullable=False),
    Column("kinds_json", Text, nullable=False),  # of tickets; none: all
    Column("state", Text, nullable=False),  # active | disabled | removed
    Column("cursor", BigInteger, nullable=False),  # the newest number of the feed that is done with
    Column("attempts", Integer, nullable=False),  # at the change that is to be told next, all of them in vain
    Column("next_try_at", BigInteger, nullable=False),
    Column("failing_since", BigInteger),
    Column("last_error", Text),
    Column("delivered_at", BigInteger),
    Column("disabled_reason", Text),  # gone | failing | by_hand
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("site", "name"),
)

publication_keys = Table(
    "publication_keys",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("publication_id", BigInteger, ForeignKey("publications.id"), nullable=False),
    Column("salt", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),  # tells that the key file is still the one that it was made with
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),  # an earlier key signs beside the new one until then
    Index(None, "publication_id"),
)

publication_attempts = Table(
    "publication_attempts",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("publication_id", BigInteger, ForeignKey("publications.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),  # 0: a ping
    Column("type", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),  # delivered | retry | refused | gone | put_aside
    Column("answer", Text, nullable=False),
    Index(None, "publication_id", "id"),
    Index(None, "at"),
)
