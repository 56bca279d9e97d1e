"""Commands `hub user` and `hub token` after `add`: who leaves is out at once, who forgot gets in again, who leaked is renewed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hub import cli
from hub.store import accounts, database
from hub.store.database import Store
from hub.vocabulary.roles import Role
from support.commands import store_of

NOW = 1_750_000_000_000
Hub = Callable[..., Result]


@pytest.fixture
def hub(place: Path) -> Hub:
    """The command, with the place's configuration."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli.app, [*arguments, "--config", str(place / "hub.yaml")])

    return run


@pytest.fixture
def store(place: Path, hub: Hub) -> Iterator[Store]:
    """The place's database, with somebody who is signed in and a machine client."""
    assert hub("user", "add", "li", "--role", "technician", "--site", "lakeside").exit_code == 0
    assert hub("token", "add", "billing", "--role", "finance").exit_code == 0
    store = store_of(place)
    yield store
    store.close()


def test_whoever_is_locked_out_is_out_at_once_and_comes_back_with_the_old_password(hub: Hub, store: Store) -> None:
    accounts.set_password(store, "li", "correct horse")
    session = accounts.sign_in(store, "li", "correct horse", NOW)
    assert session is not None
    locked = hub("user", "disable", "li")
    assert (locked.exit_code, locked.stdout) == (0, "li is locked out.\n")
    assert accounts.by_session(store, session, NOW) is None
    assert accounts.sign_in(store, "li", "correct horse", NOW) is None
    assert hub("user", "list").stdout == "li: technician; lakeside; disabled\n"
    assert hub("user", "enable", "li").exit_code == 0
    assert accounts.by_session(store, session, NOW) is None, "a session of before is not revived"
    assert accounts.sign_in(store, "li", "correct horse", NOW) is not None


def test_a_new_password_ends_the_sessions_of_the_old_one(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hub("user", "password", "li").stdout.strip()
    session = accounts.sign_in(store, "li", first, NOW)
    monkeypatch.setenv("PW", "correct horse")
    changed = hub("user", "password", "li", "--password-env", "PW")
    assert changed.exit_code == 0
    assert "correct horse" not in changed.output
    assert session is not None
    assert accounts.by_session(store, session, NOW) is None
    assert accounts.sign_in(store, "li", first, NOW) is None
    assert accounts.sign_in(store, "li", "correct horse", NOW) is not None


def test_a_token_that_leaked_is_revoked_and_renewed(hub: Hub, store: Store) -> None:
    old = hub("token", "renew", "billing").stdout.strip()
    assert accounts.by_token(store, old) is not None
    assert hub("token", "revoke", "billing").exit_code == 0
    assert accounts.by_token(store, old) is None
    assert hub("token", "list").stdout == "billing: finance; every site; revoked\n"
    again = hub("token", "revoke", "billing")
    assert (again.exit_code, again.stderr) == (1, "There is no valid token called 'billing'.\n")
    new = hub("token", "renew", "billing").stdout.strip()
    assert accounts.by_token(store, old) is None
    found = accounts.by_token(store, new)
    assert found is not None
    assert found.roles == {Role.FINANCE}


def test_nobody_of_this_name_is_said_in_one_sentence(hub: Hub) -> None:
    for kind, does in (("user", "disable"), ("user", "enable"), ("user", "password"), ("token", "renew")):
        result = hub(kind, does, "nobody")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"There is no {kind} called 'nobody'.\n"


def test_a_database_that_somebody_holds_is_one_sentence(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)
    with store.write():
        refused = hub("token", "add", "billing-2", "--role", "finance")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert "is held by another process that writes: try again in a moment" in refused.stderr
    assert "billing-2" not in hub("token", "list").stdout
