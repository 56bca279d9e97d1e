"""Tickets on the broker: one retained message per active ticket, taken away when it is over.

Topic `hub/out/v1/{site}/tickets/{id}`. It lies beside `hub/v1/`, which the hub subscribes to as a whole, so that what the hub
says never comes back to it as input. Payload: the ticket as API and feed show it, without what may name people.
"""

from __future__ import annotations

from typing import Final

import msgspec

from connectors.codecs.hub_topics import ticket_topic
from connectors.codecs.incidents import is_incident, outside_view
from hub.vocabulary.ports import GiveUp, PublicChange, PutAside, Refused, Retry, Sent, TopicPublisher

CONFIRMED_WITHIN_S: Final = 10.0


class TicketTopics:
    """hub.vocabulary.ports.WayOut over a broker connection."""

    wants_case = False

    def __init__(self, topics: TopicPublisher) -> None:
        self._topics = topics

    def check(self) -> str:
        """The broker itself is tried elsewhere."""
        return "tickets are left on the broker; nothing was sent"

    @property
    def connection_number(self) -> int | None:
        """Another one after each connection: what was left before may be lost."""
        return self._topics.connection_number

    def deliver(self, change: PublicChange) -> Sent | Retry | GiveUp | Refused | PutAside:
        """Leave the ticket's state, or take it away."""
        if not change.type.startswith("ticket_") or not is_incident(change.body):
            return PutAside(reason="only incidents are left on the broker")
        topic = ticket_topic(change.site, int(change.body["id"]))
        payload = msgspec.json.encode(outside_view(change.body)) if change.body["active"] else b""
        if self._topics.publish_state(topic, payload, CONFIRMED_WITHIN_S):
            return Sent(answer="left on the broker" if payload else "taken away")
        return Retry(reason="the broker has not confirmed it", after_s=1)
