"""Waiting for a condition with a deadline: the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 10.0, message: str | Callable[[], str] = "") -> T:
    """The first truthy value of the condition. Raises AssertionError after `timeout` seconds, with the last value seen.

    A `message` that is a function is asked only then, so that it can tell the state at that moment.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout:g} s: {said or condition} (last value: {value!r})")
        time.sleep(0.01)
