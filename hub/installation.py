"""What belongs to this installation and to no configuration: its clock, and keys in files of their own beside the data."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Final

from hub.process import HubError
from hub.registry import links
from hub.vocabulary.instants import UtcMs

BROKER_SECRET_FILE: Final = "broker.password"  # noqa: S105 - a file's name


def utc_ms() -> UtcMs:
    """Now."""
    return time.time_ns() // 1_000_000


def link_key(data_dir: Path) -> links.LinkKey:
    """With what links in messages are signed. Raises HubError."""
    try:
        return links.load_key(data_dir)
    except (OSError, ValueError) as error:
        raise HubError(
            f"The key of links, {data_dir / links.KEY_FILE}, cannot be used ({error}): delete it, and links in messages that "
            "are out already lead nowhere."
        ) from error


def broker_secret(data_dir: Path) -> str:
    """Made once and kept beside the broker's store, where hub.yaml names no password."""
    file = data_dir / BROKER_SECRET_FILE
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18), encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()
