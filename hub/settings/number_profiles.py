"""How the readers of a controller spell card numbers: `numbers: {format, spelling, cut}` of a device in the site file.

One setting for the desk, the doors and the log. It is said here and never guessed: one text can be several cards
(domain/access.md 3). `card_format: FORMAT` is its older name for boards and means `numbers: {format: FORMAT}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.settings.section import Section
from hub.vocabulary.credentials import FORMATS, Cut, NumberProfile, Spelling, spellings_of
from hub.vocabulary.facts import DeviceKind, ProfileFacts

OLD_NAME: Final = "card_format"
CARD_FORMATS: Final = ("wiegand26", "wiegand34", "uid32")
BOARD_FORMATS: Final = CARD_FORMATS[:2]
"""Boards with Wiegand inputs know no UIDs."""


def read_number_profile(
    section: Section, kind: DeviceKind | None, profile: ProfileFacts | None = None
) -> NumberProfile | None:
    """None: the controller is told numbers as they were entered, and no collision is looked for."""
    if kind is not None and kind is not DeviceKind.ACCESS_CONTROLLER:
        section.refuse("numbers", "only access controllers read cards", "leave it out")
        return None
    access = profile.access if profile is not None else None
    board = access is not None and "numbers" in access.settings  # its own protocol says how numbers are spelled
    words = _formats(section) if board else tuple(FORMATS)
    old = _old_name(section, words) if board else None
    required = access is not None and (board or access.hub_decides)
    numbers = section.section("numbers", required=required and OLD_NAME not in section.fields)
    if numbers is None:
        return old
    found = _read(numbers, words, board=board)
    if OLD_NAME in section.fields and board:
        section.wrong(OLD_NAME, "is the older name of `numbers: {format: …}`, which stands here too", "leave it out")
    return found


def _formats(section: Section) -> Sequence[str]:
    return BOARD_FORMATS if "serial" in section.fields else CARD_FORMATS


def _old_name(section: Section, words: Sequence[str]) -> NumberProfile | None:
    format_ = section.choice(OLD_NAME, words)
    return None if format_ is None else NumberProfile(format_, _usual(format_))


def _usual(format_: str) -> Spelling:
    """The first of a format's spellings: that of the boards."""
    return FORMATS[format_].spellings[0]


def _read(numbers: Section, words: Sequence[str], *, board: bool) -> NumberProfile | None:
    format_ = numbers.choice("format", {word: word for word in words}, required=True)
    if board:
        numbers.refuse("spelling", "this controller's own protocol says how numbers are spelled", "leave it out")
        spelling = None if format_ is None else _usual(format_)
    else:
        allowed = spellings_of(format_) if format_ is not None else tuple(spellings_of("wiegand26"))
        spelling = numbers.choice("spelling", allowed, default=allowed[0])
    cut = numbers.choice("cut", Cut, default=Cut.LOW_REVERSED)
    numbers.finish()
    if format_ is None or spelling is None:
        return None
    return NumberProfile(format_, spelling, cut or Cut.LOW_REVERSED)
