"""A key of this installation: a file of its own beside the data, readable by the hub alone, and in no backup of the database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def read_or_make(file: Path, make: Callable[[], bytes]) -> bytes:
    """The key in hexadecimal in `file`; made once, and put there in one piece. Raises OSError, ValueError (damaged).

    A file that is damaged is never replaced: whoever has a copy can still put it back.
    """
    if not file.exists():
        _create(file, make())
    return bytes.fromhex(file.read_text(encoding="ascii").strip())


def _create(file: Path, key: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(key.hex())
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            file.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
