"""The bodies of actions as JSON schema, drawn from the table of kinds: types and closed lists are read nowhere else."""

from __future__ import annotations

from typing import Any, Final

from hub.tickets.kind import Field
from hub.tickets.kinds import KINDS
from hub.tickets.refusals import MAX_LISTED, MAX_TEXT

NAME: Final = "ActionFields"

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string", "maxLength": MAX_TEXT},
    "count": {"type": "integer", "minimum": 0, "maximum": 10_000},
    "flag": {"type": "boolean"},
    "device": {"type": "string", "description": "Id of a device of the site."},
    "devices": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": MAX_LISTED},
    "instant": {"type": "string", "format": "date-time"},
}


def schema_of(field: Field) -> dict[str, Any]:
    """Of one field. Several words of a list are an array; text with commas between is taken as well."""
    if field.type == "choice":
        return {"type": "string", "enum": [*field.choices, *field.also]}
    if field.type == "choices":
        words = {"type": "string", "enum": [*field.choices, *field.also]}
        return {"anyOf": [{"type": "array", "items": words}, {"type": "string", "maxLength": MAX_TEXT}]}
    return _TYPES[field.type]


def action_fields() -> dict[str, Any]:
    """Every field of every action by its name; which ones an action takes and needs is in `action_fields` of a ticket."""
    actions = {name: action for kind in KINDS.values() for name, action in kind.actions.items()}
    found: dict[str, Any] = {}
    for name, action in actions.items():
        for field in action.fields:
            schema = found.setdefault(field.name, {"anyOf": [], "description": ""})
            needed = " (required)" if field.required else ""
            schema["description"] += f"{', ' if schema['description'] else 'Of '}`{name}`{needed}"
            own = schema_of(field)
            schema["anyOf"] += [each for each in own.get("anyOf", [own]) if each not in schema["anyOf"]]
    properties = {name: _one(schema) for name, schema in found.items()}
    return {
        "title": NAME,
        "type": "object",
        "description": "Fields of an action; null is the same as a field that is left out.",
        "properties": properties,
        "additionalProperties": False,
    }


def _one(schema: dict[str, Any]) -> dict[str, Any]:
    """Without a choice where there is none; every field may be null."""
    kinds = [*schema["anyOf"], {"type": "null"}]
    return {"description": schema["description"] + ".", "anyOf": kinds}
