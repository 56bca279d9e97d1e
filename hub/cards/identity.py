"""Where the keys of personal data live: the configured file or variable, else a file beside the data, made at the first start.

A key file is for its owner alone (0600) and is only ever replaced whole. No backup of the database carries it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hub.cards.secrecy import KeyRing, new_keys
from hub.settings.keys import AUDIT, KEY_BYTES, parsed, written
from hub.settings.model import KeySettings

KEY_FILE: Final = "identity.key"


def load_ring(settings: KeySettings, data_dir: Path) -> KeyRing:
    """The keys of this installation. Raises OSError, ValueError (damaged)."""
    if settings.text is not None:
        return KeyRing(parsed(settings.text.reveal()))
    return KeyRing(own_keys(data_dir / KEY_FILE))


def key_file(settings: KeySettings, data_dir: Path) -> Path | None:
    """The file that holds them; None: a variable does, and a person has to change it."""
    if settings.text is None:
        return data_dir / KEY_FILE
    return settings.file


def own_keys(file: Path) -> dict[str, bytes]:
    """The keys of the hub's own file, made once. Raises OSError, ValueError (damaged: it is never replaced by itself)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        with contextlib.suppress(FileExistsError):  # another process was first
            create_keys(file, new_keys())
    keys = parsed(file.read_text(encoding="utf-8"))
    if AUDIT not in keys:  # written by an older hub
        keys[AUDIT] = secrets.token_bytes(KEY_BYTES)
        replace_keys(file, keys)
    return keys


def create_keys(file: Path, keys: Mapping[str, bytes]) -> None:
    """A new key file; FileExistsError where there is one."""
    part = _written(file, keys)
    try:
        file.hardlink_to(part)  # unlike a rename it fails where somebody else was first
        _sync_folder(file.parent)
    finally:
        part.unlink(missing_ok=True)


def replace_keys(file: Path, keys: Mapping[str, bytes]) -> None:
    """Another content, in one piece: whoever is killed meanwhile leaves the old one or the new one."""
    _written(file, keys).replace(file)
    _sync_folder(file.parent)


def _written(file: Path, keys: Mapping[str, bytes]) -> Path:
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(written(keys))
        out.flush()
        os.fsync(out.fileno())
    return part


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a directory cannot be synced there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
