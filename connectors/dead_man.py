"""Calling the dead man's address: one request that says 'the hub lives and has lost no deadline'.

Rule: no redirect is followed, no proxy of the environment is used, the answer is not read beyond its first bytes, and nothing
that is said about a failure names the address: whoever knows it can keep the alarm quiet.
"""

from __future__ import annotations

import time
from typing import Final

TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5.0
MOST_BYTES: Final = 4_096


class DeadManCall:
    """Calls one address."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s

    def __call__(self) -> str | None:
        """One call; None where it was taken (2xx), else why not in a few words. Never raises for what the far side does."""
        import httpx2  # noqa: PLC0415  a third of a second that only a hub with a dead man needs

        timeout = httpx2.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s))
        deadline = time.monotonic() + self._timeout_s
        try:
            with (
                httpx2.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client,
                client.stream("GET", self._url) as answer,
            ):
                come = 0
                for chunk in answer.iter_raw():
                    come += len(chunk)
                    if come > MOST_BYTES:
                        break
                    if time.monotonic() > deadline:
                        return f"no whole answer within {self._timeout_s:g} s"
                return None if answer.is_success else f"HTTP {answer.status_code}"
        except httpx2.TimeoutException:
            return f"no answer within {self._timeout_s:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return type(error).__name__
