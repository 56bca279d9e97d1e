#!/usr/bin/env python3
"""Sets up and starts the property hub: `python3 run.py demo`, `python3 run.py test`, `python3 run.py setup`.

Rule: standard library only, and nothing here may need what it installs. It must also parse on an old Python 3, so that
the refusal below is a sentence and not a traceback.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this very file tells people with an older one
    sys.exit(f"The hub needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

ROOT = Path(__file__).resolve().parent
WINDOWS = os.name == "nt"
Command = Sequence[str]
Plan = Literal["nothing", "install", "make"]


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence that says what is missing."""


class VenvState(NamedTuple):
    """What is found in `.venv` before anything is touched."""

    python_answers: bool
    has_pip: bool
    unfinished: bool
    fingerprint: str | None


def plan(found: VenvState, wanted: str) -> Plan:
    """What set-up has to do. An interrupted try is never repaired: half a package can look like a whole one."""
    if not found.python_answers or found.unfinished:
        return "make"
    if found.fingerprint == wanted:
        return "nothing"
    return "install" if found.has_pip else "make"


def fingerprint(root: Path) -> str:
    """Of everything that the contents of `.venv` depend on; the place is part of it, scripts hold absolute paths."""
    digest = hashlib.sha256(str(root).encode())
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update(b"\0" + (root / name).read_bytes())
    return digest.hexdigest()


class Setup:
    """Makes `.venv` hold exactly what `requirements.lock` names, and the project itself."""

    def __init__(self, root: Path, say: Callable[[str], None] = print) -> None:
        self.root = root
        self.say = say
        self.venv = root / ".venv"
        self.python = self.venv / ("Scripts/python.exe" if WINDOWS else "bin/python")
        self.stamp = self.venv / ".lock-hash"
        self.unfinished = self.venv / ".unfinished"

    def ensure(self) -> Path:
        """The Python of a finished `.venv`. Raises SetupError."""
        wanted = fingerprint(self.root)
        if plan(self._quick_look(), wanted) == "nothing":
            return self.python
        with _one_at_a_time(self.root / ".venv.lock", self.say):
            todo = plan(self._look(), wanted)
            if todo == "nothing":  # another set-up did it while this one waited
                return self.python
            started = time.monotonic()
            if todo == "make":
                self._make_venv()
            self.unfinished.touch()
            self._install()
            self.stamp.write_text(wanted)
            self.unfinished.unlink()
            self.say(f"Set-up done in {time.monotonic() - started:.0f} s.")
        return self.python

    def _quick_look(self) -> VenvState:
        """Without starting a process: enough to see that nothing is to be done, which is nearly always."""
        try:
            stamp = self.stamp.read_text()
        except OSError:
            stamp = None
        return VenvState(self.python.exists(), False, self.unfinished.exists(), stamp)

    def _look(self) -> VenvState:
        answers = self.python.exists() and _succeeds(
            [str(self.python), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        )
        return self._quick_look()._replace(
            python_answers=answers, has_pip=answers and _succeeds([str(self.python), "-c", "import pip"])
        )

    def _make_venv(self) -> None:
        self.say(f"Making .venv with Python {sys.version.split()[0]} …")
        ways: list[Command] = [[sys.executable, "-m", "venv", str(self.venv)]]
        if uv := shutil.which("uv"):
            ways.append([uv, "venv", "-q", "--seed", "--python", sys.executable, str(self.venv)])
        if virtualenv := shutil.which("virtualenv"):
            ways.append([virtualenv, "-q", "-p", sys.executable, str(self.venv)])
        for way in ways:
            _remove(self.venv)
            if _succeeds(way) and self._look().has_pip:
                return
        _remove(self.venv)
        raise SetupError(
            "This Python cannot make virtual environments: install its venv module "
            "(on Debian and Ubuntu: apt install python3-venv) and run the same command again."
        )

    def _install(self) -> None:
        """What the lock names, with uv when it is to be had (8 s), else with pip (25 s); then the project itself."""
        self.say("Installing the packages of requirements.lock …")
        lock = ["--require-hashes", "-r", str(self.root / "requirements.lock")]
        project = ["--no-deps", "--no-build-isolation", "-e", str(self.root)]
        said = ""
        for installer in self._installers():
            failed = False
            for what in (lock, project):
                done = _run_quietly([*installer, *what])
                if done.returncode:
                    failed, said = True, _last_line(done.stderr) or _last_line(done.stdout)
                    break
            if not failed:
                return
        raise SetupError(
            f"The packages could not be installed, a package index or disk space is missing; pip said: {said}"
        )

    def _installers(self) -> Iterator[list[str]]:
        pip: list[str] = [str(self.python), "-m", "pip", "--disable-pip-version-check"]
        with_uv = ["pip", "install", "-q", "--python", str(self.python)]
        if uv := shutil.which("uv"):
            yield [uv, *with_uv]
        if _succeeds([*pip, "install", "-q", "uv>=0.9,<1"]):
            yield [str(self.python), "-m", "uv", *with_uv]
        self.say("… with pip, which takes longer …")
        yield [*pip, "install", "-q"]


@contextlib.contextmanager
def _one_at_a_time(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Two set-ups in one tree would break each other's `.venv`. The lock goes with its process, also by kill -9."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where two at a time stay possible
    except ImportError:
        yield
        return
    try:
        file = lock.open("w")
    except OSError as error:
        raise SetupError(f"The folder {lock.parent} cannot be written: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up of this folder is running; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_quietly(command: Command) -> subprocess.CompletedProcess[str]:
    environment = {"UV_NATIVE_TLS": "true", **os.environ}  # uv, as pip, then trusts what a company's machine trusts
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _succeeds(command: Command) -> bool:
    return _run_quietly(command).returncode == 0


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SetupError(f"The half-made {folder} cannot be removed: {error.strerror}.") from error


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


class Check(NamedTuple):
    """One part of `run.py test`."""

    name: str
    command: list[str]


def checks(python: str, fast: bool, pytest_args: Sequence[str]) -> list[Check]:
    """Cheap ones first; all of them run, so that one look shows everything that is wrong."""
    # One more than the smallest machine has cores: whole hubs wait more than they work.
    pytest = [python, "-m", "pytest", "-n", "3", "--dist", "worksteal", *(["-m", "not slow"] if fast else [])]
    return [
        Check("format", [python, "-m", "ruff", "format", "--check", "."]),
        Check("lint", [python, "-m", "ruff", "check", "."]),
        Check("types", [python, "-m", "mypy"]),
        Check("imports", [python, "-c", "from importlinter.cli import lint_imports_command as run; run()"]),
        Check("tests", [*pytest, *pytest_args]),
    ]


def run_tests(python: str, fast: bool, pytest_args: Sequence[str]) -> int:
    """Exit code 0 when every check passed. No test collected is a failure too (pytest says 5)."""
    results = []
    for check in checks(python, fast, pytest_args):
        print(f"\n--- {check.name}", flush=True)
        started = time.monotonic()
        code = _run_attached(check.command)
        results.append((check.name, code, time.monotonic() - started))
    print("\n--- summary")
    for name, code, seconds in results:
        print(f"{name:8} {'ok' if code == 0 else f'FAILED (exit code {code})':24} {seconds:6.1f} s")
    return int(any(code for _, code, _ in results))


def _run_attached(command: Command) -> int:
    """Runs in the foreground. Ctrl-C reaches the child from the terminal; it gets the time to end its own children."""
    # Each of the workers would compile all tests anew at every run; what they keep is in folders that git ignores.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        return child.wait()
    except KeyboardInterrupt:
        try:
            child.wait(timeout=20)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            child.terminate()
            child.wait()
        raise


def _become(command: list[str]) -> int:  # noqa: RET503 - execv never returns
    """Runs instead of this process, so that signals and the exit code need no passing on."""
    if WINDOWS:
        return subprocess.call(command)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py", description="Sets up .venv when needed, then runs.")
    parser.add_argument(
        "command",
        choices=["demo", "test", "setup"],
        help="demo: the hub with a simulated estate; test: every check and test; setup: only set up",
    )
    parser.add_argument(
        "rest", nargs=argparse.REMAINDER, help="passed on (demo: see `demo --help`; test: --fast, then pytest's)"
    )
    chosen = parser.parse_args(arguments)
    try:
        python = str(Setup(ROOT, lambda text: print(text, flush=True)).ensure())
        if chosen.command == "demo":
            return _become([python, "-m", "hub", "demo", *chosen.rest])
        if chosen.command == "test":
            pytest_args = [argument for argument in chosen.rest if argument != "--fast"]
            return run_tests(python, "--fast" in chosen.rest, pytest_args)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
