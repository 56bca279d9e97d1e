"""Webhooks over HTTP: set up, look after, replay from a number of the feed, change keys, ping. Integrators and admins only.

A secret is answered by the request that made it and never again: answers that are kept for repeats do not hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api import shapes, shapes_webhooks
from api.auth import ForIntegration, services_of, visible
from api.openapi import answers
from api.problem_details import not_found
from api.requests import (
    MAX_ID,
    Cursor,
    Id,
    IdempotencyKey,
    IfMatch,
    Json,
    Limit,
    RowId,
    Site,
    before,
    once,
    one_page,
    revision,
    versioned,
)
from api.routing import noun_router
from api.services import Services
from hub.pipeline.publications import Publication
from hub.pipeline.webhook_desk import WebhookDesk, as_wanted, new_webhook
from hub.store.accounts import Principal
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.instants import iso
from hub.vocabulary.ports import Sent
from hub.vocabulary.publications import FEED_TYPES

router = noun_router("webhooks", "/webhooks")

REPLAYED = "Idempotency-Replayed"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", max_length=63)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,480}$", max_length=500)]
FeedType = Annotated[str, StringConstraints(pattern=f"^({'|'.join(FEED_TYPES)})$")]
Format = Literal["cloudevents", "cap"]


class NewWebhook(BaseModel):
    """A receiver. Without `types`: tickets and problems; without `kinds`: tickets of every kind."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    name: Name
    url: Url
    format: Format = "cloudevents"
    types: Annotated[list[FeedType], Field(max_length=20)] = []
    kinds: Annotated[list[TicketKind], Field(max_length=20)] = []


class WebhookEdit(BaseModel):
    """What is to be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    format: Format | None = None
    types: Annotated[list[FeedType], Field(max_length=20)] | None = None
    kinds: Annotated[list[TicketKind], Field(max_length=20)] | None = None


class Replay(BaseModel):
    """From where."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, le=MAX_ID, description="The newest number of the feed that is not told again.")]


def _desk(request: Request) -> WebhookDesk:
    return services_of(request).webhooks()


def _mine(desk: WebhookDesk, principal: Principal, publication_id: int) -> Publication:
    found = desk.get(publication_id)
    if found is None or not visible(principal, found.wanted.site):
        raise not_found("webhook")
    return found


def _shape(services: Services, desk: WebhookDesk, found: Publication, secret: str | None) -> shapes_webhooks.Webhook:
    zone, wanted, progress = services.zone(found.wanted.site), found.wanted, found.progress
    return shapes_webhooks.Webhook(
        id=found.id,
        site=wanted.site,
        name=wanted.name,
        channel=wanted.channel.value,
        origin=wanted.origin.value,
        url=wanted.url,
        format=wanted.format,
        types=found.told,
        kinds=wanted.kinds,
        state=progress.state.value,
        disabled_reason=None if progress.disabled_reason is None else progress.disabled_reason.value,
        place=progress.cursor,
        behind=max(0, services.feed.latest_seq - progress.cursor),
        attempts=progress.attempts,
        failing_since=shapes.instant(progress.failing_since, zone),
        next_try_at=shapes.instant(progress.next_try_at or None, zone),
        last_error=progress.last_error,
        delivered_at=shapes.instant(progress.delivered_at, zone),
        keys=desk.keys_in_use(found),
        created_at=iso(found.created_at, zone),
        created_by=found.created_by,
        revision=found.revision,
        secret=secret,
    )


def _answer(
    services: Services, desk: WebhookDesk, publication_id: int, status: int = 200, secret: str | None = None
) -> Response:
    found = desk.get(publication_id)
    if found is None:
        raise not_found("webhook")
    body = msgspec.json.encode(_shape(services, desk, found, secret))
    return versioned(body, found.revision, f"/api/v1/webhooks/{publication_id}", status)


def _with_secret(services: Services, desk: WebhookDesk, kept: Response) -> Response:
    """The first answer with the secret in it; a repeat gets what was kept, which has none."""
    if kept.status_code >= 300 or REPLAYED in kept.headers:
        return kept
    publication_id = msgspec.json.decode(bytes(kept.body))["id"]
    return _answer(services, desk, publication_id, kept.status_code, desk.newest_secret(publication_id))


@dataclass(frozen=True)
class _Write:
    """A write to one webhook that the caller may see: how each of them begins and ends."""

    request: Request
    services: Services
    desk: WebhookDesk
    principal: Principal
    found: Publication
    if_match: str | None
    key: str | None

    @property
    def revision(self) -> int | None:
        """The one that it is based on; None: any."""
        return revision(self.if_match)

    def once(self, content: object, act: Callable[[], object], status: int = 200) -> Response:
        """Act, and answer the webhook as it is then; a repeat of `content` under one key is answered, not done."""

        def write() -> Response:
            act()
            return _answer(self.services, self.desk, self.found.id, status)

        return once(self.request, self.services, self.principal, self.key, [content, self.if_match], write)


def _to_one(
    request: Request,
    principal: ForIntegration,
    webhook_id: RowId,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> _Write:
    desk = _desk(request)
    found = _mine(desk, principal, webhook_id)
    return _Write(request, services_of(request), desk, principal, found, if_match, idempotency_key)


ToOne = Annotated[_Write, Depends(_to_one)]


@router.get("", responses=answers(shapes_webhooks.WebhookList))
def list_webhooks(
    request: Request, principal: ForIntegration, site: Site = None, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """Who is told of changes, and how far each has been told."""
    services, desk = services_of(request), _desk(request)
    found = desk.page(principal.sites, site, before(cursor) or 0, limit + 1)
    shown, following = one_page(found, limit)
    items = tuple(_shape(services, desk, each, None) for each in shown)
    page = shapes_webhooks.WebhookList(items=items, next=following)
    return Json(msgspec.json.encode(page))


@router.post("", status_code=201, responses=answers(shapes_webhooks.Webhook, created=True))
def add_webhook(
    request: Request, principal: ForIntegration, new: NewWebhook, idempotency_key: IdempotencyKey = None
) -> Response:
    """Set one up; it is told from now on. `secret` is in this answer and in no later one: keep it."""
    services, desk = services_of(request), _desk(request)
    if new.site not in {each.id for each in services.sites} or not principal.may_see(new.site):
        raise not_found("site")

    def write() -> Response:
        wanted = new_webhook(new.site, new.name, new.url, new.format, new.types, new.kinds)
        return _answer(services, desk, desk.add(wanted, principal.name), 201)

    kept = once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)
    return _with_secret(services, desk, kept)


@router.get("/{webhook_id}", responses=answers(shapes_webhooks.Webhook))
def show_webhook(request: Request, principal: ForIntegration, webhook_id: RowId) -> Response:
    """One of them."""
    desk = _desk(request)
    _mine(desk, principal, webhook_id)
    return _answer(services_of(request), desk, webhook_id)


@router.patch("/{webhook_id}", responses=answers(shapes_webhooks.Webhook, conflict=True))
def edit_webhook(write: ToOne, edit: WebhookEdit) -> Response:
    """Another address, format or choice of changes. One that stands in a site file is changed there (409)."""
    given = edit.model_dump(mode="json", exclude_none=True)
    changed = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    wanted = as_wanted(write.found, **changed)
    return write.once(given, lambda: write.desk.edit(write.found.id, wanted, write.revision))


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(
    request: Request, principal: ForIntegration, webhook_id: RowId, if_match: IfMatch = None
) -> Response:
    """It is told nothing more, and its keys are gone."""
    desk = _desk(request)
    _mine(desk, principal, webhook_id)
    desk.remove(webhook_id, revision(if_match))
    return Response(status_code=204)


@router.post("/{webhook_id}/keys", status_code=201, responses=answers(shapes_webhooks.Webhook, created=True))
def rotate_key(write: ToOne) -> Response:
    """A new key, in `secret` of this answer alone. The one before signs beside it for a day."""
    kept = write.once("keys", lambda: write.desk.rotate(write.found.id, write.revision), 201)
    return _with_secret(write.services, write.desk, kept)


@router.post("/{webhook_id}/replay", responses=answers(shapes_webhooks.Webhook, conflict=True))
def replay(write: ToOne, wanted: Replay) -> Response:
    """Tell it everything behind a number of the feed again; a number ahead passes over what lies between."""
    return write.once(wanted.after, lambda: write.desk.replay(write.found.id, wanted.after, write.revision))


@router.post("/{webhook_id}/ping", responses=answers(shapes_webhooks.PingResult, conflict=True))
def ping(request: Request, principal: ForIntegration, webhook_id: RowId) -> Response:
    """Send one message of type `ping` now and wait for the answer, ten seconds at most. 200 whatever the receiver says."""
    desk = _desk(request)
    _mine(desk, principal, webhook_id)
    verdict = desk.ping(webhook_id)
    answer = verdict.answer if isinstance(verdict, Sent) else verdict.reason
    return Json(msgspec.json.encode(shapes_webhooks.PingResult(ok=isinstance(verdict, Sent), answer=answer)))


@router.get("/{webhook_id}/attempts", responses=answers(shapes_webhooks.WebhookAttempts))
def list_attempts(
    request: Request,
    principal: ForIntegration,
    webhook_id: RowId,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """What was tried and what came of it, newest first: the last five hundred attempts of the last thirty days."""
    services, desk = services_of(request), _desk(request)
    zone = services.zone(_mine(desk, principal, webhook_id).wanted.site)
    rows = desk.attempts(webhook_id, before(cursor), limit + 1)
    shown, following = one_page(rows, limit)
    items = tuple(
        shapes_webhooks.WebhookAttempt(
            id=row.id,
            seq=row.seq,
            type=row.type,
            at=iso(row.at, zone),
            took_ms=row.took_ms,
            attempt=row.attempt,
            ok=row.ok,
            outcome=row.outcome,
            answer=row.answer,
        )
        for row in shown
    )
    page = shapes_webhooks.WebhookAttempts(items=items, next=following)
    return Json(msgspec.json.encode(page))


@router.post("/{webhook_id}/enable", responses=answers(shapes_webhooks.Webhook, conflict=True))
def enable(write: ToOne) -> Response:
    """Switch it on again; it goes on where it stopped."""
    return write.once(None, lambda: write.desk.enable(write.found.id, write.revision))


@router.post("/{webhook_id}/disable", responses=answers(shapes_webhooks.Webhook, conflict=True))
def disable(write: ToOne) -> Response:
    """Switch it off; its place in the feed is kept."""
    return write.once(None, lambda: write.desk.disable(write.found.id, write.revision))
