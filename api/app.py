"""The ASGI app: routers, guards, errors, headers. Denied by default: a route that does not say whose it is stops the start.

`app.state.streams.close()` ends the open feed streams; call it before the server is asked to stop, which would
otherwise wait for them.
"""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from fastapi.responses import Response

from api import (
    access_controllers,
    access_log,
    acknowledge,
    acknowledge_hooks,
    alarm_load,
    auth,
    body_limit,
    buses,
    cap,
    card_acts,
    card_life,
    card_papers,
    cards,
    deposits,
    devices,
    drills,
    feed,
    hand_over,
    headers,
    health,
    households,
    meter_lives,
    meters,
    notice_templates,
    notices,
    openapi,
    people,
    precedence,
    press_tests,
    privacy,
    problem_details,
    problems,
    records,
    rejected,
    roster,
    roster_overrides,
    statistics,
    suppressions,
    tickets,
    topups,
    webhooks,
    works,
)
from api.console import (
    case_page,
    drill_page,
    hand_over_desk,
    hand_over_page,
    pages,
    press_page,
    quiet_page,
    record_pages,
)
from api.requests import Json
from api.routing import BASE
from api.services import Services
from api.stream import Streams

NOUNS: Final = (
    tickets,
    records,
    press_tests,
    feed,
    devices,
    meters,
    meter_lives,
    topups,
    notices,
    notice_templates,
    people,
    households,
    cards,
    card_life,
    card_acts,
    deposits,
    works,
    privacy,
    card_papers,
    rejected,
    problems,
    buses,
    access_controllers,
    access_log,
    acknowledge_hooks,
    roster_overrides,
    roster,
    hand_over,
    statistics,
    suppressions,
    webhooks,
    cap,
    alarm_load,
    drills,
    health,
    pages,
    acknowledge,
    record_pages,
    hand_over_page,
    hand_over_desk,
    case_page,
    quiet_page,
    drill_page,
    press_page,
)
"""Modules with a router; the first route that fits an address answers."""


def create_app(services: Services) -> FastAPI:
    """The app over a running hub. Raises UnguardedRouteError where a route has no guard."""
    app = FastAPI(
        title="Property hub",
        version=services.version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=[route for noun in NOUNS for route in noun.router.routes],
    )
    app.state.services = services
    app.state.streams = Streams()
    _serve_document(app)
    problem_details.install(app)
    pages.install(app)
    app.add_middleware(body_limit.BodyLimit)
    app.add_middleware(headers.SecurityHeaders, over_tls=services.cookie_secure)
    app.add_middleware(precedence.Precedence, way=services.store.way)
    auth.demand_guards(app)
    app.state.addresses = [(route.path_regex, route.methods) for route in auth.routes_of(app)]
    return app


def _serve_document(app: FastAPI) -> None:
    openapi.install(app)

    @app.get(f"{BASE}/openapi.json", include_in_schema=False, dependencies=[auth.FOR_ALL])
    async def document() -> Response:
        return Json(app.openapi())
