"""What is known of the people in the car, in words of one language: for the record, the forms, and the case's page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from api.console.catalogue import fill, text
from hub.tickets.occupants import PEOPLE, WELFARE

_WORD = re.compile(r"[A-Za-z]+")
_FIELDS: Final = {field.name: field for field in (*PEOPLE, *WELFARE)}
_PLAIN: Final = frozenset({"condition", "note"})
"""Fields whose words speak for themselves."""


def field_text(name: str, value: Any, language: str) -> str:
    """A field of an action in words; what is neither words, text nor a number is left to the record."""
    if name in {"inside", "people_out"}:
        return fill(text(language, f"record.people_{name.removeprefix('people_')}"), {"count": value})
    words = _value(name, value, language)
    labelled = name in _FIELDS and name not in _PLAIN and words
    return f"{text(language, f'field.{name}')}{text(language, 'title.joint')}{words}" if labelled else words


def _value(name: str, value: Any, language: str) -> str:
    field = _FIELDS.get(name)
    if field is not None and field.choices:
        words = value if isinstance(value, list) else [value]
        return text(language, "list.joint").join(_chosen(name, str(word), language) for word in words)
    if field is not None and field.type == "instant":
        return str(value).replace("T", " ")[:16]
    if isinstance(value, list):
        return text(language, "list.joint").join(each for each in value if isinstance(each, str))
    return f"{value}" if isinstance(value, str | int) else ""


def _chosen(name: str, word: str, language: str) -> str:
    """A word of a closed list; of text from before there were lists, the words that are known now."""
    known = text(language, f"choice.{name}.{word}", "")
    return known or _WORD.sub(lambda each: text(language, f"choice.{name}.{each[0].casefold()}", each[0]), word)


def facts(given: Mapping[str, Any], language: str) -> list[str]:
    """All that is said of the people but their number, one sentence a field, in the order of the table."""
    order = [name for name in _FIELDS if name in given and name != "inside"]
    return [words for name in order if (words := field_text(name, given[name], language))]
