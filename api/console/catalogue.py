"""Every text that a person reads, one JSON catalogue per language, shared by the pages, the ES modules and the API.

Keys are dotted words (`ticket.entrapment.button_off_level`, `problem.{code}`, `problem.{code}.do`); `{name}` in a text
is filled in with a value. All languages have the same keys (tests/api/test_catalogue.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

LANGUAGES: Final = ("zh-CN", "en")
DEFAULT_LANGUAGE: Final = "zh-CN"
NOT_KNOWN: Final = "—"

_FOLDER = Path(__file__).parent / "locales"
_PLACE = re.compile(r"\{(\w+)\}")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language. KeyError for one that we do not speak."""
    if language not in LANGUAGES:
        raise KeyError(language)
    texts: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text("utf-8"))
    return texts


def text(language: str, key: str, otherwise: str | None = None) -> str:
    """The text under a key, unfilled; `otherwise` (or the key itself) where there is none."""
    return catalogue(language).get(key, key if otherwise is None else otherwise)


def fill(pattern: str, values: Mapping[str, Any]) -> str:
    """Fill in `{name}`; what is not known is written as a dash, never left as a placeholder."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        return NOT_KNOWN if found is None or isinstance(found, dict | list) else str(found)

    return _PLACE.sub(value, pattern)


def ticket_title(language: str, kind: str, reason: str, values: Mapping[str, Any]) -> str:
    """A ticket's title: of its kind and reason, else of its kind alone with the reason's own text."""
    texts = catalogue(language)
    exact = texts.get(f"ticket.{kind}.{reason}")
    if exact is not None:
        return fill(exact, values)
    title = texts.get(f"ticket.{kind}", kind)
    why = texts.get(f"reason.{reason}")
    return title if why is None else f"{title}{texts['title.joint']}{fill(why, values)}"
