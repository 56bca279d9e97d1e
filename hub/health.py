"""How the hub is: one line per thing that has to work, each with why where it does not.

Required are those without which an alarm could be missed: engine, database, broker sessions, canary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hub.pipeline.canary import CanaryWatch
from hub.pipeline.engine import Engine


class Line(NamedTuple):
    """One thing. `why` says what is wrong where `ok` is False."""

    name: str
    ok: bool
    id: str = ""
    why: str = ""
    required: bool = True


class HealthBook:
    """Asked by the API; `others` are lines that wiring adds (broker sessions, buses)."""

    def __init__(self, engine: Engine, canary: CanaryWatch | None, others: Callable[[], Sequence[Line]]) -> None:
        self._engine = engine
        self._canary = canary
        self._others = others

    def lines(self) -> list[Line]:
        """Everything, required things first."""
        engine, trouble = self._engine, self._engine.progress.trouble
        found = [
            Line("intake", engine.alive, why="" if engine.alive else "the engine's thread is not running"),
            Line("database", trouble is None, why=trouble or ""),
            *self._canary_lines(),
            *self._others(),
        ]
        return sorted(found, key=lambda line: not line.required)

    def _canary_lines(self) -> list[Line]:
        if self._canary is None:
            return []
        missing = set(self._canary.missing())
        lines = []
        for state in self._canary.states():
            never = state.age_ms is None
            why = "no canary has come round yet" if never else f"none came round for {(state.age_ms or 0) // 1000} s"
            ok = not never and state.lane not in missing
            lines.append(Line("canary", ok, state.lane, "" if ok else why))
        return lines

    def ready(self) -> bool:
        """Whether everything that is required works."""
        return all(line.ok for line in self.lines() if line.required)
