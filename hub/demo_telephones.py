"""The demonstration's telephones: what its people are sent arrives here, and is written down where it can be read.

A notifier like any other (type `http`) with this as its provider, so that a demonstration reaches people, shows their links,
and does not claim that a list has called anybody. It listens on loopback alone and ends with the demonstration.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Final

log = logging.getLogger(__name__)

CHANNEL: Final = "telephone"
PATH: Final = "/messages"
LONGEST: Final = 64 * 1024
PATIENCE_S: Final = 5.0
NOTIFIER: Final[Mapping[str, str]] = {"id": CHANNEL, "type": "http", "description": "../telephones.yaml"}
"""As a site file names it."""


def description(port: int) -> dict[str, Any]:
    """How the hub sends to it (connectors.notify.description)."""
    return {
        "name": "demo-telephones",
        "source": "hub demo",
        "url": f"http://127.0.0.1:{port}{PATH}",
        "json": {"to": "{address}", "title": "{title}", "text": "{body}", "key": "{key}"},
        "success": {"status": [200], "path": "code", "equals": "OK"},
        "address": "^[A-Z]{2}[0-9]{2}$",
    }


class _Telephones(ThreadingHTTPServer):
    """Takes messages and writes each down as one line of JSON, in a file that only its owner can read: links are in it."""

    daemon_threads = True

    def __init__(self, file: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Message)
        self._file = file
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        """Without http.server's look-up of the address's name, which may take long where there is no resolver."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def write_down(self, message: Mapping[str, Any]) -> None:
        """Raises OSError."""
        line = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), **message}
        with self._lock:
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as out:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


class _Message(BaseHTTPRequestHandler):
    timeout = PATIENCE_S

    def do_POST(self) -> None:
        """One message."""
        assert isinstance(self.server, _Telephones)
        try:
            length = int(self.headers.get("Content-Length", ""))
            if self.path != PATH or not 0 < length <= LONGEST:
                raise ValueError(f"{self.path}, {length} bytes")
            message = json.loads(self.rfile.read(length))
            self.server.write_down({name: message[name] for name in ("to", "title", "text")})
        except (ValueError, LookupError, TypeError) as error:
            log.warning("a telephone was sent what is no message: %s", error)
            self._answer(400, "BAD")
        else:
            self._answer(200, "OK")

    def _answer(self, status: int, code: str) -> None:
        body = json.dumps({"code": code}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """To the hub's log instead of the terminal."""
        log.debug(format, *args)


@contextlib.contextmanager
def telephones(file: Path) -> Iterator[int]:
    """The port that they listen on, while this block runs."""
    with _Telephones(file) as server:
        thread = threading.Thread(target=server.serve_forever, name="telephones", daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
