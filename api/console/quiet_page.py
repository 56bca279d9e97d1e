"""What is kept quiet, as a page: everything that runs with who, why and until when; silences and maintenance begun and ended.

A single ticket is shelved on its own page. Limits and roles are those of hub.tickets.suppression; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from api import shapes_suppressions
from api.auth import ForForms, ForPages, actor, services_of
from api.console.catalogue import fill, text
from api.console.controls import Option, Posted, Said, refilled, refusal, too_long, typed
from api.console.pages import LanguageChoice, language_of, page_of_work
from api.problem_details import REFUSED
from api.requests import RowId
from api.services import Services
from api.suppressions import demand_visible, running
from hub.pipeline import suppression_desk
from hub.registry import device_queries
from hub.store.accounts import Principal
from hub.tickets.kind import Field
from hub.tickets.kinds import KINDS
from hub.tickets.refusals import FIELDS, MISSING, Refused
from hub.tickets.refusals import Said as Sentence
from hub.tickets.suppression import LIMIT_MIN, NEVER_QUIET, ROLES, Suppressed
from hub.vocabulary.events import Subject, SubjectType

router = APIRouter(include_in_schema=False)

BEGUN: Final = (Suppressed.SILENCE, Suppressed.MAINTENANCE)
LONGEST_REASON: Final = 500
_FIELDS: Final = (
    Field("subject", required=True),
    Field("kind"),
    Field("minutes", "count", required=True),
    Field("reason", required=True),
)
_OF_MAINTENANCE: Final = tuple(field for field in _FIELDS if field.name != "kind")
MOST_DEVICES: Final = 2_000


@router.get("/quiet")
def show_quiet(request: Request, principal: ForPages, lang: LanguageChoice = None, done: str = "") -> Response:
    """The page."""
    language = language_of(request, lang)
    words = text(language, f"ui.quiet.done.{done}") if done in {"begun", "ended"} else ""
    return _drawn(request, principal, language, done=words)


@router.post("/quiet")
def begin(request: Request, principal: ForForms, form: Posted) -> Response:
    """Begin a silence or maintenance; the same again sets a new end."""
    services, language = services_of(request), language_of(request, None)
    word = str(form.get("what", ""))
    what = Suppressed(word) if word in {str(each) for each in BEGUN} else Suppressed.SILENCE
    given = typed(form, _FIELDS, services.zone(""))
    try:
        site, subject, kind, minutes, reason = _read(services, principal, given)
        services.door.ask(
            lambda step: suppression_desk.begin(step, what, site, subject, kind, minutes, reason, actor(principal))
        )
    except Refused as error:
        said = refusal(error, language, given)
        return _drawn(request, principal, language, status=REFUSED[error.status], refused=(what, said))
    return RedirectResponse("/quiet?done=begun", 303)


@router.post("/quiet/{suppression_id}/end")
def end(request: Request, principal: ForForms, suppression_id: RowId) -> Response:
    """End one before its time."""
    services, language = services_of(request), language_of(request, None)
    demand_visible(services, principal, suppression_id)
    try:
        services.door.ask(lambda step: suppression_desk.end(step, suppression_id, actor(principal)))
    except Refused as error:
        said = refusal(error, language, {})
        return _drawn(request, principal, language, status=REFUSED[error.status], refused=(None, said))
    return RedirectResponse("/quiet?done=ended", 303)


@router.get("/quiet/{suppression_id}/end")
def back(_request: Request, _principal: ForPages, suppression_id: RowId) -> Response:
    """Whoever reloads what was refused begins again."""
    return RedirectResponse("/quiet", 303)


def _read(
    services: Services, principal: Principal, given: Mapping[str, Any]
) -> tuple[str, Subject, str | None, int, str]:
    """Site, subject, kind, minutes and reason of a posted form. Raises Refused naming each that is missing or wrong."""
    errors = [(name, MISSING) for name in ("subject", "minutes", "reason") if not given.get(name)]
    site, _, rest = str(given.get("subject", "")).partition("|")
    kind_of, _, id_ = rest.partition("|")
    subject = None
    if given.get("subject"):
        known = {each.id for each in services.sites if principal.may_see(each.id)}
        if site in known and kind_of in {str(each) for each in SubjectType} and id_:
            subject = Subject(site, SubjectType(kind_of), id_)
        else:
            errors.append(("subject", Sentence("subject", "unknown")))
    minutes = given.get("minutes")
    if minutes and not isinstance(minutes, int):
        errors.append(("minutes", Sentence("count", "must be a whole number", most=max(LIMIT_MIN.values()))))
    reason = str(given.get("reason", ""))
    errors += too_long("reason", reason, LONGEST_REASON)
    kind = given.get("kind")
    if kind is not None and kind not in KINDS:
        errors.append(("kind", Sentence("subject", "unknown")))
    if errors or subject is None or not isinstance(minutes, int):
        raise Refused("invalid", FIELDS, errors=tuple(errors))
    return site, subject, kind, minutes, reason


def _drawn(
    request: Request,
    principal: Principal,
    language: str,
    *,
    done: str = "",
    status: int = 200,
    refused: tuple[Suppressed | None, Said] | None = None,
) -> Response:
    services = services_of(request)
    with services.store.read() as connection:
        everything = _subjects(services, connection, principal, language)
    names = {option.value: option.label for _, options in everything for option in options}
    forms = [
        _form(what, language, everything, refused[1] if refused is not None and refused[0] is what else None)
        for what in BEGUN
        if principal.roles & ROLES[what]
    ]
    return page_of_work(
        request,
        principal,
        "quiet.html",
        language,
        status,
        running=[_row(each, principal, language, names) for each in running(services, principal)],
        forms=forms,
        refused=None if refused is None else refused[1],
        done=done,
    )


def _form(
    what: Suppressed, language: str, subjects: Sequence[tuple[str, Sequence[Option]]], said: Said | None
) -> dict[str, Any]:
    """Controls of a form; maintenance is of a device or building with all that it reports, so it names no kind."""
    given, problems = ({}, {}) if said is None else (said.typed, said.problems)
    fields = _FIELDS if what is Suppressed.SILENCE else _OF_MAINTENANCE
    kinds = [Option(name, text(language, f"ticket.{name}", name)) for name in KINDS if name not in NEVER_QUIET]
    controls = [
        each._replace(widget="select", options=kinds) if each.name == "kind" else each
        for each in refilled(fields[1:], language, said, {"minutes": LIMIT_MIN[what]})
    ]
    return {
        "what": str(what),
        "subjects": [
            (site, [each for each in options if what is Suppressed.SILENCE or "|site|" not in each.value])
            for site, options in subjects
        ],
        "subject": given.get("subject", ""),
        "problem": problems.get("subject", ""),
        "controls": controls,
        "limit": LIMIT_MIN[what],
    }


def _subjects(
    services: Services, connection: Connection, principal: Principal, language: str
) -> list[tuple[str, Sequence[Option]]]:
    """Per site: the whole of it, its buildings, its devices."""
    found: list[tuple[str, Sequence[Option]]] = []
    for site in services.sites:
        if not principal.may_see(site.id):
            continue
        rows = device_queries.page(connection, None, site.id, (), None, MOST_DEVICES)
        buildings = dict.fromkeys(row.place.partition("/")[0] for row in rows if row.place)
        whole = fill(text(language, "ui.quiet.whole_site"), {"site": site.name})
        options = [Option(f"{site.id}|{SubjectType.SITE}|{site.id}", whole)]
        options += [
            Option(
                f"{site.id}|{SubjectType.BUILDING}|{each}",
                fill(text(language, "ui.quiet.building"), {"building": each}),
            )
            for each in buildings
        ]
        options += [
            Option(
                f"{site.id}|{SubjectType.DEVICE}|{row.id}", " · ".join(filter(None, (row.name or row.id, row.place)))
            )
            for row in rows
        ]
        found.append((site.name, options))
    return found


def _row(
    each: shapes_suppressions.Suppression, principal: Principal, language: str, names: Mapping[str, str]
) -> dict[str, Any]:
    subject = each.subject_name or ""
    if each.subject is not None:
        subject = names.get(f"{each.site}|{each.subject.type}|{each.subject.id}", each.subject.id)
    kind = "" if each.kind is None else text(language, f"ticket.{each.kind}", each.kind)
    about = " · ".join(part for part in (subject, kind, each.ticket_number or "") if part)
    return {
        "id": each.id,
        "what": text(language, f"ui.quiet.{each.what}"),
        "about": about or text(language, "ui.quiet.unknown"),
        "ticket": each.ticket,
        "reason": each.reason,
        "by": each.by,
        "since": _short(each.since),
        "until": _short(each.until),
        "may_end": bool(principal.roles & ROLES[each.what]),
    }


def _short(moment: str) -> str:
    return moment[5:16].replace("T", " ")
