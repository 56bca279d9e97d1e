"""Identity numbers: the last four in clear and a keyed digest for look-up; the number itself is never kept.

A plain hash would be useless, because all possible numbers can be tried (domain/access.md 6): the key is a file of its own
beside the database, readable by the hub alone, and no backup of the database carries it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Final

KEY_FILE: Final = "identity.key"
KEY_BYTES: Final = 32
_BETWEEN: Final = re.compile(r"[\s-]+")


class IdentityKey:
    """Digests identity numbers with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"the key for identity numbers needs {KEY_BYTES} bytes")
        self._key = key

    def digest(self, id_number: str) -> str:
        """The same number, however it is spaced or capitalised, gives the same text."""
        plain = _BETWEEN.sub("", id_number).upper()
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()


def last_four(id_number: str) -> str:
    """What a clerk may see of it."""
    return _BETWEEN.sub("", id_number).upper()[-4:]


def load_key(data_dir: Path) -> IdentityKey:
    """The key of this installation; made once. Raises OSError, ValueError (damaged)."""
    file = data_dir / KEY_FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return IdentityKey(bytes.fromhex(file.read_text(encoding="ascii").strip()))
    with os.fdopen(handle, "w", encoding="ascii") as out:
        key = secrets.token_bytes(KEY_BYTES)
        out.write(key.hex())
        out.flush()
        os.fsync(out.fileno())
    return IdentityKey(key)
