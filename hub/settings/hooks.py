"""The part `hooks:` of hub.yaml: providers that pass on what people answer (a key pressed on a telephone, a word in a chat).

Where the ticket's number, the person and the answer stand in a provider's message is data. A hook without a secret is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hub.settings.mistakes import Mistake, listed
from hub.settings.model import HookConfig
from hub.settings.notifiers import read_secret
from hub.settings.section import Section

PATH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,5}")
PATH_ALLOWED: Final = "names of fields with dots between them, such as data.ticket"
HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
PREFIX: Final = re.compile(r"[A-Za-z0-9=_-]{1,20}")
ACTIONS: Final = ("acknowledge", "firm_answered")
ANSWER: Final = re.compile(r"[^\x00-\x1f\x7f]{1,32}")


def read_hooks(root: Section, environ: Mapping[str, str], base: Path) -> tuple[HookConfig, ...]:
    """All hooks; what is wrong is in the section's log."""
    found: dict[str, HookConfig] = {}
    for section in root.sections("hooks"):
        hook = _read_hook(section, environ, base)
        if hook.id in found:
            section.wrong("id", f"hook {hook.id!r} stands twice", "each once")
        elif hook.id:
            found[hook.id] = hook
    return tuple(found.values())


def _read_hook(section: Section, environ: Mapping[str, str], base: Path) -> HookConfig:
    hook_id = section.id()
    auth = section.choice("auth", ("token", "hmac-sha256"), default="token") or "token"
    header = section.text("header", pattern=HEADER, allowed="the name of the header that carries the signature")
    prefix = section.text("prefix", pattern=PREFIX, allowed="what stands before the signature, such as sha256=")
    if auth == "hmac-sha256" and not header:
        section.wrong("header", "is missing", "the name of the header that carries the signature")
    if auth == "token" and (header or prefix):
        section.wrong("header" if header else "prefix", "is for auth hmac-sha256 only", "leave it out")
    paths = {
        name: section.text(name, required=True, pattern=PATH, allowed=PATH_ALLOWED)
        for name in ("ticket", "person", "answer")
    }
    hook = HookConfig(
        id=hook_id,
        auth=auth,
        header=header,
        prefix=prefix,
        secret=read_secret(section, "secret", environ, base),
        answers=_read_answers(section),
        **paths,
    )
    section.finish()
    return hook


def _read_answers(section: Section) -> Mapping[str, str]:
    """The provider's word → what it does; every other word does nothing and is refused."""
    inner = section.section("answers")
    if inner is None:
        return {"1": ACTIONS[0]}
    found: dict[str, str] = {}
    for word, at in inner.fields.items():
        if not ANSWER.fullmatch(str(word)):
            inner.log.append(Mistake(at.file, at.key_line, inner.path(word), "is no word", "1 to 32 characters"))
        elif (action := inner.choice(word, ACTIONS)) is not None:
            found[str(word)] = action
    if not inner.fields:
        section.wrong("answers", "is empty", f"words, each with one of: {listed(ACTIONS)}")
    return found
