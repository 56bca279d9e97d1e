"""Households and people from one sheet: all or nothing, each wrong cell named, the same file twice changes nothing.

A person is recognised by `code` (by the phone number where there is none). People who are not in the sheet stay as they
are; a unit where only others live is refused, because moving out is a decision and not a missing row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from hub.registry import households, people
from hub.registry.households import Member, MemberRole
from hub.registry.people import ChannelEdit, FieldError, PersonEdit
from hub.registry.sheet import CellProblem, RowError, Sheet, understood
from hub.store.schema import household_members
from hub.store.schema import households as households_table
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role

PHONE: Final = re.compile(r"\+?[0-9]{5,20}")
PHONE_CHANNEL: Final = "sms"

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "site": ("site", "项目", "小区"),
    "unit": ("unit", "房号", "单元"),
    "code": ("code", "编号", "客户编号", "工号"),
    "name": ("name", "姓名"),
    "phone": ("phone", "电话", "手机", "手机号"),
    "role": ("role", "身份", "角色", "岗位"),
    "zone": ("zone", "负责楼栋", "片区"),
    "channels": ("channels", "渠道", "通知渠道"),
    "consent": ("consent", "同意", "同意接收"),
    "notified": ("notified", "接收通知", "通知"),
    "locale": ("locale", "language", "语言"),
}
REQUIRED: Final = ("name", "role")

MEMBER_WORDS: Final = {
    **{str(role): role for role in MemberRole},
    "业主": MemberRole.OWNER,
    "租户": MemberRole.TENANT,
    "租客": MemberRole.TENANT,
    "住户": MemberRole.MEMBER,
    "成员": MemberRole.MEMBER,
    "家属": MemberRole.MEMBER,
}
STAFF_WORDS: Final = {
    **{str(role): role for role in Role},
    "中控室值班员": Role.CONTROL_ROOM,
    "当值主管": Role.DUTY_SUPERVISOR,
    "部门经理": Role.DEPARTMENT_MANAGER,
    "电梯工": Role.TECHNICIAN,
    "维修员": Role.TECHNICIAN,
    "秩序维护员": Role.SECURITY,
    "保安": Role.SECURITY,
    "客服前台": Role.FRONT_DESK,
    "前台": Role.FRONT_DESK,
    "客服管家": Role.HOUSEKEEPER,
    "管家": Role.HOUSEKEEPER,
    "财务": Role.FINANCE,
    "项目经理": Role.MANAGER,
    "物业经理": Role.MANAGER,
}
YES: Final = frozenset({"yes", "y", "true", "1", "是", "同意", "有"})
NO: Final = frozenset({"no", "n", "false", "0", "否", "不同意", "无", ""})
LOCALE_WORDS: Final = {"": "zh-CN", "zh-CN": "zh-CN", "zh": "zh-CN", "中文": "zh-CN", "en": "en", "英文": "en"}


class SiteEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of a site, as far as a sheet is checked against it."""

    buildings: Collection[str]
    units: Collection[str]  # `b1/0101`
    notifiers: Collection[str]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row, understood."""

    row: int
    site: str
    person: PersonEdit
    unit: str | None
    member: MemberRole | None
    notified: bool


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """What a sheet wants; nothing may be written while there are problems."""

    entries: tuple[Entry, ...]
    problems: tuple[CellProblem, ...]


class Change(StrEnum):
    """What an import has changed, for its summary."""

    PEOPLE_ADDED = "people added"
    PEOPLE_CHANGED = "people changed"
    PEOPLE_UNCHANGED = "people unchanged"
    HOUSEHOLDS_ADDED = "households added"
    MEMBERS_CHANGED = "members added or changed"


# --- understanding (pure) ---------------------------------------------------------------------------------


def understand(sheet: Sheet, sites: Mapping[str, SiteEntry]) -> Import:
    """What the sheet wants; every wrong cell is named. Pure."""
    entries, problems = understood(sheet, COLUMNS, REQUIRED, lambda number, cells: _entry(number, cells, sites))
    problems += _contradictions(entries)
    return Import(entries=tuple(entries), problems=tuple(sorted(problems)))


def _entry(number: int, values: Mapping[str, str], sites: Mapping[str, SiteEntry]) -> Entry:
    site = site_of(values.get("site", ""), sites)
    role = values["role"]
    member, staff = MEMBER_WORDS.get(role), STAFF_WORDS.get(role)
    if member is None and staff is None:
        raise RowError("role", f"{role!r} is unknown; allowed: {', '.join((*MemberRole, *Role))}")
    phone = _phone(values.get("phone", ""))
    code = values.get("code", "") or phone
    if not code:
        raise RowError("code", "neither a code nor a phone number: nothing to recognise the person by")
    person = PersonEdit(
        code=code,
        name=values["name"],
        locale=_word("locale", values, LOCALE_WORDS),
        role=None if staff is None else str(staff),
        zone=_zone(values.get("zone", ""), staff, sites[site]),
        channels=_channels(values, phone, sites[site]),
    )
    try:
        people.check(person)
    except FieldError as error:
        raise RowError(error.field, error.problem) from error
    return Entry(
        row=number,
        site=site,
        person=person,
        unit=_unit(values.get("unit", ""), member, sites[site]),
        member=member,
        notified=_flag("notified", values) if values.get("notified") else True,
    )


def site_of(text: str, sites: Mapping[str, SiteEntry]) -> str:
    """The site that a cell names; an empty cell where there is one site only. Raises RowError."""
    if not text and len(sites) == 1:
        return next(iter(sites))
    if text not in sites:
        raise RowError("site", f"{text!r} is no site; there are: {', '.join(sites)}")
    return text


def _phone(text: str) -> str:
    number = re.sub(r"[ ()-]", "", text)
    if number and not PHONE.fullmatch(number):
        raise RowError("phone", f"{text[:30]!r} is no telephone number")
    return number


def _word(column: str, values: Mapping[str, str], words: Mapping[str, str]) -> str:
    text = values.get(column, "")
    if text not in words:
        raise RowError(column, f"{text[:30]!r} is unknown; allowed: {', '.join(word for word in words if word)}")
    return words[text]


def _flag(column: str, values: Mapping[str, str]) -> bool:
    text = values.get(column, "").casefold()
    if text not in YES | NO:
        raise RowError(column, f"{text[:30]!r} is neither yes nor no")
    return text in YES


def _zone(text: str, staff: Role | None, site: SiteEntry) -> tuple[str, ...]:
    buildings = buildings_of(text, site)
    if buildings and staff is None:
        raise RowError("zone", "only staff have a zone")
    return buildings


def buildings_of(text: str, site: SiteEntry) -> tuple[str, ...]:
    """The buildings that a cell `zone` names. Raises RowError."""
    buildings = tuple(re.split(r"[\s,;、，；]+", text)) if text else ()
    for building in buildings:
        if building not in site.buildings:
            raise RowError("zone", f"{building[:30]!r} is no building; there are: {', '.join(sorted(site.buildings))}")
    return buildings


def _unit(text: str, member: MemberRole | None, site: SiteEntry) -> str | None:
    if member is None:
        if text:
            raise RowError("unit", "staff live in no unit; a resident has the role owner, tenant or member")
        return None
    if text not in site.units:
        hint = "; units are written b1/0101, in a column formatted as text" if text else ""
        raise RowError("unit", f"{text[:30]!r} is no unit of the site{hint}" if text else "is missing")
    return text


def _channels(values: Mapping[str, str], phone: str, site: SiteEntry) -> tuple[ChannelEdit, ...]:
    """In the order given; the phone number comes first where no channel says otherwise, else last."""
    consent = _flag("consent", values)
    found: dict[tuple[str, str], ChannelEdit] = {}
    for part in re.split(r"[;；\n]+", values.get("channels", "")):
        channel, _, address = (word.strip() for word in part.strip().partition(":"))
        if not channel:
            continue
        if channel not in site.notifiers:
            known = ", ".join(sorted(site.notifiers)) or "none yet"
            raise RowError("channels", f"{channel[:30]!r} is no notifier of the site; there are: {known}")
        address = address or (phone if channel == PHONE_CHANNEL else "")
        if not address:
            raise RowError("channels", f"{channel} has no address; written {channel}:ADDRESS")
        found.setdefault((channel, address), ChannelEdit(channel, address, consent))
    if phone and not any(channel == PHONE_CHANNEL for channel, _ in found):
        found[PHONE_CHANNEL, phone] = ChannelEdit(PHONE_CHANNEL, phone, consent)
    return tuple(found.values())


def _contradictions(entries: Iterable[Entry]) -> list[CellProblem]:
    """One person in several rows (several units) has to be the same person in each."""
    first: dict[tuple[str, str], Entry] = {}
    homes: set[tuple[str, str, str]] = set()
    problems = []
    for entry in entries:
        other = first.setdefault((entry.site, entry.person.code), entry)
        if other.person != entry.person:
            problems.append(
                CellProblem(entry.row, "code", f"{entry.person.code!r} is another person in row {other.row}")
            )
        home = (entry.site, entry.person.code, entry.unit or "")
        if home in homes:
            problems.append(CellProblem(entry.row, "code", "the same person and unit stand twice"))
        homes.add(home)
    return problems


# --- writing ----------------------------------------------------------------------------------------------


def occupied_by_others(connection: Connection, wanted: Import) -> list[CellProblem]:
    """Rows whose unit is lived in by people of whom none is in the sheet: somebody has to move out first."""
    by_unit: dict[tuple[str, str], list[Entry]] = {}
    for entry in wanted.entries:
        if entry.unit is not None:
            by_unit.setdefault((entry.site, entry.unit), []).append(entry)
    problems = []
    for (site, unit), entries in by_unit.items():
        living = set(connection.execute(_living(site, unit)).scalars())
        coming = {people.find_code(connection, site, entry.person.code) for entry in entries}
        if living and living.isdisjoint(coming):
            reason = f"others live in {unit}: they have to move out first (API: units/move-out)"
            problems.append(CellProblem(entries[0].row, "unit", reason))
    return problems


def _living(site: str, unit: str) -> Any:
    return (
        select(household_members.c.person_id)
        .join(households_table, households_table.c.id == household_members.c.household_id)
        .where(households_table.c.site == site, households_table.c.unit == unit, households_table.c.until.is_(None))
    )


def write(connection: Connection, wanted: Import, now: UtcMs) -> dict[Change, int]:
    """Bring the database in line, within the caller's transaction; what was changed."""
    counts = dict.fromkeys(Change, 0)
    ids: dict[tuple[str, str], int] = {}
    for entry in wanted.entries:
        key = (entry.site, entry.person.code)
        if key not in ids:
            ids[key] = _put_person(connection, entry, counts, now)
        if entry.unit is not None and entry.member is not None:
            _put_member(connection, entry, ids[key], counts, now)
    return counts


def _put_person(connection: Connection, entry: Entry, counts: dict[Change, int], now: UtcMs) -> int:
    known = people.find_code(connection, entry.site, entry.person.code)
    if known is None:
        counts[Change.PEOPLE_ADDED] += 1
        return people.create(connection, entry.site, entry.person, now)
    changed = people.change(connection, known, entry.person, now)
    counts[Change.PEOPLE_CHANGED if changed else Change.PEOPLE_UNCHANGED] += 1
    return known


def _put_member(connection: Connection, entry: Entry, person: int, counts: dict[Change, int], now: UtcMs) -> None:
    assert entry.unit is not None
    assert entry.member is not None
    member = Member(person, entry.member, entry.notified)
    household = households.current(connection, entry.site, entry.unit)
    if household is None:
        households.move_in(connection, entry.site, entry.unit, [member], now)
        counts[Change.HOUSEHOLDS_ADDED] += 1
    elif households.add_member(connection, household, member):
        counts[Change.MEMBERS_CHANGED] += 1
