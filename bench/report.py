"""Numbers into a page: what was aimed at, what came out, and under which load. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.contestants import BARE, HUB

Row = dict[str, Any]


def ratios(rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """(broker, way) → the hub's speed as a share of the bare loop's."""
    speed = {(row["broker"], row["way"], row["contestant"]): row["per_second"] for row in rows}
    return {
        (broker, way): round(value / speed[broker, way, BARE], 2)
        for (broker, way, contestant), value in speed.items()
        if contestant == HUB
    }


def flatness(rows: Sequence[Row]) -> float:
    """Dearest against cheapest processor time per message."""
    costs = [row["cpu_ms"] for row in rows]
    return float(round(max(costs) / min(costs), 2))


def verdicts(found: Row) -> list[Row]:
    """Each aim of issue 2 section 8 that this run measured, and whether it was met."""
    out: list[Row] = []

    def aim(what: str, wanted: str, got: Any, *, met: bool) -> None:
        out.append({"aim": what, "wanted": wanted, "got": got, "met": met})

    for (broker, way), ratio in ratios(found.get("ingest", ())).items():
        aim(f"(a) durable ingest over {broker}, {way}", "≥ 0.5 of the bare loop", ratio, met=ratio >= 0.5)
    for row in found.get("latency", ()):
        allowed = {2_000: 20, 5_000: 40}.get(row["readings_per_second"])
        if allowed is not None and not row["what"].startswith("floor"):
            what = f"(b) {row['what']} over {row['broker']} at {row['readings_per_second']:,} readings/s"
            aim(what, f"p99 ≤ {allowed} ms", f"{row['p99_ms']} ms", met=row["p99_ms"] <= allowed)
    for row in found.get("kills", ()):
        got = f"{row['lost']} lost, {row['duplicated']} twice, {row['unexpected']} unexpected"
        clean = not (row["lost"] or row["duplicated"] or row["unexpected"])
        aim(f"(c) {row['kills']} × kill -9 mid-stream", "0 and 0", got, met=clean)
    for row in found.get("devices", ()):
        if row["meters"] == 10_000:
            aim("(d) memory with 10,000 devices", "≤ 150 MB", f"{row['peak_mb']} MB", met=row["peak_mb"] <= 150)
    if found.get("devices"):
        flat = flatness(found["devices"])
        many = max(row["meters"] for row in found["devices"])
        aim(f"(e) cost per message up to {many:,} devices", "flat within 1.3 ×", f"{flat} ×", met=flat <= 1.3)
    return out


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" for _ in head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)]) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1_000 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(found: Row) -> str:
    parts = [
        "# What the hub does on this machine\n",
        (
            f"`python3 -m bench` at {found['at']}, commit {found['commit']}. {found['machine']}. Load average of the machine "
            f"before: {found['load_before']}, after: {found['load_after']} (our own processes among it; broker, publisher and "
            "hub share the cores).\n"
        ),
        table(
            ("aim", "wanted", "measured", "met"),
            [(each["aim"], each["wanted"], each["got"], each["met"]) for each in found["verdicts"]],
        ),
    ]
    if found.get("ingest"):
        parts += [_ingest(found["ingest"])]
    if found.get("latency"):
        parts += [_latency(found["latency"])]
    if found.get("kills"):
        parts += ["## Killed in the middle (c)\n", _kills(found["kills"])]
    if found.get("devices"):
        parts += [_devices(found["devices"])]
    return "\n".join(parts)


def _ingest(rows: Sequence[Row]) -> str:
    shares = ratios(rows)
    head = (
        "broker",
        "way",
        "contestant",
        "messages/s (median)",
        "slowest … fastest",
        "of bare",
        "CPU ms per 1,000",
        "RSS MB",
        "load",
    )
    body = [
        (
            row["broker"],
            row["way"],
            row["contestant"],
            row["per_second"],
            f"{row['slowest']:,.0f} … {row['fastest']:,.0f} ({row['runs']} runs)",
            shares[row["broker"], row["way"]] if row["contestant"] == HUB else 1,
            row["cpu_ms"],
            row["rss_mb"],
            row["load"],
        )
        for row in rows
    ]
    text = (
        "## Durable ingest (a), processor and memory (d)\n\nReadings of about 250 bytes, QoS 1, from 1,000 meters; counted "
        "when another process can read them. Bare loop: paho manual ack → msgspec → SQLite FULL batch commit → ack, the "
        "same key, no checks, no rules. *live*: the publisher sends all the while; *backlog*: all of it waited in the broker.\n"
    )
    return f"{text}\n{table(head, body)}"


def _latency(rows: Sequence[Row]) -> str:
    head = ("broker", "readings/s", "what", "alarms", "p50 ms", "p99 ms", "max ms", "load")
    names = ("broker", "readings_per_second", "what", "alarms", "p50_ms", "p99_ms", "max_ms", "load")
    ordered = sorted(rows, key=lambda row: (row["broker"], row["readings_per_second"]))
    text = (
        "## Alarm latency while readings stream (b)\n\nFrom the first byte on the publisher's socket to the frame of the "
        "opened ticket, or to the answer that contains it. Floor: the same alarms to a plain subscriber that stores nothing, "
        "while the bare loop stores the readings.\n"
    )
    return f"{text}\n{table(head, [[row[name] for name in names] for row in ordered])}"


def _kills(rows: Sequence[Row]) -> str:
    names = (
        "broker",
        "kills",
        "sent",
        "acked",
        "stored",
        "tickets",
        "lost",
        "duplicated",
        "unexpected",
        "back_s",
        "load",
    )
    head = (*names[:-2], "start to ready s", "load")
    return table(head, [[row[name] for name in names] for row in rows])


def _devices(rows: Sequence[Row]) -> str:
    head = ("devices", "messages/s", "CPU ms per 1,000", "all runs", "RSS MB", "peak MB", "load")
    body = [
        (row["meters"], row["per_second"], row["cpu_ms"], row["cpu_ms_all"], row["rss_mb"], row["peak_mb"], row["load"])
        for row in rows
    ]
    return (
        "## Cost against the number of devices (d, e)\n\nLive over NATS; every device was heard once before the clock runs.\n"
        f"\n{table(head, body)}"
    )
