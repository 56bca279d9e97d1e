"""In which language a refusal is answered, and its sentences in that language.

Programs that say nothing get the hub's own English, with its words as they are. A console's page has chosen its language (a cookie); else Accept-Language
decides. What has no text in the catalogue stays as it is: the words of `type`, `field` and `allowed` never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from api.console.catalogue import LANGUAGES, catalogue, fill, text
from hub.tickets.refusals import Said

LANGUAGE_COOKIE: Final = "hub_language"
OTHERWISE: Final = ""
"""The caller has said no language."""
GROUPS: Final = {
    "action": "action",
    "kind": "ticket",
    "state": "state",
    "trait": "trait",
    "milestones": "milestone",
    "severity": "severity",
    "quiet": "ui.quiet",
}
"""Which texts the values of a sentence have."""


def spoken(request: Request) -> str:
    """The language of whoever asks; `OTHERWISE` where they say none that the screens have."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return str(chosen)
    for part in request.headers.get("accept-language", "").split(","):
        wanted = part.partition(";")[0].strip().casefold()
        for language in LANGUAGES:
            if wanted and wanted.partition("-")[0] == language.partition("-")[0].casefold():
                return language
    return OTHERWISE


def sentence(language: str, said: str) -> str:
    """A sentence of a refusal; what the catalogue does not know stays as it was said."""
    if not isinstance(said, Said) or not language:
        return str(said)
    pattern = catalogue(language).get(f"refused.{said.word}")
    if pattern is None:
        return str(said)
    return fill(pattern, {name: _words(language, said.values, name) for name in said.values})


def _words(language: str, values: Mapping[str, Any], name: str) -> Any:
    value, joint = values[name], text(language, "list.joint")
    if name == "allowed":  # the word that is sent, and what it means
        prefix = f"choice.{values['field']}" if "field" in values else "field"
        return joint.join(_explained(language, word, f"{prefix}.{word}") for word in value)
    group = GROUPS.get(name)
    if group is None:
        return value
    words = value if isinstance(value, list) else [value]
    return joint.join(text(language, f"{group}.{word}", word) for word in words)


def _explained(language: str, word: str, key: str) -> str:
    meaning = catalogue(language).get(key)
    return word if meaning is None or language == "en" else f"{word} {meaning}"
