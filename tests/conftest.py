"""Fixtures for everybody: brokers, databases, a browser, free ports, waiting; and the rule that CI may skip nothing.

Rule: a fixture is listed here by name; its code lives in tests/support.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.fixtures import (
    chromium_browser,
    database_url,
    empty_database_url,
    free_port,
    migrated_sqlite,
    mosquitto_broker,
    mosquitto_tls_broker,
    mqtt_broker,
    nats_broker,
    postgres_server,
    postgres_url,
    rumqttd_broker,
    sqlite_store,
    store,
    tls_files,
    wait_until,
)
from support.measured import measured, name_of

__all__ = [
    "chromium_browser",
    "database_url",
    "empty_database_url",
    "free_port",
    "migrated_sqlite",
    "mosquitto_broker",
    "mosquitto_tls_broker",
    "mqtt_broker",
    "nats_broker",
    "postgres_server",
    "postgres_url",
    "rumqttd_broker",
    "sqlite_store",
    "store",
    "tls_files",
    "wait_until",
]

MEMORY, NEEDED_BYTES = "/dev/shm", 2**30
if Path(MEMORY).is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > NEEDED_BYTES:
    # A commit waits 4 ms for a disk. What tests kill is processes, not the machine: memory keeps as much as a disk does.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)
    tempfile.tempdir = MEMORY

REQUIRE_ALL = os.environ.get("REQUIRE_ALL_TESTS", "") == "1"  # stays there: xdist's workers import this file, too

# No deadline: the machine is shared. CI repeats the same examples, so that red means a change.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if REQUIRE_ALL else "local")


def pytest_configure(config: pytest.Config) -> None:
    """A developer's own HUB_… settings must not reach a test."""
    del config
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        del os.environ[name]


SERVERS = {
    "chromium_browser",
    "mosquitto_broker",
    "mosquitto_tls_broker",
    "mqtt_broker",
    "nats_broker",
    "postgres_server",
    "rumqttd_broker",
}
"""Fixtures that start a program; `run.py test --fast` leaves out what needs one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for a program of somebody else's, starts a whole hub, or was measured to take long, is slow.

    Files with whole hubs are spread over the run, so that one worker waits while another one works.
    """
    long_ones = measured()
    waiting: list[list[pytest.Item]] = []
    working: list[list[pytest.Item]] = []
    for path, of_file in itertools.groupby(items, lambda item: item.path):
        group = list(of_file)
        whole = bool({"stories", "faults"} & set(path.parts))
        (waiting if whole else working).append(group)
        for item in group:
            wanted = set(getattr(item, "fixturenames", ()))
            chosen = getattr(item, "callspec", None)
            by_name = name_of(item.nodeid.partition("::")[0], item.name) in long_ones
            if whole or by_name or wanted & SERVERS or (chosen is not None and "postgres" in chosen.params.values()):
                item.add_marker(pytest.mark.slow)
    items[:] = [item for group in _evenly(waiting, working) for item in group]


def _evenly(*kinds: list[list[pytest.Item]]) -> list[list[pytest.Item]]:
    """All groups, each kind in its order and at even distances."""
    placed = [((number + 0.5) / len(kind), group) for kind in kinds for number, group in enumerate(kind)]
    return [group for _, group in sorted(placed, key=lambda pair: pair[0])]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL_TESTS=1 a skipped test is a failed one: what is missing must be installed."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but REQUIRE_ALL_TESTS is set: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that skips itself whole."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, but REQUIRE_ALL_TESTS is set: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
