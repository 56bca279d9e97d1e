"""`hub import`: from a file to the database in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hub.registry.estate import site_facts
from hub.registry.household_import import Change, SiteEntry, occupied_by_others, understand, write
from hub.registry.people import FieldError
from hub.registry.rows import align_sites
from hub.registry.sheet import CellProblem, read_sheet
from hub.settings import Settings, SiteConfig
from hub.store.database import Store
from hub.vocabulary.instants import UtcMs


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; nothing was changed where there are problems."""

    counts: Mapping[Change, int] = msgspec.field(default_factory=dict)
    problems: tuple[CellProblem, ...] = ()


class _NothingWritten(Exception):  # noqa: N818  ends the transaction; no error
    """Roll back."""

    def __init__(self, outcome: Imported) -> None:
        super().__init__()
        self.outcome = outcome


def import_households(store: Store, settings: Settings, file: Path, now: UtcMs, *, dry_run: bool = False) -> Imported:
    """Read, check and write. Raises SheetError, OSError, and what the database raises."""
    wanted = understand(read_sheet(file), {site.id: _entry(site) for site in settings.sites})
    if wanted.problems:
        return Imported(problems=wanted.problems)
    try:
        with store.write() as connection:
            align_sites(connection, [site_facts(site) for site in settings.sites], now)
            problems = tuple(occupied_by_others(connection, wanted))
            if problems:
                raise _NothingWritten(Imported(problems=problems))
            counts = write(connection, wanted, now)
            if dry_run:
                raise _NothingWritten(Imported(counts=counts))
    except _NothingWritten as nothing:
        return nothing.outcome
    except FieldError as error:
        return Imported(problems=(CellProblem(0, error.field, error.problem),))
    return Imported(counts=counts)


def _entry(site: SiteConfig) -> SiteEntry:
    return SiteEntry(
        buildings=frozenset(building.id for building in site.buildings),
        units=frozenset(f"{building.id}/{unit}" for building in site.buildings for unit in building.units),
        notifiers=frozenset(notifier.id for notifier in site.notifiers),
    )
