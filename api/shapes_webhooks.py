"""Webhooks as the API answers them."""

from __future__ import annotations

from typing import Literal

from api.shapes import Instant, Shape


class Webhook(Shape, frozen=True):
    """One publication. `channel` `mqtt` and `platform` are told in their own ways and stand in site files only.

    `place`: the newest number of the feed that is done with; `behind`: how many numbers lie after it. `keys`: how many keys
    made here sign now, null where the keys stand in a file. `secret` is shown once, by the request that made it.
    """

    id: int
    site: str
    name: str
    channel: Literal["webhook", "platform", "mqtt"]
    origin: Literal["file", "api"]
    url: str
    format: str
    types: tuple[str, ...]
    kinds: tuple[str, ...]
    state: Literal["active", "disabled", "removing", "removed"]
    disabled_reason: Literal["gone", "failing", "by_hand"] | None
    place: int
    behind: int
    attempts: int
    failing_since: Instant | None
    next_try_at: Instant | None
    last_error: str | None
    delivered_at: Instant | None
    keys: int | None
    created_at: Instant
    created_by: str
    revision: int
    secret: str | None = None


class WebhookList(Shape, frozen=True):
    """A page of them."""

    items: tuple[Webhook, ...]
    next: str | None = None


class WebhookAttempt(Shape, frozen=True):
    """One attempt. `seq` 0 is a ping. `set_aside`: refused for good; `gap`: the feed no longer held what came next."""

    id: int
    seq: int
    type: str
    at: Instant
    took_ms: int
    attempt: int
    ok: bool
    outcome: Literal["delivered", "retry", "refused", "set_aside", "gone", "gap"]
    answer: str


class WebhookAttempts(Shape, frozen=True):
    """The log, newest first."""

    items: tuple[WebhookAttempt, ...]
    next: str | None = None


class PingResult(Shape, frozen=True):
    """What came of a ping: `answer` is the receiver's, or why there is none."""

    ok: bool
    answer: str


ANSWERS = (WebhookList, Webhook, WebhookAttempts, PingResult)
