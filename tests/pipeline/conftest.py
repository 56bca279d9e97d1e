"""What tests of the pipeline have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.store.database import Store, open_store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """On SQLite and on PostgreSQL."""
    opened = open_store(database_url)
    yield opened
    opened.close()
