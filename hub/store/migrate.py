"""Bringing a database to the newest revision with Alembic; a database from a newer program is left alone."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_LINE = re.compile(r"""^(revision|down_revision)\b[^=\n]*=\s*(?:['"]([^'"]+)['"]|None)""", re.MULTILINE)


class NewerDatabaseError(Exception):
    """The database was written by a newer version of the hub."""


def _config(engine: Engine | None = None) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - 11 MB, needed only to change a database

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config


@cache
def _revisions() -> dict[str, str | None]:
    """Every revision with the one that it stands on, read from the files: Alembic is imported to change a database only."""
    found: dict[str, str | None] = {}
    for file in sorted((MIGRATIONS / "versions").glob("*.py")):
        said = {name: value or None for name, value in _LINE.findall(file.read_text(encoding="utf-8"))}
        revision = said["revision"]
        assert revision is not None, f"{file} names no revision"
        found[revision] = said["down_revision"]
    return found


def head_revision() -> str:
    """The newest revision that this program knows."""
    known = _revisions()
    (head,) = known.keys() - set(known.values())
    return head


def current_revision(engine: Engine) -> str | None:
    """Revision of the database; None where there are no tables yet."""
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """As `current_revision`, within an open transaction."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def known_revisions() -> frozenset[str]:
    """Every revision that this program can bring up to date."""
    return frozenset(_revisions())


def create_at(engine: Engine, revision: str) -> None:
    """Make the tables of a known revision in an empty database, for the rows of a backup of that time."""
    from alembic import command  # noqa: PLC0415 - as above

    command.upgrade(_config(engine), revision)


def bring_up_to_date(engine: Engine, *, seen_by: Engine) -> None:
    """Run what is missing; where nothing is, nobody who writes is waited for. Raises NewerDatabaseError."""
    current = current_revision(seen_by)
    if current == head_revision():
        return
    if current is not None and current not in known_revisions():
        raise NewerDatabaseError(
            f"The database was written by a newer version of the hub (revision {current}): "
            "install that version, or restore a backup of this one; nothing was changed."
        )
    from alembic import command  # noqa: PLC0415 - as above

    command.upgrade(_config(engine), "head")
