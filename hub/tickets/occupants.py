"""The people in the car as structured facts: closed lists of words, and what each of them makes of the case. Pure.

A word that is not on its list is refused by name, never passed over: `medicl` must not look like 'nobody is unwell'. What
identifies a person (names, telephones, addresses) stays in the timeline, which only rescuers read, and never becomes a field of
the ticket, which goes to every screen and to webhooks.
Sources: domain/elevator.md 3.3 'Severity' (P1 facts), 4.1 (after the release; refusals), 4.3 'People'; domain/procedures.md 1.
Rising water is this file's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.tickets.kind import Field
from hub.tickets.refusals import FIELDS, MISSING, Refused
from hub.tickets.ticket import Ticket
from hub.vocabulary.decisions import SEVERITY_RANK, Severity


class Condition(StrEnum):
    """How they are."""

    CALM = "calm"
    ANXIOUS = "anxious"
    PANICKING = "panicking"
    MEDICAL = "medical"  # in need of a doctor, whatever it is


class Need(StrEnum):
    """Who needs more than others."""

    CHILD = "child"
    ELDERLY = "elderly"
    PREGNANT = "pregnant"
    WHEELCHAIR = "wheelchair"
    IMPAIRED_HEARING = "impaired_hearing"
    IMPAIRED_SIGHT = "impaired_sight"
    OTHER_LANGUAGE = "other_language"
    OTHER = "other"


class Injury(StrEnum):
    """Injury or illness; any of them needs help."""

    UNCONSCIOUS = "unconscious"
    BREATHING = "breathing"
    CHEST_PAIN = "chest_pain"
    FAINTING = "fainting"
    SEIZURE = "seizure"
    BLEEDING = "bleeding"
    FRACTURE = "fracture"
    CAUGHT = "caught"  # a limb in the door
    OTHER = "other"


class Hazard(StrEnum):
    """What is around them."""

    SMOKE = "smoke"
    HEAT = "heat"
    WATER = "water"
    DARK = "dark"


class Contact(StrEnum):
    """How the people inside are reached; `none`: nobody answers."""

    INTERCOM = "intercom"
    PHONE = "phone"
    THROUGH_DOOR = "through_door"
    CAMERA = "camera"
    NONE = "none"


class Refusal(StrEnum):
    """What was offered and refused; `left`: gone before anybody could ask."""

    HELP = "help"
    MEDICAL = "medical"
    DETAILS = "details"
    LEFT = "left"


WITH_CONDITION: Final = (Need.CHILD, Need.ELDERLY, Need.PREGNANT)
"""Needs that may stand in `condition` too, for callers from before `special_needs`."""
GRAVE: Final = frozenset({Condition.MEDICAL, *WITH_CONDITION, Hazard.SMOKE, Hazard.HEAT, Hazard.WATER})
"""Words that make a case P1; so does every injury, and nobody inside answering."""
NO_CONTACT: Final = "no_contact"

REFUSED: Final = (
    Field("refused", "choices", choices=tuple(Refusal)),
    Field("refused_by"),
    Field("refused_why"),
)
PEOPLE: Final = (
    Field("inside", "count", required=True),
    Field("condition", "choices", choices=tuple(Condition), also=WITH_CONDITION),
    Field("special_needs", "choices", choices=tuple(Need)),
    Field("special_needs_note"),
    Field("injury", "choices", choices=tuple(Injury)),
    Field("injury_note"),
    Field("hazards", "choices", choices=tuple(Hazard)),
    Field("contact", "choice", choices=tuple(Contact)),
    Field("contact_name"),
    Field("contact_phone"),
    Field("last_contact_at", "instant"),
    *REFUSED,
    Field("note"),
)
WELFARE: Final = (
    Field("injury", "choices", choices=tuple(Injury)),
    Field("injury_note"),
    Field("hospital"),
    *REFUSED,
    Field("name"),
    Field("phone"),
    Field("address"),
    Field("visiting"),
    Field("note"),
)
KEPT: Final[Mapping[str, frozenset[str]]] = {
    "people": frozenset(field.name for field in PEOPLE)
    - {"contact_name", "contact_phone", "refused_by", "refused_why"},
    "welfare": frozenset({"injury", "refused"}),
}
"""Of each action, what becomes a field of the ticket; the rest may identify somebody."""
_TOLD_TOGETHER: Final = ("refused", "refused_by", "refused_why")
P1_PEOPLE: Final = "p1_condition_of_people"
P2_CONFIRMED: Final = "p2_confirmed"


def grave_facts(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The facts that make a case with these people P1, in the order of the lists."""
    words = [*given.get("condition", ()), *given.get("special_needs", ()), *given.get("hazards", ())]
    found = [word for word in words if word in GRAVE]
    found += given.get("injury", ())
    if given.get("contact") == Contact.NONE and given.get("inside"):
        found.append(NO_CONTACT)
    return tuple(dict.fromkeys(map(str, found)))


def needs_help_now(given: Mapping[str, Any]) -> bool:
    """Whether the fire service and a doctor are suggested at once."""
    return bool(given.get("injury")) or Condition.MEDICAL in given.get("condition", ())


def demand_refusal(name: str, given: Mapping[str, Any]) -> None:
    """A refusal says what, who and why. Raises Refused naming what is missing."""
    said = [each for each in _TOLD_TOGETHER if given.get(each)]
    if name in KEPT and said and len(said) < len(_TOLD_TOGETHER):
        missing = tuple((each, MISSING) for each in _TOLD_TOGETHER if each not in said)
        raise Refused("invalid", FIELDS, errors=missing)


def noted(ticket: Ticket, name: str, given: Mapping[str, Any]) -> Ticket:
    """The case after `people`, `welfare` or `confirm`: what is known of the people, and the severity that follows from it.

    A later report replaces the earlier one; severity is never lowered by it.
    """
    if name == "confirm":
        return _at_least(ticket, Severity.HIGH, P2_CONFIRMED)
    if name not in KEPT:
        return ticket
    after = msgspec.structs.replace(ticket, fields={**ticket.fields, name: without_names(name, given)})
    facts = grave_facts(given)
    if name != "people" or not facts:
        return after
    fields = {**after.fields, "severity_reason": P1_PEOPLE, "severity_facts": list(facts)}
    return msgspec.structs.replace(after, severity=Severity.CRITICAL, fields=fields)


def without_names(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What everybody may read of `people` or `welfare`."""
    return {key: value for key, value in given.items() if key in KEPT[name]}


def _at_least(ticket: Ticket, severity: Severity, reason: str) -> Ticket:
    if SEVERITY_RANK[ticket.severity] <= SEVERITY_RANK[severity]:
        return ticket
    return msgspec.structs.replace(ticket, severity=severity, fields={**ticket.fields, "severity_reason": reason})
