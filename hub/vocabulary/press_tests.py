"""What rules hear when somebody says beforehand that an elevator's alarm button will be tried."""

from __future__ import annotations

from hub.vocabulary.events import Event
from hub.vocabulary.instants import UtcMs


class PressTestDeclared(Event, frozen=True, kw_only=True):
    """Presses until `until` are tests; a time that is not after `occurred_at` ends what was declared before."""

    until: UtcMs
    by: str
    reason: str
