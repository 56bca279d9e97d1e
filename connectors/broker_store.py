"""What the embedded broker's folder tells: how full its store is, how large it may become, what the server complained of.

Rule: a store that is full locks everybody out, also the hub that would empty it (the server must write a record to sign a
client in; seen with 2.15.1). So the limit moves ahead of what is used for as long as the disk has room.
"""

import os
from pathlib import Path
from typing import Final

FULL_FROM: Final = 0.8
"""Share of the limit from which the limit moves."""
DISK_KEPT_FREE: Final = 512 << 20
"""Bytes that the broker leaves to the database and the logs on the same disk."""


def store_limit(configured: int, used: int, disk_free: int) -> int:
    """How many bytes the store may hold now.

    The configured size; once that is nearly used up, half of it more than what is used, as far as the disk allows. There
    is always a little room beyond what is used, so that a restarted hub gets in and empties the store.
    """
    if used < FULL_FROM * configured:
        return configured
    room = min(configured // 2, disk_free - DISK_KEPT_FREE)
    return used + max(room, configured // 64)


def folder_bytes(folder: Path) -> int:
    """The sizes of all files below; files that go away meanwhile do not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def read_from(path: Path, offset: int) -> str:
    """The text after the offset; all of it when the file was rotated meanwhile, nothing when it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(offset if path.stat().st_size >= offset else 0)
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def fatal_words(log: str) -> str | None:
    """The last thing that the server called fatal, without its time stamp."""
    for line in reversed(log.splitlines()):
        if "[FTL]" in line:
            return line.split("[FTL]", 1)[1].strip()
        if line.startswith("nats-server:"):
            return line.removeprefix("nats-server:").strip()
    return None


def damage(log: str) -> str | None:
    """What the server found broken in its store; it goes on without that part and says so only here."""
    for line in log.splitlines():
        words = line.lower()
        if ("[wrn]" in words or "[err]" in words) and any(
            sign in words for sign in ("metafile", "checksum", "corrupt", "recover")
        ):
            return f"The broker's store was damaged and messages may be lost: {line.split(']', 2)[-1].strip()}"
    return None
