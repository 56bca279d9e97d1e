"""What the API answers about cards. What a role may not see is null, never left out."""

from __future__ import annotations

from collections.abc import Sequence

from api.shapes import Instant, Shape
from api.shapes_meters import Money
from hub.cards.kinds import CardKind
from hub.cards.ledger import CardState
from hub.cards.permissions import Desired, Reported


class CardHolder(Shape, frozen=True):
    """Who has the card; of an identity number the last four."""

    name: str
    phone: str | None
    id_number: str | None
    under_14: bool


class CardCredential(Shape, frozen=True):
    """The number as it was entered, and in canonical form: raw bits as hex with their number."""

    format: str
    value: str
    raw_hex: str
    bits: int


class CardDoor(Shape, frozen=True):
    """What a controller is to know about this card at one door, and what it has proved to know."""

    controller: str
    door: str
    desired: Desired
    reported: Reported
    since: Instant
    reason: str | None


class Card(Shape, frozen=True):
    """A card as it was given to somebody. `fee_due`: still to be paid; null where the project's price list says.

    `object`: where the thing itself is (assigned, returned, lost, found, in_stock, confiscated, damaged, destroyed); `works`: the renovation of a pass.
    """

    id: int
    site: str
    kind: CardKind
    unit: str | None
    state: CardState
    reason: str | None
    object: str
    holder: CardHolder | None
    credential: CardCredential | None
    missing: Sequence[str]
    fee_due: Money | None
    paid: Money | None
    arithmetic: str | None
    works: int | None
    valid_from: Instant
    valid_until: Instant | None
    replaces: int | None
    created_at: Instant
    doors: Sequence[CardDoor]
    doors_summary: str | None


class CardList(Shape, frozen=True):
    """A page of cards."""

    items: Sequence[Card]
    next: str | None


class CardDoors(Shape, frozen=True):
    """A card's doors, and the sentence for the slip."""

    items: Sequence[CardDoor]
    summary: str


ANSWERS = (Card, CardList, CardDoors)
