"""Topic patterns with named parts: `hub/v1/{site}/{device}/alarm` ↔ site and device ↔ a broker's filter.

A named part stands for exactly one level, so a name with `/`, `+` or `#` in it never matches.
"""

from __future__ import annotations

from typing import Final

import msgspec

from connectors.codecs.profile_error import Problems

PARTS: Final = ("{site}", "{device}")


class TopicPattern(msgspec.Struct, frozen=True):
    """One pattern, cut into levels."""

    text: str
    levels: tuple[str, ...]

    @property
    def names_device(self) -> bool:
        """False: the payload says which device it is."""
        return "{device}" in self.levels

    def match(self, topic_levels: list[str]) -> tuple[str, str] | None:
        """`(site, device)` of a topic, each '' where the pattern does not name it; None where it does not match."""
        if len(topic_levels) != len(self.levels):
            return None
        site = device = ""
        for level, given in zip(self.levels, topic_levels, strict=True):
            if level == "{site}":
                site = given
            elif level == "{device}":
                device = given
            elif level != given:
                return None
        return site, device

    def filter(self, site: str | None = None) -> str:
        """What to subscribe to: any device of `site`; of any site where it is None."""
        return "/".join(
            (site or "+") if level == "{site}" else "+" if level in PARTS else level for level in self.levels
        )

    def topic(self, site: str, device: str) -> str:
        """The topic of one device."""
        return self.text.replace("{site}", site).replace("{device}", device)


def parse_pattern(text: object, path: str, problems: Problems) -> TopicPattern | None:
    """Read a pattern of a profile; None (and a problem) where it cannot be one."""
    if not isinstance(text, str) or not text:
        problems.add(path, "needed: a topic such as 'maker/{site}/{device}/event'")
        return None
    levels = tuple(text.split("/"))
    for level in levels:
        if level not in PARTS and (not level or set(level) & set("+#{}") or " " in level):
            problems.add(path, f"level {level!r} is not allowed; allowed: plain words, {{site}} and {{device}}")
            return None
    if "{site}" not in levels or any(levels.count(part) > 1 for part in PARTS):
        problems.add(path, "needs {site} exactly once and {device} at most once")
        return None
    return TopicPattern(text, levels)
