"""One mapping of a file, read field by field; what is wrong goes to the log and the reader gets the empty value.

Whoever reads must therefore skip checks that build on an empty value, and nothing read is used while the log holds a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from hub.settings.mistakes import Mistake, listed, nearest
from hub.settings.source import Located, is_ambiguous, names_of

ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ID_ALLOWED: Final = "lower-case letters, digits, - and _, first a letter or digit, at most 63"
TEXT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
TEXT_ALLOWED: Final = "1 to 200 characters without control characters"

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, to complain about it later."""

    file: str
    line: int
    field: str


class Section:
    """A reader for one mapping. Call `finish` at the end: fields that nobody asked for are mistakes."""

    def __init__(self, at: Located, field: str, log: list[Mistake]) -> None:
        self.at = at
        self.field = field
        self.log = log
        self._asked: list[str] = []
        self._refused: set[str] = set()
        if not isinstance(at.value, dict):
            log.append(Mistake(at.file, at.line, field, f"{names_of(at.value)} stands here", "a mapping of fields"))
        self.fields: dict[str, Located] = at.value if isinstance(at.value, dict) else {}
        self.broken = not isinstance(at.value, dict)

    def path(self, key: str) -> str:
        return f"{self.field}.{key}" if self.field else key

    def place(self, key: str) -> Place:
        at = self.fields.get(key, self.at)
        return Place(at.file, at.line, self.path(key))

    def wrong(self, key: str, problem: str, allowed: str = "") -> None:
        """Complain about a field; where it is missing, at the line of the mapping."""
        place = self.place(key)
        self.log.append(Mistake(place.file, place.line, place.field, problem, allowed))

    def refuse(self, key: str, problem: str, allowed: str) -> None:
        """Complain about a field that people expect here and that must not be."""
        if key in self.fields:
            self._refused.add(key)
            self.wrong(key, problem, allowed)

    def take(self, key: str, allowed: str, *, required: bool = False) -> Located | None:
        """The field, or None when it is absent; absent though required, and present but empty, are mistakes."""
        self._asked.append(key)
        at = self.fields.get(key)
        if at is None:
            if required and not self.broken:
                self.wrong(key, "is missing", allowed)
            return None
        if at.value is None:
            self.wrong(key, "is empty", allowed)
            return None
        return at

    def text(
        self,
        key: str,
        *,
        required: bool = False,
        default: str = "",
        pattern: re.Pattern[str] = TEXT,
        allowed: str = TEXT_ALLOWED,
    ) -> str:
        at = self.take(key, allowed, required=required)
        if at is None:
            return default
        return checked_text(at, self.path(key), self.log, pattern, allowed)

    def id(self, key: str = "id") -> str:
        return self.text(key, required=True, pattern=ID, allowed=ID_ALLOWED)

    def integer(
        self, key: str, low: int, high: int, *, required: bool = False, default: int | None = None
    ) -> int | None:
        allowed = f"a whole number from {low} to {high}"
        at = self.take(key, allowed, required=required)
        if at is None:
            return default
        if not isinstance(at.value, int) or isinstance(at.value, bool):
            self.wrong(key, f"{names_of(at.value)} stands here", allowed)
        elif not low <= at.value <= high:
            self.wrong(key, f"{at.value} is out of range", allowed)
        else:
            return at.value
        return default

    def number(self, key: str, low: float, high: float) -> float | None:
        allowed = f"a number from {low:g} to {high:g}"
        at = self.take(key, allowed)
        if at is None:
            return None
        if not isinstance(at.value, int | float) or isinstance(at.value, bool):
            self.wrong(key, f"{names_of(at.value)} stands here", allowed)
        elif not low <= at.value <= high:
            self.wrong(key, f"{at.value} is out of range", allowed)
        else:
            return float(at.value)
        return None

    def flag(self, key: str) -> bool:
        at = self.take(key, "true or false")
        if at is not None and not isinstance(at.value, bool):
            self.wrong(key, f"{names_of(at.value)} stands here", "true or false")
        return at is not None and at.value is True

    def choice(self, key: str, words: Iterable[T], *, required: bool = False, default: T | None = None) -> T | None:
        known = {str(word): word for word in words}
        allowed = listed(known)
        at = self.take(key, allowed, required=required)
        if at is None:
            return default
        if not isinstance(at.value, str) or is_ambiguous(at.value):
            self.wrong(key, f"{names_of(at.value)} stands here", allowed)
            return default
        if at.value not in known:
            self.wrong(key, f"{at.value!r} is unknown{nearest(at.value, known)}", allowed)
        return known.get(at.value, default)

    def texts(self, key: str, pattern: re.Pattern[str], allowed: str) -> list[str]:
        """A list of different texts."""
        found: list[str] = []
        for i, at in enumerate(self.items(key, f"a list; each {allowed}")):
            field = f"{self.path(key)}[{i}]"
            text = checked_text(at, field, self.log, pattern, allowed)
            if text and text in found:
                self.log.append(Mistake(at.file, at.line, field, f"{text!r} stands twice", "each once"))
            found.append(text)
        return found

    def items(self, key: str, allowed: str = "a list", *, required: bool = False) -> list[Located]:
        at = self.take(key, allowed, required=required)
        if at is None:
            return []
        if not isinstance(at.value, list):
            self.wrong(key, f"{names_of(at.value)} stands here", allowed)
            return []
        return at.value

    def sections(self, key: str) -> list[Section]:
        """A list of mappings."""
        return [
            Section(at, f"{self.path(key)}[{i}]", self.log)
            for i, at in enumerate(self.items(key, "a list of mappings"))
        ]

    def section(self, key: str, *, required: bool = False) -> Section | None:
        at = self.take(key, "a mapping of fields", required=required)
        return None if at is None else Section(at, self.path(key), self.log)

    def finish(self) -> None:
        """Complain about fields that nobody asked for."""
        for key, at in self.fields.items():
            if key not in self._asked and key not in self._refused:
                problem = f"unknown field{nearest(key, self._asked)}"
                self.log.append(Mistake(at.file, at.key_line, self.path(key), problem, listed(self._asked)))


def checked_text(at: Located, field: str, log: list[Mistake], pattern: re.Pattern[str], allowed: str) -> str:
    """The text that stands there, or '' with the reason in the log."""
    if not isinstance(at.value, str) or is_ambiguous(at.value):
        quoted = f'quoted text, "{at.written}"' if at.written else allowed
        problem = f"{names_of(at.value)} stands here" if not is_ambiguous(at.value) else names_of(at.value)
        log.append(Mistake(at.file, at.line, field, problem, quoted))
        return ""
    if not pattern.fullmatch(at.value) or not at.value.strip():
        log.append(Mistake(at.file, at.line, field, f"{at.value[:80]!r} is not allowed", allowed))
        return ""
    return at.value
