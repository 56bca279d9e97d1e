"""Security headers on every answer; a plain ASGI layer, so that streams pass through it undelayed."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS: Final = {"Strict-Transport-Security": "max-age=31536000"}
_CACHE_CONTROL: Final = b"cache-control"


class SecurityHeaders:
    """Adds the headers; what has no Cache-Control of its own is not stored."""

    def __init__(self, app: ASGIApp, *, over_tls: bool) -> None:
        self._app = app
        # As they go over the wire: put together once and not for each of seven headers in each answer.
        ours = SECURITY_HEADERS | (_HSTS if over_tls else {})
        self._ours = [(name.lower().encode(), value.encode()) for name, value in ours.items()]
        self._names = frozenset(name for name, _ in self._ours)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the headers added when the answer starts."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                theirs = [pair for pair in message.get("headers", ()) if pair[0] not in self._names]
                message["headers"] = [*theirs, *self._ours]
                if all(name != _CACHE_CONTROL for name, _ in theirs):
                    message["headers"].append((_CACHE_CONTROL, b"no-store"))
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
