"""Fields of actions as form controls, and what a posted form says of them. The table of kinds is the only authority.

What cannot be read as the field's type is passed on as it was typed: the table's own check refuses it by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Depends, Request
from starlette.datastructures import FormData

from api.console.catalogue import text
from api.spoken import sentence
from hub.tickets.kind import Field
from hub.tickets.refusals import Refused
from hub.tickets.refusals import Said as Sentence

LONG: Final = frozenset(
    {"note", "text", "reason", "remarks", "refused_why", "injury_note", "special_needs_note", "address"}
)
TELEPHONES: Final = frozenset({"phone", "contact_phone"})
MINUTE: Final = "%Y-%m-%dT%H:%M"


class Option(NamedTuple):
    """A word to choose, and what it is called."""

    value: str
    label: str


class Control(NamedTuple):
    """One control. `widget`: `line`, `lines`, `number`, `phone`, `moment`, `select` or `boxes`; `value`: text, or the chosen words."""

    name: str
    label: str
    widget: str
    required: bool
    value: Any
    options: Sequence[Option] = ()
    most: int | None = None
    problem: str = ""


class Said(NamedTuple):
    """What came of a posted form that was refused: a sentence, a problem per field, what could be done instead."""

    sentence: str
    problems: Mapping[str, str]
    allowed: Sequence[str] = ()
    typed: Mapping[str, Any] = {}


def refusal(error: Refused, language: str, typed: Mapping[str, Any]) -> Said:
    """A refusal of the hub in words."""
    problems = {name: sentence(language, what) for name, what in error.errors}
    allowed = [text(language, f"action.{word}", text(language, f"role.{word}", word)) for word in error.allowed]
    return Said(sentence(language, error.detail), problems, allowed, typed)


async def _posted(request: Request) -> FormData:
    return await request.form()


Posted = Annotated[FormData, Depends(_posted)]
"""A posted form. What guards the route has read it before."""


def typed(form: FormData, fields: Sequence[Field], zone: tzinfo) -> dict[str, Any]:
    """The fields of an action as a form gives them; blank ones are left out. Times are those of the site's wall."""
    found: dict[str, Any] = {}
    for field in fields:
        words = [str(value).strip() for value in form.getlist(field.name) if isinstance(value, str)]
        words = [word for word in words if word]
        if not words:
            continue
        found[field.name] = words if field.type in {"choices", "devices"} else _read(field, words[-1], zone)
    return found


def too_long(name: str, words: str, most: int) -> list[tuple[str, Sentence]]:
    """What is wrong with a text of a form that the table of kinds does not check: longer than that, or with a NUL."""
    return [(name, Sentence("length", "too long", most=most))] if len(words) > most or "\0" in words else []


def _read(field: Field, word: str, zone: tzinfo) -> Any:
    with contextlib.suppress(ValueError):  # goes on as it was typed: the action refuses it by the field's name
        if field.type == "count":
            return int(word)
        if field.type == "flag":
            return {"true": True, "false": False}.get(word, word)
        if field.type == "instant":
            return datetime.strptime(word[:16], MINUTE).replace(tzinfo=zone).isoformat()
    return word


def control(
    field: Field,
    language: str,
    value: Any = None,
    options: Sequence[Option] = (),
    most: int | None = None,
    problem: str = "",
) -> Control:
    """The control of a field. `options`: the devices to choose from, where it asks for some."""
    widget, choices = "line", list(options)
    if field.choices:
        widget = "select" if field.type == "choice" else "boxes"
        choices = [Option(word, text(language, f"choice.{field.name}.{word}", word)) for word in field.choices]
    elif field.type in {"device", "devices"}:
        widget = "select" if field.type == "device" else "boxes"
    elif field.type == "count":
        widget = "number"
    elif field.type == "instant":
        widget, value = "moment", str(value or "")[:16]
    elif field.name in LONG:
        widget = "lines"
    elif field.name in TELEPHONES:
        widget = "phone"
    shown = value if isinstance(value, list | tuple) else "" if value is None else value
    return Control(
        field.name,
        text(language, f"field.{field.name}", field.name),
        widget,
        field.required,
        shown,
        choices,
        most,
        problem,
    )


def refilled(
    fields: Sequence[Field], language: str, said: Said | None, most: Mapping[str, int] | None = None
) -> list[Control]:
    """Controls of a form's fields; after a refusal with what was typed, and what is wrong with it. `most`: limits by field."""
    given, problems = ({}, {}) if said is None else (said.typed, said.problems)
    limits = most or {}
    return [
        control(
            field, language, given.get(field.name), most=limits.get(field.name), problem=problems.get(field.name, "")
        )
        for field in fields
    ]
