# noqa: INP001  (Alembic runs this file by its path)
"""Alembic's entry: runs migrations on the engine handed in by hub.store.migrate."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine

from hub.store.schema import metadata


def run() -> None:
    """Run on the engine of the configuration, batch mode on SQLite."""
    engine = context.config.attributes["engine"]
    assert isinstance(engine, Engine)
    with engine.begin() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
