"""A site's own times of clocks, laid over the kinds' tables: what a clock does stays data of its kind, when is the site's.

Pure. Example: the firm has 60 minutes to arrive outside of the cities, not 30 (TSG T5002 Art. 5; domain/elevator.md 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from hub.tickets.kind import ClockSpec
from hub.tickets.kinds import KINDS
from hub.vocabulary.facts import ClockFacts, ClockTimes


def edited(spec: ClockSpec, times: ClockTimes) -> ClockSpec:
    """The clock with the site's times; what is not named stays. As many warnings as the clock has, in their order."""
    warnings = spec.warnings
    if times.warnings_s is not None:
        whats = [warnings[at_s] for at_s in sorted(warnings)]
        warnings = dict(zip(times.warnings_s, whats, strict=True))
    return msgspec.structs.replace(
        spec,
        within_s=spec.within_s if times.within_s is None else times.within_s,
        every_s=spec.every_s if times.every_s is None else times.every_s,
        times=spec.times if times.times is None else times.times,
        warnings=warnings,
    )


class SiteClocks:
    """Every clock of every kind, per site. `times`: site → kind → clock → the site's own times."""

    def __init__(self, times: Mapping[str, Mapping[str, Mapping[str, ClockTimes]]]) -> None:
        self._own: dict[tuple[str, str], Mapping[str, ClockSpec]] = {}
        for site, kinds in times.items():
            for kind, clocks in kinds.items():
                table = dict(KINDS[kind].clocks)
                table.update({name: edited(table[name], each) for name, each in clocks.items()})
                self._own[site, kind] = table

    def of(self, site: str, kind: str) -> Mapping[str, ClockSpec]:
        """The clocks of a kind at a site."""
        return self._own.get((site, kind)) or KINDS[kind].clocks


STANDARD: Final = SiteClocks({})


def clock_facts() -> Mapping[str, Mapping[str, ClockFacts]]:
    """What settings need to know of each kind's clocks."""
    return {
        str(name): {
            clock: ClockFacts(within_s=spec.within_s, warnings_s=tuple(sorted(spec.warnings)), repeats=spec.every_s > 0)
            for clock, spec in kind.clocks.items()
        }
        for name, kind in KINDS.items()
    }
