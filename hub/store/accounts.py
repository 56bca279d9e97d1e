"""People and machine clients: passwords as argon2, tokens and sessions as digests of random bytes.

A token is looked up by its SHA-256: it has 256 random bits, so nothing slower is needed, and argon2 on every request
would cost a fifth of a second each (libraries.md 4).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pwdlib import PasswordHash
from sqlalchemy import Column, Table, bindparam, select
from sqlalchemy.exc import IntegrityError

from hub.store.database import Store
from hub.store.prepared import Prepared
from hub.store.schema import sessions, tokens, users
from hub.vocabulary.instants import HOUR_MS, UtcMs
from hub.vocabulary.roles import Role

SESSION_MS = 12 * HOUR_MS
TOKEN_PREFIX = "hub_"  # noqa: S105

# Built once: asked with every request.
_BY_TOKEN = Prepared(
    select(tokens.c.name, tokens.c.roles, tokens.c.sites).where(
        tokens.c.digest == bindparam("_digest"), tokens.c.revoked_at.is_(None)
    )
)
_BY_SESSION = Prepared(
    select(users.c.name, users.c.roles, users.c.sites, sessions.c.csrf)
    .join_from(sessions, users, sessions.c.user_id == users.c.id)
    .where(
        sessions.c.digest == bindparam("_digest"),
        sessions.c.expires_at > bindparam("_now"),
        users.c.disabled_at.is_(None),
    )
)


class AccountError(Exception):
    """A sentence for the person who asked."""


@dataclass(frozen=True)
class Account:
    """A user or a token as lists show it. No sites means all sites; `ended`: locked out, or revoked."""

    name: str
    roles: tuple[str, ...]
    sites: tuple[str, ...]
    ended: bool


@dataclass(frozen=True)
class Principal:
    """Who is asking: a person or a machine client. No sites means all sites."""

    name: str
    roles: frozenset[Role]
    sites: frozenset[str]
    csrf: str | None = None  # of a console session; None for tokens

    def may_see(self, site: str) -> bool:
        """Whether this site is theirs."""
        return not self.sites or site in self.sites


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    """A hash to compare with when the name is unknown, so that the answer takes as long."""
    return _hasher().hash(secrets.token_hex(16))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def _words(values: Collection[str]) -> str:
    return " ".join(sorted(set(values)))


def add_user(store: Store, name: str, password: str, roles: Iterable[Role], sites: Iterable[str], now: UtcMs) -> None:
    """Create a person who signs in. Raises AccountError when the name is taken."""
    row = {
        "name": name,
        "password_hash": _hasher().hash(password),
        "roles": _words([str(role) for role in roles]),
        "sites": _words(list(sites)),
        "created_at": now,
    }
    try:
        with store.write() as connection:
            connection.execute(users.insert().values(**row))
    except IntegrityError:
        raise AccountError(f"There is a user called {name!r} already.") from None


def add_token(store: Store, name: str, roles: Iterable[Role], sites: Iterable[str], now: UtcMs) -> str:
    """Create a machine client; returns its token, which is not stored. Raises AccountError when the name is taken."""
    token = _new_token()
    row = {
        "name": name,
        "digest": _digest(token),
        "roles": _words([str(role) for role in roles]),
        "sites": _words(list(sites)),
        "created_at": now,
    }
    try:
        with store.write() as connection:
            connection.execute(tokens.insert().values(**row))
    except IntegrityError:
        raise AccountError(f"There is a token called {name!r} already.") from None
    return token


def disable_user(store: Store, name: str, now: UtcMs) -> bool:
    """Lock a person out and end their sessions at once. False when there is none of this name."""
    return _changed_and_signed_out(store, name, disabled_at=now)


def enable_user(store: Store, name: str) -> bool:
    """Let a person in again. False when there is none of this name."""
    with store.write() as connection:
        return connection.execute(users.update().where(users.c.name == name).values(disabled_at=None)).rowcount > 0


def set_password(store: Store, name: str, password: str) -> bool:
    """A new password; sessions that began with the old one end. False when there is none of this name."""
    return _changed_and_signed_out(store, name, password_hash=_hasher().hash(password))


def _changed_and_signed_out(store: Store, name: str, **values: Any) -> bool:
    """In one transaction, so that no session outlives what it was allowed by."""
    with store.write() as connection:
        found = connection.execute(select(users.c.id).where(users.c.name == name)).scalar_one_or_none()
        if found is None:
            return False
        connection.execute(users.update().where(users.c.id == found).values(**values))
        connection.execute(sessions.delete().where(sessions.c.user_id == found))
    return True


def renew_token(store: Store, name: str) -> str | None:
    """A new token in the place of the old one, valid again where it was revoked. None when there is none of this name."""
    token = _new_token()
    with store.write() as connection:
        renewed = tokens.update().where(tokens.c.name == name).values(digest=_digest(token), revoked_at=None)
        return token if connection.execute(renewed).rowcount > 0 else None


def revoke_token(store: Store, name: str, now: UtcMs) -> bool:
    """End a machine client. False when there is none of this name."""
    with store.write() as connection:
        statement = tokens.update().where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
        return connection.execute(statement.values(revoked_at=now)).rowcount > 0


def all_users(store: Store) -> list[Account]:
    """Everybody, by name."""
    return _accounts(store, users, users.c.disabled_at)


def all_tokens(store: Store) -> list[Account]:
    """Every machine client, by name."""
    return _accounts(store, tokens, tokens.c.revoked_at)


def _accounts(store: Store, table: Table, ended_at: Column[int]) -> list[Account]:
    statement = select(table.c.name, table.c.roles, table.c.sites, ended_at.is_not(None)).order_by(table.c.name)
    with store.read() as connection:
        rows = connection.execute(statement).all()
    return [Account(name, tuple(roles.split()), tuple(sites.split()), bool(over)) for name, roles, sites, over in rows]


def _principal(name: str, roles: str, sites: str, csrf: str | None = None) -> Principal:
    return Principal(name, frozenset(Role(word) for word in roles.split()), frozenset(sites.split()), csrf)


def by_token(store: Store, token: str) -> Principal | None:
    """Whose token it is; None when it is unknown or revoked."""
    row = store.glance(_BY_TOKEN, {"_digest": _digest(token)})
    return None if row is None else _principal(f"token:{row.name}", row.roles, row.sites)


def by_session(store: Store, secret: str, now: UtcMs) -> Principal | None:
    """Whose console session it is; None when it is unknown, over, or its person was disabled."""
    row = store.glance(_BY_SESSION, {"_digest": _digest(secret), "_now": now})
    return None if row is None else _principal(row.name, row.roles, row.sites, row.csrf)


def sign_in(store: Store, name: str, password: str, now: UtcMs) -> str | None:
    """A new session's secret, for the cookie; None when name or password are wrong."""
    statement = select(users.c.id, users.c.password_hash).where(users.c.name == name, users.c.disabled_at.is_(None))
    with store.read() as connection:
        row = connection.execute(statement).one_or_none()
    if not _hasher().verify(password, row.password_hash if row is not None else _nobody()) or row is None:
        return None
    secret = secrets.token_urlsafe(32)
    with store.write() as connection:
        connection.execute(sessions.delete().where(sessions.c.expires_at <= now))
        connection.execute(
            sessions.insert().values(
                digest=_digest(secret),
                user_id=row.id,
                csrf=secrets.token_urlsafe(24),
                created_at=now,
                expires_at=now + SESSION_MS,
            )
        )
    return secret


def sign_out(store: Store, secret: str) -> None:
    """End a session."""
    with store.write() as connection:
        connection.execute(sessions.delete().where(sessions.c.digest == _digest(secret)))
