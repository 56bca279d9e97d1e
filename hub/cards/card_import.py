"""Cards that are out already, from one sheet, for the first day: all or nothing, each wrong cell named, the same file twice
changes nothing.

A sheet with a column for card numbers is a ledger. Its cards are valid at once and count as issued; doors are told by the
hub's own supervision, and believed as ever only by their lists. Money of former days is not entered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, Row

from hub.cards import collisions, ledger, numbers, permissions
from hub.cards.fees import Quote
from hub.cards.kinds import KINDS, CardKind, midnight_after, span_of
from hub.cards.ledger import CardState, Holder, Issue, ObjectState
from hub.cards.numbers import Number
from hub.cards.secrecy import KeyRing
from hub.registry import households
from hub.registry.household_import import SiteEntry, site_of
from hub.registry.sheet import CellProblem, RowError, Sheet, understood
from hub.vocabulary.card_rules import CardRules
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.instants import UtcMs

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "site": ("site", "项目", "小区"),
    "unit": ("unit", "房号", "单元"),
    "kind": ("kind", "卡种"),
    "name": ("name", "持卡人", "姓名"),
    "phone": ("phone", "电话", "联系电话"),
    "id_number": ("id_number", "证件号码", "身份证号"),
    "format": ("format", "卡格式"),
    "card": ("card", "卡号"),
    "until": ("until", "有效期至"),
}
REQUIRED: Final = ("kind", "name", "format", "card")
KIND_WORDS: Final[Mapping[str, CardKind]] = {
    **{str(kind): kind for kind in CardKind},
    "业主卡": CardKind.OWNER,
    "租户卡": CardKind.TENANT,
    "员工卡": CardKind.STAFF,
    "出入证": CardKind.WORKER_PASS,
    "临时出入证": CardKind.TEMPORARY_PASS,
    "月租卡": CardKind.PARKING,
    "车辆月租卡": CardKind.PARKING,
}
MOST_CARDS: Final = 500
"""In one transaction, which alarms wait for: a larger estate is entered in several sheets."""
BY_IMPORT: Final = "import"
WORDS: Final = "导入的卡 / imported"
_PHONE: Final = re.compile(r"[+]?[0-9][0-9 -]{2,29}")
_ID_NUMBER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z -]{3,29}")
_DATE: Final = re.compile(r"(20[0-9]{2})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?:T00:00:00)?")


class CardChange(StrEnum):
    """What an import has changed, for its summary."""

    ADDED = "cards added"
    UNCHANGED = "cards unchanged"


class CardSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site as far as its cards are checked. `doors`: place → (controller, door); `readers`: how its readers spell."""

    entry: SiteEntry
    timezone: str
    rules: CardRules
    doors: Mapping[str, tuple[tuple[str, str], ...]] = msgspec.field(default_factory=dict)
    readers: tuple[NumberProfile, ...] = ()


class CardEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row, understood."""

    row: int
    site: str
    unit: str | None
    kind: CardKind
    name: str
    phone: str | None
    id_number: str | None
    number: Number
    value: str
    until: UtcMs | None


class CardImport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sheet wants; nothing may be written while there are problems."""

    entries: tuple[CardEntry, ...]
    problems: tuple[CellProblem, ...]


# --- understanding (pure) ---------------------------------------------------------------------------------


def is_ledger(sheet: Sheet) -> bool:
    """Whether the sheet lists cards."""
    return bool({header.casefold() for header in sheet.headers} & set(COLUMNS["card"]))


def understand(sheet: Sheet, sites: Mapping[str, CardSite], now: UtcMs) -> CardImport:
    """What the sheet wants; every wrong cell is named. Pure."""
    too_many = f"{len(sheet.rows)} cards: at most {MOST_CARDS} in one sheet, split it"
    entries, problems = understood(
        sheet,
        COLUMNS,
        REQUIRED,
        lambda number, cells: _entry(number, cells, sites, now),
        [CellProblem(1, "", too_many)] if len(sheet.rows) > MOST_CARDS else [],
    )
    problems += _doubles(entries, sites)
    return CardImport(entries=tuple(entries), problems=tuple(sorted(problems)))


def _entry(number: int, values: Mapping[str, str], sites: Mapping[str, CardSite], now: UtcMs) -> CardEntry:
    site = site_of(values.get("site", ""), {name: each.entry for name, each in sites.items()})
    kind = KIND_WORDS.get(values["kind"])
    if kind is None:
        raise RowError("kind", f"{values['kind'][:30]!r} is unknown; allowed: {', '.join(KIND_WORDS)}")
    if not values["name"]:
        raise RowError("name", "is missing")
    return CardEntry(
        row=number,
        site=site,
        unit=_unit(values.get("unit", ""), kind, sites[site]),
        kind=kind,
        name=values["name"],
        phone=_fitting("phone", values.get("phone", ""), _PHONE, "digits, with a + in front for another country"),
        id_number=_fitting("id_number", values.get("id_number", ""), _ID_NUMBER, "letters and digits"),
        number=_number(values["format"], values["card"]),
        value=values["card"],
        until=_until(values.get("until", ""), kind, sites[site], now),
    )


def _unit(text: str, kind: CardKind, site: CardSite) -> str | None:
    if not text:
        if KINDS[kind].needs_unit:
            raise RowError("unit", "is missing: a card of this kind belongs to a unit")
        return None
    if text not in site.entry.units:
        raise RowError("unit", f"there is no unit {text[:30]!r}; units are written as in the site file: b1/0101")
    return text


def _fitting(column: str, text: str, pattern: re.Pattern[str], allowed: str) -> str | None:
    if not text:
        return None
    if not pattern.fullmatch(text):
        raise RowError(column, f"cannot be used; allowed: {allowed}")
    return text


def _number(format_: str, text: str) -> Number:
    try:
        return numbers.read(format_, text)
    except numbers.NumberError as error:
        raise RowError("card" if format_ in numbers.FORMATS else "format", str(error)) from None


def _until(text: str, kind: CardKind, site: CardSite, now: UtcMs) -> UtcMs | None:
    if span_of(kind, site.rules) is None:
        if text:
            raise RowError("until", "a card of this kind has no last day")
        return None
    found = _DATE.fullmatch(text)
    if found is None:
        raise RowError("until", "is missing" if not text else f"{text[:30]!r} is no day; allowed: 2027-01-31")
    try:
        until = midnight_after(date(int(found[1]), int(found[2]), int(found[3])), ZoneInfo(site.timezone))
    except ValueError:
        raise RowError("until", f"there is no {text[:30]}") from None
    if until <= now:
        raise RowError("until", "is over already: only cards that are in use are entered")
    return until


def _doubles(entries: Iterable[CardEntry], sites: Mapping[str, CardSite]) -> list[CellProblem]:
    """The same card twice, or two that a reader of the site cannot tell apart."""
    problems: list[CellProblem] = []
    rows: dict[tuple[str, object, str, str], int] = {}
    for entry in entries:
        seen: dict[object, Number] = {None: entry.number}
        seen |= {reader: collisions.seen_as(entry.number, reader) for reader in sites[entry.site].readers}
        for reader, number in seen.items():
            key = (entry.site, reader, number.format, number.raw_hex)
            first = rows.setdefault(key, entry.row)
            if first != entry.row:
                how = "stands in" if reader is None else "is the same to a reader as that of"
                problems.append(CellProblem(entry.row, "card", f"this number {how} row {first}"))
                break
    return problems


# --- writing ----------------------------------------------------------------------------------------------


def unusable(connection: Connection, wanted: CardImport, sites: Mapping[str, CardSite]) -> list[CellProblem]:
    """What the database has against it."""
    problems = []
    for entry in wanted.entries:
        why = _against(connection, entry, sites[entry.site])
        if why is not None:
            problems.append(CellProblem(entry.row, "card", why))
    return problems


def _against(connection: Connection, entry: CardEntry, site: CardSite) -> str | None:
    known = ledger.card_of(connection, entry.site, entry.number)
    if known is not None:
        theirs = ledger.current(connection, known.id)
        if theirs is not None:
            return None if _alike(theirs, entry) else f"is issued already, to {theirs.unit or 'staff'}"
        if known.state not in {ObjectState.RETURNED, ObjectState.IN_STOCK}:
            return f"is known and {known.state}: settle it at the desk first"
    for reader in site.readers:
        clash = collisions.find(connection, entry.site, entry.number, reader)
        if clash is not None:
            return f"is the same to a reader as {clash.value}, which is out"
    return None


def _alike(row: Row[Any], entry: CardEntry) -> bool:
    return (row.unit, row.kind, row.holder_name) == (entry.unit, str(entry.kind), entry.name)


def write(
    connection: Connection, ring: KeyRing, wanted: CardImport, sites: Mapping[str, CardSite], now: UtcMs
) -> Mapping[CardChange, int]:
    """Enter what is new. `unusable` comes first."""
    counts = dict.fromkeys(CardChange, 0)
    for entry in wanted.entries:
        known = ledger.card_of(connection, entry.site, entry.number)
        if known is not None and ledger.current(connection, known.id) is not None:
            counts[CardChange.UNCHANGED] += 1
            continue
        _put(connection, ring, entry, sites[entry.site], None if known is None else known.id, now)
        counts[CardChange.ADDED] += 1
    return {change: count for change, count in counts.items() if count}


def _put(connection: Connection, ring: KeyRing, entry: CardEntry, site: CardSite, card: int | None, now: UtcMs) -> None:
    if card is None:
        card = ledger.enter_card(connection, entry.site, entry.number, entry.value)
    else:
        ledger.set_object(connection, card, ObjectState.ASSIGNED, entry.value)
    places: Sequence[str] = () if entry.unit is None else (entry.unit, entry.unit.partition("/")[0])
    doors = tuple(door for place in places for door in site.doors.get(place, ()))
    issue = Issue(
        site=entry.site,
        kind=entry.kind,
        unit=entry.unit,
        household=None if entry.unit is None else households.current(connection, entry.site, entry.unit),
        holder=_holder(ring, entry),
        documents=tuple(map(str, KINDS[entry.kind].documents)),
        doors=doors,
        valid_from=now,
        valid_until=entry.until,
        first_issued_at=now,
        replaces=None,
        by=BY_IMPORT,
    )
    price = Quote(fee_fen=0, counts=KINDS[entry.kind].household, words_zh=WORDS, words_en=WORDS)
    assignment = ledger.enter(connection, issue, card, price, WORDS, now)
    row = ledger.one(connection, assignment)
    assert row is not None
    ledger.change(connection, row, "imported", BY_IMPORT, now, {}, state=str(CardState.ACTIVE))
    permissions.grant(connection, assignment, entry.site, doors, now)


def _holder(ring: KeyRing, entry: CardEntry) -> Holder:
    if entry.id_number is None:
        return Holder(name=entry.name, phone=entry.phone)
    sealed = ring.seal(entry.id_number)
    return Holder(
        name=entry.name,
        phone=entry.phone,
        id_last4=sealed.last4,
        id_digest=sealed.digest,
        id_cipher=sealed.cipher,
        id_key=sealed.key_id,
    )
