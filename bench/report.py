"""Numbers into a page: what was aimed at, what came out, and under which load. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.contestants import BARE, HUB
from bench.latency import QUIET_PERCENT, STORED, allowed_ms

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


def share(gateways: Sequence[Row]) -> float:
    """The hub's reads a second, last, as a share of the bare loop's, before it."""
    *_, bare, hub = gateways
    return float(round(hub["reads_per_second"] / bare["reads_per_second"], 2))


def verdicts(found: Row) -> list[Row]:
    """Each aim of issue 2 section 8 that this run measured, and whether it was met."""
    out: list[Row] = []

    def aim(what: str, wanted: str, got: Any, *, met: bool) -> None:
        out.append({"aim": what, "wanted": wanted, "got": got, "met": met})

    for (broker, way), ratio in ratios(found.get("ingest", ())).items():
        aim(f"(a) durable ingest over {broker}, {way}", "≥ 0.5 of the bare loop", ratio, met=ratio >= 0.5)
    out += _latency_verdicts(found.get("latency", ()))
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
    out += _modbus_verdicts(found["modbus"]) if found.get("modbus") else []
    for row in found.get("cards", ()):
        late = row["over_promise"] + row["unproved"]
        aim(
            f"a lost card is proved off {row['controllers']:,} online controllers",
            "every door within 10 s",
            f"{late} of {row['doors'] + row['unproved']} doors late, slowest {row['max_ms'] / 1000:.1f} s",
            met=not late,
        )
    return out


def _latency_verdicts(rows: Sequence[Row]) -> list[Row]:
    """The aims of (b), beside each what the bare loop took in the same run."""
    floors = {_weather(row): f" (stored by the bare loop: {row['p99_ms']} ms)" for row in rows if row["what"] == STORED}
    return [
        {
            "aim": f"(b) {row['what']} over {row['broker']} at {row['readings_per_second']:,} readings/s",
            "wanted": f"p99 ≤ {allowed} ms",
            "got": f"{row['p99_ms']} ms{floors.get(_weather(row), '')}",
            "met": row["p99_ms"] <= allowed,
        }
        for row in rows
        if (allowed := allowed_ms(row["what"], row["readings_per_second"])) is not None
    ]


def _weather(row: Row) -> tuple[str, int]:
    """What runs of the same broker and stream have in common."""
    return row["broker"], row["readings_per_second"]


def _modbus_verdicts(found: Row) -> list[Row]:
    """The aims of issue 3 section 6."""
    late, dead, line, hub = found["late"][-1], found["dead"], found["line"], found["gateways"][-1]
    ratio = share(found["gateways"])
    cycles = ", ".join(f"{row['dead']} dead: {row['hub_s']} s" for row in dead)
    rows = [
        ("late replies over RTU-over-TCP", "no wrong value", f"{late['wrong']} of {late['right']}", not late["wrong"]),
        (
            "cycle with dead meters",
            "shorter than one after the other",
            cycles,
            all(row["hub_s"] <= row["naive_s"] * 1.05 for row in dead),
        ),
        ("use of a 9,600-baud line", "≥ 0.9 of the limit", line["share"], line["share"] >= 0.9),
        (f"reads/s over {hub['gateways']} gateways, stored", "≥ 0.7 of the bare loop", ratio, ratio >= 0.7),
    ]
    return [{"aim": f"Modbus: {what}", "wanted": wanted, "got": got, "met": met} for what, wanted, got, met in rows]


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
    if found.get("modbus"):
        parts += [_modbus(found["modbus"])]
    if found.get("cards"):
        parts += [_cards(found["cards"])]
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
    columns = {
        "broker": "broker",
        "readings/s": "readings_per_second",
        "what": "what",
        "alarms": "alarms",
        "p50 ms": "p50_ms",
        "p99 ms": "p99_ms",
        "max ms": "max_ms",
        "load": "load",
        "stolen %": "stolen_percent",
        "p99 of all runs": "p99_all",
        "stolen % of all": "stolen_all",
    }
    ordered = sorted(rows, key=lambda row: (row["broker"], row["readings_per_second"]))
    text = (
        "## Alarm latency while readings stream (b)\n\nFrom the first byte on the publisher's socket to the frame of the "
        "opened ticket, or to the answer that contains it, with some six alarms a second and nobody on staff, so that every "
        "alarm is handed on along the whole chain of roles meanwhile. Of several runs, each on a hub of its own, the one of "
        "which the host took least counts, of equals the slower; there are more of them until it took "
        f"{QUIET_PERCENT:g} % of one at most. Floors: the same alarms to a plain subscriber that stores "
        "nothing, and stored by the bare loop with the readings: the least that broker, disk and host take. Stolen: "
        "processor time that the host gave to its other guests meanwhile; from a few hundredths on, a table says more about "
        "them than about the hub.\n"
    )
    return f"{text}\n{table(tuple(columns), [[row[name] for name in columns.values()] for row in ordered])}"


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


def _cards(rows: Sequence[Row]) -> str:
    body = [
        (
            f"{row['controllers']:,}",
            row["lost_cards"],
            f"{row['p50_ms']:,}",
            f"{row['p99_ms']:,}",
            f"{row['max_ms']:,}",
            row["over_promise"],
            row["unproved"],
            f"{row['expiring_cards']:,} in {row['expired_s']} s",
            row["load"],
        )
        for row in rows
    ]
    head = (
        "controllers",
        "lost cards",
        "p50 ms",
        "p99 ms",
        "slowest ms",
        "doors over 10 s",
        "not proved",
        "expiring cards proved off",
        "load",
    )
    return (
        "## Lost cards\n\nLoss reported → proved off a door by the controller's own list; all controllers online, 100 passes a "
        f"second, and the expiry of many cards at the same time.\n\n{table(head, body)}"
    )


def _modbus(found: Row) -> str:
    parts = [
        "## Modbus\n\nLate replies: RTU over TCP, 5 % of the replies at 250 ms, time-out 100 ms; blocks.\n",
        table(
            ("contestant", "right", "wrong", "failed"),
            [(row["contestant"], row["right"], row["wrong"], row["failed"]) for row in found["late"]],
        ),
        (
            "Seconds between two readings of a living meter, 200 meters on 6 buses, beside one after the other with three "
            "retries (virtual time).\n"
        ),
        table(
            ("dead meters", "hub", "one after the other"),
            [(row["dead"], row["hub_s"], row["naive_s"]) for row in found["dead"]],
        ),
        (
            f"A line of 9,600 baud, 21 registers, 20 ms gap: {found['line']['polls']} polls of {found['line']['limit']} "
            "that fit.\n\nReads of 21 registers over many TCP gateways: bare pymodbus in one event loop, with the answers "
            "dropped; with three values stored by a thread; with all that the hub decodes, into the hub's table (the bare "
            "loop, which the aim is about); the hub's count when they can be read from its database. Of several runs the one in "
            f"the middle by the hub's share of the bare loop: {', '.join(map(str, found['gateways_all']))}.\n"
        ),
        table(
            ("contestant", "gateways", "meters", "reads/s", "CPU ms per 1,000", "load"),
            [
                (
                    row["contestant"],
                    row["gateways"],
                    row["meters"],
                    row["reads_per_second"],
                    row["cpu_ms"] or "",
                    row["load"],
                )
                for row in found["gateways"]
            ],
        ),
    ]
    return "\n".join(parts)
