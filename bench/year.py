"""`python3 -m bench.year`: a simulated year of 1,000 elevators against the real rules and the real database, in fast time.

Prints the ledger: cases that were real, those that the hub raised, what was lost, what was invented, and what the noise
was. Exit code 1 when anything was lost or invented. `--lifts`, `--days`, `--seed` for a smaller one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
START_MS = 1_767_196_800_000
"""2026-01-01T00:00:00 in Shanghai."""


def main() -> int:
    """Play, print, and say by the exit code whether the ledger is whole."""
    parser = argparse.ArgumentParser(prog="python3 -m bench.year", description=__doc__)
    parser.add_argument("--lifts", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.12, help="real entrapments per lift and year")
    parser.add_argument("--folder", type=Path, help="where the database is made (default: memory where there is any)")
    given = parser.parse_args()

    from bench.year_hub import Player
    from bench.year_ledger import text
    from bench.year_story import year

    place = given.folder or (Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="hub-year-", dir=place) as folder:
        story = year(given.seed, given.lifts, given.days, START_MS, cases_per_lift_year=given.rate)
        print(f"{len(story.events):,} messages, {len(story.cases)} entrapments planned", file=sys.stderr, flush=True)
        began = time.monotonic()
        ledger = Player(story, Path(folder), given.seed).play()
        took = time.monotonic() - began
    print(text(ledger, given.lifts, given.days, took))
    return 0 if ledger.whole else 1


if __name__ == "__main__":
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve() or str(ROOT / "tests") not in sys.path:
        if not PYTHON.exists():
            sys.exit("There is no .venv yet: run `python3 run.py setup` first.")
        environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        os.execve(PYTHON, [str(PYTHON), "-m", "bench.year", *sys.argv[1:]], environ)
    sys.exit(main())
