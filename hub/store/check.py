"""`hub check --connect`: can the database be used? Looks, and changes nothing: no migration, no new file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from hub.store import migrate
from hub.store.database import explain

CONNECT_WITHIN_S = 5


class DatabaseFinding(NamedTuple):
    """One line of the report."""

    ok: bool
    target: str
    text: str


def probe(url: str) -> DatabaseFinding:
    """What a start of the hub would find at `url`. Never raises."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        file = Path(place.database or "")
        if not file.exists():
            return _new_file(file)
        if not os.access(file, os.W_OK):
            return DatabaseFinding(False, "database", f"{file} cannot be written: no permission")
    options = {} if place.get_backend_name() == "sqlite" else {"connect_timeout": CONNECT_WITHIN_S}
    engine = create_engine(place, poolclass=NullPool, connect_args=options)
    try:
        revision = migrate.current_revision(engine)
    except SQLAlchemyError as error:
        return DatabaseFinding(False, "database", explain(error, url))
    finally:
        engine.dispose()
    shown = place.render_as_string(hide_password=True)
    if revision is not None and revision not in migrate.known_revisions():
        return DatabaseFinding(False, "database", f"{shown} was written by a newer version of the hub ({revision})")
    state = "empty" if revision is None else f"revision {revision}"
    return DatabaseFinding(True, "database", f"{shown}: {state}")


def _new_file(file: Path) -> DatabaseFinding:
    """The nearest folder that exists decides whether a start can make the rest."""
    folder = next(parent for parent in file.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return DatabaseFinding(False, "database", f"{file} cannot be made: {folder} cannot be written")
    return DatabaseFinding(True, "database", f"{file} will be made at the first start")
