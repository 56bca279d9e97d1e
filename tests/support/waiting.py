"""Waiting for a condition with a deadline: the only place in the tests that sleeps."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Message = str | Callable[[], str]

BETWEEN_LOOKS_S = 0.01


def wait_until(condition: Callable[[], T], timeout: float = 10.0, message: Message = "") -> T:
    """The first truthy value of the condition. Raises AssertionError after `timeout` seconds, with the last value seen.

    A `message` that is a function is asked only then, so that it can tell the state at that moment.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        _demand(deadline, timeout, message or str(condition), value)
        time.sleep(BETWEEN_LOOKS_S)
    return value


async def wait_until_async(condition: Callable[[], T], timeout: float = 10.0, message: Message = "") -> T:
    """The same for a condition that has to be asked in the event loop."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        _demand(deadline, timeout, message or str(condition), value)
        await asyncio.sleep(BETWEEN_LOOKS_S)
    return value


def _demand(deadline: float, timeout: float, message: Message, value: object) -> None:
    if time.monotonic() > deadline:
        said = message() if callable(message) else message
        raise AssertionError(f"not within {timeout:g} s: {said} (last value: {value!r})")
