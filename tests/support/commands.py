"""The command `hub` as an operator gives it: in a process of its own, within this one (many times faster), or running on."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from types import SimpleNamespace
from typing import Any, Self

from typer.testing import CliRunner

from hub import cli
from hub.store.database import Store, open_store

ROOT = Path(__file__).parents[2]

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, units: ["0101"]}]
devices:
  - {id: b1-e1, kind: elevator, profile: hub-json, place: b1}
"""


def _environment(other: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200", **(other or {})}


def hub_process(
    *arguments: object, cwd: Path, environ: Mapping[str, str] | None = None, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "hub", *map(str, arguments)],
        cwd=cwd,
        env=_environment(environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )


def hub_here(*arguments: object, cwd: Path, environ: Mapping[str, str] | None = None) -> SimpleNamespace:
    """Within this process; nothing of it may outlive the call."""
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], env=environ)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return SimpleNamespace(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)


def write_place(
    folder: Path, mqtt: str = "{embedded: true}", port: int = 0, database: str = "sqlite:///hub.db", site: str = SITE
) -> Path:
    """A folder with a right configuration; the database does not exist yet."""
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "sites" / "lakeside.yaml").write_text(site, encoding="utf-8")
    text = f"database: {database}\nhttp: {{port: {port}}}\nmqtt: {mqtt}\nsites: [sites/*.yaml]\n"
    (folder / "hub.yaml").write_text(text, encoding="utf-8")
    return folder


def store_of(place: Path) -> Store:
    """The database of such a folder; to be closed."""
    return open_store(f"sqlite:///{place / 'hub.db'}")


class RunCommand:
    """`hub run` as a process; ends with the block."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.errors = (folder / "stderr.txt").open("w+", encoding="utf-8")
        command = [sys.executable, "-m", "hub", "run", "--config", str(folder / "hub.yaml")]
        self.process = subprocess.Popen(
            command, env=_environment(environ), stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=folder
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.errors.close()

    def ready(self) -> str:
        """The address that the one line names."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)\n", line)
        assert match, f"{line!r}: {self.said()}"
        return match[1]

    def said(self) -> str:
        """What stands on stderr."""
        return Path(self.errors.name).read_text(encoding="utf-8")

    def end(self, how: Signals) -> tuple[int, str]:
        """Exit code and what else stood on stdout."""
        self.process.send_signal(how)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest
