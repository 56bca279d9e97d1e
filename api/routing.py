"""Where the API lies, and the router of a noun under it.

Every router holds its whole paths: nested routers are resolved anew for each app, which took longer than all the rest of a start.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

BASE: Final = "/api/v1"


def noun_router(tag: str, prefix: str = "") -> APIRouter:
    """A router under the API's base."""
    return APIRouter(prefix=BASE + prefix, tags=[tag])
