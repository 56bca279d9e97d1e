"""Where the outside meets the core: what connectors hand in, and what they are asked to do.

Protocols only. Connectors implement or call them; `hub.wiring` brings both together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from enum import IntEnum
from typing import Any, Protocol

import msgspec

from hub.vocabulary.events import Event
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.rejected import Rejected


class Lane(IntEnum):
    """Order within a batch: alarms never wait behind readings."""

    ALARM = 0
    TELEMETRY = 1


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What the broker needs to hear: valid only within the connection that it came on."""

    epoch: int
    packet_id: int
    qos: int


class AckSink(Protocol):
    """A connector that can acknowledge."""

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """Tell the broker that these are safe. Receipts of an older epoch are dropped. Never raises."""


class RawMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bytes as they came. `channel` chooses the decoder: `mqtt`, `modbus`, `http`; `address` is the topic or the device."""

    channel: str
    address: str
    payload: bytes
    received_at: UtcMs
    lane: Lane = Lane.TELEMETRY
    retained: bool = False
    sink: AckSink | None = None
    receipt: Receipt | None = None
    replay_of: int | None = None  # row in `rejected`


class Intake(Protocol):
    """The pipeline's front door."""

    def offer(self, message: RawMessage) -> None:
        """Take a message. Thread-safe, returns at once, never raises and never drops."""

    def report(self, event: Event) -> None:
        """Take an event that a connector noticed itself (GatewayChanged, Unreachable)."""


class Decoder(Protocol):
    """Turns a message into events. Pure; one per channel."""

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """Events in the order in which they happened, or why the message cannot be used. Never raises on input."""


class DeviceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector needs to know of one device (from the site file, checked)."""

    site: str
    device: str
    kind: str
    profile: str
    timezone: str  # of the site; for times without offset
    bus: str | None = None
    unit_id: int | None = None
    balance_unit: str | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)  # timeout_ms, every_s, fast_ms, doors …


class BusEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector needs to know of one bus."""

    site: str
    bus: str
    url: str
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)


class CommandSender(Protocol):
    """A connector that can carry a command to a device."""

    def send(
        self, site: str, device: str, command_id: str, name: str, args: Mapping[str, Any], reply_by: UtcMs
    ) -> bool:
        """Hand the command over; False when this connector cannot reach the device now. Never raises."""


class OutgoingNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One notice on its way to one address. `key` is the same however often it is repeated: receivers drop repeats by it.

    Providers that allow registered texts only take `template` and `params` (text values) instead of `title` and `body`.
    """

    key: str
    address: str
    title: str
    body: str
    template: str = ""
    params: Mapping[str, str] = msgspec.field(default_factory=dict)


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The provider has taken it. `provider_id` is what its receipt will name."""

    answer: str = ""
    provider_id: str | None = None


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Not taken, and trying again makes sense, not before `after_s` where the provider says so."""

    reason: str
    after_s: float | None = None


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Not taken, and it will never be: wrong number, refused text, wrong key."""

    reason: str


class NoticeSender(Protocol):
    """A way out. It alone says whether trying again makes sense; when, is the caller's business."""

    @property
    def receipts(self) -> bool:
        """Whether the provider reports later what came of a notice."""

    def send(self, notice: OutgoingNotice) -> Sent | Retry | GiveUp:
        """Send, within a time-out of its own. Thread-safe; never raises for what the far side does."""

    def check(self) -> str:
        """One sentence about what would be used; sends nothing. Raises ValueError with what is wrong."""


class PublicChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the feed on its way to another system; `body` as the feed shows it. `seq` 0: a ping that nothing stands
    behind. `case`: the ticket with its milestones as it is now, for ways out that ask for it.
    """

    seq: int
    site: str
    at: UtcMs
    type: str
    body: Mapping[str, Any]
    case: Mapping[str, Any] | None = None


class PutAside(msgspec.Struct, frozen=True, kw_only=True):
    """This way out has no words for this change: nothing was sent, and nothing is wrong."""

    reason: str = ""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The far side does not want this very change; others it may take."""

    reason: str


class WayOut(Protocol):
    """One other system that is told of changes, one after the other, in the order of the feed."""

    @property
    def wants_case(self) -> bool:
        """Whether `PublicChange.case` has to be filled."""

    def check(self) -> str:
        """One sentence about where it would go; sends nothing. Raises ValueError with what is wrong."""

    def deliver(self, change: PublicChange) -> Sent | Retry | GiveUp | Refused | PutAside:
        """Tell it, within a time-out of its own. GiveUp: it wants nothing more at all. Never raises for the far side."""


class PlatformOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a way out to a city platform is made from: its type, settings with secrets, and our device → its code.

    `description`: the file of a description of the site's own.
    """

    type: str
    values: Mapping[str, str]
    elevators: Mapping[str, str]
    description: str | None = None


class WayOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a way out is made from. `keys` gives those that sign now, newest first; zone and locale are the site's."""

    channel: str
    site: str
    name: str
    url: str
    format: str
    zone: tzinfo
    locale: str
    keys: Callable[[], Sequence[bytes]]
    platform: PlatformOrder | None = None


class TopicPublisher(Protocol):
    """A connection to a broker on which state can be left for whoever subscribes later."""

    @property
    def connection_number(self) -> int | None:
        """Another number after each connection; None where there is none now."""

    def publish_state(self, topic: str, payload: bytes, timeout_s: float) -> bool:
        """Leave a retained message, QoS 1; empty takes it away. True only once the broker has it. Never raises."""
