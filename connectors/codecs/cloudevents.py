"""A change of the feed as a CloudEvent 1.0 in structured JSON mode (application/cloudevents+json).

`source` and `id` together name one change for ever; `id` holds the time beside the number, because a hub that was restored
from a backup counts the same numbers again. `sequence` orders the changes of one hub as text. Sources: CloudEvents 1.0.2,
'Required attributes', JSON format 3; 'Sequence' extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

import msgspec

from hub.vocabulary.instants import iso
from hub.vocabulary.ports import PublicChange

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TYPE_PREFIX: Final = "property-hub."
SOURCE_PREFIX: Final = "urn:property-hub:"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks: the hub's own name (`mqtt.client_id` of hub.yaml), and the site's zone and language."""

    hub: str
    zone: tzinfo = UTC
    locale: str = "zh-CN"

    def name(self, site: str) -> str:
        """Of one site of this hub; for ever the same."""
        return f"{SOURCE_PREFIX}{self.hub}:{site}"


def event_id(change: PublicChange) -> str:
    """The same for every attempt, another one for every change."""
    return f"{change.seq}-{change.at}"


def subject_of(change: PublicChange) -> str | None:
    """What within the site it is about: `tickets/12`, `device/b1-e1`, `rejected/7`."""
    body = change.body
    if change.type.startswith("ticket_"):
        return f"tickets/{body.get('id')}"
    subject = body.get("subject")
    if isinstance(subject, Mapping) and {"type", "id"} <= subject.keys():
        return f"{subject['type']}/{subject['id']}"
    return f"{change.type}/{body['id']}" if "id" in body else None


def envelope(change: PublicChange, source: Source) -> dict[str, Any]:
    """The event; extension attributes are `site`, `sequence` and, of tickets, `ticketkind` and `drill`."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(change),
        "source": source.name(change.site),
        "type": TYPE_PREFIX + change.type,
        "time": iso(change.at, source.zone),
        "datacontenttype": "application/json",
        "site": change.site,
        "sequence": f"{change.seq:020d}",
    }
    subject = subject_of(change)
    if subject is not None:
        event["subject"] = subject
    if change.type.startswith("ticket_"):
        event["ticketkind"] = str(change.body.get("kind", ""))
        event["drill"] = bool(change.body.get("drill"))
    event["data"] = change.body
    return event


def encode(change: PublicChange, source: Source) -> bytes:
    """The request's body."""
    return msgspec.json.encode(envelope(change, source))
