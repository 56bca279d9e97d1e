"""`hub import`: from a file to the database in one transaction, or not at all. What a sheet is, its columns say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from hub.cards import card_import, identity
from hub.cards.card_import import CardSite
from hub.registry import household_import, roster_import
from hub.registry.estate import site_facts
from hub.registry.household_import import SiteEntry
from hub.registry.people import FieldError
from hub.registry.rows import align_sites
from hub.registry.sheet import CellProblem, Sheet, SheetError, read_sheet
from hub.settings import Settings, SiteConfig
from hub.store.database import Store
from hub.vocabulary.card_rules import rules_on
from hub.vocabulary.instants import UtcMs


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; nothing was changed where there are problems."""

    counts: Mapping[str, int] = msgspec.field(default_factory=dict)
    problems: tuple[CellProblem, ...] = ()


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A sheet that was understood: what the database has against it, and how it is written."""

    problems: tuple[CellProblem, ...]
    against: Callable[[Connection], Sequence[CellProblem]]
    write: Callable[[Connection], Mapping[str, int]]


class _NothingWritten(Exception):  # noqa: N818  ends the transaction; no error
    """Roll back."""

    def __init__(self, outcome: Imported) -> None:
        super().__init__()
        self.outcome = outcome


def import_sheet(store: Store, settings: Settings, file: Path, now: UtcMs, *, dry_run: bool = False) -> Imported:
    """Read, check and write. Raises SheetError, OSError, and what the database raises."""
    sheet = read_sheet(file)
    plan = _reader_of(sheet)(sheet, settings, now)
    if plan.problems:
        return Imported(problems=plan.problems)
    try:
        with store.write() as connection:
            align_sites(connection, [site_facts(site) for site in settings.sites], now)
            problems = tuple(plan.against(connection))
            if problems:
                raise _NothingWritten(Imported(problems=problems))
            counts = plan.write(connection)
            if dry_run:
                raise _NothingWritten(Imported(counts=counts))
    except _NothingWritten as nothing:
        return nothing.outcome
    except FieldError as error:
        return Imported(problems=(CellProblem(0, error.field, error.problem),))
    return Imported(counts=counts)


def _reader_of(sheet: Sheet) -> Callable[[Sheet, Settings, UtcMs], _Plan]:
    if card_import.is_ledger(sheet):
        return _cards
    return _roster if roster_import.is_roster(sheet) else _households


def _households(sheet: Sheet, settings: Settings, now: UtcMs) -> _Plan:
    wanted = household_import.understand(sheet, _entries(settings))
    return _Plan(
        problems=wanted.problems,
        against=lambda connection: household_import.occupied_by_others(connection, wanted),
        write=lambda connection: {str(word): n for word, n in household_import.write(connection, wanted, now).items()},
    )


def _roster(sheet: Sheet, settings: Settings, now: UtcMs) -> _Plan:
    wanted = roster_import.understand(sheet, _entries(settings))
    today = {
        site.id: datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(site.timezone)).date()
        for site in settings.sites
    }
    return _Plan(
        problems=wanted.problems,
        against=lambda connection: roster_import.unusable(connection, wanted),
        write=lambda connection: {
            str(word): n for word, n in roster_import.write(connection, wanted, today, now).items()
        },
    )


def _cards(sheet: Sheet, settings: Settings, now: UtcMs) -> _Plan:
    sites = {site.id: _card_site(site, now) for site in settings.sites}
    wanted = card_import.understand(sheet, sites, now)
    try:
        ring = identity.load_ring(settings.keys, settings.data_dir)
    except ValueError as error:
        raise SheetError(f"The keys of personal data cannot be used: {error}.") from error
    return _Plan(
        problems=wanted.problems,
        against=lambda connection: card_import.unusable(connection, wanted, sites),
        write=lambda connection: {
            str(word): n for word, n in card_import.write(connection, ring, wanted, sites, now).items()
        },
    )


def _card_site(site: SiteConfig, now: UtcMs) -> CardSite:
    doors: dict[str, tuple[tuple[str, str], ...]] = {}
    for device in site.devices:
        doors[device.place] = (*doors.get(device.place, ()), *((device.id, door.id) for door in device.doors))
    readers = {device.numbers for device in site.devices if device.numbers is not None}
    today = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(site.timezone)).date()
    return CardSite(
        entry=_entry(site),
        timezone=site.timezone,
        rules=rules_on(site.card_rules, today),
        doors=doors,
        readers=tuple(sorted(readers, key=repr)),
    )


def _entries(settings: Settings) -> dict[str, SiteEntry]:
    return {site.id: _entry(site) for site in settings.sites}


def _entry(site: SiteConfig) -> SiteEntry:
    return SiteEntry(
        buildings=frozenset(building.id for building in site.buildings),
        units=frozenset(f"{building.id}/{unit}" for building in site.buildings for unit in building.units),
        notifiers=frozenset(notifier.id for notifier in site.notifiers),
    )
