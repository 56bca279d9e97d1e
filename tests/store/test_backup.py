"""A backup is one moment of the database while the hub writes on; a restore gives back every table, or changes nothing."""

import hashlib
import json
import stat
import threading
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, inspect, make_url, select
from sqlalchemy.pool import NullPool

import hub.store.restore as restore_module
from hub.store import migrate
from hub.store.backup import backup
from hub.store.database import StoreError, open_store
from hub.store.restore import restore
from hub.store.schema import feed, metadata, rejected, rule_state, tickets

NOW = 1_750_000_000_000


def _value(column, number):
    """Text with every awkward character, integers of 64 bits, bytes of every kind; keys and references fit together."""
    if column.nullable and number % 3 == 0:
        return None
    kind = column.type.python_type
    if kind is bool:
        return number % 2 == 0
    if kind is bytes:
        return hashlib.sha256(f"{column.name}{number}".encode()).digest()[:16] + b"\x00\xff\n"[: number % 4]
    if kind is str:
        return f"{number}" if column.name in ("id", "site") else f'{column.name}-{number} 湖畔 "\n\\ \u2028 \U0001f6d7'
    if column.primary_key or column.foreign_keys or "SMALL" in str(column.type) or str(column.type) == "INTEGER":
        return number
    return number - 2**63 + 1 if number % 2 else 2**63 - number


def _fill(engine, rows=7):
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
            values = [{column.name: _value(column, n) for column in table.columns} for n in range(1, rows + 1)]
            connection.execute(insert(table), values)


def _contents(engine):
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(table).order_by(*table.primary_key.columns)).all()
            for table in metadata.sorted_tables
        }


@pytest.fixture
def store(database_url):
    store = open_store(database_url)
    yield store
    store.close()


@pytest.fixture
def other_url(request, tmp_path):
    """An empty place of the engine that the test's parameter names."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'restored' / 'hub.db'}"
    return request.getfixturevalue("postgres_server").new_database()


def _url(store):
    return store.url.render_as_string(hide_password=False)


def _rezip(source, target, change):
    """The archive with `change(name, bytes) -> bytes or None` applied to every file."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


@pytest.mark.parametrize("other_url", ["sqlite", "postgres"], indirect=True)
def test_every_row_of_every_table_comes_back_on_either_engine(store, other_url, tmp_path):
    _fill(store.engine)
    made = backup(_url(store), tmp_path / "b.zip", NOW)
    assert made.rows == 7 * len(metadata.tables)
    assert restore(other_url, tmp_path / "b.zip") == made
    copy = open_store(other_url)
    try:
        assert _contents(copy.engine) == _contents(store.engine)
    finally:
        copy.close()


@pytest.mark.parametrize("other_url", ["sqlite", "postgres"], indirect=True)
def test_a_restored_database_goes_on_counting_its_keys(store, other_url, tmp_path):
    _fill(store.engine)
    backup(_url(store), tmp_path / "b.zip", NOW)
    restore(other_url, tmp_path / "b.zip")
    copy = open_store(other_url)
    try:
        values = {column.name: _value(column, 50) for column in rejected.columns if column.name != "id"}
        with copy.write() as connection:
            assert connection.execute(rejected.insert().values(**values)).inserted_primary_key == (8,)
    finally:
        copy.close()


def test_a_backup_while_a_writer_runs_is_one_moment(store, tmp_path):
    """The writer moves two tables in one transaction; no backup may hold one without the other."""
    _fill(store.engine, rows=1)
    stop = threading.Event()
    written = []

    def write():
        while not stop.is_set():
            number = len(written) + 1
            with store.write() as connection:
                row = {"seq": 100 + number, "site": "1", "at": number, "type": "t", "body_json": "x" * 500}
                connection.execute(feed.insert().values(**row))
                connection.execute(
                    rule_state.insert().values(
                        rule="r", site="1", subject_type="t", subject_id=str(number), version=1, body=b"", updated_at=1
                    )
                )
            written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for number in range(5):
            manifest = backup(_url(store), tmp_path / f"{number}.zip", NOW)
            rows = {table.name: table.rows for table in manifest.tables}
            counts.append((rows["feed"], rows["rule_state"]))
    finally:
        stop.set()
        writer.join()
    assert all(feed_rows == state_rows for feed_rows, state_rows in counts)
    assert counts[-1][0] > counts[0][0], "the writer went on meanwhile"


def test_a_backup_is_for_its_owner_alone_and_never_overwrites(store, tmp_path):
    file = tmp_path / "b.zip"
    backup(_url(store), file, NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(StoreError, match="is there already"):
        backup(_url(store), file, NOW)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "nothing is left behind"


def test_the_archive_says_what_it_holds(store, tmp_path):
    _fill(store.engine)
    backup(_url(store), tmp_path / "b.zip", NOW)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        lines = archive.read("tables/tickets.jsonl").splitlines()
    assert manifest["format"] == 1
    assert manifest["made_at"] == "2025-06-15T15:06:40.000+00:00"
    entry = next(table for table in manifest["tables"] if table["name"] == "tickets")
    assert entry["rows"] == len(lines) == 7
    assert [column["name"] for column in entry["columns"]] == [column.name for column in tickets.columns]


def test_there_is_nothing_to_back_up_without_a_database(tmp_path):
    with pytest.raises(StoreError, match="nothing to back up"):
        backup(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "b.zip", NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_not_backed_up_as_if_it_were_whole(tmp_path):
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    store = open_store(url)
    _fill(store.engine, rows=400)
    store.close()
    raw = bytearray((tmp_path / "hub.db").read_bytes())
    for page in range(5, len(raw) // 4096, 2):
        raw[page * 4096 : page * 4096 + 200] = b"\xee" * 200
    (tmp_path / "hub.db").write_bytes(raw)
    with pytest.raises(StoreError, match="damaged"):
        backup(url, tmp_path / "b.zip", NOW)
    assert not (tmp_path / "b.zip").exists()


def test_a_folder_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        backup(_url(store), tmp_path / "nowhere" / "b.zip", NOW)


@pytest.mark.parametrize("other_url", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda name, data: data.replace(b"reason", b"raisin") if "timeline" in name else data, "was changed"),
        (lambda name, data: data[: data.rindex(b"[")] if "feed.jsonl" in name else data, "was changed"),
        (lambda name, data: None if "feed.jsonl" in name else data, "feed.jsonl is missing"),
        (lambda name, data: None if "manifest" in name else data, "is no backup of the hub"),
        (lambda name, data: b"[1]" if "manifest" in name else data, "is no backup of the hub"),
        (lambda name, data: data.replace(b'"rows": 7', b'"rows": "x"'), "damaged manifest"),
        (lambda name, data: data.replace(b'"format": 1', b'"format": 2'), "made by a newer hub"),
        (lambda name, data: data.replace(b'"schema_revision": "', b'"schema_revision": "9'), "made by a newer hub"),
    ],
    ids=[
        "changed",
        "shortened",
        "table missing",
        "no manifest",
        "list",
        "bad manifest",
        "newer format",
        "newer schema",
    ],
)
def test_what_is_not_whole_or_too_new_is_refused_and_nothing_is_touched(change, sentence, other_url, tmp_path):
    url = f"sqlite:///{tmp_path / 'source.db'}"
    store = open_store(url)
    _fill(store.engine)
    store.close()
    backup(url, tmp_path / "b.zip", NOW)
    broken = _rezip(tmp_path / "b.zip", tmp_path / "broken.zip", change)
    with pytest.raises(StoreError, match=sentence):
        restore(other_url, broken)
    assert _tables(other_url) == []


def _tables(url):
    """Tables at this place; for SQLite the file itself must be gone, with whatever stood beside it."""
    if make_url(url).get_backend_name() == "sqlite":
        path = Path(make_url(url).database)
        return sorted(found.name for found in path.parent.glob("*") if path.name in found.name)
    return inspect(create_engine(url, poolclass=NullPool)).get_table_names()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"no zip at all" * 100])
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(StoreError, match="is damaged or no backup of the hub"):
        restore(f"sqlite:///{tmp_path / 'hub.db'}", tmp_path / "b.zip")
    assert not (tmp_path / "hub.db").exists()


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(StoreError, match="cannot be restored: No such file"):
        restore(f"sqlite:///{tmp_path / 'hub.db'}", tmp_path / "b.zip")


def test_a_place_in_use_is_never_restored_over(store, tmp_path):
    _fill(store.engine)
    backup(_url(store), tmp_path / "b.zip", NOW)
    before = _contents(store.engine)
    with pytest.raises(StoreError, match="empty place"):
        restore(_url(store), tmp_path / "b.zip")
    assert _contents(store.engine) == before


def test_a_write_ahead_log_of_another_database_is_not_taken_over(store, tmp_path):
    """SQLite would play a left-over log into the restored file."""
    backup(_url(store), tmp_path / "b.zip", NOW)
    (tmp_path / "new.db-wal").write_bytes(b"left over")
    with pytest.raises(StoreError, match=r"new\.db-wal of another database"):
        restore(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "b.zip")


def test_a_restore_that_fails_midway_leaves_the_place_empty_and_can_be_repeated(
    other_url_failing, tmp_path, monkeypatch
):
    url, file = other_url_failing
    real, calls = restore_module._fill_table, []

    def failing(connection, archive, entry):
        calls.append(entry.name)
        if len(calls) == 8:
            raise OSError(28, "No space left on device")
        real(connection, archive, entry)

    monkeypatch.setattr(restore_module, "_fill_table", failing)
    with pytest.raises(StoreError, match="No space left on device"):
        restore(url, file)
    assert _tables(url) == []
    monkeypatch.undo()
    restore(url, file)
    assert open_store(url).close() is None


@pytest.fixture(params=["sqlite", "postgres"])
def other_url_failing(request, tmp_path):
    source = f"sqlite:///{tmp_path / 'source.db'}"
    store = open_store(source)
    _fill(store.engine)
    store.close()
    backup(source, tmp_path / "b.zip", NOW)
    url = f"sqlite:///{tmp_path / 'r' / 'hub.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    return url, tmp_path / "b.zip"


def test_postgresql_with_a_strangers_table_is_left_alone(postgres_server, tmp_path):
    source = f"sqlite:///{tmp_path / 'source.db'}"
    open_store(source).close()
    backup(source, tmp_path / "b.zip", NOW)
    url = postgres_server.new_database()
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x int)")
    with pytest.raises(StoreError, match="another table"):
        restore(url, tmp_path / "b.zip")
    assert inspect(engine).get_table_names() == ["theirs"]


@pytest.mark.parametrize("other_url", ["sqlite", "postgres"], indirect=True)
def test_a_backup_of_an_older_version_is_restored_and_brought_up_to_date(other_url, tmp_path):
    """The tables are made as they were then, filled, and migrated; here from the very first revision."""
    old = create_engine(f"sqlite:///{tmp_path / 'old.db'}", poolclass=NullPool)
    migrate.create_at(old, "0001")
    columns = {
        name: [column["name"] for column in inspect(old).get_columns(name)] for name in inspect(old).get_table_names()
    }
    source = open_store(f"sqlite:///{tmp_path / 'source.db'}")
    _fill(source.engine)
    before = _contents(source.engine)
    source.close()
    backup(f"sqlite:///{tmp_path / 'source.db'}", tmp_path / "b.zip", NOW)
    same = {name for name in before if columns.get(name) == [column.name for column in metadata.tables[name].columns]}
    # What refers to a table that looked different then cannot be put back without it.
    same = {name for name in same if {key.column.table.name for key in metadata.tables[name].foreign_keys} <= same}
    while lost := {  # rows whose parents' table has other columns by now have nothing to refer to
        name for name in same if {key.column.table.name for key in metadata.tables[name].foreign_keys} - same
    }:
        same -= lost
    assert {"sites", "devices", "rejected"} <= same

    def older(name, data):
        if name != "manifest.json":
            return data if Path(name).stem in same else None
        manifest = json.loads(data)
        manifest["schema_revision"] = "0001"
        manifest["tables"] = [table for table in manifest["tables"] if table["name"] in same]
        return json.dumps(manifest).encode()

    restore(other_url, _rezip(tmp_path / "b.zip", tmp_path / "older.zip", older))
    copy = open_store(other_url)
    try:
        assert migrate.current_revision(copy.engine) == migrate.head_revision()
        after = _contents(copy.engine)
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
    finally:
        copy.close()
