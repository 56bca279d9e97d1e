"""A notice rig per database, with the far side's two gateways."""

from collections.abc import Iterator

import pytest

from hub.store.database import Store, open_store
from support.far_side import far_side
from support.notices import NoticeRig, gateway

__all__ = ["far_side"]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """On SQLite and on PostgreSQL."""
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def rig(store, far_side) -> NoticeRig:
    """With the patience of the real senders; a test of a silent provider asks for less (`rig.patience`)."""
    return NoticeRig(store, {name: gateway(far_side, name) for name in ("sms", "chat")})
