"""Work that takes much memory for a moment, done at the start in a process of its own, so that the memory is given back.

Python keeps what it once had: the tree of a site file with 10,000 devices takes 45 MB, the calendars of all countries 15. Where no
child can be made, or it does not come back with an answer, the work is done here: then nothing but memory is lost.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_a_child(work: Callable[[], T]) -> T:
    """What `work` returns, or raises. Its result must be picklable; only for Linux, and before any thread is started."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return work()
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no more processes, or no memory for one
        os.close(reader)
        os.close(writer)
        return work()
    if child == 0:
        _work_and_exit(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        return work()  # mistakes, most likely: here they are raised as they should be
    found: T = pickle.loads(answer)  # noqa: S301 - from our own child
    return found


def _work_and_exit(work: Callable[[], T], writer: int) -> None:
    """Never returns: the child must not go on as a second hub."""
    status = 1
    try:
        answer = pickle.dumps(work())
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        status = 0
    finally:
        os._exit(status)
