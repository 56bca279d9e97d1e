"""Two buses on one wire: two pollers would speak at once, and each would take the other's answers.

A gateway's port, or a serial line, belongs to one bus, whatever it speaks there, within a site file and between them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from hub.settings.mistakes import Mistake
from hub.settings.model import SiteConfig
from hub.settings.source import Located


def wire_of(url: str) -> str:
    """The host and port, or the serial device, of a checked bus URL; empty for an empty one."""
    parts = urlsplit(url)
    return parts.netloc.lower() or parts.path


class Wires:
    """Those of all site files, file by file; within one file its reader looks for them itself."""

    def __init__(self, log: list[Mistake]) -> None:
        self._log = log
        self._taken: dict[str, str] = {}

    def take(self, document: Located, site: SiteConfig, file: str) -> None:
        """The buses of one more file."""
        own = {wire_of(bus.url): bus.id for bus in site.buses if bus.url}
        at = document.value.get("buses", document) if isinstance(document.value, dict) else document
        for wire, bus in own.items():
            if wire in self._taken:
                problem = f"bus {bus!r} is on {wire}, as is {self._taken[wire]}"
                self._log.append(Mistake(file, at.line, "buses", problem, "one bus for each gateway or serial line"))
        for wire, bus in own.items():
            self._taken.setdefault(wire, f"bus {bus!r} of {file}")
