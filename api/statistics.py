"""Statistics over HTTP: entrapments by month, site and lift, as JSON and as a sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Query, Request, Security
from fastapi.responses import Response
from sqlalchemy import Connection

from api.auth import Guard, services_of
from api.openapi import answers
from api.requests import Json, Site
from api.routing import noun_router
from api.services import Services
from api.shapes_statistics import EntrapmentFigures, EntrapmentStatistics
from hub.store.accounts import Principal
from hub.tickets import metrics
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.roles import EMERGENCY_STAFF

router = noun_router("statistics", "/statistics")

ForEmergencyStaff = Annotated[Principal, Security(Guard(EMERGENCY_STAFF))]
Month = Annotated[
    str | None,
    Query(pattern=r"^20[2-9][0-9]-(0[1-9]|1[0-2])$", description="`2026-11`; this month where it is left out."),
]
STARTS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
BYTE_ORDER_MARK: Final = "\ufeff"  # or spreadsheets take UTF-8 for something else


class Format(StrEnum):
    """How the figures are wanted."""

    JSON = "json"
    CSV = "csv"


_ANSWERS = answers(EntrapmentStatistics)
_ANSWERS[200]["content"]["text/csv"] = {"schema": {"type": "string"}}


@router.get("/entrapments", responses=_ANSWERS)
def entrapments(
    request: Request,
    principal: ForEmergencyStaff,
    site: Site = None,
    month: Month = None,
    format: Format = Format.JSON,
) -> Response:
    """Entrapments that occurred in a month of each site's calendar."""
    services = services_of(request)
    wanted = [each for each in services.sites if principal.may_see(each.id) and site in {None, each.id}]
    with services.store.read() as connection:
        items = tuple(line for each in wanted for line in _lines(services, connection, each, month))
    if format is Format.JSON:
        return Json(msgspec.json.encode(EntrapmentStatistics(items=items)))
    return Response(
        sheet(items),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="entrapments.csv"'},
    )


def _lines(
    services: Services, connection: Connection, site: SiteFacts, month: str | None
) -> Iterator[EntrapmentFigures]:
    zone = services.zone(site.id)
    month = month or metrics.month_of(services.now(), zone)
    since, until = metrics.month_bounds(month, zone)
    known = metrics.cases(connection, site.id, since - metrics.REPEAT_WITHIN_MS, until)
    real = [case for case in known if case.occurred_at >= since and not case.drill]
    drills = [case for case in known if case.occurred_at >= since and case.drill]
    lifts = metrics.lifts_of(connection, site.id)

    def line(of: Sequence[metrics.Case], lift: str | None, what: Literal["events", "drills"]) -> EntrapmentFigures:
        found = metrics.figures(of, known, zone, None if lift else lifts)
        return EntrapmentFigures(site=site.id, month=month, lift=lift, what=what, figures=found)

    yield line(real, None, "events")
    for lift in sorted({case.lift for case in real if case.of_lift}):
        yield line([case for case in real if case.lift == lift and case.of_lift], lift, "events")
    if drills:
        yield line(drills, None, "drills")


def sheet(lines: Sequence[msgspec.Struct], otherwise: Sequence[str] = ("site", "month", "lift", "what")) -> str:
    """CSV for spreadsheets, a column a value, the columns `otherwise` where there is no line.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    rows = [_flat(msgspec.to_builtins(line)) for line in lines]
    text = io.StringIO()
    names = list(rows[0]) if rows else list(otherwise)
    writer = csv.DictWriter(text, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return BYTE_ORDER_MARK + text.getvalue()


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, "" if name == "figures" else f"{prefix}{name}_")
        else:
            flat[prefix + name] = value
    return flat


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(STARTS_A_FORMULA) else value
