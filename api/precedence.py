"""Whoever waits for an answer goes before readings; a plain ASGI layer, so that streams pass through it undelayed."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from hub.right_of_way import RightOfWay

STREAM: Final = "/stream"  # nobody waits for the end of one


class Precedence:
    """Claims the way from a request to its answer."""

    def __init__(self, app: ASGIApp, *, way: RightOfWay) -> None:
        self._app = app
        self._way = way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http" or scope["path"].endswith(STREAM):
            await self._app(scope, receive, send)
            return
        self._way.questions.came()
        try:
            await self._app(scope, receive, send)
        finally:
            self._way.questions.done()
