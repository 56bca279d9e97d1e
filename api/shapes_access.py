"""Access controllers as the API answers them."""

from __future__ import annotations

from api.shapes import Shape


class ForeignCard(Shape, frozen=True):
    """A card on the controller that nobody has issued, as the controller spells it."""

    format: str
    value: str
    doors: tuple[str, ...]


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


class AccessControllerList(Shape, frozen=True):
    """All access controllers that the caller may see and that have said something."""

    items: tuple[AccessController, ...]
    next: str | None = None


ANSWERS = (AccessControllerList,)
