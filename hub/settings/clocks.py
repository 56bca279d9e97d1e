"""The part `clocks:` of a site file: a site's own times for the clocks of tickets, checked against the clocks that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.settings.mistakes import Mistake, listed, nearest
from hub.settings.section import Section
from hub.settings.source import Located, names_of
from hub.vocabulary.facts import ClockFacts, ClockTimes

ClockTable = Mapping[str, Mapping[str, ClockFacts]]
"""Kind → clock → what it is."""

LONGEST_S: Final = 30 * 24 * 3600
SHORTEST_REPEAT_S: Final = 60
MOST_TIMES: Final = 500
NO_CLOCKS: Final[ClockTable] = {}


def read_clocks(root: Section, table: ClockTable) -> Mapping[str, Mapping[str, ClockTimes]]:
    """Kind → clock → times; what is wrong is in the log."""
    section = root.section("clocks")
    if section is None:
        return {}
    found: dict[str, Mapping[str, ClockTimes]] = {}
    for kind in list(section.fields):
        if kind not in table:
            _unknown(section, kind, "kind of ticket", table)
        elif (clocks := section.section(kind)) is not None:
            found[kind] = _read_kind(clocks, table[kind])
    return found


def _read_kind(section: Section, clocks: Mapping[str, ClockFacts]) -> Mapping[str, ClockTimes]:
    found: dict[str, ClockTimes] = {}
    for name in list(section.fields):
        if name not in clocks:
            _unknown(section, name, "clock", clocks)
        elif (inner := section.section(name)) is not None:
            found[name] = _read_clock(inner, clocks[name])
    return found


def _unknown(section: Section, key: str, what: str, known: Mapping[str, object]) -> None:
    at = section.fields[key]
    problem = f"unknown {what}{nearest(key, known)}"
    section.log.append(Mistake(at.file, at.key_line, section.path(key), problem, listed(known)))


def _read_clock(section: Section, facts: ClockFacts) -> ClockTimes:
    within_s = section.integer("within_s", 1, LONGEST_S)
    warnings_s = _read_warnings(section, facts, within_s or facts.within_s)
    if not facts.repeats:
        for key in ("every_s", "times"):
            section.refuse(key, "this clock pages once", "leave it out")
    every_s = section.integer("every_s", SHORTEST_REPEAT_S, LONGEST_S) if facts.repeats else None
    times = section.integer("times", 1, MOST_TIMES) if facts.repeats else None
    section.finish()
    return ClockTimes(within_s=within_s, warnings_s=warnings_s, every_s=every_s, times=times)


def _read_warnings(section: Section, facts: ClockFacts, within_s: int) -> tuple[int, ...] | None:
    count = len(facts.warnings_s)
    allowed = f"{count} whole numbers of seconds, rising, each before {within_s}"
    if count == 0:
        section.refuse("warnings_s", "this clock gives no warnings", "leave it out")
        return None
    at = section.take("warnings_s", allowed)
    given = facts.warnings_s if at is None else _numbers(section, at, allowed)
    if given is None:
        return None
    if len(given) != count or sorted(set(given)) != list(given) or not 0 < given[0] <= given[-1] < within_s:
        key = "within_s" if at is None else "warnings_s"
        problem = (
            f"its warnings at {', '.join(map(str, given))} s do not fit" if at is None else f"{list(given)} do not fit"
        )
        section.wrong(key, problem, f"`warnings_s`: {allowed}")
        return None
    return None if at is None else given


def _numbers(section: Section, at: Located, allowed: str) -> tuple[int, ...] | None:
    if not isinstance(at.value, list):
        section.wrong("warnings_s", f"{names_of(at.value)} stands here", allowed)
        return None
    values = [each.value for each in at.value if isinstance(each.value, int) and not isinstance(each.value, bool)]
    if len(values) != len(at.value):
        section.wrong("warnings_s", "not all of these are whole numbers", allowed)
        return None
    return tuple(values)
