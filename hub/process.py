"""A running hub: starts its parts in the order in which they need each other, and stops them the other way round.

Order: database claimed and read → engine → connectors → API → jobs. The API answers `not ready` until the canary has
come round; connectors start only when there is an engine to take what they bring.
"""

from __future__ import annotations

import gc
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvicorn

from hub.http_protocol import BoundedHttp
from hub.store.database import Store

log = logging.getLogger(__name__)

STOP_WITHIN_S = 10.0
READY_WITHIN_S = 30.0
FULL_LOOK_AFTER = 100
"""So many looks for younger garbage between two looks through everything that came after the start, each of which stops all
threads for 10 to 16 ms. With Python's own 10 they come every ten seconds beside 2,000 readings a second, and find 80 kB."""


class HubError(Exception):
    """The hub cannot start; the message says in one sentence why and what to do."""


class Part(Protocol):
    """Something that runs."""

    def start(self) -> Any:
        """Begin."""

    def stop(self) -> Any:
        """End; must not raise when it never began."""


class ApiServer:
    """uvicorn in a thread of its own, on a socket that was bound before anything else was touched."""

    def __init__(self, app: Any, listener: socket.socket, end_streams: Callable[[], None]) -> None:
        self._socket = listener
        self._end_streams = end_streams
        self.host, self.port = listener.getsockname()[:2]
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            loop="auto",  # uvloop, but on Windows
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            lifespan="on",
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)

    @property
    def url(self) -> str:
        """Address for people."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    @property
    def serving(self) -> bool:
        """Whether requests are taken."""
        return bool(self._server.started)

    def stop(self) -> None:
        """Finish what is under way, for two seconds at most; open streams would never finish by themselves."""
        self._end_streams()
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN_S)
        self._socket.close()


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises HubError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sets TCP_NODELAY on what is accepted; without it each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise HubError(
            f"Port {port} of {host} cannot be used ({error.strerror}): stop what listens there, or set http.port."
        ) from error
    return listener


@dataclass
class Hub:
    """The process. `parts` are started in order and stopped in reverse."""

    store: Store
    api: ApiServer
    parts: Sequence[Part]
    ready: Callable[[], bool]
    _started: list[Part] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where API and console are."""
        return self.api.url

    def start(self) -> None:
        """Start everything; what was started is stopped again when a part cannot start."""
        try:
            for part in (*self.parts, self.api):
                self._started.append(part)
                part.start()
            gc.freeze()  # what a hub is made of stays: looking for garbage in it stops every alarm for a tenth of a second
            gc.set_threshold(*gc.get_threshold()[:2], FULL_LOOK_AFTER)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout_s: float = READY_WITHIN_S) -> bool:
        """Until intake and API both serve; False when that takes longer."""
        deadline = threading.Event()
        waited = 0.0
        while not (self.api.serving and self.ready()):
            if waited >= timeout_s or self._over.is_set():
                return False
            deadline.wait(0.05)
            waited += 0.05
        return True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until `stop` is called from elsewhere."""
        return self._over.wait(timeout_s)

    def stop(self) -> None:
        """Stop everything, last started first; one part's trouble does not keep the others running."""
        self._over.set()
        while self._started:
            part = self._started.pop()
            try:
                part.stop()
            except Exception:
                log.exception("%s did not stop cleanly", type(part).__name__)
        self.store.close()
