"""What access controllers and doors say, and what becomes of cards. Words after ONVIF; more of them in hub.vocabulary.access.

A card number is text as the reader spells it: leading zeros are significant.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hub.vocabulary.events.base import Event, Subject, SubjectType


class AccessResult(StrEnum):
    """Decision of the controller; reasons after ONVIF, BACnet's finer ones in `reason`."""

    GRANTED = "granted"
    DENIED = "denied"


class DoorState(StrEnum):
    """ONVIF DoorAlarmState and physical state, flat as in the contract."""

    CLOSED = "closed"
    OPEN = "open"
    FORCED_OPEN = "forced_open"
    HELD_OPEN = "held_open"
    TAMPER = "tamper"
    NORMAL = "normal"


class CardNumber(msgspec.Struct, frozen=True):
    """A credential as a reader spells it; leading zeros are significant."""

    format: str
    value: str


class AccessEvent(Event, frozen=True, kw_only=True):
    """A card was presented."""

    door: str
    card: CardNumber | None
    result: AccessResult
    reason: str | None = None
    index: int | None = None
    direction: str | None = None


class DoorEvent(Event, frozen=True, kw_only=True):
    """A door changed."""

    door: str
    state: DoorState


class CardLost(Event, frozen=True, kw_only=True):
    """A card was reported lost and is suspended from now on. `numbers`: every text by which a reader may name it."""

    card: int  # of the ledger; the id of its subject
    told: CardNumber  # as controllers were told it
    numbers: tuple[CardNumber, ...]
    unit: str | None
    near: tuple[str, ...] = ()  # other spellings, without separators: a hint, never a proof

    def subject(self) -> Subject:
        return Subject(self.site, SubjectType.CARD, str(self.card))


class CardFound(Event, frozen=True, kw_only=True):
    """A lost card is back with its holder and valid again."""

    card: int

    def subject(self) -> Subject:
        """The card."""
        return Subject(self.site, SubjectType.CARD, str(self.card))
