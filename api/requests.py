"""What callers may send: parameter types that every database takes, paging, If-Match, and writes that happen once.

Text never holds NUL or lone surrogates, numbers fit into 64 bits: whatever passes here can be stored and compared.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from fastapi import Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from api.problem_details import MEDIA_TYPE, ProblemError, refused
from api.services import Services
from api.spoken import spoken
from hub.store import idempotency
from hub.store.accounts import Principal
from hub.tickets.lifecycle import Refused
from hub.vocabulary.instants import EARLIEST_MS, LATEST_MS, UtcMs, parse_iso

Row = TypeVar("Row")

MAX_ID = 2**63 - 1
MAX_DEPTH = 6
MAX_REVISION_DIGITS = 9
NO_REVISION = -1

# A plus sign that was not escaped in a query arrives as a space; no time can be meant otherwise.
_UNESCAPED_PLUS = re.compile(r"^(\S+T\S+) ([0-9]{2}:[0-9]{2})$")

RowId: TypeAlias = Annotated[int, Path(ge=1, le=MAX_ID)]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=500, description="How many items at most.")]
Cursor: TypeAlias = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the page before; opaque.")
]
Id: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]
Site: TypeAlias = Annotated[Id | None, Query(description="Id of a site.")]
Filter: TypeAlias = Annotated[Id | None, Query()]
IfMatch: TypeAlias = Annotated[
    str | None, Header(pattern=r'^(\*|(W/)?"[!#-~]{0,64}")$', description="The ETag that the edit is based on.")
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Repeats of a write with one key are done once.",
    ),
]


class Json(JSONResponse):
    """JSON that msgspec has encoded already."""

    def render(self, content: Any) -> bytes:
        """The bytes as they are."""
        return content if isinstance(content, bytes) else msgspec.json.encode(content)


_YEAR = r"20[2-9][0-9]"
_DAY = r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
INSTANT_PATTERN = f"^{_YEAR}-{_DAY}T{_TIME}(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"


def _instant(value: Any) -> UtcMs:
    if not isinstance(value, str):
        raise ValueError("must be ISO 8601 text")  # noqa: TRY004  pydantic answers ValueErrors
    at = parse_iso(_UNESCAPED_PLUS.sub(r"\1+\2", value))
    if not EARLIEST_MS <= at <= LATEST_MS:
        raise ValueError("must be between 2020 and 2100")
    return at


InstantIn: TypeAlias = Annotated[
    int, BeforeValidator(_instant, json_schema_input_type=Annotated[str, StringConstraints(pattern=INSTANT_PATTERN)])
]


def _plain(value: Any) -> Any:
    check_plain(value)
    return value


Fields: TypeAlias = Annotated[dict[Id, Any], AfterValidator(_plain)]


def check_plain(value: Any, depth: int = 0) -> None:
    """Raise ValueError for JSON that could not be stored as it is."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("text with NUL or half a character")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number that is not finite")
    elif isinstance(value, int) and abs(value) > MAX_ID:
        raise ValueError("a number beyond 64 bits")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_plain(key, depth + 1)
            check_plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_plain(item, depth + 1)


def before(cursor: str | None) -> int | None:
    """The id that a page ends before (or begins after)."""
    return None if cursor is None else int(cursor)


def one_page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], int] = attrgetter("id")
) -> tuple[Sequence[Row], str | None]:
    """What a page shows, and the cursor of the next one (None: this was the last).

    `rows` are `limit + 1`, where there are so many: the one more is not shown, it tells that more follow. `key` is what
    the list is ordered by.
    """
    shown = rows[:limit]
    return shown, str(key(shown[-1])) if len(rows) > limit else None


def revision(if_match: str | None) -> int | None:
    """The revision of an If-Match header; None where any will do, NO_REVISION for a tag that the hub never gave out."""
    if if_match is None or if_match == "*":
        return None
    tag = if_match.removeprefix("W/").strip('"')
    return int(tag) if tag.isdigit() and len(tag) <= MAX_REVISION_DIGITS else NO_REVISION


def etag(number: int) -> str:
    """The ETag of a revision."""
    return f'"{number}"'


def versioned(body: bytes, number: int, place: str, status: int = 200) -> Response:
    """What is stored, with the ETag of its revision; a new one (201) says at which `place` it is found."""
    headers = {"ETag": etag(number)}
    if status == 201:
        headers["Location"] = place
    return Json(body, status, headers)


def once(
    request: Request,
    services: Services,
    principal: Principal,
    key: str | None,
    content: object,
    write: Callable[[], Response],
) -> Response:
    """Do a write; with a key that has come before, answer what was answered then.

    Raises ProblemError: the key belongs to another request, or the first one is still running (409 both).
    An answer that says nothing was decided (5xx) is not kept.
    """
    if key is None:
        return write()
    digest = _digest(request, content)
    kept = idempotency.take(services.store, principal.name, key, digest, services.now())
    if kept is not None:
        return _again(kept, digest)
    try:
        answer = write()
    except (Refused, ProblemError) as error:
        problem = refused(error, spoken(request)) if isinstance(error, Refused) else error
        _settle(services, principal, key, problem.response())
        raise
    # After any other exception nobody knows whether it happened: the key stays taken for a minute; then the state
    # of things itself answers a repeat.
    _settle(services, principal, key, answer)
    return answer


def _digest(request: Request, content: object) -> bytes:
    target = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(target + msgspec.json.encode(content, order="deterministic")).digest()


def _settle(services: Services, principal: Principal, key: str, answer: Response) -> None:
    if answer.status_code >= 500:
        idempotency.give_back(services.store, principal.name, key)
    else:
        idempotency.keep(services.store, principal.name, key, answer.status_code, bytes(answer.body))


def _again(kept: idempotency.KeptAnswer, digest: bytes) -> Response:
    if kept.request_digest != digest:
        raise ProblemError(409, "key_reused", "This Idempotency-Key was used for another request.")
    if kept.status == idempotency.RUNNING:
        raise ProblemError(
            409,
            "in_progress",
            "The first request with this Idempotency-Key is still running.",
            headers={"Retry-After": "1"},
        )
    media_type = "application/json" if kept.status < 400 else MEDIA_TYPE
    return Response(kept.body, kept.status, {"Idempotency-Replayed": "true", **_etag_of(kept)}, media_type)


def _etag_of(kept: idempotency.KeptAnswer) -> dict[str, str]:
    """As the first answer had it, so that a repeat can be edited on just as well."""
    told = msgspec.json.decode(kept.body) if 200 <= kept.status < 300 and kept.body else None
    number = told.get("revision") if isinstance(told, dict) else None
    return {"ETag": etag(number)} if isinstance(number, int) else {}
