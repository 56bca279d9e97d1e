"""Every table, as SQLAlchemy Core: the same statements run on SQLite and PostgreSQL.

Times are UTC epoch milliseconds, money is fen, energy is Wh, all as big integers; text columns named `…_json` hold
JSON written by us. A change here needs a migration (`tests/store/test_migrations.py` compares the two).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

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

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

# --- registry ---------------------------------------------------------------------------------------------

sites = Table(
    "sites",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("retired_at", BigInteger),
)

devices = Table(
    "devices",
    metadata,
    Column("pk", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    UniqueConstraint("site", "id"),
)

device_state = Table(
    "device_state",
    metadata,
    Column("device_pk", BigInteger, ForeignKey("devices.pk"), primary_key=True, autoincrement=False),
    Column("heard_at", BigInteger),  # received clock
    Column("reachable", Boolean),  # null: never tried or never heard
    Column("latest_at", BigInteger),  # occurred_at of `latest_json`
    Column("latest_json", Text),  # newest status of a kind that has one (elevators, doors)
)

# --- what came in -----------------------------------------------------------------------------------------

events = Table(
    "events",
    metadata,
    Column("seq", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("device_pk", BigInteger),
    Column("kind", Text, nullable=False),
    Column("key", LargeBinary(16), nullable=False, unique=True),  # digest of site, device, kind and source key
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("body_json", Text, nullable=False),
    Index(None, "device_pk", "occurred_at"),
    Index(None, "kind", "received_at"),
)

readings = Table(
    "readings",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # occurred_at
    Column("key", BigInteger, primary_key=True, autoincrement=False),  # 64-bit digest of the source key
    Column("lag_ms", BigInteger, nullable=False),  # received_at − at
    Column("credit", BigInteger),  # fen or Wh after `unit`; null: not readable
    Column("unit", SmallInteger, nullable=False),  # index in hub.meters.readings.UNITS
    Column("energy_wh", BigInteger),
    Column("purchases", Integer),
    Column("relay", SmallInteger, nullable=False),  # index in hub.meters.readings.RELAYS
    Column("meter_alarm", SmallInteger),
    Column("late", SmallInteger, nullable=False),
    sqlite_with_rowid=False,  # one B-tree: a meter's readings lie together, and the key holds duplicates off
)

_ROLLUP_COLUMNS = (
    ("credit_first", True),
    ("credit_last", True),
    ("credit_min", True),
    ("credit_max", True),
    ("energy_first_wh", True),
    ("energy_last_wh", True),
    ("used_wh", True),
    ("count", False),
)

readings_hour = Table(
    "readings_hour",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=nullable) for name, nullable in _ROLLUP_COLUMNS),
    sqlite_with_rowid=False,
)

readings_day = Table(
    "readings_day",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),  # midnight of the site's zone
    *(Column(name, BigInteger, nullable=nullable) for name, nullable in _ROLLUP_COLUMNS),
    sqlite_with_rowid=False,
)

rollup_due = Table(
    "rollup_due",
    metadata,
    Column("device_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", BigInteger, primary_key=True, autoincrement=False),  # hour that a late reading fell into
    sqlite_with_rowid=False,
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("digest", LargeBinary(16), nullable=False, unique=True),  # of channel, address, payload and reason
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("replayed_at", BigInteger),
    Column("outcome", Text),  # null: waiting; accepted; or the reason of the last replay
    Index(None, "site", "id"),
)

# --- rules ------------------------------------------------------------------------------------------------

rule_state = Table(
    "rule_state",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("subject_type", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("version", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # msgpack of the rule's state struct
    Column("updated_at", BigInteger, nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    UniqueConstraint("rule", "site", "subject_type", "subject_id", "key"),
    Index(None, "due_at"),
)

# --- tickets ----------------------------------------------------------------------------------------------

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

# --- what goes out ----------------------------------------------------------------------------------------

feed_head = Table(
    "feed_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

feed = Table(
    "feed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # from feed_head, so that commits cannot overtake
    Column("site", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),  # ticket_opened, ticket_changed, problem_raised …
    Column("body_json", Text, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("args_json", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("reply_by", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # pending | sent | done | failed | expired
    Column("detail", Text),
    Index(None, "state", "created_at"),
)

problems = Table(
    "problems",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Column("count", BigInteger, nullable=False),
    Column("detail_json", Text, nullable=False),
    Index(
        "uq_problems_active",
        "site",
        "code",
        "subject_type",
        "subject_id",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
)

# --- households and the people in them ---------------------------------------------------------------------

people = Table(
    "people",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("code", Text, nullable=False),  # the site's own number for the person; imports match on it
    Column("name", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("role", Text),  # staff: housekeeper, technician …; residents have none
    Column("zone", Text, nullable=False),  # housekeepers: buildings they look after, space-separated; empty: all
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    UniqueConstraint("site", "code"),
)

person_channels = Table(
    "person_channels",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("person_id", BigInteger, ForeignKey("people.id"), nullable=False),
    Column("channel", Text, nullable=False),  # sms, wecom, dingtalk, feishu, mail … as the site's notifiers are named
    Column("address", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),  # 1 is tried first
    Column("consent_at", BigInteger),  # null: not agreed to, never used
    UniqueConstraint("person_id", "channel", "address"),
)

households = Table(
    "households",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, ForeignKey("sites.id"), nullable=False),
    Column("unit", Text, nullable=False),  # place of the site file: b1/0101
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),  # null: lives there now; no row without an end: the unit is vacant
    Index(None, "site", "unit"),
    Index(
        "uq_households_current",
        "site",
        "unit",
        unique=True,
        sqlite_where=text("until IS NULL"),
        postgresql_where=text("until IS NULL"),
    ),
)

household_members = Table(
    "household_members",
    metadata,
    Column("household_id", BigInteger, ForeignKey("households.id"), primary_key=True, autoincrement=False),
    Column("person_id", BigInteger, ForeignKey("people.id"), primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),  # owner | tenant | member
    Column("notified", Boolean, nullable=False),  # whether power notices go to this person
)

# --- notices ----------------------------------------------------------------------------------------------

notice_orders = Table(
    "notice_orders",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("params_json", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("merge", Text),
    Column("ticket_id", BigInteger),
    Column("drill", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False),  # quiet hours move it
    Column("expires_at", BigInteger, nullable=False),
    Column(
        "state", Text, nullable=False
    ),  # waiting | sending | delivered | sent | undelivered | nobody | expired | withdrawn
    Column("settled_at", BigInteger),
    UniqueConstraint("rule", "site", "subject_type", "subject_id", "key"),
    Index(None, "state", "not_before"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("order_id", BigInteger, ForeignKey("notice_orders.id"), nullable=False),
    Column("site", Text, nullable=False),
    Column("person_id", BigInteger),  # null: a channel that belongs to nobody (a group, the housekeeper's list)
    Column("recipient", Text, nullable=False),  # name as it was when it was sent
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # queued | sending | sent | delivered | failed | expired | withdrawn
    Column("attempts", SmallInteger, nullable=False),
    Column("next_try_at", BigInteger),
    Column("provider_id", Text),
    Column("outcome", Text),  # the provider's last answer, in one line
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("delivered_at", BigInteger),
    UniqueConstraint("order_id", "channel", "address"),
    Index(None, "state", "next_try_at"),
    Index(None, "site", "id"),
    Index(None, "channel", "address", "sent_at"),
)

notice_attempts = Table(
    "notice_attempts",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("notice_id", BigInteger, ForeignKey("notices.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("retry", Boolean, nullable=False),  # the sender's word on whether trying again makes sense
    Column("answer", Text, nullable=False),
    Index(None, "notice_id"),
)

notice_merges = Table(
    "notice_merges",
    metadata,
    Column("order_id", BigInteger, ForeignKey("notice_orders.id"), primary_key=True, autoincrement=False),
    Column(
        "notice_id", BigInteger, ForeignKey("notices.id"), primary_key=True, autoincrement=False
    ),  # sent with this one
)

templates = Table(
    "templates",
    metadata,
    Column("site", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
)

# --- what is bought, and the lives of meters ----------------------------------------------------------------

topups = Table(
    "topups",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("site", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the vending system's own number
    Column("device_pk", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("paid_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger),
    Column("proof", Text),  # purchase_count | recharge_record | balance
    UniqueConstraint("site", "reference"),
    Index(None, "device_pk", "paid_at"),
)

meter_lives = Table(
    "meter_lives",
    metadata,
    Column("id", SerialKey, primary_key=True),
    Column("device_pk", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),  # installed | replaced | handed_over
    Column("at", BigInteger, nullable=False),
    Column("serial", Text),
    Column("end_energy_wh", BigInteger),
    Column("begin_energy_wh", BigInteger),
    Column("credit", BigInteger),  # carried over, or at hand-over
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "device_pk", "at"),
)

# --- people and machines that sign in ---------------------------------------------------------------------

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
