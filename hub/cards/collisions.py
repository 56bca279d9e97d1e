"""Cards that are two to the desk and one to a reader: found at issue, in the representation that the reader really uses.

A Wiegand 26 reader keeps 24 of a UID's 32 bits, so that two UIDs can be one card to its door (domain/access.md 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, or_, select

from hub.cards import numbers
from hub.cards.ledger import ObjectState
from hub.cards.numbers import Number
from hub.store.schema import card_spellings, cards
from hub.vocabulary.credentials import FORMATS, Cut, NumberProfile
from hub.vocabulary.events import CardNumber

OUT: Final = (str(ObjectState.ASSIGNED), str(ObjectState.LOST))
"""A lost card counts: whoever finds it would walk in as the holder of the new one."""
LONG_BITS: Final = 32  # of longer numbers the shortened forms are not among the spellings


class Clash(msgspec.Struct, frozen=True):
    """The other card as it was entered, and how the reader spells both."""

    value: str
    spelled: str


def seen_as(number: Number, profile: NumberProfile) -> Number:
    """The number that a reader with this profile makes of a card: the whole, zero-filled, or what it keeps of it."""
    bits = FORMATS[profile.format].bits
    if number.bits <= bits:
        return Number(profile.format, f"{number.value:0{-(-bits // 4)}X}", bits)
    raw, kept = number.value.to_bytes(-(-number.bits // 8), "big"), -(-bits // 8)
    part = {Cut.FIRST: raw[:kept], Cut.LOW: raw[-kept:], Cut.LOW_REVERSED: bytes(reversed(raw))[-kept:]}[profile.cut]
    value = int.from_bytes(part, "big") & (1 << bits) - 1
    return Number(profile.format, f"{value:0{-(-bits // 4)}X}", bits)


def told_as(format: str, value: str, profile: NumberProfile | None) -> CardNumber:
    """A card as a controller with this profile names it; without a profile, or where it is no number, as it was entered."""
    if profile is None:
        return CardNumber(format, value)
    try:
        seen = seen_as(numbers.read(format, value), profile)
        return CardNumber(seen.format, numbers.spell(seen, profile.spelling))
    except numbers.NumberError:
        return CardNumber(format, value)


def names_of(number: Number, value: str, readers: Iterable[NumberProfile]) -> set[CardNumber]:
    """Every text that a reader of the card's format would mean it by, what was entered, and what these readers make of it."""
    found = {CardNumber(number.format, text) for text in numbers.texts_of(number) | {value}}
    for reader in readers:
        seen = seen_as(number, reader)
        found.add(CardNumber(seen.format, numbers.spell(seen, reader.spelling)))
        found |= {CardNumber(seen.format, text) for text in numbers.texts_of(seen)}
    return found


def known_as(connection: Connection, site: str, seen: Number, profile: NumberProfile) -> list[Row[Any]]:
    """Every card of the site that a reader with this profile means by `seen`, in whatever state."""
    found = _candidates(connection, site, seen, in_use=False)
    return [row for row in found if seen_as(Number(row.format, row.raw_hex, row.bits), profile) == seen]


def find(connection: Connection, site: str, number: Number, profile: NumberProfile) -> Clash | None:
    """Another card of the site that is out and that a reader with this profile takes for the same."""
    mine = seen_as(number, profile)
    for row in _candidates(connection, site, mine, in_use=True):
        other = Number(row.format, row.raw_hex, row.bits)
        if (other.format, other.raw_hex) != (number.format, number.raw_hex) and seen_as(other, profile) == mine:
            return Clash(row.value, numbers.spell(mine, profile.spelling))
    return None


def _candidates(connection: Connection, site: str, seen: Number, *, in_use: bool) -> list[Row[Any]]:
    spelled = select(card_spellings.c.card_id).where(card_spellings.c.spelling.in_(sorted(numbers.search_keys(seen))))
    likely = (
        or_(cards.c.id.in_(spelled), cards.c.bits > LONG_BITS) if seen.bits <= LONG_BITS else cards.c.id.in_(spelled)
    )
    here = [cards.c.site == site, likely, *([cards.c.state.in_(OUT)] if in_use else [])]
    return list(connection.execute(select(cards).where(*here).order_by(cards.c.id)).all())
