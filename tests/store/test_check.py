"""`hub check --connect` sees what a start would find at the database's place, and changes nothing."""

import sqlite3

import pytest

from hub.store.check import probe
from hub.store.database import open_store


def test_a_database_that_can_be_used_is_told_with_its_revision(database_url):
    open_store(database_url).close()
    found = probe(database_url)
    assert found.ok
    assert "revision 0" in found.text


def test_an_empty_postgresql_is_fine(postgres_url):
    found = probe(postgres_url)
    assert found.ok
    assert found.text.endswith("empty")


def test_a_newer_database_is_seen_and_left_alone(tmp_path):
    file = tmp_path / "hub.db"
    open_store(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = file.read_bytes()
    found = probe(f"sqlite:///{file}")
    assert not found.ok
    assert "newer version" in found.text
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_seen(tmp_path):
    (tmp_path / "hub.db").write_bytes(b"no database" * 500)
    found = probe(f"sqlite:///{tmp_path / 'hub.db'}")
    assert not found.ok
    assert "damaged" in found.text


def test_a_place_that_does_not_exist_yet_is_made_at_the_first_start(tmp_path):
    found = probe(f"sqlite:///{tmp_path / 'a' / 'b' / 'hub.db'}")
    assert found.ok
    assert "first start" in found.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/dev/null/hub.db", "{file}/hub.db"])
def test_a_place_that_can_never_be_made_is_seen(place, tmp_path):
    (tmp_path / "file").touch()
    found = probe(f"sqlite:///{place.format(file=tmp_path / 'file')}")
    assert not found.ok
    assert "cannot be made" in found.text


def test_a_server_that_is_away_is_seen(free_port):
    found = probe(f"postgresql+psycopg://hub@127.0.0.1:{free_port()}/hub")
    assert not found.ok
    assert "cannot be reached" in found.text
