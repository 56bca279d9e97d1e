"""Processes that stand still with their sockets open, for tests of a far side that hangs. Linux only."""

import os
import signal
from pathlib import Path

from support.waiting import wait_until


def freeze(pid: int) -> None:
    """Returns when it does nothing any more: a signal is only on its way when kill() returns, and the threads that run on
    other processors go on until it reaches them; a broker has acknowledged a message in that time."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(_state(task) == "T" for task in Path(f"/proc/{pid}/task").iterdir()), 10)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile; the next look does not list it
        return "ended"
