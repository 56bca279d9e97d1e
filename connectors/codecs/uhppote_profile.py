"""Section `uhppote` of a profile: the code tables of one protocol version, and card numbers that are no cards. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.codecs.access_words import Meaning, read_table
from connectors.codecs.profile_error import Problems, ProfileError


class UhppoteProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons`: reason code → meaning. `no_cards`: numbers that stand in the card's place and are none."""

    reasons: Mapping[str, Meaning]
    no_cards: frozenset[int]
    doors: int  # of a board of this kind at most


def parse(raw: dict[str, Any]) -> UhppoteProfile:
    """Raises ProfileError with every mistake."""
    problems = Problems()
    section = raw.get("uhppote")
    if not isinstance(section, Mapping):
        raise ProfileError(["uhppote: a mapping with reasons, no_cards and doors is needed"])
    problems.unknown_keys(section, ("reasons", "no_cards", "doors"), "uhppote")
    reasons = read_table(section.get("reasons"), "uhppote.reasons", problems)
    no_cards, doors = section.get("no_cards", []), section.get("doors")
    if not isinstance(no_cards, list) or not all(type(each) is int and 0 <= each < 1 << 32 for each in no_cards):
        problems.add("uhppote.no_cards", "a list of numbers from 0 to 4294967295 is needed")
        no_cards = []
    if type(doors) is not int or not 1 <= doors <= 4:
        problems.add("uhppote.doors", f"{doors!r}; allowed: 1 to 4")
        doors = 4
    if problems.found:
        raise ProfileError(problems.found)
    return UhppoteProfile(reasons=reasons, no_cards=frozenset(no_cards), doors=doors)
