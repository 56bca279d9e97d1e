"""The bench says 'met' only where the numbers say so."""

import pytest

from bench import run as bench_run
from bench.latency import PLAIN, STORED, Latency, least_disturbed
from bench.report import markdown, verdicts


def ingest(contestant, per_second, way="live"):
    return {
        "contestant": contestant, "broker": "nats", "way": way, "per_second": per_second, "slowest": 1.0, "fastest": 2.0,
        "runs": 3, "cpu_ms": 50.0, "rss_mb": 100.0, "load": 1.0,
    }  # fmt: skip


def latency(what, rate, p99_ms):
    return {
        "what": what, "broker": "nats", "readings_per_second": rate, "alarms": 300, "p50_ms": 1.0, "p99_ms": p99_ms,
        "max_ms": 99.0, "load": 1.0, "stolen_percent": 0.2, "p99_all": [p99_ms], "stolen_all": [0.2],
    }  # fmt: skip


def killed(lost=0, duplicated=0, unexpected=0):
    return {
        "broker": "nats", "kills": 10, "sent": 9, "acked": 9, "stored": 9, "tickets": 1, "lost": lost,
        "duplicated": duplicated, "unexpected": unexpected, "back_s": 3.0, "load": 1.0,
    }  # fmt: skip


def devices(meters, cpu_ms, peak_mb):
    return {
        "meters": meters, "per_second": 5_000.0, "cpu_ms": cpu_ms, "cpu_ms_all": [cpu_ms], "rss_mb": peak_mb,
        "peak_mb": peak_mb, "load": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "met"),
    [
        ({"ingest": [ingest("bare loop", 10_000.0), ingest("hub", 5_000.0)]}, True),
        ({"ingest": [ingest("bare loop", 10_000.0), ingest("hub", 4_900.0)]}, False),
        ({"latency": [latency("alarm → GET", 2_000, 20.0)]}, True),
        ({"latency": [latency("alarm → GET", 2_000, 20.1)]}, False),
        ({"latency": [latency("alarm → feed (SSE)", 5_000, 40.1)]}, False),
        ({"kills": [killed()]}, True),
        ({"kills": [killed(lost=1)]}, False),
        ({"kills": [killed(duplicated=1)]}, False),
        ({"kills": [killed(unexpected=1)]}, False),
        ({"devices": [devices(10_000, 50.0, 150.0), devices(100_000, 65.0, 400.0)]}, True),
        ({"devices": [devices(10_000, 50.0, 150.0), devices(100_000, 65.6, 400.0)]}, False),
        ({"devices": [devices(10_000, 50.0, 151.0)]}, False),
    ],
)
def test_an_aim_is_met_exactly_up_to_its_bound(found, met):
    assert all(each["met"] for each in verdicts(found)) is met
    assert verdicts(found)


def test_what_has_no_aim_is_shown_and_not_judged():
    rows = [
        latency("alarm → GET", 500, 500.0),
        latency(PLAIN, 5_000, 500.0),
        latency("storm of 29 alarms/s → feed (SSE)", 2_000, 500.0),
    ]
    assert verdicts({"latency": rows}) == []
    page = markdown({
        "at": "2026-11-21T20:00:00+00:00", "commit": "abc", "machine": "2 cores", "load_before": 1, "load_after": 1,
        "verdicts": [], "latency": rows,
    })  # fmt: skip
    assert page.count("| nats |") == 3


def test_an_alarm_stands_beside_what_the_bare_loop_took_in_the_same_run():
    rows = [latency("alarm → GET", 2_000, 15.0), latency(STORED, 2_000, 7.5), latency(STORED, 5_000, 9.0)]
    [found] = verdicts({"latency": rows})
    assert found["got"] == "15.0 ms (stored by the bare loop: 7.5 ms)"


def test_the_run_that_the_host_disturbed_least_counts_and_of_equals_the_slower():
    runs = [
        Latency("alarm → GET", "nats", 2_000, 150, 1.0, p99_ms, 99.0, 1.0, stolen_percent)
        for p99_ms, stolen_percent in ((12.0, 0.4), (15.0, 0.1), (16.0, 0.1), (11.0, 3.0))
    ]
    assert least_disturbed(runs).p99_ms == 16.0


def run(what, stolen_percent, rate=2_000):
    return Latency(what, "nats", rate, 150, 1.0, 12.0, 99.0, 1.0, stolen_percent)


@pytest.mark.parametrize(
    ("stolen", "hub_turns", "floor_turns"),
    [
        ([0.2, 5.0, 5.0, 5.0], 3, 3),
        ([5.0, 5.0, 5.0, 1.0, 0.0], 4, 3),
        ([5.0, 5.0, 1.1, 1.1, 5.0, 1.1, 0.0], 6, 3),
    ],
)
def test_turns_are_taken_until_each_with_an_aim_had_a_quiet_run(monkeypatch, stolen, hub_turns, floor_turns):
    """What has no aim may be as loud as it likes."""
    of_hub, of_floor = iter(stolen), []

    def hub(_folder, _broker, _rates, _alarms):
        return [run("alarm → GET", next(of_hub)), run("alarm → feed (SSE)", 0.0), run("alarm → GET", 9.0, 500)]

    def floor(_folder, _broker, _rates, _alarms):
        of_floor.append(run(PLAIN, 9.0))
        return of_floor[-1:]

    monkeypatch.setattr(bench_run.latency, "of_hub", hub)
    monkeypatch.setattr(bench_run.latency, "of_floor", floor)
    rows = {
        (row["what"], row["readings_per_second"]): row
        for row in bench_run.run_latency(["nats"], (500, 2_000), 150, 3, 6)
    }
    assert rows["alarm → GET", 2_000]["stolen_all"] == stolen[:hub_turns]
    assert rows["alarm → GET", 2_000]["stolen_percent"] == min(stolen[:hub_turns])
    assert len(of_floor) == floor_turns
