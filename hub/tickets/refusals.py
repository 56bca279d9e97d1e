"""What a person asked and cannot have: every refusal says why, what is missing, and what could be done instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from hub.tickets.kind import Action, Field, Trait
from hub.vocabulary.instants import parse_iso

MAX_TEXT = 4_000
MAX_LISTED = 500
MAX_SHOWN: Final = 60  # of what was sent, in an answer

_IS: Final[Mapping[Trait, str]] = {
    Trait.CRITICAL: "critical",
    Trait.SHELVED: "on the shelf",
    Trait.MASS: "the case of a whole site",
    Trait.DRILL: "a drill",
}


class Said(str):
    """A sentence of a refusal: English text that also says which sentence it is and with what values.

    The API answers callers of another language from the catalogue, by `word` (`refused.WORD`).
    """

    __slots__ = ("values", "word")
    word: str
    values: Mapping[str, Any]

    def __new__(cls, word: str, english: str, **values: Any) -> Self:
        """`english` is filled in already."""
        said = super().__new__(cls, english)
        said.word = word
        said.values = values
        return said


MISSING: Final = Said("missing", "missing")
FIELDS: Final = Said("fields", "Some fields are missing or wrong.")
WRONG: Final = Said("fields", "Some fields are wrong.")


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
        words = ", ".join(missing)
        said = Said("before", f"{name!r} is not possible before: {words}.", action=name, milestones=missing)
        raise Refused("conflict", said, allowed)


def demand_traits(name: str, action: Action, traits: frozenset[Trait], allowed: tuple[str, ...]) -> None:
    """Raises Refused where the ticket is what the action cannot be done with, or is not what it needs."""
    if action.needs is not None and action.needs not in traits:
        english = f"{name!r} is not possible: the ticket is not {_IS[action.needs]}."
        raise Refused("conflict", Said("needs", english, action=name, trait=str(action.needs)), allowed)
    if wrong := sorted(action.never & traits):
        english = f"{name!r} is not possible: the ticket is {_IS[wrong[0]]}."
        raise Refused("conflict", Said("never", english, action=name, trait=str(wrong[0])), allowed)


def demand_all_out(name: str, fields: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Whoever ends a rescue accounts for everybody who was inside. Raises Refused."""
    people = fields.get("people")
    inside = people.get("inside") if isinstance(people, Mapping) else None
    if name != "release" or inside is None or given.get("people_out") == inside or given.get("note"):
        return
    english = f"{inside} were counted inside: give the same number, or a note that explains the difference"
    problem = Said("not_all_out", english, inside=inside)
    raise Refused("invalid", Said("accounted", "Not everybody is accounted for."), errors=(("people_out", problem),))


def checked(specs: tuple[Field, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an action as they are kept: `choices` as a list in the order of the table, each word once.

    Raises Refused naming each that is missing, unknown or of the wrong type.
    """
    known = {spec.name: spec for spec in specs}
    errors: list[tuple[str, str]] = [(name, _unknown_field(known)) for name in given if name not in known]
    kept = {}
    for name, value in given.items():
        kept[name] = _words(value) if name in known and known[name].type == "choices" else value
    for spec in specs:
        value = kept.get(spec.name)
        if value is None or value in ("", []):
            if spec.required:
                errors.append((spec.name, MISSING))
        elif problem := _problem(spec, value):
            errors.append((spec.name, problem))
        elif spec.type == "choices":
            kept[spec.name] = [str(word) for word in (*spec.choices, *spec.also) if word in value]
    if errors:
        raise Refused("invalid", FIELDS, errors=tuple(errors))
    return {name: value for name, value in kept.items() if value is not None and value not in ("", [])}


def _words(value: Any) -> Any:
    """Words of a list given as text, `elderly, medical`; anything else as it is."""
    return _BETWEEN.sub(" ", value).casefold().split() if isinstance(value, str) else value


_BETWEEN: Final = re.compile(r"[\s,;，、；]+")


def _unknown_field(known: Mapping[str, Field]) -> Said:
    return Said("unknown_field", f"unknown; allowed: {', '.join(known) or 'none'}", allowed=list(known))


def _problem(spec: Field, value: Any) -> Said | None:
    if spec.type == "count":
        fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000
        return None if fine else Said("count", "must be a whole number from 0 to 10000", most=10_000)
    if spec.type == "devices":
        named = isinstance(value, list) and all(isinstance(each, str) and 0 < len(each) <= 200 for each in value)
        fine = named and 0 < len(value) <= MAX_LISTED and len(set(value)) == len(value)
        return None if fine else Said("devices", f"must be a list of 1 to {MAX_LISTED} ids, each once", most=MAX_LISTED)
    if spec.type == "flag":
        return None if isinstance(value, bool) else Said("flag", "must be true or false")
    if spec.type in {"choice", "choices"}:
        return _choice_problem(spec, value)
    if not isinstance(value, str):
        return Said("text", "must be text")
    if spec.type == "instant":
        return _instant_problem(value)
    if len(value) > MAX_TEXT or "\0" in value:
        return Said("length", f"must be at most {MAX_TEXT} characters without NUL", most=MAX_TEXT)
    return None


def _choice_problem(spec: Field, value: Any) -> Said | None:
    """Names the words that are not on the list, and the list."""
    words = value if spec.type == "choices" else [value]
    taken = [*spec.choices, *spec.also]
    offered = ", ".join(taken)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        how = "a list of words" if spec.type == "choices" else "one word"
        return Said(spec.type, f"must be {how}; allowed: {offered}", field=spec.name, allowed=taken)
    unknown = [word[:MAX_SHOWN] for word in words if word not in taken]
    if not unknown:
        return None
    shown = ", ".join(unknown[:MAX_SHOWN])
    english = f"unknown: {shown}; allowed: {offered}"
    return Said("unknown_words", english, field=spec.name, unknown=shown, allowed=taken)


def _instant_problem(value: str) -> Said | None:
    try:
        parse_iso(value[:MAX_SHOWN])
    except ValueError:
        return Said("instant", "must be a time, ISO 8601 with offset: 2026-11-21T20:15:00+08:00")
    return None
