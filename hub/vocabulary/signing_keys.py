"""Keys of webhooks as text: `whsec_` and base64, as the Standard Webhooks document writes them, so that receivers' libraries
read them. Nothing here repeats a secret in an error.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

PREFIX: Final = "whsec_"
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
ALLOWED: Final = f"{PREFIX} and base64 of {LEAST_BYTES} to {MOST_BYTES} random bytes"


def key_of(secret: str) -> bytes:
    """The key of a secret. Raises ValueError."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"does not begin with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what stands behind {PREFIX} is not base64") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"is not {LEAST_BYTES} to {MOST_BYTES} bytes long")
    return key


def secret_of(key: bytes) -> str:
    """A key as it is handed to the receiver."""
    return PREFIX + base64.b64encode(key).decode()
