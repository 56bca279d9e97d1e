"""Whom to tell when nobody of a role could be reached: the next role of the site's chain, each role once.

Pure. Which roles were tried stands in the order's key, so that a chain that leads back to itself ends after a restart too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

TRIED: Final = "@tried:"


class Following(msgspec.Struct, frozen=True):
    """The next role, and the key of its order."""

    audience: str
    key: str


def following(chain: Mapping[str, str], audience: str, key: str) -> Following | None:
    """Who is told after this audience could not be reached; None: the chain ends, or leads to a role that was tried."""
    stem, _, before = key.partition(TRIED)
    tried = [*filter(None, before.split(",")), audience]
    after = chain.get(audience)
    if after is None or after in tried:
        return None
    return Following(str(after), f"{stem}{TRIED}{','.join(map(str, tried))}")
