"""A moving window per key: so many attempts within so long, and how long to wait. In memory, bounded, thread-safe."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable

from hub.vocabulary.instants import UtcMs

MAX_KEYS = 10_000


class MovingWindow:
    """At most `limit` attempts per key within `window_ms`."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit = limit
        self._window_ms = window_ms
        self._attempts: OrderedDict[str, deque[UtcMs]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_ms(self, key: str, now: UtcMs) -> int:
        """How long this key has to wait before its next attempt; 0: it may try now."""
        with self._lock:
            attempts = self._attempts.get(key)
            if attempts is None:
                return 0
            while attempts and attempts[0] <= now - self._window_ms:
                attempts.popleft()
            if len(attempts) < self._limit:
                return 0
            return attempts[0] + self._window_ms - now

    def note(self, key: str, now: UtcMs) -> None:
        """An attempt that counts."""
        with self._lock:
            self._attempts.setdefault(key, deque(maxlen=self._limit)).append(now)
            self._attempts.move_to_end(key)
            while len(self._attempts) > MAX_KEYS:  # the oldest go first, so that memory is bounded under attack
                self._attempts.popitem(last=False)

    def forget(self, keys: Iterable[str]) -> None:
        """These have shown that they may."""
        with self._lock:
            for key in keys:
                self._attempts.pop(key, None)
