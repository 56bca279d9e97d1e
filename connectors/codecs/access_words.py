"""Words of access profiles: what a vendor's code means, as one short text in a table of the profile.

Pure. `granted`, `granted REASON`, `denied REASON`, `door STATE`, `danger WORD`, `boot`, `nothing`; a code that the table
does not name is `denied other` or `granted`, after the device's own flag, and keeps its number in `extra`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from connectors.codecs.profile_error import Problems
from hub.vocabulary.access import AccessReason, Danger
from hub.vocabulary.events import DoorState


class Sort(StrEnum):
    """What kind of event a code stands for."""

    GRANTED = "granted"
    DENIED = "denied"
    DOOR = "door"
    DANGER = "danger"
    BOOT = "boot"
    NOTHING = "nothing"  # known, and of no interest to anybody


class Meaning(msgspec.Struct, frozen=True):
    """One code's meaning; `word` is an AccessReason, a DoorState or a Danger."""

    sort: Sort
    word: str | None = None


_WORDS: Final[Mapping[Sort, type[StrEnum] | None]] = {
    Sort.GRANTED: AccessReason,
    Sort.DENIED: AccessReason,
    Sort.DOOR: DoorState,
    Sort.DANGER: Danger,
    Sort.BOOT: None,
    Sort.NOTHING: None,
}
_WITHOUT: Final = (Sort.GRANTED, Sort.BOOT, Sort.NOTHING)


def meaning(text: str) -> Meaning:
    """Raises ValueError with what is allowed."""
    head, _, word = text.partition(" ")
    if head not in set(Sort):
        raise ValueError(f"{text!r}; allowed: {', '.join(Sort)}")
    sort = Sort(head)
    words = _WORDS[sort]
    if not word:
        if sort not in _WITHOUT:
            raise ValueError(f"{text!r}; a word is needed: {', '.join(words or ())}")
        return Meaning(sort)
    if words is None or word not in set(words):
        raise ValueError(f"{text!r}; allowed after {sort}: {', '.join(words or ()) or 'nothing'}")
    return Meaning(sort, word)


def read_table(raw: Any, name: str, problems: Problems) -> dict[str, Meaning]:
    """Code (as text) → meaning."""
    found: dict[str, Meaning] = {}
    if not isinstance(raw, Mapping) or not raw:
        problems.add(name, "a mapping of codes to words is needed")
        return found
    for code, text in raw.items():
        try:
            found[str(code)] = meaning(str(text))
        except ValueError as error:
            problems.add(f"{name}.{code}", str(error))
    return found
