"""Every table, as SQLAlchemy Core: the same statements run on SQLite and PostgreSQL.

Times are UTC epoch milliseconds, money is fen, energy is Wh, all as big integers; text columns named `…_json` hold
JSON written by us. A change here needs a migration (`tests/store/test_migrations.py` compares the two).
"""

from hub.store.schema.access import access_controllers, controller_pages
from hub.store.schema.accounts import idempotency, sessions, tokens, users
from hub.store.schema.base import SerialKey, meta, metadata
from hub.store.schema.cards import (
    card_assignments,
    card_entries,
    card_losses,
    card_payments,
    card_permissions,
    card_spellings,
    cards,
    deposit_entries,
    works,
)
from hub.store.schema.duty import (
    duty_assignments,
    duty_overrides,
    duty_shifts,
    hand_over_signatures,
    hand_overs,
    link_uses,
)
from hub.store.schema.households import household_members, households, people, person_channels
from hub.store.schema.intake import events, readings, readings_day, readings_hour, rejected, rollup_due
from hub.store.schema.meters import meter_lives, topups
from hub.store.schema.notices import notice_attempts, notice_merges, notice_orders, notices, templates
from hub.store.schema.outgoing import commands, feed, feed_head, problems
from hub.store.schema.privacy import audit, id_copies
from hub.store.schema.publications import publication_attempts, publication_keys, publications
from hub.store.schema.records import case_reports
from hub.store.schema.registry import device_state, devices, sites
from hub.store.schema.rules import rule_state, timers
from hub.store.schema.tickets import (
    suppressions,
    ticket_clocks,
    ticket_milestones,
    ticket_numbers,
    ticket_timeline,
    tickets,
)

__all__ = [
    "SerialKey",
    "access_controllers",
    "audit",
    "card_assignments",
    "card_entries",
    "card_losses",
    "card_payments",
    "card_permissions",
    "card_spellings",
    "cards",
    "case_reports",
    "commands",
    "controller_pages",
    "deposit_entries",
    "device_state",
    "devices",
    "duty_assignments",
    "duty_overrides",
    "duty_shifts",
    "events",
    "feed",
    "feed_head",
    "hand_over_signatures",
    "hand_overs",
    "household_members",
    "households",
    "id_copies",
    "idempotency",
    "link_uses",
    "meta",
    "metadata",
    "meter_lives",
    "notice_attempts",
    "notice_merges",
    "notice_orders",
    "notices",
    "people",
    "person_channels",
    "problems",
    "publication_attempts",
    "publication_keys",
    "publications",
    "readings",
    "readings_day",
    "readings_hour",
    "rejected",
    "rollup_due",
    "rule_state",
    "sessions",
    "sites",
    "suppressions",
    "templates",
    "ticket_clocks",
    "ticket_milestones",
    "ticket_numbers",
    "ticket_timeline",
    "tickets",
    "timers",
    "tokens",
    "topups",
    "users",
    "works",
]
