"""Between the hub's commands and what a UHPPOTE board understands: numbers, dates, doors. Pure.

A board knows dates only, both ends inclusive. So a card's last day there is the day of its last moment: never a day more;
what ends within a day the hub deletes at its minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec

from connectors.codecs.uhppote import FACILITY, card_number
from hub.vocabulary.instants import DurationMs, UtcMs

NEVER: Final = date(2099, 12, 31)
DOOR_ALWAYS: Final = 1
DOORS: Final = 4
BITS: Final = {"wiegand26": 24, "wiegand34": 32}


class NotForThisBoardError(ValueError):
    """The board cannot do what is asked; the text says why and is shown to people."""


class Grant(msgspec.Struct, frozen=True):
    """A card as the board keeps it; `doors`: its four doors, 0 never or 1 always."""

    number: int
    first_day: date
    last_day: date
    doors: tuple[int, int, int, int]


def board_number(args: Mapping[str, Any], card_format: str) -> int:
    """The board's number of a card, from its raw bits. Raises NotForThisBoardError."""
    if args.get("format") != card_format:
        raise NotForThisBoardError(f"this board's readers send {card_format}, the card is {args.get('format')}")
    if "raw" not in args:
        raise NotForThisBoardError(f"{args.get('value')!r} is no number")
    raw = int(str(args["raw"]), 16)
    if raw >> BITS[card_format]:
        raise NotForThisBoardError(f"{args['raw']} has more bits than {card_format}")
    return (raw >> 16) * FACILITY + (raw & 0xFFFF) if card_format == "wiegand26" else raw


def grant(args: Mapping[str, Any], card_format: str, doors: Mapping[str, int], zone: tzinfo) -> Grant:
    """What `put_card` asks for. Raises NotForThisBoardError."""
    first = datetime.fromisoformat(args["from"]).astimezone(zone).date()
    until = args.get("until")
    # A last moment of 24:00 belongs to the day before.
    last = (
        NEVER if until is None else (datetime.fromisoformat(until) - timedelta(milliseconds=1)).astimezone(zone).date()
    )
    opened = [0] * DOORS
    for door in args["doors"]:
        number = doors.get(door)
        if number is None or not 1 <= number <= DOORS:
            raise NotForThisBoardError(f"door {door!r} has no number from 1 to {DOORS} in the site file")
        opened[number - 1] = DOOR_ALWAYS
    if last < first:
        raise NotForThisBoardError("the card's days are over")
    return Grant(board_number(args, card_format), first, min(last, NEVER), (opened[0], opened[1], opened[2], opened[3]))


def listed(number: int, opened: tuple[int, ...], card_format: str, doors: Mapping[str, int]) -> dict[str, Any]:
    """A card on the board's list, as CommandResult.cards names it."""
    card = card_number(number, card_format)
    known = {each: door for door, each in doors.items()}
    open_doors = [known.get(at, f"#{at}") for at, value in enumerate(opened, start=1) if value]
    return {"format": card.format, "value": card.value, "doors": open_doors}


def offset_of(local: datetime | None, zone: tzinfo, now: UtcMs) -> DurationMs:
    """The board's clock minus ours, 0 where it shows no time."""
    return 0 if local is None else clock_offset(local, zone, now)


def clock_offset(local: datetime, zone: tzinfo, now: UtcMs) -> DurationMs:
    """The board's clock minus ours."""
    return round(local.replace(tzinfo=zone).timestamp() * 1000) - now


def local_time(now: UtcMs, zone: tzinfo) -> datetime:
    """What the board's clock is to show, to the nearest second; no zone, as the board has none."""
    return datetime.fromtimestamp(round(now / 1000), UTC).astimezone(zone).replace(tzinfo=None)
