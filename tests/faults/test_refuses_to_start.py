"""What can be foreseen ends in one sentence on stderr and exit code 1, and nothing is touched."""

import hashlib
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.brokers import TestBroker
from support.estate_files import elevator, site_file
from support.hub_json import alarm
from support.mqtt import MqttClient
from support.ports import free_port
from support.postgres import PostgresServer
from support.running_hub import RunningHub

SITE = site_file(devices=[elevator("e-1")])


def refusal(hub: RunningHub) -> str:
    """What `hub run` says before it ends with exit code 1; never more than a sentence or a log line, never a traceback."""
    done: subprocess.CompletedProcess[str] = hub.command("run", timeout=90)
    assert done.returncode == 1, f"{done.returncode} {done.stdout} {done.stderr}"
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert len(said) == 1, done.stderr
    return said[0]


def everything_in(folder: Path) -> dict[str, str]:
    """Every file's digest."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_second_hub_on_the_same_database(
    nats_broker: TestBroker, database_url: str, make_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    first = make_hub(nats_broker, [SITE], database=database_url)
    first.start()
    first.wait_ready()
    second = make_hub(nats_broker, [SITE], database=database_url)
    assert "Another hub" in refusal(second)
    with MqttClient(nats_broker) as device:
        device.publish(*alarm("e-1", "a1"))
    assert first.wait_for_ticket("entrapment", "e-1")["count"] == 1
    assert first.ready()[0]
    assert "client_id_taken" not in first.log(), "the second one never went to the broker"


def test_a_port_in_use(nats_broker: TestBroker, make_hub: Callable[..., RunningHub]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        port = other.getsockname()[1]
        hub = make_hub(nats_broker, [SITE], port=port)
        assert f"Port {port}" in refusal(hub)
    assert not (hub.folder / "hub.db").exists()
    hub.start()
    hub.wait_ready()


def _damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:12_288] = b"\xa5" * 8_192
    path.write_bytes(content)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def _something_else(path: Path) -> None:
    path.write_bytes(b"This is a shopping list, not a database.\n" * 500)


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(_damaged, "damaged"), (_truncated, "damaged"), (_something_else, "not a database"), (_newer, "newer")],
)
def test_a_database_that_cannot_be_trusted_is_left_as_it_was(
    spoil: Callable[[Path], None], word: str, nats_broker: TestBroker, make_hub: Callable[..., RunningHub]
) -> None:
    hub = make_hub(nats_broker, [SITE])
    assert hub.command("token", "add", "x", "--role", "admin").returncode == 0
    for leftover in (
        "hub.db-wal",
        "hub.db-shm",
        "hub.db.lock",
    ):  # SQLite makes the first two to read, and takes them away
        (hub.folder / leftover).unlink(missing_ok=True)
    spoil(hub.folder / "hub.db")
    before = everything_in(hub.folder)
    said = refusal(hub)
    assert word in said
    after = everything_in(hub.folder)
    assert {name: after[name] for name in before} == before


def test_a_newer_postgresql_database(
    nats_broker: TestBroker, postgres_server: PostgresServer, make_hub: Callable[..., RunningHub]
) -> None:
    import psycopg

    url = postgres_server.new_database()
    hub = make_hub(nats_broker, [SITE], database=url)
    assert hub.command("token", "add", "x", "--role", "admin").returncode == 0
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    assert "newer" in refusal(hub)
    postgres_server.drop_database(url)


def test_a_postgresql_that_is_not_there(nats_broker: TestBroker, make_hub: Callable[..., RunningHub]) -> None:
    hub = make_hub(nats_broker, [SITE], database=f"postgresql+psycopg://hub@127.0.0.1:{free_port()}/hub")
    assert "cannot be reached" in refusal(hub)
