"""Ways out to people. A new one of a known kind is a description file; a new kind is a module and one line below.

Rule: a sender alone says whether trying again makes sense (`Retry`, `GiveUp`); it never waits, never loops, never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connectors.notify import chat
from connectors.notify.chat import ChatSender
from connectors.notify.description import read_description, shipped
from connectors.notify.gateway import Gateway, Text
from hub.vocabulary.facts import NotifierFacts
from hub.vocabulary.ports import NoticeSender

APPRISE: Final = "apprise"

__all__ = ["APPRISE", "complaint", "describe", "make_sender", "types"]


def types() -> Mapping[str, NotifierFacts]:
    """Every type that a site file may name without a description of its own."""
    adapters = {name: description.facts() for name, description in shipped().items()}
    return {APPRISE: NotifierFacts(secrets=("url",)), **adapters}


def describe(path: Path) -> NotifierFacts:
    """What a site's own description asks for. Raises ValueError with what is wrong, OSError."""
    return read_description(path).facts()


def complaint(kind: str, url: str) -> str | None:
    """What is wrong with the secret address of a notifier; None: nothing."""
    return chat.complaint(url) if kind == APPRISE else None


def make_sender(
    kind: str, values: Mapping[str, str], texts: Mapping[str, tuple[str, tuple[str, ...]]], description: Path | None
) -> NoticeSender:
    """The sender of one notifier; `values` are its settings and secrets, `texts` the codes of registered texts with the
    order of their parameters. Raises ValueError, KeyError for unchecked input.
    """
    if kind == APPRISE:
        return ChatSender(values["url"])
    found = read_description(description) if description is not None else shipped()[kind]
    return Gateway(found, values, {name: Text(*text) for name, text in texts.items()})
