"""The parts `notifiers:` and `notices:` of a site file: ways out to people, and when they may be used.

A secret never stands in the file: every one is named by a variable (`…_env`) or a file of its own (`…_file`). What an
Apprise address may look like is a closed set: the hub talks to hosts that the site's configuration names and to no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.settings.mistakes import listed
from hub.settings.model import NoticePolicy, NotifierConfig, QuietHours, RegisteredText, Secret
from hub.settings.section import Section
from hub.vocabulary.facts import NotifierFacts

HOUSEKEEPER_LIST: Final = "housekeeper_list"
"""The channel that needs nothing; no notifier may take its name."""

HTTP: Final = "http"
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
CLOCK_ALLOWED: Final = 'a time of the day in quotes, "21:00"'
LONGEST_SECRET_FILE: Final = 4_096


def _no_description(path: Path) -> NotifierFacts:
    raise ValueError(f"no description can be read: {path}")


@dataclass(frozen=True)
class NotifierTypes:
    """The types that there are, and how to read the description of an own SMS gateway (type `http`)."""

    known: Mapping[str, NotifierFacts] = field(default_factory=dict)
    describe: Callable[[Path], NotifierFacts] = _no_description
    """Raises ValueError with what is wrong."""
    complaint: Callable[[str, str], str | None] = lambda _type, _url: None
    """What is wrong with an address of this type, in words that do not repeat it."""
    platforms: Mapping[str, NotifierFacts] = field(default_factory=dict)
    """City platforms that may be told of cases (hub.settings.publishing), and how to read the description of another one."""
    describe_platform: Callable[[Path], NotifierFacts] = _no_description


@dataclass(frozen=True)
class _Source:
    types: NotifierTypes
    environ: Mapping[str, str]
    base: Path


def read_notifiers(
    root: Section, types: NotifierTypes, environ: Mapping[str, str], base: Path
) -> tuple[NotifierConfig, ...]:
    """All notifiers of the file; what is wrong is in the section's log."""
    found: dict[str, NotifierConfig] = {}
    source = _Source(types, environ, base)
    for section in root.sections("notifiers"):
        notifier = _read_notifier(section, source)
        if notifier.id == HOUSEKEEPER_LIST:
            section.wrong("id", f"{HOUSEKEEPER_LIST!r} is the hub's own channel", "another id")
        if notifier.id in found:
            section.wrong("id", f"notifier {notifier.id!r} stands twice", "each once")
        elif notifier.id:
            found[notifier.id] = notifier
    return tuple(found.values())


def _read_notifier(section: Section, source: _Source) -> NotifierConfig:
    notifier_id = section.id()
    known = [*source.types.known, HTTP]
    kind = section.choice("type", known, required=True) or ""
    description = read_description(section, kind, source.base)
    facts = _facts(section, kind, description, source.types)
    if facts is None:
        section.fields.clear()  # what else stands here cannot be judged
        return NotifierConfig(id=notifier_id, type=kind)
    settings = {name: section.text(name, required=name not in facts.optional) for name in _all_settings(facts)}
    secrets = {
        name: secret
        for name in facts.secrets
        if (secret := read_secret(section, name, source.environ, source.base)) is not None
    }
    _check_address(section, kind, secrets, source.types)
    notifier = NotifierConfig(
        id=notifier_id,
        type=kind,
        settings={name: value for name, value in settings.items() if value},
        secrets=secrets,
        texts=_texts(section) if facts.registered_texts else {},
        description=description,
    )
    section.finish()
    return notifier


def _all_settings(facts: NotifierFacts) -> tuple[str, ...]:
    return (*facts.settings, *facts.optional)


def _facts(section: Section, kind: str, description: Path | None, types: NotifierTypes) -> NotifierFacts | None:
    if kind != HTTP:
        return types.known.get(kind)
    if description is None:
        return None
    try:
        return types.describe(description)
    except (ValueError, OSError) as error:
        section.wrong("description", str(error)[:300], "a file as in docs, or one of the types that are shipped")
        return None


def read_description(section: Section, kind: str, base: Path) -> Path | None:
    """The file that describes an interface of type `http`; None for the others, and with the reason in the log."""
    if kind != HTTP:
        section.refuse("description", f"type {kind!r} brings its own", "leave it out")
        return None
    text = section.text("description", required=True, allowed="a file beside the site file")
    if not text:
        return None
    path = base / text
    if not path.is_file():
        section.wrong("description", f"there is no file {path}", "a path relative to the site file")
        return None
    return path


def read_secret(section: Section, name: str, environ: Mapping[str, str], base: Path) -> Secret | None:
    """From the variable or the file that the site file names; None with the reason in the section's log."""
    section.refuse(name, "a secret in the file", f"`{name}_env` (the name of a variable) or `{name}_file`")
    given = [key for key in (f"{name}_env", f"{name}_file") if key in section.fields]
    variable = section.text(f"{name}_env", pattern=VARIABLE, allowed="the name of an environment variable")
    file = section.text(f"{name}_file")
    if len(given) != 1 and name not in section.fields:
        problem = "stands beside a file" if given else "is missing"
        section.wrong(f"{name}_env", problem, f"`{name}_env` (the name of a variable) or `{name}_file`")
        return None
    if variable:
        if not environ.get(variable):
            section.wrong(f"{name}_env", f"the variable {variable} is not set", "a variable that holds the secret")
            return None
        return Secret(environ[variable])
    return _secret_file(section, f"{name}_file", base / file) if file else None


def _secret_file(section: Section, key: str, path: Path) -> Secret | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        section.wrong(key, f"{path} cannot be read: {reason}", "a text file that holds the secret")
        return None
    if not text or len(text) > LONGEST_SECRET_FILE:
        section.wrong(key, f"{path} holds no secret", "a text file that holds the secret")
        return None
    return Secret(text)


def _check_address(section: Section, kind: str, secrets: Mapping[str, Secret], types: NotifierTypes) -> None:
    url = secrets.get("url")
    complaint = types.complaint(kind, url.reveal()) if url is not None else None
    if complaint:
        key = "url_env" if "url_env" in section.fields else "url_file"
        section.wrong(key, complaint)


def _texts(section: Section) -> dict[str, RegisteredText]:
    inner = section.section("templates", required=True)
    if inner is None:
        return {}
    found: dict[str, RegisteredText] = {}
    for name in list(inner.fields):
        at = inner.fields[name]
        if isinstance(at.value, dict):
            entry = inner.section(name)
            assert entry is not None
            code = entry.text("code", required=True, pattern=WORD)
            params = entry.texts("params", WORD, "the name of a parameter")
            entry.finish()
            found[name] = RegisteredText(code=code, params=tuple(filter(None, params)))
        else:
            found[name] = RegisteredText(code=inner.text(name, pattern=WORD, allowed="the provider's code, in quotes"))
    inner.finish()
    return found


def read_policy(root: Section, locales: tuple[str, ...], site_locale: str) -> NoticePolicy:
    """Quiet hours, rates, merging; the defaults where nothing stands."""
    default = NoticePolicy()
    section = root.section("notices")
    if section is None:
        return NoticePolicy(locale=site_locale)
    policy = NoticePolicy(
        quiet=_read_quiet(section),
        per_hour=section.integer("per_hour", 1, 1_000, default=default.per_hour) or default.per_hour,
        per_day=section.integer("per_day", 1, 10_000, default=default.per_day) or default.per_day,
        merge_window_s=_or(section.integer("merge_window_s", 0, 86_400), default.merge_window_s),
        locale=section.choice("locale", locales, default=site_locale) or site_locale,
    )
    if policy.per_day < policy.per_hour:
        section.wrong("per_day", "is less than per_hour", listed([f"at least {policy.per_hour}"]))
    section.finish()
    return policy


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _read_quiet(section: Section) -> QuietHours:
    at = section.fields.get("quiet_hours")
    if at is not None and at.value is False:
        section.flag("quiet_hours")
        return QuietHours(start=0, end=0)
    inner = section.section("quiet_hours")
    if inner is None:
        return QuietHours()
    start, end = (inner.text(key, required=True, pattern=CLOCK, allowed=CLOCK_ALLOWED) for key in ("from", "to"))
    inner.finish()
    return QuietHours(start=_minutes(start), end=_minutes(end))


def _minutes(text: str) -> int:
    hours, _, minutes = (text or "00:00").partition(":")
    return int(hours) * 60 + int(minutes)
