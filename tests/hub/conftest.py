"""Places that the command `hub` is tried in."""

from pathlib import Path

import pytest

from support.commands import write_place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a right configuration; the database does not exist yet."""
    return write_place(tmp_path)
