"""Whether a reading comes from the meter that is installed, told by its serial number.

A reading that names no serial number says nothing about it: many profiles read it once a day only (domain/meters.md 7
nos. 7 and 8).
"""

from __future__ import annotations


def foreign_serial(installed: str | None, foreign: str | None, seen: str | None) -> str | None:
    """The serial number of another meter that now answers here; None: the installed one does, as far as anybody knows."""
    if seen is None:
        return foreign
    return None if installed is None or seen == installed else seen
