"""`hub …` as a fork of one interpreter that has imported everything: a start costs what the hub does, not two seconds of imports.

Rule: what is forked is a process of its own, with its own pid, environment, folder and files, that runs the console script's
`main`; it can be killed, frozen and waited for like any other. That the script itself starts is held by tests/hub/test_cli.py.
Linux only. Run as a program, this file is that interpreter; it ends with the test process, and its forks end with it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import queue
import random
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
LARGEST: Final = 1 << 18
PR_SET_PDEATHSIG: Final = 1
IMPORTED: Final = (
    *("hub.cli", "hub.wiring", "api.app", "uvicorn", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "alembic.command"),
)


class ForkedProcess:
    """What tests use of subprocess.Popen. `stdout` is text, None where it goes into a file."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stdout: IO[str] | None = None
        self.ended = threading.Event()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self.ended.wait(timeout):
            raise subprocess.TimeoutExpired("hub", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Forge:
    """The interpreter that is forked, as seen from the tests' process; one for each of them."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        )
        theirs.close()
        self._lock = threading.Lock()
        self._started: queue.SimpleQueue[ForkedProcess] = queue.SimpleQueue()
        self._living: dict[int, ForkedProcess] = {}
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(self._end)

    def _end(self) -> None:
        self._ours.shutdown(socket.SHUT_RDWR)
        self._server.wait(20)

    def start(
        self, words: Sequence[str], env: Mapping[str, str], cwd: Path, stdout: int, stderr: int, out: IO[str] | None
    ) -> ForkedProcess:
        request = json.dumps({"words": list(words), "env": dict(env), "cwd": str(cwd)}).encode()
        with self._lock:
            socket.send_fds(self._ours, [request], [stdout, stderr])
            process = self._started.get(timeout=60)
        process.stdout = out
        return process

    def _listen(self) -> None:
        while message := self._ours.recv(LARGEST):
            said = json.loads(message)
            if "code" in said:
                process = self._living.pop(said["pid"])
                process.returncode = said["code"]
                process.ended.set()
            else:
                process = self._living[said["pid"]] = ForkedProcess(said["pid"])
                self._started.put(process)


@cache
def _forge() -> _Forge:
    return _Forge()


def start_hub(words: Sequence[str], env: Mapping[str, str], cwd: Path, stderr: IO[Any]) -> ForkedProcess:
    """`hub WORDS`, with its standard output to be read."""
    reader, writer = os.pipe()
    out = os.fdopen(reader, encoding="utf-8")
    try:
        return _forge().start(words, env, cwd, writer, stderr.fileno(), out)
    finally:
        os.close(writer)


def run_hub(
    words: Sequence[str], env: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """`hub WORDS` to its end. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        process = _forge().start(words, env, cwd, out.fileno(), err.fileno(), None)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(["hub", *words], code, out.read(), err.read())


# --- the interpreter that is forked ---------------------------------------------------------------------------


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _serve(line: socket.socket) -> None:
    """Forks on request, says what came of each fork, ends when the tests' process goes."""
    me = os.getpid()
    with selectors.DefaultSelector() as ears:
        ears.register(line, selectors.EVENT_READ)
        while True:
            for key, _ in ears.select():
                if key.fileobj is not line:
                    _, status = os.waitpid(key.data, 0)
                    ears.unregister(key.fileobj)
                    os.close(int(key.fd))
                    line.send(json.dumps({"pid": key.data, "code": os.waitstatus_to_exitcode(status)}).encode())
                    continue
                request, files, _, _ = socket.recv_fds(line, LARGEST, 2)
                if not request:
                    return
                child = os.fork()
                if child == 0:
                    _die_with(me)
                    ears.close()
                    line.close()
                    _become_hub(json.loads(request), files)
                for file in files:
                    os.close(file)
                ears.register(os.pidfd_open(child), selectors.EVENT_READ, child)
                line.send(json.dumps({"pid": child}).encode())


def _become_hub(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Never returns. Ends as the interpreter would: threads are waited for, what was registered for the end is done."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in enumerate((nothing, *files)):
            os.dup2(file, number)
            os.close(file)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = ["hub", *request["words"]]
        random.seed()
        code = _exit_code()
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - the last place that can say why
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def _exit_code() -> int:
    from hub.cli import main  # imported already, and by the interpreter that is forked alone

    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    import importlib

    _die_with(int(sys.argv[2]))
    for module in IMPORTED:
        importlib.import_module(module)
    atexit._clear()  # what was registered so far is this interpreter's, not a hub's
    _serve(socket.socket(fileno=int(sys.argv[1])))
