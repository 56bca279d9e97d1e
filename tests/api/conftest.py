"""A running hub per test, and clients that have signed in."""

import shutil
from collections.abc import Callable, Iterator

import msgspec
import pytest
from starlette.testclient import TestClient

from hub.vocabulary.roles import Role
from support.running import DEVICES, RunningHub


@pytest.fixture
def hub(database_url: str) -> Iterator[RunningHub]:
    """On SQLite and on PostgreSQL."""
    running = RunningHub(database_url)
    yield running
    running.close()


@pytest.fixture
def small_hub(tmp_path, migrated_sqlite) -> Iterator[RunningHub]:
    """On SQLite alone, for what no database matters to."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    running = RunningHub(f"sqlite:///{tmp_path / 'hub.db'}")
    yield running
    running.close()


@pytest.fixture
def desk_hub(migrated_sqlite, tmp_path) -> Iterator[RunningHub]:
    """Whose controller has one door, for what the desk does."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    devices = [msgspec.structs.replace(each, doors=("b1-main",) if each.id == "gate-1" else ()) for each in DEVICES]
    running = RunningHub(f"sqlite:///{tmp_path / 'hub.db'}", devices)
    yield running
    running.close()


@pytest.fixture
def desk(desk_hub, client_of) -> TestClient:
    """A clerk of it."""
    return client_of(desk_hub, Role.FRONT_DESK)


@pytest.fixture
def manager(desk_hub, client_of) -> TestClient:
    """A manager of it."""
    return client_of(desk_hub, Role.MANAGER)


def _client(running: RunningHub, *roles: Role, sites: tuple[str, ...] = ()) -> TestClient:
    headers = {"Authorization": f"Bearer {running.token(*roles, sites=sites)}"} if roles else {}
    return TestClient(running.app, headers=headers, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def client_of() -> Callable[..., TestClient]:
    """`client_of(hub, *roles, sites=…)`; no roles: nobody."""
    return _client


@pytest.fixture
def client(hub: RunningHub) -> TestClient:
    """A control-room operator of all sites."""
    return _client(hub, Role.CONTROL_ROOM)
