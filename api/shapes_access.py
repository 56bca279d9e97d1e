"""Access controllers as the API answers them."""

from __future__ import annotations

from typing import Literal

from api.shapes import Instant, Shape
from hub.vocabulary.readers import FailPolicy, HubAway


class ForeignCard(Shape, frozen=True):
    """A card on the controller that nobody has issued, as the controller spells it."""

    format: str
    value: str
    doors: tuple[str, ...]


class HubOpening(Shape, frozen=True):
    """A door at which the hub decides, as the site file allows it: how it fails, how long a decision may take, who allowed it."""

    door: str
    fail_policy: FailPolicy
    hub_away: HubAway
    decide_within_ms: int
    open_ms: int
    allowed_by: tuple[str, ...]


class AccessController(Shape, frozen=True):
    """How a controller stands. Null: never said. `epoch` counts its lives: a replaced or reset one begins another.

    `wanted` cards it is to hold; `unproved` doors of cards that are not yet as they are to be; `last_index` is the
    number of its newest event that is stored; `missed` events of this epoch were overwritten unread.
    """

    id: str
    site: str
    epoch: int
    epoch_since: str | None
    epoch_why: str | None
    serial: str | None
    cards: int | None
    cards_at: str | None
    capacity: int | None
    wanted: int
    unproved: int
    listed_at: str | None
    foreign: tuple[ForeignCard, ...]
    last_index: int | None
    missed: int
    missed_at: str | None
    clock_offset_ms: int | None
    clock_at: str | None
    hub_decides: tuple[HubOpening, ...] = ()


class AccessControllerList(Shape, frozen=True):
    """All access controllers that the caller may see and that have said something."""

    items: tuple[AccessController, ...]
    next: str | None = None


class PresentedCard(Shape, frozen=True):
    """A card as the reader spelled it; null where the caller may not see card numbers."""

    format: str
    value: str


class AccessLogEntry(Shape, frozen=True, kw_only=True):
    """What happened at a door. `what`: `access` (a card was presented), `door` (it changed), `danger`.

    `at` is the corrected time of the event, `received_at` its arrival; `clock` `skewed`: the device's own time was not
    believed. `card` and `unit` are of the assignment that the number belonged to then; null: nobody's, not to be told
    apart, or not for the caller. `live` false: told long after, or found after a start; it opened nothing then.
    """

    id: int
    site: str
    controller: str
    door: str
    what: Literal["access", "door", "danger"]
    at: Instant
    received_at: Instant
    result: Literal["granted", "denied"] | None = None
    reason: str | None = None
    bacnet_event: int | None = None
    state: str | None = None
    direction: str | None = None
    index: int | None = None
    credential: PresentedCard | None = None
    card: int | None = None
    unit: str | None = None
    clock: str
    late: bool
    live: bool


class AccessLog(Shape, frozen=True):
    """Newest arrival first."""

    items: list[AccessLogEntry]
    next: str | None


ANSWERS = (AccessControllerList, AccessLog)
