"""Whether a presented card opens a door at which the hub itself decides: one pure rule over what the ledger knows of it.

Denied unless everything speaks for it. A lost card wins over everything: where a reader cannot tell a lost card from a valid
one, nobody comes in. Reasons after ONVIF with BACnet's finer ones (domain/access.md 2.7, 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, select

from hub.cards import ledger
from hub.cards.collisions import known_as
from hub.cards.ledger import CardState, EndReason, ObjectState
from hub.cards.numbers import Number
from hub.store.schema import card_assignments
from hub.vocabulary.access import AccessReason
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.instants import UtcMs


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a card that the reader may mean stands now. `state` None: it was never anybody's, or is nobody's any more."""

    object: ObjectState
    assignment: int | None = None
    state: CardState | None = None
    reason: EndReason | None = None
    valid_from: UtcMs = 0
    valid_until: UtcMs | None = None
    doors: frozenset[tuple[str, str]] = frozenset()  # (controller, door)


class Admission(NamedTuple):
    """The decision. `reason` None: granted."""

    reason: AccessReason | None
    assignment: int | None = None

    @property
    def granted(self) -> bool:
        return self.reason is None


_SUSPENDED: Final[Mapping[EndReason, AccessReason]] = {EndReason.LOST: AccessReason.CREDENTIAL_LOST}
_ENDED: Final[Mapping[EndReason, AccessReason]] = {
    EndReason.LOST: AccessReason.CREDENTIAL_LOST,
    EndReason.EXPIRED: AccessReason.CREDENTIAL_EXPIRED,
}


def admit(cards: Sequence[Standing], door: tuple[str, str], now: UtcMs) -> Admission:
    """The decision on a number that stands for `cards`: as a rule one, none for an unknown number."""
    lost = next((card for card in cards if card.object is ObjectState.LOST), None)
    if lost is not None:
        return Admission(AccessReason.CREDENTIAL_LOST, lost.assignment)
    decided = [Admission(_why_not(card, door, now), card.assignment) for card in cards]
    granted = [each for each in decided if each.granted]
    if len(granted) > 1:  # the same number to this reader, and both would be let in: whose passage would it be?
        return Admission(AccessReason.OTHER)
    return next(iter(granted or decided), Admission(AccessReason.CREDENTIAL_NOT_FOUND))


def _why_not(card: Standing, door: tuple[str, str], now: UtcMs) -> AccessReason | None:
    match card.state:
        case CardState.PENDING:
            return AccessReason.CREDENTIAL_NOT_PROVISIONED
        case CardState.SUSPENDED:
            return _reason(_SUSPENDED, card.reason, AccessReason.CREDENTIAL_DISABLED)
        case CardState.ENDED:
            return _reason(_ENDED, card.reason, AccessReason.CREDENTIAL_UNASSIGNED)
        case CardState.ACTIVE:
            pass
        case _:
            return AccessReason.CREDENTIAL_UNASSIGNED
    if card.object is not ObjectState.ASSIGNED:
        return AccessReason.CREDENTIAL_NOT_ENABLED
    if now < card.valid_from:
        return AccessReason.CREDENTIAL_NOT_ACTIVE
    if card.valid_until is not None and now >= card.valid_until:
        return AccessReason.CREDENTIAL_EXPIRED
    return None if door in card.doors else AccessReason.UNAUTHORIZED


def _reason(table: Mapping[EndReason, AccessReason], reason: EndReason | None, otherwise: AccessReason) -> AccessReason:
    return otherwise if reason is None else table.get(reason, otherwise)


# --- what the ledger knows --------------------------------------------------------------------------------


def standings(connection: Connection, site: str, seen: Number, profile: NumberProfile) -> list[Standing]:
    """Every card of the site that a reader with this profile means by `seen`, in whatever state."""
    return [_standing(connection, card) for card in known_as(connection, site, seen, profile)]


def _standing(connection: Connection, card: Row[Any]) -> Standing:
    """The assignment that is not over, else the last one."""
    newest = select(card_assignments).where(card_assignments.c.card_id == card.id)
    row = ledger.current(connection, card.id)
    if row is None:
        row = connection.execute(newest.order_by(card_assignments.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return Standing(object=ObjectState(card.state))
    return Standing(
        object=ObjectState(card.state),
        assignment=row.id,
        state=CardState(row.state),
        reason=None if row.reason is None else EndReason(row.reason),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        doors=frozenset(ledger.doors_of(row)),
    )
