"""Bringing a database to the newest revision with Alembic; a database from a newer program is left alone."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"


class NewerDatabaseError(Exception):
    """The database was written by a newer version of the hub."""


def _config(engine: Engine | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config


def head_revision() -> str:
    """The newest revision that this program knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "no migrations shipped"
    return head


def current_revision(engine: Engine) -> str | None:
    """Revision of the database; None where there are no tables yet."""
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """As `current_revision`, within an open transaction."""
    return MigrationContext.configure(connection).get_current_revision()


def known_revisions() -> frozenset[str]:
    """Every revision that this program can bring up to date."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def create_at(engine: Engine, revision: str) -> None:
    """Make the tables of a known revision in an empty database, for the rows of a backup of that time."""
    command.upgrade(_config(engine), revision)


def bring_up_to_date(engine: Engine, *, is_sqlite: bool) -> None:
    """Run what is missing. Raises NewerDatabaseError."""
    current = current_revision(engine)
    if current == head_revision():
        return
    if current is not None and current not in known_revisions():
        raise NewerDatabaseError(
            f"The database was written by a newer version of the hub (revision {current}): "
            "install that version, or restore a backup of this one; nothing was changed."
        )
    command.upgrade(_config(engine), "head")
