"""Which tests `run.py test --fast` leaves out because they took long when it was last measured.

After a full run with `python3 run.py test --junitxml=FILE`, `python -m support.measured FILE` (in tests/) writes `slow.txt` anew.
A name that is no longer there does no harm, and a new test runs until it is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

LIST: Final = Path(__file__).resolve().parent.parent / "slow.txt"
SLOW_FROM_S: Final = 0.3


def measured() -> frozenset[str]:
    """The names as `name_of` gives them."""
    return frozenset(LIST.read_text(encoding="utf-8").splitlines())


def name_of(path: str, test: str) -> str:
    """`tests.api.test_cards::test_a[b]` of tests/api/test_cards.py and the test with its parameters."""
    return f"{path.removesuffix('.py').replace('/', '.')}::{test}"


def slow_in(cases: Iterable[ElementTree.Element]) -> list[str]:
    """Names of a report's tests that took long, in order."""
    return sorted(
        f"{case.get('classname')}::{case.get('name')}" for case in cases if float(case.get("time", 0)) >= SLOW_FROM_S
    )


if __name__ == "__main__":
    found = slow_in(ElementTree.parse(sys.argv[1]).getroot().iter("testcase"))
    LIST.write_text("".join(f"{name}\n" for name in found), encoding="utf-8")
    print(f"{len(found)} tests took {SLOW_FROM_S} s or longer")
