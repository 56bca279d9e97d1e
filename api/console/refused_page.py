"""What a browser is shown where a program gets a problem document: the same answer as a page, in the reader's language.

Installed over the handlers of api.problem_details, which alone decide what an error is and what is said of it: here it is
only put into words. Whatever asks for data (the API, probes, assets, scripts of ours) gets the document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response

from api.console.catalogue import text
from api.console.pages import language_of, page
from api.problem_details import MEDIA_TYPE, ProblemDetails
from api.routing import BASE

NO_PAGES: Final = (f"{BASE}/", "/assets/", "/healthz", "/readyz", "/metrics")
WORDS: Final = frozenset(
    {"role", "csrf", "origin", "not_found", "invalid", "malformed", "method", "too_large", "unavailable", "unconfirmed"}
) | {"fault"}
"""Words of problems that have a sentence for pages; what has none is shown as the problem says it."""
Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """Wrap every handler that answers with a problem."""
    for kind, handler in list(app.exception_handlers.items()):
        if handler.__module__ == "api.problem_details":
            app.add_exception_handler(kind, _as_page(handler))  # type: ignore[arg-type]


def _as_page(handler: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        said = await handler(request, error)
        if said.media_type != MEDIA_TYPE or not _reads_pages(request):
            return said
        return _page(request, said)

    return answer


def _reads_pages(request: Request) -> bool:
    """Whether this is somebody before a browser who has asked for a page or sent a form."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(NO_PAGES)


def _page(request: Request, said: Response) -> Response:
    problem = msgspec.json.decode(bytes(said.body), type=ProblemDetails)
    word = problem.type.rpartition(":")[2]
    language = language_of(request, request.query_params.get("lang"))
    values: dict[str, Any] = {
        "sentence": text(language, f"ui.refused.{word}", problem.detail),
        "roles": [text(language, f"role.{each}", each) for each in problem.allowed] if word == "role" else [],
    }
    drawn = page(request, "refused.html", language, problem.status, **values)
    for name, value in said.headers.items():
        if name not in {"content-type", "content-length"}:
            drawn.headers[name] = value
    return drawn
