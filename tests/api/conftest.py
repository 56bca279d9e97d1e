"""A running hub per test, and clients that have signed in."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from hub.vocabulary.roles import Role
from support.running import RunningHub


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
