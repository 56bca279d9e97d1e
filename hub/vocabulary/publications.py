"""What other systems may be told of: types of changes on the feed, and the words of publications.

A new type of change gets its line here in the same commit that puts it on the feed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

USUAL_TYPES: Final = ("ticket_opened", "ticket_changed", "problem_raised", "problem_cleared")
"""What a webhook is told that names no types."""

FEED_TYPES: Final = (*USUAL_TYPES, "suppression_started", "suppression_ended", "rejected")

TICKET_TYPES: Final = ("ticket_opened", "ticket_changed")
WEBHOOK_FORMATS: Final = ("cloudevents", "cap")


class Channel(StrEnum):
    """How another system is told."""

    WEBHOOK = "webhook"
    PLATFORM = "platform"
    MQTT = "mqtt"


class Origin(StrEnum):
    """Where a publication comes from; one of a file is changed in the file."""

    FILE = "file"
    API = "api"


class PublicationState(StrEnum):
    """Whether it is told anything."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVING = "removing"  # its retained messages are being taken away
    REMOVED = "removed"
