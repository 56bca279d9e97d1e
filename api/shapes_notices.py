"""What the API answers about notices, their texts, people and households; conventions as in api.shapes."""

from __future__ import annotations

from collections.abc import Sequence

from api.shapes import Instant, Shape, Subject
from hub.notices.plan import NoticeState
from hub.registry.households import MemberRole
from hub.vocabulary.decisions import Audience, Urgency


class Attempt(Shape, frozen=True):
    """One attempt; `retry`: the sender said that trying again makes sense."""

    at: Instant
    ok: bool
    retry: bool
    answer: str


class Notice(Shape, frozen=True):
    """One recipient on one channel. `recipient` and `address` are masked for roles that need not know them (`masked`)."""

    id: int
    site: str
    ticket: int | None
    subject: Subject
    rule: str
    key: str
    merged_keys: Sequence[str]  # further orders that went out with this one
    audience: Audience
    template: str
    urgency: Urgency
    drill: bool
    recipient: str
    channel: str
    address: str
    masked: bool
    title: str
    body: str
    state: NoticeState
    outcome: str | None
    attempts: int
    created_at: Instant
    next_try_at: Instant | None
    sent_at: Instant | None
    delivered_at: Instant | None


class NoticeDetail(Notice, frozen=True):
    """A notice with every attempt."""

    history: Sequence[Attempt]


class NoticeList(Shape, frozen=True):
    """A page of notices."""

    items: Sequence[Notice]
    next: str | None


class ReceiptTaken(Shape, frozen=True):
    """A provider's receipt was written down."""

    taken: bool


class NoticeTemplate(Shape, frozen=True):
    """A text; `own`: the site has edited it. `power`: it must not speak of property fees."""

    site: str
    name: str
    locale: str
    title: str
    body: str
    own: bool
    power: bool
    params: Sequence[str]
    optional: Sequence[str]
    updated_at: Instant | None
    updated_by: str | None


class NoticeTemplateList(Shape, frozen=True):
    """All texts of a site."""

    items: Sequence[NoticeTemplate]
    next: str | None


class NoticePreview(Shape, frozen=True):
    """A text with its parameters put in."""

    title: str
    body: str


class PersonChannel(Shape, frozen=True):
    """A way to a person; without consent it is not used."""

    channel: str
    address: str
    consent: bool
    consent_at: Instant | None


class Home(Shape, frozen=True):
    """A unit where the person lives now."""

    unit: str
    role: MemberRole
    notified: bool


class Person(Shape, frozen=True):
    """A resident, or staff where `role` is set."""

    id: int
    site: str
    code: str
    name: str
    locale: str
    role: str | None
    zone: Sequence[str]
    channels: Sequence[PersonChannel]
    homes: Sequence[Home]
    created_at: Instant
    retired_at: Instant | None


class PersonList(Shape, frozen=True):
    """A page of people."""

    items: Sequence[Person]
    next: str | None


class HouseholdMember(Shape, frozen=True):
    """A person in a household."""

    person: int
    name: str
    role: MemberRole
    notified: bool


class Household(Shape, frozen=True):
    """Who lives, or lived, in a unit; `until` null: now."""

    id: int
    site: str
    unit: str
    since: Instant
    until: Instant | None
    members: Sequence[HouseholdMember]


class HouseholdList(Shape, frozen=True):
    """A page of households."""

    items: Sequence[Household]
    next: str | None


ANSWERS = (
    NoticeList,
    NoticeDetail,
    ReceiptTaken,
    NoticeTemplate,
    NoticeTemplateList,
    NoticePreview,
    Person,
    PersonList,
    Household,
    HouseholdList,
)
