"""A hub as a child process, driven from outside: `hub run`, its HTTP API, its commands, signals that kill it.

Rule: nothing of the hub is imported here. What a test learns of it came over the API, from its exit code or from what it
printed. `die_with_parent` ties its life to the test's.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from connectors.broker import die_with_parent
from support.brokers import TestBroker
from support.estate_files import PASSWORD_VARIABLE, SiteFile, mqtt_section, site_file, write_estate
from support.forked import ForkedProcess, run_hub, start_hub
from support.freezing import freeze, thaw
from support.hub_http import HubHttp, LiveFeed
from support.waiting import wait_until

HUB = str(Path(sysconfig.get_path("scripts")) / "hub")
READY_WITHIN_S = 90.0


@cache
def _new_database() -> tuple[Path, str]:
    """A database as `hub token add` makes it, and the token; made once in a process, copied by every hub (2 s each)."""
    folder = Path(tempfile.mkdtemp(prefix="hub-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = write_estate(folder, {"embedded": True}, [site_file()])
    line = [HUB, "token", "add", "test-client", "--role", "admin", "--config", str(config)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    return folder / "hub.db", done.stdout.strip()


class RunningHub:
    """Use as a context manager (starts it, waits for `ready`, stops it), or call the parts yourself.

    `forked`: as a fork of an interpreter that has imported everything (support.forked); benches want the real start.
    """

    def __init__(
        self,
        folder: Path,
        broker: TestBroker,
        sites: Sequence[SiteFile],
        *,
        database: str | None = None,
        mqtt: Mapping[str, Any] | None = None,
        port: int = 0,
        forked: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.broker = broker
        self.database = database
        self.mqtt = dict(mqtt or mqtt_section(broker))
        self.log_path = folder / "hub.log"
        self.url = ""
        self.said: list[str] = []
        self._port = port
        self._process: subprocess.Popen[str] | ForkedProcess | None = None
        self._forks = forked and sys.platform == "linux"
        self._token: str | None = None
        self._http = threading.local()
        self._clients: list[HubHttp] = []
        self.configure(sites)

    # --- configuration and commands ---------------------------------------------------------------------------

    def configure(self, sites: Sequence[SiteFile]) -> None:
        """Write hub.yaml and the site files anew; counts from the next start on."""
        self.config = write_estate(self.folder, self.mqtt, sites, database=self.database, port=self._port)

    @property
    def environ(self) -> dict[str, str]:
        """Our environment without HUB_ variables, with the broker's password."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        return kept | {PASSWORD_VARIABLE: self.broker.password}

    def command(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """`hub WORDS --config hub.yaml`, to its end."""
        line = [*words, "--config", str(self.config)]
        if self._forks:
            return run_hub(line, self.environ, self.folder, timeout)
        return subprocess.run(
            [HUB, *line],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=self.folder,
        )

    @property
    def token(self) -> str:
        """Of a machine client that may do everything, made by `hub token add`."""
        if self._token is None:
            own = self.folder / "hub.db"
            if self.database is None and not own.exists():
                template, self._token = _new_database()
                shutil.copy(template, own)
            else:
                self._token = self._add_token()
        return self._token

    def _add_token(self) -> str:
        done = self.command("token", "add", "test-client", "--role", "admin")
        assert done.returncode == 0, f"hub token add: {done.returncode} {done.stderr}"
        return done.stdout.strip()

    # --- the process ------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None, "the hub is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, prefix: Sequence[str] = ()) -> None:
        """Starts it and does not wait. `prefix` is a command that runs another, such as `prlimit --fsize=…`."""
        assert not self.running, "the hub runs already"
        self.url = ""
        line = ["run", "--config", str(self.config)]
        with self.log_path.open("ab") as log:
            if self._forks and not prefix:
                self._process = start_hub(line, self.environ, self.folder, log)
            else:
                self._process = subprocess.Popen(
                    die_with_parent([*prefix, HUB, *line], signal.SIGKILL),
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=self.folder,
                )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str] | ForkedProcess) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.said.append(line.rstrip("\n"))
                word, _, url = line.strip().partition(" ")
                if word == "ready" and process is self._process:
                    self.url = url

    def wait_ready(self, timeout: float = READY_WITHIN_S) -> None:
        """Until it has printed `ready http://…`."""

        def looked() -> bool:
            assert self.running, f"the hub ended with {self.exit_code()} before it was ready:\n{self.log_tail()}"
            return bool(self.url)

        wait_until(looked, timeout, lambda: f"the hub is not ready:\n{self.log_tail()}")

    def exit_code(self, timeout: float = 30) -> int:
        """Waits for its end."""
        assert self._process is not None
        return self._process.wait(timeout)

    def stop(self) -> int:
        """SIGTERM, as a service manager would; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: nothing can be tidied up."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        while self._clients:
            self._clients.pop().close()
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the hub did not stop within 20 s of {how.name}:\n{self.log_tail()}") from None
        finally:
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()
        self.wait_ready()

    def freeze(self) -> None:
        freeze(self.pid)

    def thaw(self) -> None:
        thaw(self.pid)

    def log(self) -> str:
        """Everything that it has written to stderr, over all its lives."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"--- the hub's log ---\n{self.log_tail(60)}", file=sys.stderr)
        self.stop()

    # --- what it says over HTTP -------------------------------------------------------------------------------

    @property
    def api(self) -> HubHttp:
        """One kept connection per thread; a new one after each start."""
        known: HubHttp | None = getattr(self._http, "client", None)
        if known is None or self._http.url != self.url:
            assert self.url, "the hub is not ready"
            known = self._http.client = HubHttp(self.url, self.token)
            self._clients.append(known)
            self._http.url = self.url
        return known

    def get(self, path: str, **query: Any) -> Any:
        """JSON of a path under /api/v1."""
        return self.api.get(path, **query)

    def tickets(self, **query: Any) -> list[dict[str, Any]]:
        """All tickets, oldest first."""
        return sorted(self.api.pages("/tickets", limit=500, **query), key=lambda ticket: int(ticket["id"]))

    def wait_for_ticket(
        self, kind: str, subject: str, timeout: float = 10, where: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any]:
        """The first ticket of this kind about this subject (that fits)."""

        def look() -> dict[str, Any] | None:
            found = self.tickets(kind=kind, subject=subject)
            return next((ticket for ticket in found if where is None or where(ticket)), None)

        def tell() -> str:
            return f"no {kind} about {subject}; there are {self.tickets(subject=subject)}\n{self.log_tail()}"

        found = wait_until(look, timeout, tell)
        assert found is not None
        return found

    def problems(self) -> dict[str, dict[str, Any]]:
        """Active problems by code."""
        return {problem["code"]: problem for problem in self.api.pages("/problems") if problem["active"]}

    def rejected(self) -> list[dict[str, Any]]:
        """Rejected input, newest first."""
        return list(self.api.pages("/rejected"))

    def readings(self, meter: str, **query: Any) -> list[dict[str, Any]]:
        """Every stored reading of a meter, oldest first."""
        return list(self.api.pages(f"/meters/{meter}/readings", limit=500, step="raw", **query))

    def feed(self, after: int = 0) -> list[dict[str, Any]]:
        """Every change after a number."""
        return list(self.api.pages("/feed", limit=500, after=after))

    def stream(self, last_event_id: int | None = None) -> LiveFeed:
        """The live feed."""
        return LiveFeed(self.url, self.token, last_event_id)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """What /readyz says."""
        answer = self.api.request("GET", "/readyz")
        return answer.status == 200, answer.json()
