"""Who is on duty, links that were used to acknowledge, and notes from shift to shift.

Nothing here is rewritten or deleted while it can matter: an assignment ends (`ended_at`), a note is signed by further rows.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, Table, Text

from hub.store.schema.base import SerialKey, metadata

duty_shifts = Table(
    "duty_shifts",
    metadata,
    Column("site", Text, ForeignKey("sites.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("start_minute", SmallInteger, nullable=False),  # of the site's wall clock, since midnight
    Column("end_minute", SmallInteger, nullable=False),  # not after `start_minute`: over midnight; equal: 24 hours
)

duty_assignments = Table(
    "duty_assignments",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("person_id", BigInteger, ForeignKey("people.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("shift", Text, nullable=False),
    Column(
        "weekdays", Text, nullable=False
    ),  # digits 1 (Monday) to 7, of the day on which the shift begins; empty: all
    Column("zone", Text, nullable=False),  # buildings, space-separated; empty: the whole site
    Column("valid_from", Text, nullable=False),  # first day on which a shift begins, 2026-11-21, in the site's zone
    Column("valid_until", Text),  # last one; null: no end
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("ended_at", BigInteger),  # taken back
    Column("ended_by", Text),
    Index(None, "site", "role"),
)

duty_overrides = Table(
    "duty_overrides",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("kind", Text, nullable=False),  # replace | add | absent
    Column("role", Text),  # null: every role of the person (absent and replace only)
    Column("person_id", BigInteger, ForeignKey("people.id"), nullable=False),
    Column("by_person_id", BigInteger, ForeignKey("people.id")),  # of replace: who stands in
    Column("zone", Text, nullable=False),  # of add
    Column("from_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    Index(None, "site", "until_at"),
)

link_uses = Table(
    "link_uses",
    metadata,
    Column("signature", Text, primary_key=True),  # of the link: each is good for one use
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("person_id", BigInteger, ForeignKey("people.id"), nullable=False),
    Column("action", Text, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),  # of the link; retention drops the row some time after it
)

hand_overs = Table(
    "hand_overs",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("desk", Text, nullable=False),  # the role that hands over to itself
    Column("shift", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("cases_json", Text, nullable=False),  # active tickets at that moment
    Column("items_json", Text, nullable=False),  # what was counted
    Column("instructions", Text, nullable=False),
    Index(None, "site", "at"),
)

hand_over_signatures = Table(
    "hand_over_signatures",
    metadata,
    Column("hand_over_id", BigInteger, ForeignKey("hand_overs.id"), primary_key=True, autoincrement=False),
    Column("part", Text, primary_key=True),  # given | taken
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("remark", Text, nullable=False),
)
