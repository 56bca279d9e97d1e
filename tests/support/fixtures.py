"""The fixtures that tests/conftest.py hands out; each ends what it started."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import ports, waiting
from support.brokers import BrokerUnavailableError, MosquittoBroker, NatsBroker, RumqttdBroker, TestBroker
from support.certificates import TlsFiles, make_tls_files
from support.postgres import PostgresServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from hub.store.database import Store


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Call it for a free loopback port, as often as needed."""
    return ports.free_port


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """`wait_until(condition, timeout, message)`; see support.waiting."""
    return waiting.wait_until


def _running(broker: TestBroker) -> Iterator[TestBroker]:
    try:
        broker.start()
    except BrokerUnavailableError as error:
        pytest.skip(str(error))
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def nats_broker(tmp_path: Path) -> Iterator[TestBroker]:
    """MQTT 3.1.1, durable; the engine of the embedded default."""
    yield from _running(NatsBroker(tmp_path / "nats"))


@pytest.fixture
def rumqttd_broker(tmp_path: Path) -> Iterator[TestBroker]:
    """MQTT 5 (and 3.1.1 at `port_311`), not durable."""
    yield from _running(RumqttdBroker(tmp_path / "rumqttd"))


@pytest.fixture
def mosquitto_broker(tmp_path: Path) -> Iterator[TestBroker]:
    """MQTT 5 and 3.1.1, durable; skipped where it is not installed."""
    yield from _running(MosquittoBroker(tmp_path / "mosquitto"))


@pytest.fixture(params=["nats", "rumqttd", "mosquitto"])
def mqtt_broker(request: pytest.FixtureRequest) -> TestBroker:
    """The test runs once over each broker."""
    broker: TestBroker = request.getfixturevalue(f"{request.param}_broker")
    return broker


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mosquitto_tls_broker(tmp_path: Path, tls_files: TlsFiles) -> Iterator[TestBroker]:
    """TLS with a client certificate, and user and password on top."""
    yield from _running(MosquittoBroker(tmp_path / "mosquitto", tls=tls_files))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database of its own."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The test runs once over each engine, on a place without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "hub.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The test runs once over each engine, on a database without rows at the newest revision.

    A copy of one that was migrated once: migrating anew for every test would be most of the suite's time.
    """
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "hub.db")
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.new_database(server.template("migrated", _migrate))
    yield url
    server.drop_database(url)


@pytest.fixture
def store(database_url: str) -> Iterator["Store"]:
    """An open database without rows, on SQLite and on PostgreSQL."""
    from hub.store.database import open_store

    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(migrated_sqlite: Path, tmp_path: Path) -> Iterator["Store"]:
    """The same for what concerns SQLite alone."""
    from hub.store.database import open_store

    opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'hub.db')}")
    yield opened
    opened.close()


def _migrate(url: str) -> None:
    from hub.store.database import open_store

    open_store(url).close()


@pytest.fixture(scope="module")  # its event loop must not run on under tests that need their own
def chromium_browser() -> "Iterator[Browser]":
    """The system's chromium, driven by playwright; close the pages that you open."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine (Debian: apt install chromium fonts-noto-cjk)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
