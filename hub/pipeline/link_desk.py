"""What happens when somebody follows a link, or a provider passes on a key that was pressed: an action through the one door.

Rule: everything that can be refused is refused before anything is written; the use of a link is written with its action,
in one transaction, so that a link works once, whoever presses twice.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, or_, select

from hub.pipeline.step import Step
from hub.registry.links import SignedLink
from hub.store.schema import link_uses, people, person_channels, tickets
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.refusals import Said
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role

BY_LINK: Final = "by link"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, for the answer."""

    ticket_id: int
    number: str
    action: str
    person: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider passes on: somebody's answer about a ticket. `person`: their code, or an address of theirs."""

    channel: str
    ticket_number: str
    person: str
    action: str


def follow_link(step: Step, signed: SignedLink) -> Done:
    """Do what the link allows. Raises Refused: over, used, the person has left, or not possible now."""
    link = signed.link
    if link.expires_at <= step.now:
        raise Refused("conflict", Said("link_over", "This link is over."))
    used = used_at(step.connection, signed.signature)
    if used is not None:
        raise Refused("conflict", Said("link_used", "This link was used before."))
    ticket = _ticket(step.connection, tickets.c.id == link.ticket_id)
    if ticket is None:
        raise Refused("not_found", Said("no_ticket", "There is no such ticket any more."))
    person = _staff(step.connection, ticket.site, people.c.id == link.person_id)
    if person is None:
        gone = "Whoever this link was for does not work here any more."
        raise Refused("not_allowed", Said("person_left", gone))
    done = _act(step, ticket, person, link.action, BY_LINK)
    step.connection.execute(
        link_uses.insert().values(
            signature=signed.signature,
            ticket_id=link.ticket_id,
            person_id=link.person_id,
            action=link.action,
            used_at=step.now,
            expires_at=link.expires_at,
        )
    )
    return done


def take_answer(step: Step, answer: Answer) -> Done:
    """Do what a provider's message says. Raises Refused."""
    ticket = _ticket(step.connection, tickets.c.number == answer.ticket_number.upper())  # as all of them are stored
    if ticket is None:
        raise Refused("not_found", f"There is no ticket {answer.ticket_number!r}.")
    theirs = select(person_channels.c.person_id).where(person_channels.c.address == answer.person)
    person = _staff(
        step.connection, ticket.site, or_(people.c.code == answer.person, people.c.id.in_(theirs.scalar_subquery()))
    )
    if person is None:
        raise Refused("invalid", "Some fields are wrong.", errors=(("person", "nobody on the staff of this site"),))
    return _act(step, ticket, person, answer.action, f"by {answer.channel}")


def used_at(connection: Connection, signature: str) -> UtcMs | None:
    """When a link was used; None: it has not been."""
    found: int | None = connection.execute(
        select(link_uses.c.used_at).where(link_uses.c.signature == signature)
    ).scalar_one_or_none()
    return found


def _act(step: Step, ticket: Row[Any], person: Row[Any], action: str, how: str) -> Done:
    fields = {"note": how} if action == "acknowledge" else {"name": person.name, "note": how}
    actor = Actor(person.name, frozenset({Role(person.role)}))
    step.act(ticket.id, action, fields, actor, None)
    return Done(ticket_id=ticket.id, number=ticket.number, action=action, person=person.name)


def _ticket(connection: Connection, condition: Any) -> Row[Any] | None:
    return connection.execute(select(tickets).where(condition)).one_or_none()


def _staff(connection: Connection, site: str, condition: Any) -> Row[Any] | None:
    """A member of staff who works at the site; of several with one address the one who came first."""
    statement = select(people).where(
        condition, people.c.site == site, people.c.role.is_not(None), people.c.retired_at.is_(None)
    )
    return connection.execute(statement.order_by(people.c.id).limit(1)).one_or_none()
