"""The feed over HTTP: every public change in order, page by page or live (Server-Sent Events)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query, Request
from fastapi.responses import Response

from api import shapes
from api.auth import ForStaff, services_of
from api.openapi import answers
from api.requests import MAX_ID, Cursor, Json, Limit, before
from api.routing import noun_router
from api.stream import EventStreamResponse, FeedStream, hidden_types, item_json, may_read
from hub.pipeline import feed_queries

router = noun_router("feed", "/feed")

After = Annotated[int | None, Query(ge=0, le=MAX_ID, description="Changes after this number.")]


@router.get("", responses=answers(shapes.FeedPage))
def list_feed(
    request: Request, principal: ForStaff, after: After = None, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """Changes after a number, oldest first. `next` is null at the end: ask again with `after` = the last number seen."""
    services = services_of(request)
    start = max(after or 0, before(cursor) or 0)
    latest = services.feed.latest_seq
    recent = services.feed.since(start)
    if recent is None:
        with services.store.read() as connection:
            rows = list(feed_queries.page(connection, start, limit + 1, principal.sites, hidden_types(principal)))
            latest = feed_queries.latest_seq(connection)
    else:
        rows = [row for row in recent if may_read(principal, row)][: limit + 1]
    shown = rows[:limit]
    following = f'"{shown[-1].seq}"' if len(rows) > limit else "null"
    items = ",".join(item_json(row) for row in shown)
    return Json(f'{{"items":[{items}],"next":{following},"latest_seq":{latest}}}'.encode())


@router.get(
    "/stream",
    response_class=Response,
    responses={
        200: {"description": "Server-Sent Events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    },
)
async def stream_feed(
    request: Request,
    principal: ForStaff,
    after: After = None,
    last_event_id: Annotated[
        str | None, Header(pattern=r"^[0-9]{1,18}$", description="Resume after this number.")
    ] = None,
) -> Response:
    """The feed live: `data` is one change, `id` its number. Resumes after `Last-Event-ID` (or `after`), else from now on.

    Further events: `hello` and `heartbeat` (every 5 s, with the hub's health), `canary`, `resync` (read the state anew:
    changes were missed), `signed_out`, `bye` (the hub stops).
    """
    start = int(last_event_id) if last_event_id is not None else after
    stream = FeedStream(services_of(request), principal, request.state.credential, start)
    return EventStreamResponse(stream.frames(request.app.state.streams))
