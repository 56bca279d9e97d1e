"""What a person asked and cannot have: every refusal says why, what is missing, and what could be done instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from hub.tickets.kind import Action, Field, Trait

MAX_TEXT = 4_000
MAX_LISTED = 500

_IS: Final[Mapping[Trait, str]] = {
    Trait.CRITICAL: "critical",
    Trait.SHELVED: "on the shelf",
    Trait.MASS: "the case of a whole site",
    Trait.DRILL: "a drill",
}


class Refused(Exception):  # noqa: N818  what a person asked cannot be done: an answer, not a fault
    """`status` says which answer; `allowed` what could be done instead; `errors` names each field with its problem."""

    def __init__(
        self,
        status: Literal["not_found", "not_allowed", "conflict", "stale", "invalid", "unavailable"],
        detail: str,
        allowed: tuple[str, ...] = (),
        errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.allowed = allowed
        self.errors = errors


def demand_done(name: str, action: Action, milestones: frozenset[str], allowed: tuple[str, ...]) -> None:
    """Raises Refused where something has to be done first."""
    missing = [each for each in action.requires if each not in milestones]
    if missing:
        raise Refused("conflict", f"{name!r} is not possible before: {', '.join(missing)}.", allowed)


def demand_traits(name: str, action: Action, traits: frozenset[Trait], allowed: tuple[str, ...]) -> None:
    """Raises Refused where the ticket is what the action cannot be done with, or is not what it needs."""
    if action.needs is not None and action.needs not in traits:
        raise Refused("conflict", f"{name!r} is not possible: the ticket is not {_IS[action.needs]}.", allowed)
    if wrong := sorted(action.never & traits):
        raise Refused("conflict", f"{name!r} is not possible: the ticket is {_IS[wrong[0]]}.", allowed)


def demand_all_out(name: str, fields: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Whoever ends a rescue accounts for everybody who was inside. Raises Refused."""
    people = fields.get("people")
    inside = people.get("inside") if isinstance(people, Mapping) else None
    if name != "release" or inside is None or given.get("people_out") == inside or given.get("note"):
        return
    problem = f"{inside} were counted inside: give the same number, or a note that explains the difference"
    raise Refused("invalid", "Not everybody is accounted for.", errors=(("people_out", problem),))


def checked(specs: tuple[Field, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an action, checked; raises Refused naming each that is missing, unknown or of the wrong type."""
    known = {spec.name: spec for spec in specs}
    errors = [(name, f"unknown; allowed: {', '.join(known) or 'none'}") for name in given if name not in known]
    for spec in specs:
        value = given.get(spec.name)
        if value is None or value == "":
            if spec.required:
                errors.append((spec.name, "missing"))
        elif problem := _problem(spec, value):
            errors.append((spec.name, problem))
    if errors:
        raise Refused("invalid", "Some fields are missing or wrong.", errors=tuple(errors))
    return {name: value for name, value in given.items() if value is not None}


def _problem(spec: Field, value: Any) -> str | None:
    if spec.type == "count":
        fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000
        return None if fine else "must be a whole number from 0 to 10000"
    if spec.type == "devices":
        named = isinstance(value, list) and all(isinstance(each, str) and 0 < len(each) <= 200 for each in value)
        fine = named and 0 < len(value) <= MAX_LISTED and len(set(value)) == len(value)
        return None if fine else f"must be a list of 1 to {MAX_LISTED} ids, each once"
    if spec.type == "flag":
        return None if isinstance(value, bool) else "must be true or false"
    if not isinstance(value, str):
        return "must be text"
    if len(value) > MAX_TEXT or "\0" in value:
        return f"must be at most {MAX_TEXT} characters without NUL"
    return None
