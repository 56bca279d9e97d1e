"""Identity numbers and copies of documents under lock: AES-256-GCM, a keyed digest for look-up, keys by name.

What is locked names its key, so that an old key opens it until everything is locked anew (hub.cards.rotation). The context
is bound into the lock: a cipher text that is moved into another column opens nothing. Source: domain/access.md 6.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from hub.cards.audit import Chain
from hub.settings.keys import AUDIT, KEY_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12
NUMBER: Final = b"card_assignments.id_number"
COPY: Final = b"id_copies.content"
_BETWEEN: Final = re.compile(r"[\s-]+")


class SecrecyError(Exception):
    """Something cannot be opened: its key is not here, or it was changed."""


class Locked(msgspec.Struct, frozen=True):
    """A cipher text and the name of its key."""

    cipher: bytes
    key_id: str


class SealedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of an identity number."""

    last4: str
    digest: str
    cipher: bytes
    key_id: str


class KeyRing:
    """The keys of this installation. The first locks and digests, all unlock; `audit` signs."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: key for name, key in keys.items() if name != AUDIT}
        if not self._keys or AUDIT not in keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"a key ring needs a key and the key {AUDIT!r}, of {KEY_BYTES} bytes each")
        self.current = next(iter(self._keys))
        self.chain = Chain(f"{AUDIT}-{fingerprint(keys[AUDIT])}", keys[AUDIT])
        self._locks: dict[str, AESGCM] = {}

    @classmethod
    def new(cls) -> KeyRing:
        """A ring that nobody else has."""
        return cls(new_keys())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the keys that unlock; the first locks."""
        return tuple(self._keys)

    @property
    def chains(self) -> Mapping[str, Chain]:
        """Who may have signed rows of the audit."""
        return {self.chain.key_id: self.chain}

    # --- numbers ----------------------------------------------------------------------------------------

    def digest(self, id_number: str, name: str | None = None) -> str:
        """The same number, however it is spaced or capitalised, gives the same text."""
        return hmac.new(self._keys[name or self.current], plain(id_number).encode(), sha256).hexdigest()

    def digests(self, id_number: str) -> list[str]:
        """What the number may be stored under, while keys are being changed."""
        return [self.digest(id_number, name) for name in self._keys]

    def seal(self, id_number: str) -> SealedNumber:
        """What is stored of a number."""
        number = plain(id_number)
        digest = self.digest(number)
        locked = self.lock(number.encode(), NUMBER + digest.encode())
        return SealedNumber(last4=number[-4:], digest=digest, cipher=locked.cipher, key_id=locked.key_id)

    def open_number(self, cipher: bytes, key_id: str, digest: str) -> str:
        """The number. Raises SecrecyError."""
        return self.unlock(Locked(cipher, key_id), NUMBER + digest.encode()).decode()

    # --- anything ---------------------------------------------------------------------------------------

    def lock(self, content: bytes, context: bytes) -> Locked:
        """Under the current key; `context` has to be the same to unlock."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Locked(nonce + self._lock_of(self.current).encrypt(nonce, content, context), self.current)

    def unlock(self, locked: Locked, context: bytes) -> bytes:
        """The content. Raises SecrecyError: its key is not here, it was changed, or it belongs elsewhere."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in _lock_of

        if locked.key_id not in self._keys:
            raise SecrecyError(f"the key {locked.key_id!r} is not here")
        try:
            return self._lock_of(locked.key_id).decrypt(
                locked.cipher[:NONCE_BYTES], locked.cipher[NONCE_BYTES:], context
            )
        except InvalidTag:
            raise SecrecyError("it was changed, or belongs elsewhere") from None

    def _lock_of(self, name: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 8 MB that few hubs' days need

        if name not in self._locks:
            self._locks[name] = AESGCM(_derived(self._keys[name], b"hub lock"))
        return self._locks[name]


def plain(id_number: str) -> str:
    """A number without what people write between its digits."""
    return _BETWEEN.sub("", id_number).upper()


def fingerprint(key: bytes) -> str:
    """Tells keys apart and nothing about them: who starts without the old key file must not lock under the old name."""
    return sha256(b"hub key name" + key).hexdigest()[:8]


def new_key() -> tuple[str, bytes]:
    """A key that nobody else has, with its name."""
    key = secrets.token_bytes(KEY_BYTES)
    return f"k{fingerprint(key)}", key


def new_keys() -> dict[str, bytes]:
    """The first keys of an installation."""
    return {**dict([new_key()]), AUDIT: secrets.token_bytes(KEY_BYTES)}


def copy_context(assignment: int) -> bytes:
    """A copy opens for the card that it was made for only."""
    return COPY + str(assignment).encode()


def _derived(key: bytes, purpose: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as in _lock_of
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)
