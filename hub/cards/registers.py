"""The registers that the manuals name, as rows to be printed and exported: columns are data, cells are text.

What of a holder is shown is decided by the caller's `see` (hub.cards.visibility); a register holds nothing that its table
does not name. Source: domain/procedures.md 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select

from hub.cards import deposits, ledger, permissions, works
from hub.cards.fees import yuan
from hub.cards.kinds import KINDS, CardKind, Document
from hub.cards.ledger import CardState
from hub.cards.visibility import Field
from hub.store.schema import card_assignments, card_entries, card_losses, card_payments
from hub.vocabulary.instants import DAY_MS, UtcMs

MOST_ROWS: Final = 5_000


class Register(StrEnum):
    """Which one."""

    ISSUE = "issue"
    LOSS = "loss"
    APPLICATION = "application"
    OUTSTANDING = "outstanding"
    EXPIRING = "expiring"


class Column(msgspec.Struct, frozen=True):
    """A column; `key` is the same in every language."""

    key: str
    zh: str
    en: str


class Sheet(msgspec.Struct, frozen=True):
    """A register's title and columns; `signed`: people sign on the paper, in a last column."""

    zh: str
    en: str
    columns: tuple[Column, ...]


_NUMBER = Column("number", "序号", "No.")
_UNIT = Column("unit", "房号", "Unit")
_KIND = Column("kind", "卡种", "Kind")
_HOLDER = Column("holder", "持卡人", "Holder")
_CARD = Column("card", "卡号", "Card number")
_UNTIL = Column("until", "有效期至", "Valid until")
_BY = Column("by", "经办人", "Entered by")

SHEETS: Final[Mapping[Register, Sheet]] = {
    Register.ISSUE: Sheet(
        "业主卡发放登记表",
        "Register of cards issued",
        (
            _NUMBER,
            Column("at", "发放日期", "Issued on"),
            _UNIT,
            _KIND,
            _HOLDER,
            Column("id_number", "证件号码", "Identity number"),
            _CARD,
            Column("fee", "应收(元)", "Due (yuan)"),
            Column("receipt", "收据号", "Receipt"),
            _UNTIL,
            _BY,
            Column("signature", "领卡人签字", "Signature of the taker"),
        ),
    ),
    Register.LOSS: Sheet(
        "业主卡挂失登记表",
        "Register of lost cards",
        (
            _NUMBER,
            Column("at", "挂失时间", "Reported at"),
            _UNIT,
            _HOLDER,
            _CARD,
            Column("reporter", "报失人", "Reported by"),
            Column("verified", "核验方式", "Identity checked by"),
            Column("doors", "停用结果", "Doors"),
            Column("replacement", "补卡卡号", "Replaced by"),
            Column("found", "找回日期", "Found on"),
            _BY,
            Column("signature", "报失人签字", "Signature"),
        ),
    ),
    Register.APPLICATION: Sheet(
        "业主卡办理申请表",
        "Applications for staff cards",
        (
            _NUMBER,
            Column("at", "申请日期", "Applied on"),
            _HOLDER,
            Column("phone", "联系电话", "Telephone"),
            _CARD,
            Column("head", "部门主管签字", "Department head"),
            Column("manager", "项目经理批准", "Project manager"),
            Column("state", "状态", "State"),
            _BY,
            Column("signature", "领卡人签字", "Signature of the taker"),
        ),
    ),
    Register.OUTSTANDING: Sheet(
        "未归还出入证清单",
        "Passes that are not back",
        (
            _NUMBER,
            _UNIT,
            _KIND,
            _HOLDER,
            Column("phone", "联系电话", "Telephone"),
            _CARD,
            _UNTIL,
            Column("object", "卡片", "Pass"),
            Column("held", "押金(元)", "Deposit held (yuan)"),
        ),
    ),
    Register.EXPIRING: Sheet(
        "即将到期清单",
        "Passes that end soon",
        (_NUMBER, _UNIT, _KIND, _HOLDER, Column("phone", "联系电话", "Telephone"), _CARD, _UNTIL),
    ),
}


class Reader(msgspec.Struct, frozen=True):
    """Who reads it: `see(row, field, value)` is the value as it may be shown, '' where it is hidden."""

    see: Callable[[Row[Any], Field, str | None], str]
    zone: tzinfo
    locale: str
    now: UtcMs
    reminder_days: int = 3


class TooManyError(Exception):
    """More rows than a register holds: a shorter period has to be chosen."""


def rows(
    connection: Connection, register: Register, site: str, since: UtcMs, until: UtcMs, reader: Reader
) -> list[dict[str, str]]:
    """The rows of a register, oldest first; `since` and `until` bound the first three. Raises TooManyError."""
    make = {
        Register.ISSUE: _issued,
        Register.LOSS: _lost,
        Register.APPLICATION: _applied,
        Register.OUTSTANDING: _outstanding,
        Register.EXPIRING: _expiring,
    }[register]
    found = make(connection, site, since, until, reader)
    return [{"number": str(number), **row} for number, row in enumerate(found, 1)]


def _cards(connection: Connection, *wanted: ColumnElement[bool]) -> Sequence[Row[Any]]:
    statement = ledger.with_number().where(*wanted).order_by(card_assignments.c.id).limit(MOST_ROWS + 1)
    found = connection.execute(statement).all()
    if len(found) > MOST_ROWS:
        raise TooManyError
    return found


def _common(row: Row[Any], reader: Reader) -> dict[str, str]:
    return {
        "unit": row.unit or "",
        "kind": row.kind,
        "holder": reader.see(row, Field.NAME, row.holder_name),
        "phone": reader.see(row, Field.PHONE, row.holder_phone),
        "id_number": reader.see(row, Field.ID_NUMBER, row.id_last4),
        "card": reader.see(row, Field.CREDENTIAL, row.value),
        "until": "" if row.valid_until is None else _day(row.valid_until - 1, reader),
        "by": row.created_by,
        "signature": "",
    }


def _issued(connection: Connection, site: str, since: UtcMs, until: UtcMs, reader: Reader) -> list[dict[str, str]]:
    columns = card_assignments.c
    cards = _cards(connection, columns.site == site, columns.created_at >= since, columns.created_at < until)
    receipts = _receipts(connection, [row.id for row in cards])
    found = []
    for row in cards:
        due = ledger.due_fen(row)
        own = {
            "at": _day(row.created_at, reader),
            "fee": reader.see(row, Field.MONEY, None if due is None else yuan(due)),
            "receipt": reader.see(row, Field.MONEY, receipts.get(row.id)),
        }
        found.append({**_common(row, reader), **own})
    return found


def _receipts(connection: Connection, cards: Sequence[int]) -> dict[int, str]:
    """Receipts of each card that were not reversed."""
    mine = card_payments.c.assignment_id.in_(cards)
    paid = connection.execute(select(card_payments).where(mine).order_by(card_payments.c.id)).all()
    undone = {row.reverses_id for row in paid}
    found: dict[int, list[str]] = {}
    for row in paid:
        if row.reverses_id is None and row.id not in undone:
            found.setdefault(row.assignment_id, []).append(row.receipt)
    return {card: ", ".join(receipts) for card, receipts in found.items()}


def _lost(connection: Connection, site: str, since: UtcMs, until: UtcMs, reader: Reader) -> list[dict[str, str]]:
    period = (card_losses.c.reported_at >= since, card_losses.c.reported_at < until)
    here = select(card_assignments.c.id).where(card_assignments.c.site == site)
    statement = select(card_losses).where(*period, card_losses.c.assignment_id.in_(here)).order_by(card_losses.c.id)
    losses = connection.execute(statement.limit(MOST_ROWS + 1)).all()
    if len(losses) > MOST_ROWS:
        raise TooManyError
    found, away = [], permissions.offline(connection, [site])
    for loss in losses:
        row = ledger.one(connection, loss.assignment_id)
        assert row is not None
        doors = permissions.of_card(connection, row.id)
        instead = ledger.replacement_of(connection, row.id)
        other = None if instead is None else ledger.one(connection, instead)
        own = {
            "at": _time(loss.reported_at, reader),
            "reporter": reader.see(row, Field.NAME, loss.reporter),
            "verified": loss.verified,
            "doors": permissions.summary(doors, reader.locale, away) if doors else "",
            "replacement": "" if other is None else reader.see(other, Field.CREDENTIAL, other.value),
            "found": "" if loss.found_at is None else _day(loss.found_at, reader),
            "by": loss.by,
        }
        found.append({**_common(row, reader), **own})
    return found


def _applied(connection: Connection, site: str, since: UtcMs, until: UtcMs, reader: Reader) -> list[dict[str, str]]:
    columns = card_assignments.c
    period = (columns.created_at >= since, columns.created_at < until)
    cards = _cards(connection, columns.site == site, columns.kind == str(CardKind.STAFF), *period)
    signatures = _signatures(connection, [row.id for row in cards], reader)
    return [
        {
            **_common(row, reader),
            "at": _day(row.created_at, reader),
            "head": signatures.get((row.id, Document.DEPARTMENT_HEAD_SIGNED), ""),
            "manager": signatures.get((row.id, Document.MANAGER_APPROVED), ""),
            "state": row.state,
        }
        for row in cards
    ]


def _signatures(connection: Connection, cards: Sequence[int], reader: Reader) -> dict[tuple[int, str], str]:
    """(card, paper) → who entered it and when."""
    mine = (card_entries.c.assignment_id.in_(cards), card_entries.c.entry.in_(("documents", "entered")))
    found: dict[tuple[int, str], str] = {}
    for row in connection.execute(select(card_entries).where(*mine).order_by(card_entries.c.id)):
        for paper in msgspec.json.decode(row.data_json).get("documents", ()):
            found.setdefault((row.assignment_id, paper), f"{row.by} {_day(row.at, reader)}")
    return found


def _outstanding(connection: Connection, site: str, since: UtcMs, until: UtcMs, reader: Reader) -> list[dict[str, str]]:
    passes = [str(kind) for kind, spec in KINDS.items() if spec.returned]
    columns = card_assignments.c
    over = _cards(connection, columns.site == site, columns.kind.in_(passes), columns.state == str(CardState.ENDED))
    found = []
    for row in works.unsettled(connection, over):
        held = deposits.balance(deposits.rows_of(connection, deposits.line_of(connection, row.id))).held_fen
        own = {"object": row.object_state, "held": reader.see(row, Field.MONEY, yuan(held))}
        found.append({**_common(row, reader), **own})
    return found


def _expiring(connection: Connection, site: str, since: UtcMs, until: UtcMs, reader: Reader) -> list[dict[str, str]]:
    columns = card_assignments.c
    soon = (columns.valid_until > reader.now, columns.valid_until <= reader.now + reader.reminder_days * DAY_MS)
    cards = _cards(connection, columns.site == site, columns.state == str(CardState.ACTIVE), *soon)
    return [_common(row, reader) for row in cards]


def day_of(at: UtcMs, zone: tzinfo) -> date:
    """The day of an instant at the site."""
    return datetime.fromtimestamp(at / 1000, zone).date()


def day_text(at: UtcMs, timezone: str) -> str:
    """The day as it stands on paper."""
    return day_of(at, ZoneInfo(timezone)).isoformat()


def _day(at: UtcMs, reader: Reader) -> str:
    return day_of(at, reader.zone).isoformat()


def time_text(at: UtcMs, zone: tzinfo) -> str:
    """The minute as it stands on paper."""
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m-%d %H:%M")


def _time(at: UtcMs, reader: Reader) -> str:
    return time_text(at, reader.zone)
