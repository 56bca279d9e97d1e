"""What the API answers, as msgspec structs: encoded as they are, and the source of the schemas in the OpenAPI document.

Times are ISO 8601 with offset, money is decimal text, enums are words (contract, HTTP API).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from hub.registry.device_queries import Quality
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.events import SubjectType
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import UtcMs, iso
from hub.vocabulary.units import BalanceUnit, Relay, credit_text, kwh_text

Instant: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Json: TypeAlias = Mapping[str, Any]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers."""


class Balance(Shape, frozen=True):
    """Money as `amount` and `currency`, or energy as `amount` and `unit`."""

    amount: str
    currency: Literal["CNY"] | msgspec.UnsetType = msgspec.UNSET
    unit: Literal["kWh"] | msgspec.UnsetType = msgspec.UNSET


def instant(at: UtcMs | None, zone: tzinfo = UTC) -> str | None:
    """A time that may be missing."""
    return None if at is None else iso(at, zone)


def balance(credit: int | None, unit: BalanceUnit) -> Balance | None:
    """Credit in fen or Wh as the contract writes it."""
    if credit is None:
        return None
    text = credit_text(credit, unit)
    return Balance(amount=text, currency="CNY") if unit is BalanceUnit.CNY else Balance(amount=text, unit="kWh")


def energy(energy_wh: int | None) -> Balance | None:
    """Energy in Wh as the contract writes it."""
    return None if energy_wh is None else Balance(amount=kwh_text(energy_wh), unit="kWh")


class SubjectShape(Shape, frozen=True):
    """Whom a ticket concerns."""

    type: SubjectType
    id: str
    name: str
    place: str


class Ticket(Shape, frozen=True):
    """A ticket; `actions` are those that this caller may take now.

    Kept quiet: on the shelf, silenced (makes no sound, tells nobody), or raised under maintenance (pages nobody).
    `parent` is the roll-up or the case of the whole site that it belongs to.
    """

    id: int
    number: str
    kind: TicketKind
    site: str
    subject: SubjectShape
    state: str
    active: bool
    severity: Severity
    reason: str
    title: str
    occurred_at: Instant
    opened_at: Instant
    updated_at: Instant
    ended_at: Instant | None
    count: int
    assignee: str | None
    fields: Json
    drill: bool
    acknowledged: bool
    shelved_until: Instant | None
    silenced_until: Instant | None
    maintenance: bool
    parent: int | None
    revision: int
    actions: Sequence[str]


class TimelineEntry(Shape, frozen=True):
    """One thing that happened to a ticket; never edited."""

    entry: Literal["raised", "repeat", "signal", "action", "clock", "quiet"]
    name: str
    reason: str
    by: str
    occurred_at: Instant
    recorded_at: Instant
    state_from: str | None
    state_to: str
    data: Json


class Milestone(Shape, frozen=True):
    """A fact with a time."""

    name: str
    at: Instant
    by: str


class Clock(Shape, frozen=True):
    """A deadline."""

    name: str
    started_at: Instant
    due_at: Instant
    state: Literal["running", "met", "breached"]


class ActionField(Shape, frozen=True):
    """One field of an action's body. `choices`: the words that a `choice` (one) or `choices` (several) takes."""

    name: str
    type: Literal["text", "count", "flag", "device", "devices", "choice", "choices", "instant"]
    required: bool
    choices: Sequence[str]


class TicketDetail(Ticket, frozen=True):
    """A ticket with everything that happened to it; `action_fields`: the body of each allowed action."""

    timeline: Sequence[TimelineEntry]
    milestones: Sequence[Milestone]
    clocks: Sequence[Clock]
    action_fields: Mapping[str, Sequence[ActionField]]


class FeedItem(Shape, frozen=True):
    """One public change."""

    seq: int
    site: str
    at: Instant
    type: str
    body: Any


class Problem(Shape, frozen=True):
    """Something that the hub finds wrong with its inputs; `texts` per language."""

    id: int
    site: str
    code: str
    subject: Subject
    severity: Severity
    active: bool
    since: Instant
    last_at: Instant
    cleared_at: Instant | None
    count: int
    detail: Json
    texts: Mapping[str, ProblemText]


class Subject(Shape, frozen=True):
    """Whom something concerns."""

    type: SubjectType
    id: str


class ProblemText(Shape, frozen=True):
    """What is wrong, and what to do."""

    text: str
    what_to_do: str


class Device(Shape, frozen=True):
    """A device; `state` is the newest status that it sent (null for kinds that have none), `problems` are codes."""

    id: str
    site: str
    kind: DeviceKind
    name: str
    place: str
    profile: str
    gateway: str
    quality: Quality
    last_seen: Instant | None
    reachable: bool | None
    state: Json | None
    state_at: Instant | None
    problems: Sequence[str]
    retired: bool


class DeviceDetail(Device, frozen=True):
    """A device with its problems in full and the rules' last evaluations ('why not')."""

    problem_details: Sequence[Problem]
    evaluations: Sequence[Json]


class Meter(Shape, frozen=True):
    """A meter's balance, how old it is, and for how many days it lasts (null where that would not be honest)."""

    id: str
    site: str
    name: str
    place: str
    unit: BalanceUnit | None
    balance: Balance | None
    balance_at: Instant | None
    age_s: int | None
    quality: Quality
    days_left: float | None
    days_left_unknown: str | None
    relay: Relay
    meter_alarm: int | None
    purchases: int | None
    energy: Balance | None
    last_reading_at: Instant | None


class Reading(Shape, frozen=True, tag_field="step", tag="raw"):
    """One reading as it came; `late`: newer ones were known when it came."""

    at: Instant
    received_at: Instant
    balance: Balance | None
    energy: Balance | None
    purchases: int | None
    relay: Relay
    meter_alarm: int | None
    late: bool


class RolledUp(Shape, frozen=True):
    """One hour or day."""

    at: Instant
    balance_first: Balance | None
    balance_last: Balance | None
    balance_min: Balance | None
    balance_max: Balance | None
    used: Balance | None
    count: int


class HourOfReadings(RolledUp, frozen=True, tag_field="step", tag="hour"):
    """One hour."""


class DayOfReadings(RolledUp, frozen=True, tag_field="step", tag="day"):
    """One day of the site's calendar."""


class Rejected(Shape, frozen=True):
    """Input that could not be used. `payload_base64` is whole unless `truncated`; `outcome` is null while it waits."""

    id: int
    site: str
    device: str
    channel: str
    address: str
    reason: str
    detail: str
    received_at: Instant
    last_at: Instant
    count: int
    size: int
    payload_base64: str
    payload_text: str
    truncated: bool
    replayed_at: Instant | None
    outcome: str | None


class Replayed(Shape, frozen=True):
    """What came of a replay: `accepted`, or why it still cannot be used."""

    id: int
    outcome: str


class TicketList(Shape, frozen=True):
    """A page of tickets."""

    items: Sequence[Ticket]
    next: str | None


class FeedPage(Shape, frozen=True):
    """A page of changes; `latest_seq` is the newest number of the feed."""

    items: Sequence[FeedItem]
    next: str | None
    latest_seq: int


class DeviceList(Shape, frozen=True):
    """A page of devices."""

    items: Sequence[Device]
    next: str | None


class ReadingList(Shape, frozen=True):
    """A page of readings, hours or days."""

    items: Sequence[Reading | HourOfReadings | DayOfReadings]
    next: str | None


class RejectedList(Shape, frozen=True):
    """A page of rejected input."""

    items: Sequence[Rejected]
    next: str | None


class ProblemList(Shape, frozen=True):
    """A page of problems."""

    items: Sequence[Problem]
    next: str | None


class HealthPart(Shape, frozen=True):
    """One thing that has to work."""

    name: str
    id: str
    ok: bool
    required: bool
    why: str


class Readiness(Shape, frozen=True):
    """Whether the hub does its work, and if not, why not."""

    ready: bool
    parts: Sequence[HealthPart]
    canary_age_ms: Mapping[str, int | None]
    oldest_unacked_ms: int | None
    last_event_at: Instant | None
    version: str
    now: Instant


class Alive(Shape, frozen=True):
    """The process answers."""

    status: Literal["alive"]
    version: str


ANSWERS = (
    TicketList,
    TicketDetail,
    FeedPage,
    DeviceList,
    DeviceDetail,
    Meter,
    ReadingList,
    RejectedList,
    Rejected,
    Replayed,
    ProblemList,
    Readiness,
    Alive,
)
