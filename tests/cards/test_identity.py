"""Identity numbers: only the last four and a digest with the installation's own key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hub.cards.identity import KEY_FILE, IdentityKey, last_four, load_key


def test_the_key_is_made_once_readable_by_the_hub_alone_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = load_key(folder).digest("110101199003071234")
    file = folder / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(folder).digest("110101 1990 0307 1234") == first
    file.unlink()
    assert load_key(folder).digest("110101199003071234") != first


def test_a_damaged_key_is_refused_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("ab", encoding="ascii")
    with pytest.raises(ValueError, match="32 bytes"):
        load_key(tmp_path)
    assert (tmp_path / KEY_FILE).read_text(encoding="ascii") == "ab"


def test_the_last_four_may_end_in_a_letter() -> None:
    assert last_four("11010119900307123x") == "123X"
    assert IdentityKey(b"a" * 32).digest("1x") == IdentityKey(b"a" * 32).digest("1X")
