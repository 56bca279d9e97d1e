"""What may stand only once among sections of one file."""

from __future__ import annotations

from hub.settings.section import Section


class Once:
    """Remembers what was there already; a second one is a mistake that names the line of the first."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.lines: dict[object, int] = {}

    def new(self, section: Section, key: str, value: object) -> bool:
        if value in ("", None):
            return False
        if value in self.lines:
            first = self.lines[value]
            section.wrong(key, f"{self.what} {_said(value)} stands twice (first in line {first})", "each once")
            return False
        self.lines[value] = section.place(key).line
        return True


def _said(value: object) -> str:
    return " on ".join(map(str, value)) if isinstance(value, tuple) else repr(value)
