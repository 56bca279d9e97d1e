"""Links by which a member of staff acts on a ticket without signing in: one ticket, one person, one action, for some hours.

A link is signed with a key of this installation and good for one use (hub.pipeline.link_desk writes that down). It names
nothing but numbers: what it is about is read when it is opened.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from hub.store.key_file import read_or_make
from hub.vocabulary.instants import HOUR_MS, SECOND_MS, UtcMs

KEY_FILE: Final = "links.key"
KEY_BYTES: Final = 32
VALID_MS: Final = 12 * HOUR_MS
ADDRESS: Final = "/ack"
HIDDEN: Final = "…"
"""Stands for the token wherever a text is kept or shown: only the message itself carries it."""

ACTIONS: Final = ("acknowledge", "firm_answered")
"""What a link may do; their places are part of the tokens, so new ones go to the end."""
ACTION_OF: Final[Mapping[str, str]] = {
    "entrapment_technician": "firm_answered",
    "entrapment_technician_late": "firm_answered",
    "entrapment_firm_silent": "firm_answered",
}
"""Template → what its link does; every other one acknowledges. Who is sent says that they come, not that they have read."""

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN: Final = re.compile(r"([0-9a-z]{1,13})-([0-9a-z]{1,13})-([0-9a-z]{1,13})-([0-9a-z])-([A-Za-z0-9_-]{24})")
_MARK: Final = b"hub link 1\n"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a link allows: this person, this action on this ticket, until then (whole seconds)."""

    ticket_id: int
    person_id: int
    action: str
    expires_at: UtcMs


class SignedLink(msgspec.Struct, frozen=True):
    """A link whose signature is right; the signature is what is used up."""

    link: Link
    signature: str


class LinkKey:
    """Signs links and tells whether a token was signed with this key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"the key for links needs {KEY_BYTES} bytes")
        self._key = key

    def token(self, link: Link) -> str:
        """About 45 characters that stand unescaped in a URL."""
        expires_s = link.expires_at // SECOND_MS
        numbers = (link.ticket_id, link.person_id, expires_s, ACTIONS.index(link.action))
        plain = "-".join(map(_base36, numbers))
        return f"{plain}-{self._signature(plain)}"

    def read(self, token: str) -> SignedLink | None:
        """What the token allows; None where this key has not signed it. Whether it is over is the caller's to ask."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        plain, given = token[: -len(found[5]) - 1], found[5]
        if not hmac.compare_digest(self._signature(plain), given):
            return None
        ticket, person, expires_s, action = (int(found[group], 36) for group in range(1, 5))
        if action >= len(ACTIONS):
            return None
        link = Link(ticket_id=ticket, person_id=person, action=ACTIONS[action], expires_at=expires_s * SECOND_MS)
        return SignedLink(link, given)

    def _signature(self, plain: str) -> str:
        digest = hmac.new(self._key, _MARK + plain.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:18]).decode()


def load_key(data_dir: Path) -> LinkKey:
    """The key of this installation; made once. Raises OSError, ValueError (damaged)."""
    return LinkKey(read_or_make(data_dir / KEY_FILE, lambda: secrets.token_bytes(KEY_BYTES)))


def _base36(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text
