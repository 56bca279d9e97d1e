"""Migrations bring any database to what the code expects; what cannot be used is refused in one sentence, untouched."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from hub.store import migrate, schema
from hub.store.database import StoreError, open_store


def test_migrations_give_exactly_the_tables_of_the_schema(empty_database_url: str) -> None:
    store = open_store(empty_database_url)
    with store.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        assert compare_metadata(context, schema.metadata) == []
    store.close()


def test_opening_twice_changes_nothing(empty_database_url: str) -> None:
    first = open_store(empty_database_url)
    with first.write() as connection:
        connection.execute(schema.meta.insert().values(key="k", value="v"))
    first.close()
    again = open_store(empty_database_url)
    with again.read() as connection:
        assert connection.execute(select(schema.meta.c.value)).scalar_one() == "v"
        assert connection.execute(select(schema.feed_head.c.seq)).scalar_one() == 0
    again.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(empty_database_url: str) -> None:
    store = open_store(empty_database_url)
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        open_store(empty_database_url)


@pytest.mark.parametrize("damage", ["garbage", "zeros", "truncated"])
def test_a_damaged_file_is_refused_in_one_sentence_and_left_as_it_was(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "hub.db"
    store = open_store(f"sqlite:///{path}")
    with store.write() as connection:
        connection.execute(schema.meta.insert(), [{"key": str(i), "value": "x" * 500} for i in range(2_000)])
    store.close()
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content = bytearray(b"this is no database" * 100)
    elif damage == "zeros":
        content[4096 : 4096 * 40] = bytes(4096 * 39)
    else:
        del content[len(content) // 3 :]
    path.write_bytes(content)
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(StoreError) as error:
        open_store(f"sqlite:///{path}")
    assert "restore" in str(error.value)
    assert "\n" not in str(error.value)
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_a_place_without_permission_or_in_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="memory"):
        open_store("sqlite://")
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{blocked}/hub.db")


def test_only_one_hub_at_a_time_has_a_database(empty_database_url: str) -> None:
    first, second = open_store(empty_database_url), open_store(empty_database_url)
    first.claim()
    with pytest.raises(StoreError, match=r"[Aa]nother hub"):
        second.claim()
    first.close()
    second.claim()
    second.close()


def test_a_rolled_back_write_leaves_nothing(empty_database_url: str) -> None:
    store = open_store(empty_database_url)

    def fail_after_writing() -> None:
        with store.write() as connection:
            connection.execute(schema.meta.insert().values(key="k", value="v"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    with store.read() as connection:
        assert connection.execute(select(schema.meta)).all() == []
    store.close()


def test_sqlite_is_durable_and_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    with store.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        with store.read() as reader:
            assert reader.execute(select(schema.feed_head.c.seq)).scalar_one() == 0
        other = sqlite3.connect(tmp_path / "hub.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    store.close()


def test_the_newest_revision_is_known() -> None:
    assert migrate.head_revision()


def test_the_revisions_read_from_the_files_are_those_of_alembic():
    """The hub looks at the files itself, so that it need not load Alembic at each start."""
    scripts = ScriptDirectory(str(migrate.MIGRATIONS))
    assert migrate.known_revisions() == {script.revision for script in scripts.walk_revisions()}
    assert migrate.head_revision() == scripts.get_current_head()
