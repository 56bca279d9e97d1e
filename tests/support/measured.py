"""Which tests `run.py test --fast` leaves out because they took long when it was last measured.

After a run with `python3 run.py test --junitxml=FILE`, `python -m support.measured FILE` (in tests/) brings `slow.txt` up to date:
what the report does not name stays as it is. A name that is no longer there does no harm, and a new test runs until it is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

LIST: Final = Path(__file__).resolve().parent.parent / "slow.txt"
SLOW_FROM_S: Final = 0.15


def measured() -> frozenset[str]:
    """The names as `name_of` gives them."""
    return frozenset(LIST.read_text(encoding="utf-8").splitlines())


def name_of(path: str, test: str) -> str:
    """`tests.api.test_cards::test_a[b]` of tests/api/test_cards.py and the test with its parameters."""
    return f"{path.removesuffix('.py').replace('/', '.')}::{test}"


def brought_up_to_date(before: frozenset[str], took_s: Mapping[str, float]) -> list[str]:
    """Names of the tests that take long, in order, after a run in which tests took so long."""
    return sorted((before - took_s.keys()) | {name for name, seconds in took_s.items() if seconds >= SLOW_FROM_S})


if __name__ == "__main__":
    cases = ElementTree.parse(sys.argv[1]).getroot().iter("testcase")
    run = {f"{case.get('classname')}::{case.get('name')}": float(case.get("time", 0)) for case in cases}
    found = brought_up_to_date(measured(), run)
    LIST.write_text("".join(f"{name}\n" for name in found), encoding="utf-8")
    print(f"{len(found)} tests take {SLOW_FROM_S} s or longer")
