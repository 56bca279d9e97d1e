"""Balances that a billing platform pushes over HTTP: the very message that it could publish to the broker, taken the same way.

Decoded before it is handed in, so that the caller hears what is wrong with it; answered after the commit, like a
broker's acknowledgement. The message's own `id` makes a repeat the same reading.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Decoder, Intake, RawMessage, Receipt
from hub.vocabulary.rejected import Rejected

CHANNEL: Final = "mqtt"
ANSWER_WITHIN_S: Final = 10.0


class PlatformReadings:
    """Thread-safe. `topic(site, device)`: where the meter itself would publish."""

    def __init__(
        self, decoder: Decoder, intake: Intake, topic: Callable[[str, str], str], clock: Callable[[], UtcMs]
    ) -> None:
        self._decoder = decoder
        self._intake = intake
        self._topic = topic
        self._clock = clock

    def take(self, site: str, device: str, payload: bytes) -> Rejected | None:
        """Hand a reading in and wait for its commit; what is wrong with it where it cannot be used.

        Raises TimeoutError where nobody knows yet whether it was stored.
        """
        message = RawMessage(
            channel=CHANNEL, address=self._topic(site, device), payload=payload, received_at=self._clock()
        )
        found = self._decoder.decode(message)
        if isinstance(found, Rejected):
            return found
        committed = _Committed()
        self._intake.offer(replace(message, sink=committed, receipt=Receipt(0, 0, 1)))
        if not committed.wait(ANSWER_WITHIN_S):
            raise TimeoutError(f"no commit within {ANSWER_WITHIN_S:g} s")
        return None


class _Committed:
    """Hears of the commit in the broker's stead (hub.vocabulary.ports.AckSink)."""

    def __init__(self) -> None:
        self._done = threading.Event()

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """It is safe."""
        self._done.set()

    def wait(self, seconds: float) -> bool:
        """Whether it is safe within so long."""
        return self._done.wait(seconds)
