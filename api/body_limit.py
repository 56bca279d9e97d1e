"""No body larger than 64 kB (a copy of a document: 3 MB): refused by its announced length, or as soon as more has come."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem_details import ProblemError

MAX_BODY_BYTES: Final = 64 * 1024
MAX_COPY_BYTES: Final = 3 * 1024 * 1024
COPY_PATH: Final = "/id-copy"


class BodyLimit:
    """A plain ASGI layer. Where the length is not announced, reading the body raises HTTPException 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is small enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        allowed = MAX_COPY_BYTES if scope["path"].endswith(COPY_PATH) else MAX_BODY_BYTES
        if _announced(scope) > allowed:
            detail = f"The body is larger than {allowed // 1024} kB."
            answer = ProblemError(413, "too_large", detail, headers={"Connection": "close"})
            await answer.response()(scope, receive, send)
            return
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > allowed:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else MAX_COPY_BYTES + 1
    return 0
