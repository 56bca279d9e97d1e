"""The console's pages: alarm wall, sign-in, sign-out, and their assets from a closed list.

No inline script and no foreign asset: the Content-Security-Policy allows neither.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from api.auth import FOR_ALL, SESSION_COOKIE, ForPages, SignInNeededError, demand_own_page, services_of
from api.console import wall
from api.console.catalogue import DEFAULT_LANGUAGE, LANGUAGES, fill, text
from api.console.controls import Said
from api.health import readiness
from api.problem_details import not_found
from api.rate_limit import MovingWindow
from api.spoken import LANGUAGE_COOKIE
from hub.store import accounts
from hub.store.accounts import Principal
from hub.vocabulary.instants import MINUTE_MS

router = APIRouter(include_in_schema=False)

YEAR_S: Final = 365 * 24 * 3600
PER_NAME: Final = 5
PER_ADDRESS: Final = 30

_HERE = Path(__file__).parent
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_pages = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ASSETS: Final = {
    path.name: (path.read_bytes(), _TYPES[path.suffix])
    for path in sorted((_HERE / "assets").iterdir())
    if path.suffix in _TYPES
}

LanguageChoice = Annotated[str | None, Query(alias="lang", max_length=20)]


def install(app: FastAPI) -> None:
    """Send whoever is not signed in to the sign-in page, show refusals as pages, and count sign-in attempts."""
    from api.console import refused_page  # noqa: PLC0415  it draws with this module

    refused_page.install(app)
    app.add_exception_handler(SignInNeededError, _to_sign_in)
    app.state.attempts_by_name = MovingWindow(PER_NAME, MINUTE_MS)
    app.state.attempts_by_address = MovingWindow(PER_ADDRESS, MINUTE_MS)


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    return RedirectResponse("/login", 303)


def language_of(request: Request, chosen: str | None) -> str:
    for word in (chosen, request.cookies.get(LANGUAGE_COOKIE)):
        if word in LANGUAGES:
            return str(word)
    return DEFAULT_LANGUAGE


def page(request: Request, template: str, language: str, status: int = 200, **values: Any) -> HTMLResponse:
    def t(key: str, **filled: Any) -> str:
        return fill(text(language, key), filled)

    others = [(word, text(word, "language.name")) for word in LANGUAGES if word != language]
    html = _pages.get_template(template).render(t=t, language=language, languages=others, **values)
    answer = HTMLResponse(html, status)
    if request.cookies.get(LANGUAGE_COOKIE) != language:
        secure = services_of(request).cookie_secure
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, samesite="lax", httponly=True, secure=secure)
    return answer


def page_of_work(
    request: Request,
    principal: Principal,
    template: str,
    language: str,
    status: int = 200,
    *,
    refused: Said | None = None,
    done: str = "",
    **values: Any,
) -> HTMLResponse:
    """A page with forms, for whoever is signed in. `refused` or `done`: what came of the last one."""
    about = {"user": principal.name, "csrf": principal.csrf or "", "refused": refused, "done": done}
    return page(request, template, language, status, **about, **values)


@router.get("/")
def show_wall(request: Request, principal: ForPages, lang: LanguageChoice = None) -> Response:
    """The alarm wall."""
    services = services_of(request)
    language = language_of(request, lang)
    names = {site.id: site.name for site in services.sites if principal.may_see(site.id)}
    now = services.now()
    tickets = wall.active_tickets(services, principal)
    active = {ticket.id for ticket in tickets}
    rows = [wall.row(language, ticket, names, now) for ticket in tickets if wall.shown(ticket, active, now)]
    start = {
        "language": language,
        "csrf": principal.csrf,
        "home": next(iter(names), ""),  # whose clock is shown
        "sites": {
            site.id: {"name": site.name, "timezone": site.timezone} for site in services.sites if site.id in names
        },
        "texts": wall.script_texts(language),
    }
    return page(
        request,
        "wall.html",
        language,
        groups=wall.grouped(rows),
        total=len(rows),
        drill=any(ticket.drill for ticket in tickets),
        waiting=sum(not each["acknowledged"] for each in rows),
        ready=readiness(services).ready,
        sites=list(names.values()),
        user=principal.name,
        start=start,
    )


@router.get("/login", dependencies=[FOR_ALL])
def show_sign_in(request: Request, lang: LanguageChoice = None) -> Response:
    """The sign-in page."""
    return page(request, "login.html", language_of(request, lang), problem="", name="")


@router.post("/login", dependencies=[FOR_ALL])
def sign_in(request: Request, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "") -> Response:
    """Begin a session: 303 to the wall; 401 with the page again; 429 after too many attempts."""
    demand_own_page(request)
    services, language, now = services_of(request), language_of(request, None), services_of(request).now()
    keys = (f"name {name[:200].casefold()}", f"address {request.client.host if request.client else ''}")
    windows = (request.app.state.attempts_by_name, request.app.state.attempts_by_address)
    wait_ms = max(window.wait_ms(key, now) for window, key in zip(windows, keys, strict=True))
    if wait_ms:
        seconds = -(-wait_ms // 1000)
        problem = fill(text(language, "ui.sign_in_limited"), {"seconds": seconds})
        answer = page(request, "login.html", language, 429, problem=problem, name=name[:200])
        answer.headers["Retry-After"] = str(seconds)
        return answer
    for window, key in zip(windows, keys, strict=True):
        window.note(key, now)
    usable = 0 < len(name) <= 200 and 0 < len(password) <= 1_000 and "\0" not in name
    secret = accounts.sign_in(services.store, name, password, now) if usable else None
    if secret is None:
        problem = text(language, "ui.sign_in_failed")
        return page(request, "login.html", language, 401, problem=problem, name=name[:200])
    windows[0].forget([keys[0]])
    done = RedirectResponse("/", 303)
    done.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=accounts.SESSION_MS // 1000,
        httponly=True,
        samesite="strict",
        secure=services.cookie_secure,
    )
    return done


@router.post("/logout", dependencies=[FOR_ALL])
def sign_out(request: Request) -> Response:
    """End the session."""
    demand_own_page(request)
    services = services_of(request)
    secret = request.cookies.get(SESSION_COOKIE)
    if secret:
        accounts.sign_out(services.store, secret)
    done = RedirectResponse("/login", 303)
    done.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", secure=services.cookie_secure)
    return done


@router.get("/favicon.ico", dependencies=[FOR_ALL])
async def favicon() -> Response:
    """Browsers ask for it whatever the page says."""
    return RedirectResponse("/assets/icon.svg", 308)


@router.get("/assets/{name}", dependencies=[FOR_ALL])
async def asset(request: Request, name: str) -> Response:
    """A file of the closed list."""
    found = ASSETS.get(name)
    if found is None:
        raise not_found("asset")
    body, media_type = found
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
