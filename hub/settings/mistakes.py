"""What is wrong in the configuration: file, line, field, problem and what is allowed.

Mistakes are collected, never raised one by one: whoever repairs a file wants to see all of them at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Mistake(msgspec.Struct, frozen=True, order=True):
    """One mistake. `line` counts from 1; 0 where there is none (an environment variable, a missing file)."""

    file: str
    line: int
    field: str
    problem: str
    allowed: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        field = f"{self.field}: " if self.field else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return f"{where}: {field}{self.problem}{allowed}"


class ConfigurationErrors(Exception):  # noqa: N818 - it carries many
    """The configuration cannot be used. `mistakes` are all that were found, by file and line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__("\n".join(map(str, self.mistakes)))


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean …?` when one of the known words is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def listed(words: Iterable[str], limit: int = 20) -> str:
    """Words for the `allowed` part, cut where a list would hide the message."""
    shown = list(words)
    return ", ".join(shown[:limit]) + (f" … ({len(shown)} in all)" if len(shown) > limit else "")
