"""The keys of personal data: from a variable or a file of their own, never in hub.yaml.

`k2=<64 hex digits> k1=<64 hex digits> audit=<64 hex digits>`, between blanks, commas or lines: the first one locks, the others
only unlock what was locked before; `audit` signs the audit and stays as it is.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hub.settings.model import KeySettings, Secret
from hub.settings.section import Section

AUDIT: Final = "audit"
FIRST: Final = "k1"
KEY_BYTES: Final = 32
ALLOWED: Final = "k1=<64 hex digits> audit=<64 hex digits>, as `hub keys new FILE` writes them; the first one locks"
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED: Final = re.compile(r"([a-z][a-z0-9_-]{0,31})=([0-9A-Fa-f]{64})")
_BARE: Final = re.compile(r"[0-9A-Fa-f]{64}")


class KeysError(ValueError):
    """The text holds no keys; the message says what is wrong and never what stands there."""


def parsed(text: str) -> dict[str, bytes]:
    """Names and keys in their order. A single key without a name is what older hubs wrote: it is `k1`. Raises KeysError."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    words = [word for line in lines for word in re.split(r"[\s,]+", line) if word]
    if len(words) == 1 and _BARE.fullmatch(words[0]):
        return {FIRST: bytes.fromhex(words[0])}
    found: dict[str, bytes] = {}
    for number, word in enumerate(words, 1):
        match = _NAMED.fullmatch(word)
        if match is None:
            raise KeysError(f"entry {number} is no key")
        if match[1] in found:
            raise KeysError(f"the key {match[1]!r} stands twice")
        found[match[1]] = bytes.fromhex(match[2])
    if not [name for name in found if name != AUDIT]:
        raise KeysError("there is no key")
    return found


def written(keys: Mapping[str, bytes]) -> str:
    """The text of a key file."""
    head = "# Keys of personal data. Keep a copy apart from the database's backups; whoever has both can read everything.\n"
    return head + "".join(f"{name}={key.hex()}\n" for name, key in keys.items())


def read_keys(root: Section, base: Path, environ: Mapping[str, str]) -> KeySettings:
    """The section `keys:`; absent, the hub makes a file of its own beside the data."""
    section = root.section("keys")
    if section is None:
        return KeySettings()
    name = section.text("env", pattern=VARIABLE, allowed="the name of an environment variable")
    file = section.text("file")
    if "env" in section.fields and "file" in section.fields:
        section.wrong("file", "stands beside `env`", "one of the two")
    elif not section.broken and not {"env", "file"} & section.fields.keys():
        section.wrong("file", "is missing", "`file` (a path) or `env` (the name of a variable), or no section `keys`")
    found = KeySettings()
    if name:
        found = _from_variable(section, name, environ)
    elif file:
        found = _from_file(section, base / file)
    section.finish()
    return found


def _from_variable(section: Section, name: str, environ: Mapping[str, str]) -> KeySettings:
    text = environ.get(name, "")
    if not text:
        section.wrong("env", f"the variable {name} is not set", ALLOWED)
    else:
        _check(section, "env", text)
    return KeySettings(text=Secret(text))


def _from_file(section: Section, path: Path) -> KeySettings:
    if not path.is_file():
        section.wrong("file", f"there is no file {path}", "a file that `hub keys new FILE` has made")
        return KeySettings()
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            section.wrong("file", f"{path} can be read by others", "a file for its owner alone (chmod 600)")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        section.wrong("file", f"cannot be read: {error}", ALLOWED)
        return KeySettings()
    _check(section, "file", text)
    return KeySettings(text=Secret(text), file=path)


def _check(section: Section, key: str, text: str) -> None:
    try:
        if AUDIT not in parsed(text):
            section.wrong(key, "there is no key `audit`", ALLOWED)
    except KeysError as error:
        section.wrong(key, str(error), ALLOWED)
