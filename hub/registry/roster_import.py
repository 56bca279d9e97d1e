"""The roster from one sheet: all or nothing, each wrong cell named, the same file twice changes nothing.

A sheet with a column `shift` is a roster. People are recognised by `code` and have to be there already; assignments that
are not in the sheet stay as they are, because taking somebody off duty is a decision and not a missing row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from hub.registry import people, roster_rows
from hub.registry.household_import import STAFF_WORDS, SiteEntry, buildings_of, site_of
from hub.registry.people import FieldError
from hub.registry.roster import shift_of
from hub.registry.roster_rows import WEEK, AssignmentEdit
from hub.registry.sheet import CellProblem, RowError, Sheet, understood
from hub.store.schema import duty_assignments
from hub.store.schema import people as people_table
from hub.vocabulary.instants import UtcMs

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "site": ("site", "项目", "小区"),
    "code": ("code", "编号", "工号"),
    "name": ("name", "姓名"),
    "role": ("role", "岗位", "角色"),
    "shift": ("shift", "班次"),
    "weekdays": ("weekdays", "星期"),
    "zone": ("zone", "负责楼栋", "片区"),
    "from": ("from", "起", "开始日期"),
    "until": ("until", "止", "结束日期"),
}
REQUIRED: Final = ("code", "shift")
SHIFT_WORDS: Final[Mapping[str, str]] = {
    "A班": "A",
    "B班": "B",
    "全天": "round_the_clock",
    "24小时": "round_the_clock",
    "24h": "round_the_clock",
}
WEEKDAY_WORDS: Final[Mapping[str, str]] = {
    "": "",
    "每天": "",
    "daily": "",
    "工作日": "12345",
    "workdays": "12345",
    "周末": "67",
    "weekend": "67",
}
_CHINESE_DAYS: Final = str.maketrans("一二三四五六日天", "12345677")
_DATE: Final = re.compile(r"(20[0-9]{2})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?:T00:00:00)?")
BY_IMPORT: Final = "import"


class RosterChange(StrEnum):
    """What an import has changed, for its summary."""

    ADDED = "assignments added"
    CHANGED = "assignments changed"
    UNCHANGED = "assignments unchanged"


class RosterEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row, understood. `role` None: the person's own; `valid_from` None: today, or since when it stands already."""

    row: int
    site: str
    code: str
    name: str
    role: str | None
    shift: str
    weekdays: str
    zone: tuple[str, ...]
    valid_from: date | None
    valid_until: date | None


class RosterImport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sheet wants; nothing may be written while there are problems."""

    entries: tuple[RosterEntry, ...]
    problems: tuple[CellProblem, ...]


# --- understanding (pure) ---------------------------------------------------------------------------------


def is_roster(sheet: Sheet) -> bool:
    """Whether the sheet is a roster and no list of households."""
    return bool({header.casefold() for header in sheet.headers} & set(COLUMNS["shift"]))


def understand(sheet: Sheet, sites: Mapping[str, SiteEntry]) -> RosterImport:
    """What the sheet wants; every wrong cell is named. Pure."""
    entries, problems = understood(sheet, COLUMNS, REQUIRED, lambda number, cells: _entry(number, cells, sites))
    problems += _doubles(entries)
    return RosterImport(entries=tuple(entries), problems=tuple(sorted(problems)))


def _entry(number: int, values: Mapping[str, str], sites: Mapping[str, SiteEntry]) -> RosterEntry:
    site = site_of(values.get("site", ""), sites)
    if not values["code"]:
        raise RowError("code", "is missing: nothing to recognise the person by")
    role = values.get("role", "")
    if role and role not in STAFF_WORDS:
        raise RowError("role", f"{role[:30]!r} is unknown; allowed: {', '.join(sorted(set(STAFF_WORDS.values())))}")
    shift = SHIFT_WORDS.get(values["shift"], values["shift"])
    if not shift:
        raise RowError("shift", "is missing")
    valid_from, valid_until = (_day(column, values.get(column, "")) for column in ("from", "until"))
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        raise RowError("until", f"{valid_until} is before {valid_from}")
    return RosterEntry(
        row=number,
        site=site,
        code=values["code"],
        name=values.get("name", ""),
        role=str(STAFF_WORDS[role]) if role else None,
        shift=shift,
        weekdays=_weekdays(values.get("weekdays", "")),
        zone=buildings_of(values.get("zone", ""), sites[site]),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _day(column: str, text: str) -> date | None:
    if not text:
        return None
    found = _DATE.fullmatch(text)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else date.fromisoformat("")
    except ValueError:
        raise RowError(column, f"{text[:30]!r} is no day; written 2026-11-21") from None


def _weekdays(text: str) -> str:
    """`1-5`, `1,3,5`, 周一、周三, 工作日 … as digits in order; nothing: every day."""
    if text.casefold() in WEEKDAY_WORDS:
        return WEEKDAY_WORDS[text.casefold()]
    plain = re.sub(r"周|星期|[\s,，、;；]", "", text.translate(_CHINESE_DAYS)).replace("至", "-").replace("到", "-")
    ranges = re.sub(r"([1-7])-([1-7])", lambda found: WEEK[int(found[1]) - 1 : int(found[2])] or "?", plain)
    if not re.fullmatch(r"[1-7]+", ranges):
        raise RowError("weekdays", f"{text[:30]!r} is unknown; written 1-5 or 1,3,5 (1 is Monday), as text")
    return "".join(sorted(set(ranges)))


def _doubles(entries: Iterable[RosterEntry]) -> list[CellProblem]:
    seen: dict[tuple[Any, ...], int] = {}
    problems = []
    for entry in entries:
        key = (entry.site, entry.code, entry.role, entry.shift, entry.weekdays, entry.zone, entry.valid_from)
        first = seen.setdefault(key, entry.row)
        if first != entry.row:
            problems.append(CellProblem(entry.row, "code", f"the same assignment stands in row {first}"))
    return problems


# --- writing ----------------------------------------------------------------------------------------------


class _Known(msgspec.Struct, frozen=True):
    """A row with the person that it means."""

    entry: RosterEntry
    person_id: int
    role: str


def unusable(connection: Connection, wanted: RosterImport) -> list[CellProblem]:
    """Rows whose person or shift is not there."""
    problems: list[CellProblem] = []
    for entry in wanted.entries:
        try:
            _known(connection, entry)
        except RowError as error:
            problems.append(CellProblem(entry.row, error.column, error.reason))
    return problems


def _known(connection: Connection, entry: RosterEntry) -> _Known:
    person_id = people.find_code(connection, entry.site, entry.code)
    row = (
        None
        if person_id is None
        else connection.execute(select(people_table).where(people_table.c.id == person_id)).one()
    )
    if row is None or row.retired_at is not None:
        raise RowError("code", f"there is nobody with the code {entry.code!r}: import the people first")
    if entry.name and entry.name != row.name:
        raise RowError("name", f"{entry.code!r} is {row.name}, not {entry.name}")
    if row.role is None:
        raise RowError("code", f"{row.name} is no staff: give them a role first")
    known = roster_rows.shifts_of(connection, entry.site)
    if shift_of(entry.shift, known) is None:
        raise RowError("shift", f"{entry.shift[:30]!r} is unknown; allowed: {', '.join(known)}, or 22:00-06:00")
    return _Known(entry, row.id, entry.role or row.role)


def write(
    connection: Connection, wanted: RosterImport, days: Mapping[str, date], now: UtcMs
) -> dict[RosterChange, int]:
    """Bring the database in line, within the caller's transaction; what was changed. `days`: today, per site.

    Raises FieldError for what only the rows themselves can refuse.
    """
    counts = dict.fromkeys(RosterChange, 0)
    for entry in wanted.entries:
        counts[_put(connection, _known(connection, entry), days[entry.site], now)] += 1
    return counts


def _put(connection: Connection, known: _Known, today: date, now: UtcMs) -> RosterChange:
    entry = known.entry
    alike = _alike(connection, known)
    standing = next((row for row in alike if entry.valid_from in {None, date.fromisoformat(row.valid_from)}), None)
    until = None if entry.valid_until is None else entry.valid_until.isoformat()
    if standing is not None and standing.valid_until == until:
        return RosterChange.UNCHANGED
    valid_from = entry.valid_from or (today if standing is None else date.fromisoformat(standing.valid_from))
    if standing is not None:
        roster_rows.take_back(connection, duty_assignments, standing.id, BY_IMPORT, now)
    if entry.valid_until is not None and entry.valid_until < valid_from:
        raise FieldError("until", f"{entry.code}: {entry.valid_until} is before {valid_from}")
    edit = AssignmentEdit(
        person_id=known.person_id,
        role=known.role,
        shift=entry.shift,
        weekdays=entry.weekdays,
        zone=entry.zone,
        valid_from=valid_from,
        valid_until=entry.valid_until,
    )
    roster_rows.assign(connection, entry.site, edit, BY_IMPORT, now)
    return RosterChange.ADDED if standing is None else RosterChange.CHANGED


def _alike(connection: Connection, known: _Known) -> Sequence[Any]:
    """Assignments that stand and differ in their days of validity at most."""
    entry, column = known.entry, duty_assignments.c
    statement = select(duty_assignments).where(
        column.site == entry.site,
        column.person_id == known.person_id,
        column.role == known.role,
        column.shift == entry.shift,
        column.weekdays == entry.weekdays,
        column.zone == " ".join(entry.zone),
        column.ended_at.is_(None),
    )
    return connection.execute(statement.order_by(column.id)).all()
