"""Personal data that is past its time: copies of settled cards, holders of cards that are long over, and the proof in the audit.

Door events themselves are deleted by hub.store.retention; here it is counted that none is left but those that a ticket
refers to, and the count is written into the chain.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import exists, func, select

from hub.cards import audit, copies, subjects
from hub.cards.audit import Action, Chain, Entry
from hub.store.database import Store
from hub.store.retention import EVENT_DAYS
from hub.store.schema import events, ticket_timeline
from hub.vocabulary.instants import DAY_MS, UtcMs

ACCESS_KINDS: Final = ("AccessEvent", "DoorEvent", "CardPresented", "DecisionMissed")
ACCESS_DAYS: Final = EVENT_DAYS["AccessEvent"]
HOLDER_DAYS: Final = 3 * 366
"""Holders of cards that have been over for this long are erased by themselves (PIPL art. 19: the shortest necessary time)."""
CARDS_AT_A_TIME: Final = 500


class AccessProof(msgspec.Struct, frozen=True):
    """What a night has done. `left`: door events past their time that no ticket refers to; more than none is a defect."""

    events_gone: int
    left: int
    kept_for_tickets: int
    copies_gone: int
    holders_gone: int


def enforce(store: Store, chain: Chain, now: UtcMs, events_gone: int) -> AccessProof:
    """Delete what is past its time, count what is left, and write both into the audit."""
    with store.write() as connection:
        copies_gone = copies.delete_settled(connection, copies.waiting(connection), now)
    holders_gone = _forget_holders(store, now)
    with store.read() as connection:
        past = (events.c.kind.in_(ACCESS_KINDS), events.c.received_at < now - ACCESS_DAYS * DAY_MS)
        referred = exists().where(ticket_timeline.c.event_key == events.c.key)
        left = connection.execute(select(func.count()).select_from(events).where(*past, ~referred)).scalar_one()
        kept = connection.execute(select(func.count()).select_from(events).where(*past, referred)).scalar_one()
    proof = AccessProof(events_gone, int(left), int(kept), copies_gone, holders_gone)
    with store.write() as connection:
        entry = Entry(by="hub", action=Action.RETENTION, subject="events", detail=msgspec.to_builtins(proof))
        audit.append(connection, chain, entry, now)
    return proof


def _forget_holders(store: Store, now: UtcMs) -> int:
    gone, after = 0, 0
    while True:
        with store.write() as connection:
            old = subjects.long_over(connection, now - HOLDER_DAYS * DAY_MS, after, CARDS_AT_A_TIME)
            gone += subjects.forget(connection, old, now)
        if len(old) < CARDS_AT_A_TIME:
            return gone
        after = old[-1].id
