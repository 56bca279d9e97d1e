"""How a webhook is signed: HMAC-SHA256 over `id.timestamp.body`, in three headers, as the Standard Webhooks document has it.

Receivers verify with any library of that document. Two keys may sign side by side while one replaces the other: each gives
one `v1,…` in the header, and the receiver accepts either. Source: standard-webhooks specification 1.0, 'Signature scheme'.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

TOLERANCE_S: Final = 300
"""How far a receiver should let our clocks be apart; what is older is a replay."""

_ID: Final = re.compile(r"[!-~]{1,200}")


def signature(key: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """`v1,` and the base64 of the digest."""
    signed = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(keys: Sequence[bytes], message_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """The three headers; newest key first. Raises ValueError without a key or with an id that no header can hold."""
    if not keys or not _ID.fullmatch(message_id):
        raise ValueError("a signature needs a key and an id of printable characters")
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(at_s),
        "Webhook-Signature": " ".join(signature(key, message_id, at_s, body) for key in keys),
    }


def verify(keys: Sequence[bytes], given: Mapping[str, str], body: bytes, now_s: int) -> bool:
    """What a receiver does; `given` holds the headers by lower-case name. Here so that the document's example is a test."""
    try:
        at_s = int(given["webhook-timestamp"])
        message_id, signatures = given["webhook-id"], given["webhook-signature"].split(" ")
    except (KeyError, ValueError):
        return False
    if abs(now_s - at_s) > TOLERANCE_S:
        return False
    expected = [signature(key, message_id, at_s, body) for key in keys]
    return any(hmac.compare_digest(own, other) for own in expected for other in signatures)
