"""Commands `hub backup` and `hub restore`, and every command at a database that cannot be used."""

import signal
import sqlite3

import pytest

from hub.store import accounts
from support.commands import hub_here, hub_process, store_of, write_place

pytestmark = pytest.mark.slow  # real processes or sockets with their own times


def test_backup_and_restore_bring_everything_back(place, tmp_path_factory):
    token = hub_here("token", "add", "x", "--role", "admin", cwd=place).stdout.strip()
    made = hub_here("backup", "b.zip", cwd=place)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("b.zip: ")
    other = write_place(tmp_path_factory.mktemp("other"))
    result = hub_here("restore", place / "b.zip", cwd=other)
    assert result.returncode == 0, result.stderr
    store = store_of(other)
    try:
        assert accounts.by_token(store, token) is not None
    finally:
        store.close()


def test_a_mistake_in_a_site_file_keeps_nobody_from_a_backup(place):
    hub_here("token", "add", "x", "--role", "admin", cwd=place)
    (place / "sites" / "lakeside.yaml").write_text("site: [half an edit")
    assert hub_here("backup", "b.zip", cwd=place).returncode == 0


def test_restore_into_a_place_in_use_changes_nothing(place):
    hub_here("token", "add", "x", "--role", "admin", cwd=place)
    hub_here("backup", "b.zip", cwd=place)
    before = (place / "hub.db").read_bytes()
    result = hub_here("restore", "b.zip", cwd=place)
    assert result.returncode == 1
    assert "restore into an empty place" in result.stderr
    assert (place / "hub.db").read_bytes() == before


def _spoil_revision(file):
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()


def _spoil_pages(file):
    raw = bytearray(file.read_bytes())
    for page in range(1, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 300] = b"\xee" * 300
    file.write_bytes(raw)


def _spoil_header(file):
    file.write_bytes(b"this was a database once" * 1000)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(_spoil_revision, "newer version"), (_spoil_pages, "damaged"), (_spoil_header, "damaged")],
    ids=["newer", "damaged pages", "no database"],
)
@pytest.mark.parametrize(
    "command", [["run"], ["token", "add", "y", "--role", "admin"], ["backup", "b.zip"]], ids=" ".join
)
def test_a_database_that_cannot_be_used_is_one_sentence_and_stays_as_it_is(command, spoil, sentence, place):
    hub_here("token", "add", "x", "--role", "admin", cwd=place)
    spoil(place / "hub.db")
    before = (place / "hub.db").read_bytes()
    result = (hub_process if command == ["run"] else hub_here)(*command, cwd=place)
    assert result.returncode == 1
    assert sentence in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert (place / "hub.db").read_bytes() == before


def test_a_full_disk_is_one_sentence(place):
    """The process may write 64 kB to any file, which is less than the empty tables need."""
    result = hub_process(
        "token",
        "add",
        "x",
        "--role",
        "admin",
        cwd=place,
        preexec_fn=_little_room,
        environ={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 1
    assert "disk" in result.stderr
    assert "Traceback" not in result.stderr


def _little_room():
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))


def test_a_place_that_cannot_be_written_is_one_sentence(place):
    """Not even root may write there."""
    write_place(place, database="sqlite:////proc/hub.db")
    result = hub_here("token", "add", "x", "--role", "admin", cwd=place)
    assert (result.returncode, result.stdout) == (1, "")
    assert "no permission" in result.stderr
    assert len(result.stderr.splitlines()) == 1
