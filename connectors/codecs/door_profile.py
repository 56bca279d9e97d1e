"""Section `doors` of a profile: which dialect a maker's door controllers speak over MQTT, on which topics, with which codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connectors.codecs.access_words import Meaning, read_table
from connectors.codecs.json_topics import TopicPattern, parse_pattern
from connectors.codecs.profile_error import Problems, ProfileError

DIALECTS: Final = ("esp-rfid", "uhppoted-mqtt", "dahua-vto")


class DoorProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`codes`: the maker's words or numbers → meaning. `no_cards`: numbers in the card's place that are none."""

    dialect: str
    topics: tuple[TopicPattern, ...]
    codes: Mapping[str, Meaning]
    no_cards: frozenset[int]


def parse(raw: dict[str, Any]) -> DoorProfile:
    """Raises ProfileError with every mistake."""
    section = raw.get("doors")
    if not isinstance(section, Mapping):
        raise ProfileError(["doors: a mapping with dialect, topics, codes and no_cards is needed"])
    problems = Problems()
    problems.unknown_keys(section, ("dialect", "topics", "codes", "no_cards"), "doors")
    dialect = section.get("dialect")
    if dialect not in DIALECTS:
        problems.add("doors.dialect", f"{dialect!r}; allowed: {', '.join(DIALECTS)}")
    given = section.get("topics")
    topics = [parse_pattern(each, "doors.topics", problems) for each in (given if isinstance(given, list) else [None])]
    no_cards = section.get("no_cards", [])
    if not isinstance(no_cards, list) or not all(type(each) is int for each in no_cards):
        problems.add("doors.no_cards", "a list of numbers is needed")
        no_cards = []
    codes = read_table(section.get("codes"), "doors.codes", problems)
    problems.raise_if_any()
    patterns = tuple(each for each in topics if each is not None)
    return DoorProfile(dialect=str(dialect), topics=patterns, codes=codes, no_cards=frozenset(no_cards))
