"""What access controllers say beside cards and doors: why a card was refused, dangers at a door, and how the list stands.

Words after ONVIF (AccessControl/Denied reasons, Door/State) with BACnet's finer reasons; vendors' codes are profile data.
Source: domain/access.md 2.7, 5. A reason that a profile does not know is `other`, never `fine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from hub.vocabulary.events import Event


class AccessReason(StrEnum):
    """Why a controller decided as it did."""

    CREDENTIAL_NOT_FOUND = "credential_not_found"
    CREDENTIAL_LOST = "credential_lost"
    CREDENTIAL_NOT_ENABLED = "credential_not_enabled"
    CREDENTIAL_NOT_ACTIVE = "credential_not_active"
    CREDENTIAL_EXPIRED = "credential_expired"
    CREDENTIAL_UNASSIGNED = "credential_unassigned"
    CREDENTIAL_NOT_PROVISIONED = "credential_not_provisioned"
    CREDENTIAL_DISABLED = "credential_disabled"
    UNAUTHORIZED = "unauthorized"
    NOT_PERMITTED_AT_THIS_TIME = "not_permitted_at_this_time"
    ANTI_PASSBACK = "anti_passback"
    INTERLOCK = "interlock"
    INVALID_PIN = "invalid_pin"
    DOOR_LOCKED = "door_locked"
    DURESS = "duress"
    EXIT_BUTTON = "exit_button"
    REMOTE_OPEN = "remote_open"
    PASSWORD = "password"  # noqa: S105 - a word of the trade
    OTHER = "other"


BACNET_EVENT: Final[Mapping[AccessReason, int]] = {
    AccessReason.CREDENTIAL_NOT_FOUND: 129,
    AccessReason.INVALID_PIN: 132,
    AccessReason.UNAUTHORIZED: 134,
    AccessReason.NOT_PERMITTED_AT_THIS_TIME: 136,
    AccessReason.ANTI_PASSBACK: 138,
    AccessReason.CREDENTIAL_LOST: 143,
    AccessReason.CREDENTIAL_UNASSIGNED: 149,
    AccessReason.CREDENTIAL_NOT_PROVISIONED: 150,
    AccessReason.CREDENTIAL_NOT_ACTIVE: 151,
    AccessReason.CREDENTIAL_EXPIRED: 152,
    AccessReason.CREDENTIAL_DISABLED: 153,
    AccessReason.INTERLOCK: 164,
    AccessReason.DURESS: 4,
}
"""Number of BACnetAccessEvent (ASHRAE 135) for those reasons that have one."""


class Danger(StrEnum):
    """What a controller raises an alarm about beside the door's own state."""

    DURESS = "duress"
    FIRE = "fire"
    EMERGENCY = "emergency"


class DoorDanger(Event, frozen=True, kw_only=True):
    """Somebody is threatened, calls, or there is fire at a door."""

    door: str
    danger: Danger


class NewEpoch(StrEnum):
    """Why a controller is another than before: its list and its counters begin anew."""

    SERIAL_CHANGED = "serial_changed"
    INDEX_WENT_BACK = "index_went_back"


class ControllerReport(Event, frozen=True, kw_only=True):
    """How a controller stands. None: not asked this time. `epoch` counts the lives of this place, from 1."""

    epoch: int
    why: NewEpoch | None = None  # of an epoch that begins with this report
    serial: str | None = None
    cards: int | None = None  # on its list
    last_index: int | None = None  # of its newest event
    clock_offset_ms: int | None = None  # its clock minus ours, before it was corrected
    clock_set: bool = False


class EventsMissed(Event, frozen=True, kw_only=True):
    """Events from `first` to `last` of a controller's own count were overwritten before anybody read them."""

    epoch: int
    first: int
    last: int


class CardListed(Event, frozen=True, kw_only=True):
    """One card of a list that comes in pieces and has no end mark: the list is over when nothing more comes."""

    card: dict[str, Any]  # {format, value, doors}, as in CommandResult.cards


class AddressSeen(Event, frozen=True, kw_only=True):
    """The network address under which a controller lives, of one that takes commands by its address only."""

    address: str
    expected: str  # of the site file
