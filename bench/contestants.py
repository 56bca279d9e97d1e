"""The two that are compared, with the same handles: start on a broker, stop, see whether a reading is stored."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench import machine
from connectors.broker import die_with_parent
from support.brokers import TestBroker
from support.estate_files import SiteFile
from support.running_hub import RunningHub
from support.waiting import wait_until

BARE, HUB = "bare loop", "hub"


class Contestant(ABC):
    """`pid` while it runs."""

    name: str
    database: Path

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process that is measured."""

    @abstractmethod
    def launch(self) -> None:
        """Starts it and does not wait."""

    @abstractmethod
    def wait_ready(self) -> None:
        """Until it has subscribed."""

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    @abstractmethod
    def stop(self) -> None:
        """Ends it."""

    @abstractmethod
    def meter_key(self, number: int) -> int:
        """The key of meter `m-{number}` in its table."""

    def usage(self) -> machine.Usage:
        return machine.usage(self.pid)

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            yield connection
        finally:
            connection.close()

    def wait_stored(self, meter: int, at_ms: int, timeout: float) -> None:
        """Until the reading of this meter and time is committed."""
        key = self.meter_key(meter)
        sql = "SELECT 1 FROM readings WHERE device_pk = ? AND at = ?"
        with self.reader() as connection:
            wait_until(lambda: connection.execute(sql, (key, at_ms)).fetchone(), timeout, f"{self.name}: not stored")

    def stored(self) -> int:
        with self.reader() as connection:
            return int(connection.execute("SELECT count(*) FROM readings").fetchone()[0])


class BareLoop(Contestant):
    """`bench.bare_loop` as a process. `alarms`: when it said of which elevator that its alarm is stored, nanoseconds."""

    name = BARE

    def __init__(self, folder: Path, broker: TestBroker) -> None:
        folder.mkdir(parents=True)
        self.database = folder / "bare.db"
        self._broker = broker
        self.alarms: dict[str, int] = {}
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        broker = self._broker
        line = [sys.executable, "-m", "bench.bare_loop", "--port", str(broker.port), "--user", broker.username]
        line += ["--password", broker.password, "--database", str(self.database), "--mqtt", broker.mqtt_version]
        self._process = subprocess.Popen(
            die_with_parent(line, signal.SIGKILL), stdout=subprocess.PIPE, text=True, env=os.environ
        )

    def wait_ready(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == "ready\n", f"the bare loop says {said!r}"
        self._listener = threading.Thread(target=self._listen, args=[self._process.stdout])
        self._listener.start()

    def _listen(self, said: IO[str]) -> None:
        for line in said:
            self.alarms.setdefault(line.rstrip("\n"), time.time_ns())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            if self._listener is not None:
                self._listener.join(30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def meter_key(self, number: int) -> int:
        return number


class HubProcess(Contestant):
    """`hub run`."""

    name = HUB

    def __init__(self, folder: Path, broker: TestBroker, sites: list[SiteFile]) -> None:
        self.hub = RunningHub(folder, broker, sites, forked=False)
        self.database = folder / "hub.db"
        self._keys: dict[str, int] = {}

    @property
    def pid(self) -> int:
        return self.hub.pid

    def launch(self) -> None:
        assert self.hub.token  # the database is made by this command, as it is in an installation
        self.hub.start()

    def wait_ready(self) -> None:
        self.hub.wait_ready(600)

    def stop(self) -> None:
        self.hub.stop()

    def meter_key(self, number: int) -> int:
        if not self._keys:
            with self.reader() as connection:
                self._keys = dict(connection.execute("SELECT id, pk FROM devices WHERE kind = 'meter'"))
        return self._keys[f"m-{number}"]


class Publisher:
    """`bench.publish` as a process; `go` starts it, `result` waits for its end."""

    def __init__(self, broker: TestBroker, first: int, count: int, meters: int, start_ms: int, rate: float = 0) -> None:
        port = getattr(broker, "port_311", broker.port)
        given: dict[str, Any] = {
            "port": port, "user": broker.username, "password": broker.password, "first": first, "count": count,
            "meters": meters, "start-ms": start_ms, "rate": rate,
        }  # fmt: skip
        line = [sys.executable, "-m", "bench.publish"]
        for name, value in given.items():
            line += [f"--{name}", str(value)]
        self._process = subprocess.Popen(
            die_with_parent(line, signal.SIGKILL),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "loaded\n"

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, int]:
        out, _ = self._process.communicate(timeout=600)
        told: dict[str, int] = json.loads(out)
        assert told["acked"] == told["sent"], told
        return told

    @property
    def running(self) -> bool:
        """Whether there is still something to send."""
        return self._process.poll() is None

    def end(self) -> None:
        """Stop it early."""
        self._process.terminate()
        self._process.communicate(timeout=30)
