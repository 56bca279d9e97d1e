"""A receiver of webhooks on loopback: answers as told, keeps what came; with TLS where a test gives certificates."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.certificates import TlsFiles

DRIP, ENDLESS, HANG, DROP = "drip", "endless", "hang", "drop"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are the test's wish."""


class HookServer:
    """`script` holds statuses or DRIP, ENDLESS, HANG, DROP for the next requests; afterwards 204."""

    def __init__(self, tls: TlsFiles | None = None) -> None:
        self.script: deque[Any] = deque()
        self.headers: dict[str, str] = {}  # sent with every answer
        self.body = b""
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.scheme = "https" if tls else "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.server_cert, tls.server_key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def url(self, host: str = "127.0.0.1", path: str = "/hook") -> str:
        """Its address under a name."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def close(self) -> None:
        """End it."""
        self.over.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append((self.command, self.path, headers, body))
                self._answer(server.script.popleft() if server.script else 204)

            do_PUT = do_GET = do_POST  # noqa: N815

            def _answer(self, said: Any) -> None:
                if said == HANG:
                    server.over.wait(20)
                elif said == DRIP:
                    self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 2_000)
                elif said == ENDLESS:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    self._drip(b"y" * 2_000)
                elif said != DROP:
                    self.send_response(said)
                    for name, value in server.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(server.body)))
                    self.end_headers()
                    self.wfile.write(server.body)

            def _drip(self, content: bytes) -> None:
                for i in range(len(content)):
                    if server.over.is_set():
                        return
                    self.wfile.write(content[i : i + 1])
                    self.wfile.flush()
                    time.sleep(0.02)

        return Handler
