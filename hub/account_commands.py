"""Commands `hub user` and `hub token`: who may sign in, who no longer may, and the machine clients.

Rule: as in hub.cli: what can be foreseen ends in one sentence; stdout carries only what was asked for. Nobody is deleted, so
that timelines keep their names: a person is locked out, a token is revoked, both at once and also while the hub runs.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.launch import WRONG_USE, fail, foreseen, load_settings, open_database
from hub.settings.mistakes import listed
from hub.vocabulary.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.settings import Settings
    from hub.store.accounts import Account
    from hub.vocabulary.instants import UtcMs

SHORTEST_PASSWORD: Final = 8
DEFAULT_CONFIG: Final = Path("hub.yaml")

user_app = typer.Typer(help="People who sign in to the console.", no_args_is_help=True)
token_app = typer.Typer(help="Machine clients of the API.", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option("--config", help="The hub's configuration file.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name; unique among its kind.")]
RoleOption = Annotated[list[Role], typer.Option("--role", help="What they may do; may be repeated.")]
SiteOption = Annotated[
    list[str] | None, typer.Option("--site", help="A site that they may see; may be repeated. None: every site.")
]
PasswordOption = Annotated[
    str | None, typer.Option("--password-env", metavar="VAR", help="Variable that holds the password.")
]


# --- people -----------------------------------------------------------------------------------------------


@user_app.command("add")
def add_user(
    name: NameArgument,
    role: RoleOption,
    site: SiteOption = None,
    password_env: PasswordOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a person. The password is asked for on a terminal; without one it is made up and printed once."""
    from hub.store import accounts

    _refuse_name(name)
    with foreseen():
        settings = load_settings(config)
        _refuse_unknown_sites(site, settings)
        password, made_up = _password(password_env)
        with open_database(settings) as store:
            accounts.add_user(store, name, password, role, site or [], _now())
    print(password if made_up else f"{name} may sign in now.")


@user_app.command("password")
def change_password(
    name: NameArgument, password_env: PasswordOption = None, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Give a person a new password; their sessions end. Asked for or made up as with `add`."""
    from hub.store import accounts

    with foreseen():
        settings = load_settings(config)
        password, made_up = _password(password_env)
        with open_database(settings) as store:
            _found(accounts.set_password(store, name, password), "user", name)
    print(
        password if made_up else f"{name} has a new password; whoever was signed in with the old one is not any more."
    )


@user_app.command("disable")
def disable_user(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Lock a person out at once; their sessions end, their name stays on what they did."""
    from hub.store import accounts

    with foreseen(), open_database(load_settings(config)) as store:
        _found(accounts.disable_user(store, name, _now()), "user", name)
    print(f"{name} is locked out.")


@user_app.command("enable")
def enable_user(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let a person in again who was locked out, with the password of then."""
    from hub.store import accounts

    with foreseen(), open_database(load_settings(config)) as store:
        _found(accounts.enable_user(store, name), "user", name)
    print(f"{name} may sign in again.")


@user_app.command("list")
def list_users(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """A line for each person: name, roles, sites, and whether they are locked out."""
    from hub.store import accounts

    with foreseen(), open_database(load_settings(config)) as store:
        found = accounts.all_users(store)
    _print_accounts(found, "disabled")


# --- machine clients --------------------------------------------------------------------------------------


@token_app.command("add")
def add_token(
    name: NameArgument, role: RoleOption, site: SiteOption = None, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Add a machine client; its token is printed once and is nowhere stored."""
    from hub.store import accounts

    _refuse_name(name)
    with foreseen():
        settings = load_settings(config)
        _refuse_unknown_sites(site, settings)
        with open_database(settings) as store:
            token = accounts.add_token(store, name, role, site or [], _now())
    print(token)


@token_app.command("renew")
def renew_token(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print a new token for a machine client, also a revoked one; the one before opens nothing any more."""
    from hub.store import accounts

    with foreseen(), open_database(load_settings(config)) as store:
        token = accounts.renew_token(store, name)
        _found(token is not None, "token", name)
    print(token)


@token_app.command("revoke")
def revoke_token(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End a machine client's token at once; its streams end too."""
    from hub.store import accounts

    with foreseen(), open_database(load_settings(config)) as store:
        _found(accounts.revoke_token(store, name, _now()), "valid token", name)
    print(f"The token {name} is revoked.")


@token_app.command("list")
def list_tokens(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """A line for each machine client: name, roles, sites, and whether it is revoked. No token is shown: none is stored."""
    from hub.store import accounts

    with foreseen(), open_database(load_settings(config)) as store:
        found = accounts.all_tokens(store)
    _print_accounts(found, "revoked")


# --- what they share --------------------------------------------------------------------------------------


def _found(there: bool, what: str, name: str) -> None:
    if not there:
        fail(f"There is no {what} called {name!r}.")


def _print_accounts(found: Iterable[Account], ended: str) -> None:
    for account in found:
        sites = listed(account.sites) if account.sites else "every site"
        print(f"{account.name}: {listed(account.roles)}; {sites}{f'; {ended}' if account.ended else ''}")


def _refuse_name(name: str) -> None:
    if not name.strip() or len(name) > 64 or not name.isprintable():
        fail("A name has 1 to 64 printable characters.", WRONG_USE)


def _refuse_unknown_sites(sites: list[str] | None, settings: Settings) -> None:
    known = [site.id for site in settings.sites]
    for site in sites or []:
        if site not in known:
            fail(f"There is no site {site!r}; there are: {listed(known)}.", WRONG_USE)


def _password(variable: str | None) -> tuple[str, bool]:
    """The password, and whether it was made up here."""
    if variable is not None:
        password = os.environ.get(variable, "")
        if len(password) < SHORTEST_PASSWORD:
            fail(f"The variable {variable} holds no password of at least {SHORTEST_PASSWORD} characters.", WRONG_USE)
        return password, False
    if not sys.stdin.isatty():
        return secrets.token_urlsafe(12), True
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(password) < SHORTEST_PASSWORD:
        fail(f"A password has at least {SHORTEST_PASSWORD} characters.", WRONG_USE)
    return str(password), False


def _now() -> UtcMs:
    return time.time_ns() // 1_000_000
