"""How the readers of a controller spell card numbers: `numbers: {format, spelling, cut}` of a device in the site file.

It is said here and never guessed: one text can be several cards (domain/access.md 3).
"""

from __future__ import annotations

from hub.settings.section import Section
from hub.vocabulary.credentials import FORMATS, Cut, NumberProfile, spellings_of
from hub.vocabulary.facts import DeviceKind


def read_number_profile(section: Section, kind: DeviceKind | None) -> NumberProfile | None:
    """None: the controller is told numbers as they were entered, and no collision is looked for."""
    if kind is not None and kind is not DeviceKind.ACCESS_CONTROLLER:
        section.refuse("numbers", "only access controllers read cards", "leave it out")
        return None
    numbers = section.section("numbers")
    if numbers is None:
        return None
    format_ = numbers.choice("format", {word: word for word in FORMATS}, required=True)
    allowed = spellings_of(format_) if format_ is not None else tuple(spellings_of("wiegand26"))
    spelling = numbers.choice("spelling", allowed, default=allowed[0])
    cut = numbers.choice("cut", Cut, default=Cut.LOW_REVERSED)
    numbers.finish()
    if format_ is None or spelling is None:
        return None
    return NumberProfile(format_, spelling, cut or Cut.LOW_REVERSED)
