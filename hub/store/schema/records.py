"""Reports about cases: every version that was ever saved, none of them edited or deleted afterwards."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

from hub.store.schema.base import SerialKey, metadata

case_reports = Table(
    "case_reports",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("form", Text, nullable=False),  # major_incident | emergency | return_to_service
    Column("version", Integer, nullable=False),  # 1, 2, 3 … per ticket and form
    Column("signed", Boolean, nullable=False),  # False: a draft
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),  # the account that saved it
    Column("signatory", Text),  # the name that stands under it; null: a draft
    Column("fields_json", Text, nullable=False),
    Column("record_json", Text),  # the case as it stood when it was signed
    Column("digest", Text, nullable=False),  # over all of this and the digest of the version before
    UniqueConstraint("ticket_id", "form", "version"),
)
