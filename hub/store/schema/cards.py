"""Cards on three axes: the object, its assignments to holders, and what each door controller is to know and says it knows.

The ledger is never rewritten: a reversed payment is a second row, and every change leaves a row in `card_entries`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from hub.store.schema.base import SerialKey, metadata

cards = Table(
    "cards",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("format", Text, nullable=False),
    Column("bits", SmallInteger, nullable=False),
    Column("raw_hex", Text, nullable=False),  # canonical: all bits, capitals
    Column("value", Text, nullable=False),  # as it was entered and as readers are told
    Column("state", Text, nullable=False),  # hub.cards.ledger.ObjectState
    UniqueConstraint("site", "format", "raw_hex"),
)

card_spellings = Table(
    "card_spellings",
    metadata,
    Column("card_id", BigInteger, ForeignKey("cards.id"), primary_key=True, autoincrement=False),
    Column("spelling", Text, primary_key=True),
    Index(None, "spelling"),
)

card_assignments = Table(
    "card_assignments",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("card_id", BigInteger, ForeignKey("cards.id"), nullable=False),
    Column("site", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit", Text),
    Column("household_id", BigInteger),  # of the unit at the time of issue
    Column("holder_name", Text, nullable=False),
    Column("holder_phone", Text),
    Column("id_last4", Text),
    Column("id_digest", Text),  # keyed: finds a number that is known, tells none
    Column("id_cipher", LargeBinary),  # the number itself (hub.cards.secrecy)
    Column("id_key", Text),  # name of the key of digest and cipher
    Column("minor", Boolean, nullable=False),  # under 14: a guardian's consent, and shown to fewer
    Column("state", Text, nullable=False),  # pending | active | suspended | ended
    Column("reason", Text),  # of suspended and ended
    Column("documents_json", Text, nullable=False),
    Column("doors_json", Text, nullable=False),
    Column("fee_fen", BigInteger),  # null: the project's price list says
    Column("deposit_fen", BigInteger, nullable=False),
    Column("arithmetic", Text, nullable=False),
    Column("counts", Boolean, nullable=False),  # uses up one of the household's free cards
    Column("replaces_id", BigInteger),
    Column("works_id", BigInteger),  # the renovation that a pass belongs to
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger),
    Column(
        "first_issued_at", BigInteger, nullable=False
    ),  # carried over by replacements; a pass's limit counts from it
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index(None, "site", "unit"),
    Index(None, "state", "valid_until"),
    Index(None, "works_id"),
    Index(None, "replaces_id"),
    Index(None, "id_digest"),
    Index(
        "uq_card_assignments_current",
        "card_id",
        unique=True,
        sqlite_where=text("state <> 'ended'"),
        postgresql_where=text("state <> 'ended'"),
    ),
)

card_permissions = Table(
    "card_permissions",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("assignment_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),
    Column("site", Text, nullable=False),
    Column("controller", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("desired", Text, nullable=False),  # granted | revoked
    Column("desired_at", BigInteger, nullable=False),
    Column("reported", Text, nullable=False),  # pending | sent | confirmed | failed | removing | removed
    Column("since", BigInteger, nullable=False),
    Column("reason", Text),
    Column("command_id", Text),
    Column("commanded_at", BigInteger),
    Column("tries", SmallInteger, nullable=False),
    Column("next_try_at", BigInteger),  # null: nothing is to be sent
    Column("overdue", Boolean, nullable=False),  # told as a problem
    UniqueConstraint("assignment_id", "controller", "door"),
    Index(None, "site", "controller"),
    Index(None, "next_try_at"),
)

card_payments = Table(
    "card_payments",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("assignment_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),
    Column("site", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),  # negative: reverses the row of `reverses_id`
    Column("reverses_id", BigInteger, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    UniqueConstraint("site", "receipt"),
    Index(None, "assignment_id"),
)

card_losses = Table(
    "card_losses",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("assignment_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),
    Column("reporter", Text, nullable=False),
    Column("verified", Text, nullable=False),  # id_document | phone
    Column("note", Text, nullable=False),
    Column("reported_at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("found_at", BigInteger),
    Index(None, "assignment_id"),
)

card_entries = Table(
    "card_entries",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("assignment_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("entry", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("data_json", Text, nullable=False),
    Index(None, "assignment_id"),
)

works = Table(
    "works",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("unit", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the permit's number
    Column("contractor", Text, nullable=False),
    Column("until", BigInteger),  # end of the permit; null: not known
    Column("opened_at", BigInteger, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("accepted_at", BigInteger),
    Column("accepted_by", Text),
    Column("revision", BigInteger, nullable=False),
    UniqueConstraint("site", "reference"),
    Index(None, "site", "unit"),
)

deposit_entries = Table(
    "deposit_entries",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("assignment_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),  # the first of its line
    Column("about_id", BigInteger, ForeignKey("card_assignments.id"), nullable=False),  # the pass that it is about
    Column("site", Text, nullable=False),
    Column("entry", Text, nullable=False),  # received | refunded | forfeited
    Column("amount_fen", BigInteger, nullable=False),  # negative: reverses the row of `reverses_id`
    Column("document", Text, nullable=False),  # receipt, refund or penalty number
    Column("party", Text, nullable=False),  # who paid, or who was paid
    Column("reason", Text),  # of forfeited
    Column("note", Text, nullable=False),
    Column("reverses_id", BigInteger, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    UniqueConstraint("site", "entry", "document"),
    Index(None, "assignment_id"),
    Index(None, "about_id"),
)
