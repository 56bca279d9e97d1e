"""Papers of the card desk: the registers as sheets and as pages for A4, the slip of a loss, documents about deposits.

Whoever takes names out says why, and the audit has it first. What a role may not read is empty or masked on paper too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy import Row

from api import shapes_desk
from api.audited import record
from api.auth import ForCards, ForMoney, services_of
from api.cards import find_card, site_of
from api.console.catalogue import text
from api.console.pages import page
from api.deposits import blocking
from api.openapi import answers
from api.privacy import ReasonQuery
from api.problem_details import invalid, not_found
from api.requests import InstantIn, Json, RowId, Site
from api.routing import noun_router
from api.services import Services
from api.statistics import BYTE_ORDER_MARK, STARTS_A_FORMULA
from hub.cards import deposits, ledger, permissions, registers
from hub.cards.audit import Action
from hub.cards.deposits import DepositAct
from hub.cards.fees import yuan
from hub.cards.registers import Reader, Register, Sheet
from hub.cards.visibility import Field, shown, sight
from hub.store.accounts import Principal
from hub.vocabulary.card_rules import rules_on
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import DAY_MS, UtcMs

router = noun_router("cards")

DEFAULT_PERIOD_MS: Final = 31 * DAY_MS
WORDS: Final = frozenset({"kind", "verified", "state", "object"})
"""Columns of registers that hold words of the ledger."""
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class SheetFormat(StrEnum):
    """How a register is wanted."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"


_ANSWERS = answers(shapes_desk.RegisterSheet)
_ANSWERS[200]["content"] |= {name: {"schema": {"type": "string"}} for name in ("text/csv", "text/html", XLSX)}
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page for A4.", "content": {"text/html": {"schema": {"type": "string"}}}}
}


@router.get("/card-registers/{register}", responses=_ANSWERS)
def show_register(
    request: Request,
    principal: ForCards,
    register: Register,
    reason: ReasonQuery,
    site: Site = None,
    since: Annotated[InstantIn | None, Query(alias="from", description="Left out: 31 days back.")] = None,
    until: Annotated[InstantIn | None, Query(alias="to")] = None,
    format: SheetFormat = SheetFormat.JSON,
) -> Response:
    """A register of a period, oldest row first; at most 5,000 rows."""
    services = services_of(request)
    facts = site_of(services, principal, None, site)
    now = services.now()
    until = now + 1 if until is None else until
    since = until - DEFAULT_PERIOD_MS if since is None else since
    try:
        with services.store.read() as connection:
            found = registers.rows(
                connection, register, facts.id, since, until, _reader(services, principal, facts, now)
            )
    except registers.TooManyError:
        raise invalid(("from", f"more than {registers.MOST_ROWS} rows: choose a shorter period")) from None
    detail = {"from": since, "to": until, "format": str(format), "rows": len(found)}
    subject = f"card-registers/{register}"
    record(services, principal, Action.EXPORT, subject, site=facts.id, reason=reason, detail=detail)
    sheet = registers.SHEETS[register]
    named = {"Content-Disposition": f'attachment; filename="{register}-{facts.id}.{format}"'}
    shown_rows = found if format is SheetFormat.JSON else [_in_words(facts.locale, row) for row in found]
    match format:
        case SheetFormat.CSV:
            return Response(
                as_csv(sheet, facts.locale, shown_rows), media_type="text/csv; charset=utf-8", headers=named
            )
        case SheetFormat.XLSX:
            return Response(as_xlsx(sheet, facts.locale, shown_rows), media_type=XLSX, headers=named)
        case SheetFormat.HTML:
            return _as_page(request, facts, sheet, shown_rows, (since, until))
        case SheetFormat.JSON:
            title, columns = _headed(sheet, facts.locale)
            shape = shapes_desk.RegisterSheet(title=title, columns=columns, rows=found)
            return Json(msgspec.json.encode(shape))


def _reader(services: Services, principal: Principal, site: SiteFacts, now: UtcMs) -> Reader:
    def see(row: Row[Any], field: Field, value: str | None) -> str:
        return shown(value, field, sight(principal.roles, field, minor=bool(row.minor))) or ""

    zone = services.zone(site.id)
    rules = rules_on(site.card_rules, registers.day_of(now, zone))
    return Reader(see=see, zone=zone, locale=site.locale, now=now, reminder_days=rules.reminder_days)


def _in_words(locale: str, row: Mapping[str, str]) -> dict[str, str]:
    """A row as people read it: words of the ledger in the site's language. Programs (JSON) get the words themselves."""
    return {key: text(locale, f"card.{key}.{value}", value) if key in WORDS else value for key, value in row.items()}


def _headed(sheet: Sheet, locale: str) -> tuple[str, dict[str, str]]:
    zh = locale.startswith("zh")
    return (sheet.zh if zh else sheet.en), {each.key: each.zh if zh else each.en for each in sheet.columns}


def as_csv(sheet: Sheet, locale: str, rows: Sequence[Mapping[str, str]]) -> str:
    """For spreadsheets; a text that one would take for a formula begins with an apostrophe."""
    _, columns = _headed(sheet, locale)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns.values())
    writer.writerows([_cell(row[key]) for key in columns] for row in rows)
    return BYTE_ORDER_MARK + text.getvalue()


def _cell(value: str) -> str:
    return f"'{value}" if value.startswith(STARTS_A_FORMULA) else value


def as_xlsx(sheet: Sheet, locale: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """Every cell is text: card numbers keep their zeros, and nothing is a formula."""
    import xlsxwriter  # noqa: PLC0415 - only an export needs it

    title, columns = _headed(sheet, locale)
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page_ = book.add_worksheet(title[:31])
        page_.set_paper(9)  # A4
        page_.set_landscape()
        page_.repeat_rows(0)
        bold = book.add_format({"bold": True})
        for place, words in enumerate(columns.values()):
            page_.write_string(0, place, words, bold)
        for line, row in enumerate(rows, 1):
            for place, key in enumerate(columns):
                page_.write_string(line, place, row[key])
    return out.getvalue()


def _as_page(
    request: Request,
    site: SiteFacts,
    sheet: Sheet,
    rows: Sequence[Mapping[str, str]],
    period: tuple[UtcMs, UtcMs],
) -> Response:
    title, columns = _headed(sheet, site.locale)
    return page(
        request,
        "register.html",
        site.locale,
        title=title,
        site=site.name,
        columns=columns,
        rows=rows,
        period=[registers.day_text(period[0], site.timezone), registers.day_text(period[1] - 1, site.timezone)],
    )


# --- single papers ----------------------------------------------------------------------------------------


@router.get("/cards/{card_id}/slip", responses=_PAGE)
def loss_slip(request: Request, principal: ForCards, card_id: RowId) -> Response:
    """What the person who reports a loss takes along: on which doors the card is proved dead, and on which not yet."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
        losses = ledger.losses_of(connection, card_id)
        doors = permissions.of_card(connection, card_id)
        away = permissions.offline(connection, [row.site])
    if not losses:
        raise not_found("loss report")
    site, zone = _site(services, row.site), services.zone(row.site)
    record(services, principal, Action.READ, f"cards/{card_id}", site=row.site)
    zh = site.locale.startswith("zh")
    lines = {
        ("房号" if zh else "Unit"): row.unit or "",
        ("卡号" if zh else "Card number"): _seen(principal, row, Field.CREDENTIAL, row.value),
        ("报失人" if zh else "Reported by"): _seen(principal, row, Field.NAME, losses[-1].reporter),
        ("挂失时间" if zh else "Reported at"): registers.time_text(losses[-1].reported_at, zone),
        ("停用结果" if zh else "Doors"): permissions.summary(doors, site.locale, away),
    }
    each = [
        (
            door.door,
            text(site.locale, f"card.reported.{door.reported}", door.reported),
            permissions.why_words(permissions.reason_of(door, away), site.locale),
            registers.time_text(door.since, zone),
        )
        for door in doors
    ]
    return _paper(request, site, "挂失回执" if zh else "Slip of a lost card", lines, each)


@router.get("/cards/{card_id}/deposit/documents/{entry_id}", responses=_PAGE)
def deposit_document(request: Request, principal: ForMoney, card_id: RowId, entry_id: RowId) -> Response:
    """A receipt, refund or penalty document, to be signed."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
        entry = deposits.entry_of(connection, deposits.line_of(connection, card_id), entry_id)
        missing = blocking(connection, row)
    if entry is None:
        raise not_found("document")
    site = _site(services, row.site)
    record(services, principal, Action.READ, f"cards/{card_id}", site=row.site, detail={"document": entry.document})
    zh = site.locale.startswith("zh")
    title = _TITLES[DepositAct(entry.entry)][0 if zh else 1]
    lines = {
        ("单号" if zh else "Document"): entry.document,
        ("房号" if zh else "Unit"): row.unit or "",
        ("出入证" if zh else "Pass"): f"{entry.about_id} {_seen(principal, row, Field.CREDENTIAL, row.value)}",
        ("当事人" if zh else "Party"): _seen(principal, row, Field.NAME, entry.party),
        ("金额(元)" if zh else "Amount (yuan)"): yuan(entry.amount_fen),
        ("原因" if zh else "Reason"): " ".join(filter(None, (_reason(entry.reason, zh=zh), entry.note))),
        ("日期" if zh else "Date"): registers.time_text(entry.at, services.zone(row.site)),
        ("经办人" if zh else "Entered by"): entry.by,
        ("未归还" if zh else "Not back"): ", ".join(str(each.id) for each in missing) or "-",
    }
    return _paper(request, site, title, lines, [])


_TITLES: Final = {
    DepositAct.RECEIVED: ("押金收据", "Receipt of a deposit"),
    DepositAct.REFUNDED: ("押金退还单", "Refund of a deposit"),
    DepositAct.FORFEITED: ("出入证处罚单", "Penalty for a pass"),
}
_REASONS: Final = {
    "lost_pass": "出入证遗失",
    "damaged_pass": "出入证损坏",
    "rules_broken": "违反装修管理规定",
    "damage_to_building": "损坏公共设施",
}


def _reason(reason: str | None, *, zh: bool) -> str:
    return "" if reason is None else (_REASONS[reason] if zh else reason.replace("_", " "))


def _seen(principal: Principal, row: Row[Any], field: Field, value: str) -> str:
    return shown(value, field, sight(principal.roles, field, minor=bool(row.minor))) or ""


def _site(services: Services, site: str) -> SiteFacts:
    return next(each for each in services.sites if each.id == site)


def _paper(
    request: Request, site: SiteFacts, title: str, lines: Mapping[str, str], doors: Sequence[tuple[str, ...]]
) -> Response:
    zh = site.locale.startswith("zh")
    signatures = ("经办人签字", "当事人签字") if zh else ("Signature of the clerk", "Signature of the party")
    return page(
        request,
        "card_paper.html",
        site.locale,
        title=title,
        site=site.name,
        lines=lines,
        doors=doors,
        signatures=signatures,
    )
