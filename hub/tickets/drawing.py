"""Draws docs/entrapment.md from the table: `python -m hub.tickets.drawing > docs/entrapment.md`. A test keeps both equal.

Only what stands in the data is drawn; an explanation belongs to the data's own file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from hub.tickets.entrapment import ENTRAPMENT
from hub.tickets.escalation import offsets_s
from hub.tickets.kind import ANY_STATE, ClockSpec, Escalation, Kind, Tell, Trait

_OF: Final = {
    Trait.CRITICAL: "of a critical ticket",
    Trait.SHELVED: "of a shelved ticket",
    Trait.MASS: "of a whole site's case",
    Trait.DRILL: "of a drill",
}

_HEAD: Final = """# Entrapment: the case

Drawn from `hub/tickets/entrapment.py` by `python -m hub.tickets.drawing`; do not edit by hand.
An alarm ends only by a person's word that nobody is inside: a sensor that goes quiet leads to `release_pending`, lost
telemetry and power change no state. Everything else moves in parallel, as milestones with clocks between them.
"""


def draw(kind: Kind = ENTRAPMENT) -> str:
    """The whole page, Markdown."""
    parts = (
        _HEAD,
        "## State × action\n\n`·`: not possible; `=`: possible, the state stays; else the state that follows.\n",
        _table(["action", *kind.states, "milestone", "needs"], _actions(kind)),
        "## Closed lists\n\nA word that is not on the list is refused (422) with the list; several are a JSON list.\n",
        _table(["action", "field", "how many", "words"], _lists(kind)),
        "## What machines report\n",
        _table(["trigger", *kind.states, "milestone"], _triggers(kind)),
        "A further alarm counts on the open case, and where it says so leads back: "
        + ", ".join(f"`{state}` → `{after}`" for state, after in kind.on_repeat.items())
        + ".\nFrom "
        + ", ".join(f"`{state}`" for state in sorted(kind.done_states))
        + ", and where a drill turns real, the case begins anew: `reopened`, all clocks and reports.\n",
        "## Who is told when a milestone is reached\n\nIn the transaction that reaches it, once per case.\n",
        _table(["milestone", "told"], ([name, _told(tells)] for name, tells in kind.tells.items())),
        "## Clocks\n\nEvery deadline is a row: it fires once and in order, also after a restart. UTC throughout.\n",
        _table(["clock", "from", "to", "at", "what happens"], _clocks(kind)),
    )
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(state: str, from_states: Sequence[str], to_state: str | None) -> str:
    if from_states != ANY_STATE and state not in from_states:
        return "·"
    return "=" if to_state in {None, state} else f"`{to_state}`"


def _actions(kind: Kind) -> Iterator[list[str]]:
    for name, action in kind.actions.items():
        needs = [f"field `{field.name}`" for field in action.fields if field.required]
        needs += [f"`{milestone}` before" for milestone in action.requires]
        needs += ["once"] if action.once else []
        needs += [f"only {_OF[action.needs]}"] if action.needs else []
        needs += [f"never {_OF[trait]}" for trait in sorted(action.never)]
        cells = [_cell(state, action.from_states, action.to_state) for state in kind.states]
        yield [f"`{name}`", *cells, action.milestone or "", ", ".join(needs)]


def _lists(kind: Kind) -> Iterator[list[str]]:
    for name, action in kind.actions.items():
        for field in action.fields:
            if field.choices:
                also = [f"also {', '.join(f'`{word}`' for word in field.also)}"] if field.also else []
                words = ", ".join(f"`{word}`" for word in field.choices)
                many = "one" if field.type == "choice" else "several"
                yield [f"`{name}`", f"`{field.name}`", many, "; ".join([words, *also])]


def _triggers(kind: Kind) -> Iterator[list[str]]:
    for name, trigger in kind.triggers.items():
        cells = [
            _cell(state, trigger.from_states, trigger.to_state) if state in kind.active_states else "·"
            for state in kind.states
        ]
        yield [f"`{name}`", *cells, trigger.milestone or ""]


def _clocks(kind: Kind) -> Iterator[list[str]]:
    for name, spec in kind.clocks.items():
        start = spec.start + (" (since it occurred)" if spec.from_occurrence else "")
        start += " or the last action" if spec.restarts else ""
        start += " (the first time)" if spec.once else ""
        for number, (at, what) in enumerate(_moments(spec)):
            yield [f"`{name}`", start, spec.stop, at, what] if number == 0 else ["", "", "", at, what]


def _moments(spec: ClockSpec) -> Iterator[tuple[str, str]]:
    for at_s, what in sorted(spec.warnings.items()):
        yield _time(at_s), "warning: " + _happens(what)
    yield _time(spec.within_s), "**limit**: " + _happens(spec.otherwise)
    if spec.times:
        last = _time(offsets_s(spec)[-1])
        yield f"every {_time(spec.every_s)}", f"told again, {spec.times} times at most (until {last})"


def _happens(what: Escalation) -> str:
    words = [_told(what.tell)] if what.tell else []
    words += [f"severity {what.severity}"] if what.severity else []
    words += [f"flag `{what.flag}`, never taken back"] if what.flag else []
    words += [f"unless `{what.unless_reached}`"] if what.unless_reached else []
    return "; ".join(words)


def _told(tells: Iterable[Tell]) -> str:
    return ", ".join(
        f"{tell.audience} (`{tell.template}`{f', after `{tell.after}`' if tell.after else ''})" for tell in tells
    )


def _time(seconds: int) -> str:
    for unit, name in ((3_600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


if __name__ == "__main__":
    sys.stdout.write(draw())
