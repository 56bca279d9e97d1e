"""Runs the measurements of issues 2, 3 and 5, prints a table, and writes bench/RESULTS.md and bench/results.json.

`--quick` is a try-out of a minute that writes nothing; `--only` picks parts.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bench import cards, gateways, ingest, kills, latency, machine, modbus
from bench.brokers import BROKERS, present
from bench.contestants import BARE, HUB
from bench.ingest import Ingest
from bench.latency import Latency
from bench.report import markdown, share, verdicts

T = TypeVar("T")
HERE = Path(__file__).resolve().parent
PARTS = ("ingest", "latency", "kills", "devices", "modbus", "cards")


@contextmanager
def folder(what: str) -> Iterator[Path]:
    """A place of its own for each measurement, gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    print(f"… {what} (load {machine.load()})", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def middle(runs: Sequence[T], by: Callable[[T], float]) -> T:
    """The run in the middle by this figure."""
    return sorted(runs, key=by)[len(runs) // 2]


def median(runs: list[Ingest]) -> Ingest:
    """The run in the middle by speed."""
    return middle(runs, lambda run: run.per_second)


def run_ingest(brokers: list[str], messages: int, repeats: int) -> list[dict[str, Any]]:
    """(a) and (d): the contestants in turn, so that both meet the same weather."""
    rows = []
    for broker in brokers:
        runs: dict[tuple[str, str], list[Ingest]] = {}
        for turn in range(repeats):
            for contestant in (BARE, HUB):
                with folder(f"ingest over {broker}, {contestant}, {turn + 1} of {repeats}") as place:
                    made = ingest.measure(place, BROKERS[broker], contestant, 1_000, messages, ("live", "backlog"))
                for run in made:
                    runs.setdefault((contestant, run.way), []).append(run)
        for (contestant, way), each in runs.items():
            speeds = [run.per_second for run in each]
            rows.append(median(each).asdict() | {"slowest": min(speeds), "fastest": max(speeds), "runs": len(each)})
            assert contestant == each[0].contestant
            assert way == each[0].way
    return rows


def run_devices(broker: str, counts: tuple[int, ...], messages: int, repeats: int) -> list[dict[str, Any]]:
    """(e): the same stream from more and more devices, every one of them heard before the clock runs; in turn, because within
    minutes the same work costs half as much again on a machine with other guests.
    """
    runs: dict[int, list[Ingest]] = {count: [] for count in counts}
    for turn in range(repeats):
        for count in counts:
            with folder(f"{count} devices, {turn + 1} of {repeats}") as place:
                runs[count] += ingest.measure(place, BROKERS[broker], HUB, count, messages, ("live",))
    rows = []
    for each in runs.values():
        every = {"cpu_ms_all": sorted(run.cpu_ms for run in each)}
        rows.append(middle(each, lambda run: run.cpu_ms).asdict() | every)
    return rows


def run_latency(brokers: list[str], rates: tuple[int, ...], alarms: int, least: int, most: int) -> list[dict[str, Any]]:
    """(b), in turn with its floors. A p99 is a matter of the two slowest of 150 alarms, and a host that takes the machine
    away for a moment makes those two: of each way and rate the run counts that was disturbed least, of equals the slower.
    After `least` turns there are more, `most` in all, until each that has an aim has had a quiet run.
    """
    rows: list[dict[str, Any]] = []
    for broker in brokers:
        runs: dict[tuple[str, int], list[Latency]] = {}
        for turn in range(most):
            if turn >= least and all(map(latency.has_quiet_run, runs.values())):
                break
            made: list[Latency] = []
            if turn < least:
                with folder(f"latency over {broker} without the hub, turn {turn + 1}") as place:
                    made += latency.of_floor(place, BROKERS[broker], rates, alarms)
            with folder(f"latency over {broker}, turn {turn + 1} of {least} to {most}") as place:
                made += latency.of_hub(place, BROKERS[broker], rates, alarms)
            for run in made:
                runs.setdefault((run.what, run.readings_per_second), []).append(run)
        for each in runs.values():
            every = {"p99_all": [run.p99_ms for run in each], "stolen_all": [run.stolen_percent for run in each]}
            rows.append(latency.least_disturbed(each).asdict() | every)
    return rows


def run_cards(cases: tuple[tuple[int, int, int], ...]) -> list[dict[str, Any]]:
    """Issue 5 section 5: (controllers, lost cards, expiring cards) of each run."""
    rows = []
    for controllers, lost, expiring in cases:
        with folder(f"lost cards on {controllers} controllers") as place:
            rows.append(cards.measure(place, BROKERS["nats"], controllers, lost, expiring).asdict())
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts of {', '.join(PARTS)}, separated by commas")
    parser.add_argument("--out", type=Path, help="folder for RESULTS.md and results.json (default: bench/)")
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    brokers, quick = present(), given.quick
    found: dict[str, Any] = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=HERE
        ).stdout.strip(),
        "machine": machine.description(),
        "load_before": machine.load(),
        "brokers": brokers,
    }
    out = given.out or (None if quick else HERE)
    for name, measure in _measures(brokers, quick=quick).items():
        if name in parts:
            found[name] = measure()
            keep(found, out)  # whatever becomes of the parts that follow
    print(keep(found, out))
    sys.exit(0 if all(each["met"] for each in found["verdicts"]) else 1)


def _measures(brokers: list[str], *, quick: bool) -> dict[str, Callable[[], Any]]:
    """Each part's rows."""
    rates, alarms = ((500,), 40) if quick else ((500, 2_000, 5_000), 150)
    counts = (1_000, 5_000) if quick else (1_000, 10_000, 100_000)
    lost = ((20, 2, 1_000),) if quick else ((20, 3, 10_000), (200, 3, 10_000), (1_000, 2, 10_000))
    messages, repeats, most = (5_000, 1, 1) if quick else (40_000, 3, 6)
    return {
        "ingest": lambda: run_ingest(brokers, messages, repeats),
        "latency": lambda: run_latency(brokers[:1] if quick else brokers, rates, alarms, repeats, most),
        "kills": lambda: run_kills(2 if quick else 10),
        "devices": lambda: run_devices("nats", counts, messages, repeats),
        "modbus": lambda: run_modbus(3 if quick else 15, repeats),
        "cards": lambda: run_cards(lost),
    }


def run_kills(count: int) -> list[dict[str, Any]]:
    """(c)."""
    with folder("kills") as place:
        return [kills.measure(place, BROKERS["nats"], count).asdict()]


def run_modbus(seconds: int, repeats: int) -> dict[str, Any]:
    """Issue 3 section 6; of the many gateways the run in the middle by the hub's share of the bare loop."""
    runs = []
    for turn in range(repeats):
        with folder(f"modbus gateways, {turn + 1} of {repeats}") as place:
            runs.append(gateways.measure(place, BROKERS["nats"], seconds))
    return modbus.measure() | {"gateways": middle(runs, share), "gateways_all": sorted(map(share, runs))}


def keep(found: dict[str, Any], out: Path | None) -> str:
    """The page of what was found so far, written to `out`."""
    found |= {"load_after": machine.load(), "verdicts": verdicts(found)}
    text = markdown(found)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "RESULTS.md").write_text(text, encoding="utf-8")
        (out / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
