"""Every error as RFC 9457 `application/problem+json`: what is wrong and what can be done, never how the hub is built.

`errors` names each field with its problem; `allowed` lists what could be done instead. Refusals of the hub are said in the
caller's language (api.spoken).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.headers import SECURITY_HEADERS
from api.spoken import OTHERWISE, sentence, spoken
from hub.tickets.lifecycle import Refused

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

REFUSED = {"not_found": 404, "not_allowed": 409, "conflict": 409, "stale": 412, "invalid": 422, "unavailable": 503}


class FieldProblem(msgspec.Struct, frozen=True):
    """One field of the request and what is wrong with it."""

    field: str
    problem: str


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem; `type` is `urn:hub:` and a word that stays the same."""

    type: str
    title: str
    status: int
    detail: str
    errors: Sequence[FieldProblem] = ()
    allowed: Sequence[str] = ()


class ProblemError(Exception):
    """Answer the request with this problem."""

    def __init__(
        self,
        status: int,
        word: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        allowed: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.problem = ProblemDetails(
            type=f"urn:hub:{word}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            errors=tuple(FieldProblem(name, what) for name, what in errors),
            allowed=tuple(allowed),
        )

    def response(self) -> Response:
        """As it goes out."""
        return Response(
            msgspec.json.encode(self.problem), self.problem.status, media_type=MEDIA_TYPE, headers=self.headers
        )


def not_found(what: str) -> ProblemError:
    """There is none, or none that this caller may know of: the same answer for both."""
    return ProblemError(404, "not_found", f"There is no such {what}.")


def invalid(*errors: tuple[str, str]) -> ProblemError:
    """Fields of the request are wrong."""
    return ProblemError(422, "invalid", "Some fields are missing or wrong.", errors=errors)


def refused(error: Refused, language: str = OTHERWISE) -> ProblemError:
    """The hub's own refusal in HTTP's words, in a language of the screens."""
    errors = [(name, sentence(language, what)) for name, what in error.errors]
    detail = sentence(language, error.detail)
    return ProblemError(REFUSED[error.status], error.status, detail, errors=errors, allowed=error.allowed)


def install(app: FastAPI) -> None:
    """Let every error leave as a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(SQLAlchemyError, _on_database)
    app.add_exception_handler(TimeoutError, _on_timeout)
    app.add_exception_handler(Exception, _on_fault)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refused(error, spoken(request)).response()


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    word, detail = _HTTP_WORDS.get(error.status_code, ("http", HTTPStatus(error.status_code).phrase + "."))
    return ProblemError(error.status_code, word, detail, headers=headers).response()


def _methods_of(request: Request) -> set[str]:
    """All methods of this address; each route knows its own only."""
    path = request.url.path
    return {method for pattern, methods in request.app.state.addresses if pattern.match(path) for method in methods}


_HTTP_WORDS = {
    400: ("malformed", "The body cannot be read as JSON."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method", "This address does not take that method."),
    413: ("too_large", "The body is larger than 64 kB."),
    415: ("media_type", "The body must be application/json."),
}


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return ProblemError(422, "malformed", "The body cannot be read as JSON.").response()
    return invalid(*(_field(item) for item in error.errors())).response()


def _field(item: Mapping[str, object]) -> tuple[str, str]:
    place = item["loc"]
    assert isinstance(place, tuple)
    names = [str(part) for part in place if part not in {"body", "query", "path", "header"}]
    return ".".join(names)[:200].encode("utf-8", "replace").decode() or str(place[0]), str(item["msg"])


async def _on_database(request: Request, error: Exception) -> Response:
    log.error("database failed under %s %s", request.method, request.url.path, exc_info=error)
    detail = "The database does not answer now; nothing is lost, try again."
    return ProblemError(503, "unavailable", detail, headers={"Retry-After": "2"}).response()


async def _on_timeout(request: Request, error: Exception) -> Response:
    log.error("no commit in time under %s %s", request.method, request.url.path, exc_info=error)
    detail = "Not confirmed in time; it may still happen. Look again, or repeat it with the same Idempotency-Key."
    return ProblemError(503, "unconfirmed", detail, headers={"Retry-After": "2"}).response()


async def _on_fault(request: Request, error: Exception) -> Response:
    """A defect of ours. It is logged whole; the caller is told nothing of it."""
    log.error("fault under %s %s", request.method, request.url.path, exc_info=error)
    answer = ProblemError(500, "fault", "The hub made a mistake; it is in its log.").response()
    answer.headers.update(SECURITY_HEADERS)  # this one is made outside of the middleware that adds them
    return answer
