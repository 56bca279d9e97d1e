"""What all tables share: names of constraints, and the type of serial keys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite hands out row ids only to INTEGER keys; PostgreSQL's would be 32 bits wide.
SerialKey = BigInteger().with_variant(Integer, "sqlite")

ACTIVE_IN_SQLITE = text("active = 1")
"""Of an index of what is active: SQLAlchemy asks SQLite for `active = 1`, and SQLite uses an index only where that is word for
word its condition."""

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
