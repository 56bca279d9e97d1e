"""Reading large configurations in a process of their own, so that the memory that the parsing takes is given back.

The tree of a site file with 10,000 devices takes 45 MB for a moment, and Python keeps what it once had. Where no child can be
made, or it does not come back with an answer, the work is done here: then nothing but memory is lost.
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
    child = os.fork()
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
