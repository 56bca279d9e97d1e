"""The ledger of a simulated year as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.year_hub import Ledger


def text(ledger: Ledger, lifts: int, days: int, took_s: float) -> str:
    """Tables for people; the last line is the verdict."""
    lines = [
        f"A year of elevators: {lifts} lifts, {days} days, {took_s:.0f} s",
        f"{ledger.messages:,} messages in {ledger.steps:,} steps, {ledger.restarts} restarts",
        "",
        *_table(
            ("entrapments", "real", "raised", "known at the latest after"),
            [
                (way, ledger.expected[way], ledger.found[way], f"{ledger.slowest_s.get(way, 0):.0f} s")
                for way in sorted(ledger.expected)
            ]
            + [("together", sum(ledger.expected.values()), sum(ledger.found.values()), "")],
        ),
        "",
        f"power cuts of a whole site: {ledger.outages}, cases of a site: {ledger.outages_found}",
        "",
        *_table(("noise", "times"), sorted(ledger.noises.items())),
        "",
        *_table(("tickets", "number"), sorted(ledger.tickets.items())),
        f"expected: {ledger.faults_expected} elevator faults, {ledger.missed_tests} missing test calls (device_silent)",
        "",
        *_table(("deadlines that fell due", "times"), sorted(ledger.escalations.items())),
        "",
        f"notices ordered: {ledger.orders}",
        f"lost: {len(ledger.lost)}",
        *(f"  {case.way} at {case.at}, {case.lift.site}/{case.lift.id}" for case in ledger.lost),
        f"invented: {len(ledger.invented)}",
        *(f"  {each}" for each in ledger.invented[:20]),
        f"supervisor or manager not told: {len(ledger.untold)}",
        f"not closed: {len(ledger.unfinished)}",
        f"deadlines overdue: {ledger.deadlines_left}; fired twice: {ledger.orders_twice}",
        "The ledger is whole." if ledger.whole else "THE LEDGER IS NOT WHOLE.",
    ]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    cells = [head, *(tuple(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
