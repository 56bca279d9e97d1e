"""What every event has: whom it concerns, when it happened, whose time that is, and how it came.

Order among a device's events is by `occurred_at`; durations are counted from `received_at`, because devices'
clocks are wrong (domain/elevator.md 5 'Clock skew'). `late` events go into history and never move state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hub.vocabulary.instants import UtcMs


class SubjectType(StrEnum):
    """What a ticket, a timer or a rule's state can be about."""

    DEVICE = "device"
    GATEWAY = "gateway"  # a bus, or the broker connection: `mqtt`
    BUILDING = "building"
    SITE = "site"
    CARD = "card"


class Subject(msgspec.Struct, frozen=True, order=True):
    """Whom something concerns, within a site."""

    site: str
    type: SubjectType
    id: str


class Clock(StrEnum):
    """Whose time `occurred_at` is."""

    DEVICE = "device"
    ARRIVAL = "arrival"  # the device gave none
    SKEWED = "skewed"  # the device's was in the future or before 2020: arrival time is used, `device_at` keeps theirs


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", tag=True):
    """Common part. `source_key` identifies the event at its source: seen twice, it happened once."""

    site: str
    device: str = ""
    source_key: str = ""
    occurred_at: UtcMs
    received_at: UtcMs
    clock: Clock = Clock.DEVICE
    device_at: UtcMs | None = None  # the device's own time where it was not believed
    late: bool = False  # older than what is known already; set by the pipeline
    live: bool = True  # False: retained by the broker, or a baseline read after a start; not news
    extra: dict[str, Any] | None = None  # fields of the payload that the profile does not name

    def subject(self) -> Subject:
        """The device that it concerns; the site where there is none."""
        if self.device:
            return Subject(self.site, SubjectType.DEVICE, self.device)
        return Subject(self.site, SubjectType.SITE, self.site)


def with_order(event: Event, *, late: bool) -> Event:
    """The same event, marked late."""
    return msgspec.structs.replace(event, late=late) if event.late != late else event
