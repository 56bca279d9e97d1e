"""Who is asking, and whether this route is theirs. Denied by default: a route without a guard stops the app from starting.

A bearer token or the console's session cookie. Writes with the cookie also need the session's CSRF token in a header;
both are looked up on every request, so that a revoked one ends at once.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from fastapi import Depends, FastAPI, Form, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security.utils import get_authorization_scheme_param

from api.problem_details import ProblemError
from api.services import Services
from hub.cards import visibility
from hub.store.accounts import Principal, by_session, by_token
from hub.tickets.lifecycle import Actor
from hub.vocabulary.roles import EMERGENCY_STAFF, EVERYONE, Role

log = logging.getLogger(__name__)

SESSION_COOKIE = "hub_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"127.0.0.1", "::1"})

# For the document alone (api/openapi.py): FastAPI's own dependencies for them take as long as looking a token up.
SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "A machine client's token (`hub token add`)."},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "The console's own."},
}


class Credential(msgspec.Struct, frozen=True):
    """What a caller showed: exactly one of the two."""

    token: str | None = None
    session: str | None = None


class UnguardedRouteError(Exception):
    """A route of the app does not say whose it is."""


class SignInNeededError(Exception):
    """A page was asked for by somebody who has not signed in."""


def services_of(request: Request) -> Services:
    """The hub behind this app."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def authenticate(services: Services, credential: Credential) -> Principal | None:
    """Whose credential it is now; None when it is unknown, over, or was taken away. Reads the database."""
    if services.store.is_sqlite:  # a glance at a file takes less than the way to another thread
        return look_up(services, credential)
    return await run_in_threadpool(look_up, services, credential)


def look_up(services: Services, credential: Credential) -> Principal | None:
    """The same; whoever asks waits for the database."""
    if credential.token is not None:
        return by_token(services.store, credential.token)
    if credential.session is not None:
        return by_session(services.store, credential.session, services.now())
    return None


class Guard:
    """A dependency: lets the roles in and answers who it is; 401, 403 for everybody else."""

    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles = roles

    async def __call__(self, request: Request) -> Principal:
        """The caller, or ProblemError: looks at credential, CSRF token and roles."""
        credential = _shown(request)
        principal = await authenticate(services_of(request), credential) if credential else None
        if principal is None or credential is None:
            raise self.unknown(credential)
        if credential.session is not None and request.method not in SAFE_METHODS:
            self.demand_csrf(request, principal)
        if not principal.roles & self.roles:
            log.warning("%s was refused %s %s", principal.name, request.method, request.url.path)
            allowed = sorted(str(role) for role in self.roles)
            raise ProblemError(403, "role", "This is not for your roles.", allowed=allowed)
        request.state.credential = credential
        return principal

    def demand_csrf(self, request: Request, principal: Principal) -> None:
        """The session's CSRF token in a header, or ProblemError."""
        _check_csrf(principal, request.headers.get(CSRF_HEADER, ""))

    def unknown(self, credential: Credential | None) -> Exception:
        """The answer to somebody who is not known: the same whatever was wrong."""
        hint = 'Bearer realm="hub"' + (', error="invalid_token"' if credential else "")
        return ProblemError(
            401, "sign_in", "Sign in, or send a valid bearer token.", headers={"WWW-Authenticate": hint}
        )


class PageGuard(Guard):
    """For pages: whoever is not signed in is sent to the sign-in page."""

    def unknown(self, credential: Credential | None) -> Exception:
        """To the sign-in page."""
        return SignInNeededError()


class FormGuard(PageGuard):
    """For the console's own forms: they come from a page of ours, with the session's CSRF token in a hidden field."""

    async def __call__(self, request: Request, csrf: Annotated[str, Form()] = "") -> Principal:
        """The caller, or ProblemError."""
        demand_own_page(request)
        request.state.form_csrf = csrf
        return await super().__call__(request)

    def demand_csrf(self, request: Request, principal: Principal) -> None:
        """The token in the form, or ProblemError."""
        _check_csrf(principal, request.state.form_csrf)


class LoopbackGuard(Guard):
    """For probes on the same machine: no sign-in from loopback, unless a proxy speaks for somebody else."""

    async def __call__(self, request: Request) -> Principal:
        """The caller; `loopback` where it is this machine itself."""
        peer = request.client.host if request.client else ""
        forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
        if peer in LOOPBACK and not forwarded:
            return Principal("loopback", frozenset(), frozenset())
        return await super().__call__(request)


class Open:
    """A dependency that says on purpose: this route is for everybody, also for whoever has not signed in."""

    def __call__(self) -> None:
        """Let pass."""


def _shown(request: Request) -> Credential | None:
    header = request.headers.get("authorization")
    if header is not None:  # a wrong header is not healed by a cookie
        scheme, token = get_authorization_scheme_param(header)
        return Credential(token=token if scheme.lower() == "bearer" else "")
    cookie = request.cookies.get(SESSION_COOKIE)
    return Credential(session=cookie) if cookie else None


def _check_csrf(principal: Principal, given: str) -> None:
    if principal.csrf is None or not hmac.compare_digest(given.encode("utf-8", "replace"), principal.csrf.encode()):
        raise ProblemError(403, "csrf", f"Writes with the console's session need the header {CSRF_HEADER}.")


def demand_own_page(request: Request) -> None:
    """Forms come from our own pages. Browsers say where from; a client that says nothing is no browser."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = site not in {None, "same-origin", "none"}
    if site is None and origin is not None:
        foreign = origin.partition("://")[2] != request.headers.get("host")
    if foreign:
        raise ProblemError(403, "origin", "Forms are taken from this site's own pages only.")


def actor(principal: Principal) -> Actor:
    """The caller as the tickets know them."""
    return Actor(principal.name, principal.roles)


def visible(principal: Principal, site: str) -> bool:
    """Whether something of this site is theirs to see; what belongs to no site is everybody's."""
    return site in {"", "_hub"} or principal.may_see(site)


def reads_personal_data(principal: Principal) -> bool:
    """Whether names and addresses of residents are shown to them unmasked."""
    return bool(principal.roles & PEOPLE_STAFF)


def guards_of(dependant: Dependant) -> Iterator[Guard | Open]:
    """The guards that stand before a route."""
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Guard | Open):
            yield dependency.call
        yield from guards_of(dependency)


def routes_of(app: FastAPI) -> Iterator[RouteContext]:
    """Every route of the app, with its whole path; raises UnguardedRouteError on one that no guard can stand before."""
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            raise UnguardedRouteError(f"{context.original_route!r} cannot be guarded")
        yield context


def guarded(app: FastAPI) -> Iterator[RouteContext]:
    """The routes that are not for everybody."""
    return (route for route in routes_of(app) if any(isinstance(each, Guard) for each in guards_of(route.dependant)))


def demand_guards(app: FastAPI) -> None:
    """Denied by default: UnguardedRouteError names the routes that do not say whose they are."""
    bare = [f"{route.methods} {route.path}" for route in routes_of(app) if not any(guards_of(route.dependant))]
    if bare:
        raise UnguardedRouteError(f"routes without a guard: {bare}")


# Whose is what. Personal data (readings of a household's meter) only for those who need it (procedures.md 7).
STAFF = EVERYONE
METER_STAFF = EVERYONE - {Role.SECURITY, Role.CARD_CUSTODIAN}
PEOPLE_STAFF = frozenset({Role.FRONT_DESK, Role.HOUSEKEEPER, Role.MANAGER, Role.ADMIN})
TEXT_EDITORS = frozenset({Role.MANAGER, Role.ADMIN})
RECEIPT_SENDERS = frozenset({Role.INTEGRATOR, Role.ADMIN})
TOPUP_SENDERS = frozenset({Role.FINANCE, Role.FRONT_DESK, Role.INTEGRATOR, Role.MANAGER, Role.ADMIN})
METER_WORKERS = frozenset({Role.INTEGRATOR, Role.HOUSEKEEPER, Role.FINANCE, Role.MANAGER, Role.ADMIN})
CARD_STAFF = frozenset({Role.FRONT_DESK, Role.CARD_CUSTODIAN, Role.MANAGER, Role.ADMIN})
CARD_WATCHERS = CARD_STAFF | {Role.SECURITY, Role.FINANCE}
LOSS_TAKERS = CARD_STAFF | {Role.SECURITY}  # the desk closes in the evening, cards are lost at night too
CARD_MONEY = CARD_STAFF | {Role.FINANCE}
# A person's door history is whereabouts (PIPL 28): those who look after doors, not the desk.
ACCESS_LOG = frozenset(
    {Role.SECURITY, Role.CONTROL_ROOM, Role.DUTY_SUPERVISOR, Role.CARD_CUSTODIAN, Role.MANAGER, Role.ADMIN}
)
CARD_CUSTODY = frozenset({Role.CARD_CUSTODIAN, Role.MANAGER, Role.ADMIN})
CARD_REVEALS = visibility.REVEALS
CARD_HOLDS = frozenset({Role.MANAGER, Role.ADMIN})
CARD_APPROVALS = frozenset({Role.DEPARTMENT_MANAGER, Role.MANAGER})
ROSTER_EDITORS = frozenset({Role.DUTY_SUPERVISOR, Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN})
INTEGRATORS = frozenset({Role.INTEGRATOR, Role.ADMIN})
INPUT_STAFF = (EMERGENCY_STAFF - {Role.SECURITY}) | {Role.INTEGRATOR}

ForStaff = Annotated[Principal, Security(Guard(STAFF))]
ForMeterStaff = Annotated[Principal, Security(Guard(METER_STAFF))]
ForPeopleStaff = Annotated[Principal, Security(Guard(PEOPLE_STAFF))]
ForTextEditors = Annotated[Principal, Security(Guard(TEXT_EDITORS))]
ForReceipts = Annotated[Principal, Security(Guard(RECEIPT_SENDERS))]
ForTopUps = Annotated[Principal, Security(Guard(TOPUP_SENDERS))]
ForMeterWork = Annotated[Principal, Security(Guard(METER_WORKERS))]
ForCards = Annotated[Principal, Security(Guard(CARD_STAFF))]
ForAccessLog = Annotated[Principal, Security(Guard(ACCESS_LOG))]
ForLosses = Annotated[Principal, Security(Guard(LOSS_TAKERS))]
ForMoney = Annotated[Principal, Security(Guard(CARD_MONEY))]
ForCustody = Annotated[Principal, Security(Guard(CARD_CUSTODY))]
ForReveals = Annotated[Principal, Security(Guard(CARD_REVEALS))]
ForHolds = Annotated[Principal, Security(Guard(CARD_HOLDS))]
ForApprovals = Annotated[Principal, Security(Guard(CARD_APPROVALS))]
ForCardWatchers = Annotated[Principal, Security(Guard(CARD_WATCHERS))]
ForInputStaff = Annotated[Principal, Security(Guard(INPUT_STAFF))]
ForRosterEditors = Annotated[Principal, Security(Guard(ROSTER_EDITORS))]
ForIntegration = Annotated[Principal, Security(Guard(INTEGRATORS))]
ForProbes = Annotated[Principal, Security(LoopbackGuard(EVERYONE))]
ForPages = Annotated[Principal, Security(PageGuard(EVERYONE))]
ForForms = Annotated[Principal, Security(FormGuard(EVERYONE))]
FOR_ALL = Depends(Open())
