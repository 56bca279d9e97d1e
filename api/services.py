"""What the API needs of a running hub, handed in as one frozen value: nothing here is reached any other way.

API processes are stateless: whatever must survive a request is in the database or in the hub behind these ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
from prometheus_client import CollectorRegistry

from hub.cards.secrecy import KeyRing
from hub.pipeline.webhook_desk import WebhookDesk
from hub.registry.links import LinkKey
from hub.settings.model import HookConfig
from hub.store.database import Store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import Subject
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import MINUTE_MS, UtcMs
from hub.vocabulary.rejected import Rejected, RejectReason

STALE_AFTER_MS: Mapping[str, int] = {
    DeviceKind.ELEVATOR: 10 * MINUTE_MS,
    DeviceKind.METER: 60 * MINUTE_MS,
    DeviceKind.ACCESS_CONTROLLER: 60 * MINUTE_MS,
}


class DoorPort(Protocol):
    """The one door for change (hub.pipeline.door). Thread-safe; every call returns after the commit; raises Refused."""

    def act(
        self,
        ticket_id: int,
        action: str,
        fields: dict[str, Any],
        by: Actor,
        if_match: int | None,
        timeout_s: float = 10,
    ) -> None:
        """Do an action on a ticket."""

    def open_ticket(
        self,
        kind: str,
        subject: Subject,
        fields: dict[str, Any],
        severity: Severity | None,
        by: Actor,
        title: str | None = None,
        occurred_at: UtcMs | None = None,
        *,
        drill: bool = False,
    ) -> int:
        """Open a ticket by hand, or count on the active one; its id."""

    def replay(self, rejected_id: int, by: Actor) -> str:
        """Offer a rejected message again; the outcome word."""

    def ask(self, run: Callable[[Any], Any]) -> Any:
        """Have something done within a step of the pipeline; its result."""


class FeedRowPort(Protocol):
    """One committed public change; `body` is JSON text."""

    @property
    def seq(self) -> int: ...
    @property
    def site(self) -> str: ...
    @property
    def at(self) -> UtcMs: ...
    @property
    def type(self) -> str: ...
    @property
    def body(self) -> str: ...


class FeedPort(Protocol):
    """The newest committed changes, in memory."""

    @property
    def latest_seq(self) -> int:
        """The newest committed number."""

    def subscribe(self, callback: Callable[[Sequence[Any]], None]) -> Callable[[], None]:
        """Call back with new rows, in the engine's thread, after each commit; returns how to end it."""

    def since(self, seq: int) -> Sequence[Any] | None:
        """Rows after `seq`; None where memory does not reach that far back."""


class Part(msgspec.Struct, frozen=True):
    """One thing that has to work. `name`: intake, database, broker, canary, bus …; `id` tells several of a kind apart.

    `why` says in one sentence what is wrong where `ok` is False. Where `required` is False the hub is ready without it.
    """

    name: str
    ok: bool
    id: str = ""
    why: str = ""
    required: bool = True


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the hub is. `canary_age_ms` per lane (`alarm`, `telemetry`); None: none has come through yet."""

    parts: tuple[Part, ...]
    canary_age_ms: Mapping[str, int | None]
    oldest_unacked_ms: int | None = None
    last_event_at: UtcMs | None = None

    @property
    def ready(self) -> bool:
        """Whether everything that is required works."""
        return all(part.ok for part in self.parts if part.required)


def _no_lift_card(site: str, device: str) -> Mapping[str, str]:
    return {}


def _no_receipt(site: str, channel: str, provider_id: str, detail: str | None) -> bool:
    return False


def _no_push(site: str, device: str, payload: bytes) -> Rejected | None:
    return Rejected(reason=RejectReason.WRONG_PROFILE, detail="this process takes no readings", site=site)


def _no_cap(ticket: Mapping[str, Any], locale: str) -> bytes | None:
    return None


def _no_buses() -> list[dict[str, Any]]:
    return []


def _no_webhooks() -> WebhookDesk:
    raise Refused("unavailable", "This process tells no other systems.")


def _unknown_capacity(site: str, device: str) -> int | None:
    return None


def _every_unit(site: str, unit: str) -> bool:
    return True


@dataclass(frozen=True)
class Services:
    """A running hub, as far as the API may know it."""

    store: Store
    door: DoorPort
    feed: FeedPort
    now: Callable[[], UtcMs]
    health: Callable[[], Health]
    why: Callable[[str, str], list[dict[str, Any]]]  # (site, device) → last evaluations of the rules, newest first
    sites: Sequence[SiteFacts]
    metrics_registry: CollectorRegistry
    version: str
    keys: KeyRing
    buses: Callable[[], list[dict[str, Any]]] = _no_buses  # as hub.connections gives them
    cookie_secure: bool = False
    receipt: Callable[[str, str, str, str | None], bool] = (
        _no_receipt  # site, channel, provider's id, why not delivered
    )
    push: Callable[[str, str, bytes], Rejected | None] = _no_push  # (site, meter, `reading` of hub-json) → why not
    webhooks: Callable[[], WebhookDesk] = _no_webhooks
    cap: Callable[[Mapping[str, Any], str], bytes | None] = _no_cap  # a ticket's view, a language; None: no incident
    card_capacity: Callable[[str, str], int | None] = _unknown_capacity  # (site, access controller)
    lift_card: Callable[[str, str], Mapping[str, str]] = _no_lift_card  # (site, elevator) → hub.settings.lift_card
    knows_unit: Callable[[str, str], bool] = _every_unit  # (site, `b1/0101`)
    link_key: LinkKey | None = None  # of links in messages
    hooks: Sequence[HookConfig] = ()
    stale_after_ms: Mapping[str, int] = field(default_factory=lambda: STALE_AFTER_MS)

    @cached_property
    def _zones(self) -> Mapping[str, tzinfo]:
        return {site.id: ZoneInfo(site.timezone) for site in self.sites}

    def zone(self, site: str) -> tzinfo:
        """A site's time zone; UTC for what belongs to none."""
        return self._zones.get(site, UTC)
