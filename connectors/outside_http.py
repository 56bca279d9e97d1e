"""One HTTP request to an address that somebody has typed in: looked up once, every answer checked, sent to what was checked.

Rule: the name is resolved here and nowhere else, and the connection goes to the very address that was checked, with the name in
Host and SNI: a second look-up could answer otherwise (DNS rebinding). No redirect is followed, no proxy of the environment is
used, and the whole exchange has one deadline and the answer a limit: the far side is never trusted (domain/reliability.md 4.2).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connectors.codecs.outside_address import Network, is_listed, why_closed
from connectors.described_http import seconds

TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5.0
LARGEST_ANSWER: Final = 64 * 1024
MOST_ADDRESSES: Final = 4
"""So many of a name's addresses are tried; all of them are checked."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: `body` up to the limit."""

    status: int
    retry_after_s: float | None = None
    body: bytes = b""


class OutsideError(Exception):
    """No answer; the message says why in one line and never holds a secret of the URL."""


class Target(msgspec.Struct, frozen=True):
    """A URL taken apart: `host` in ASCII, `path` with its query."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """With the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Outside:
    """The world outside. `allowed`: networks beside the public ones; `ca`: a file with authorities beside the system's."""

    def __init__(self, allowed: Sequence[Network] = (), ca: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._allowed = tuple(allowed)
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca is not None:
            self._tls.load_verify_locations(cafile=ca)

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and read its answer. Thread-safe. Raises OutsideError."""
        deadline = time.monotonic() + self._timeout_s
        try:
            target = _target(url)
            with self._connected(target, deadline) as connection:
                connection.request(method, target.path, body, {**headers, "Host": target.host_header})
                answer = _read(connection)
            if time.monotonic() >= deadline:  # cut off by us: what was read looks whole and is not
                raise TimeoutError
            return answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise OutsideError(self._why(error, late=time.monotonic() >= deadline)) from error

    def check(self, url: str) -> str:
        """Where a URL leads, in one sentence; connects nowhere. Raises ValueError with what is wrong."""
        try:
            target = _target(url)
            return f"{target.host_header} leads to {', '.join(self.checked(target))}; nothing was sent"
        except OutsideError as error:
            raise ValueError(str(error)) from error

    def _why(self, error: Exception, *, late: bool) -> str:
        if late or isinstance(error, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {error.verify_message}"[:200]
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]

    def checked(self, target: Target) -> list[str]:
        """The name's addresses, looked up once; every one of them has to be allowed. Raises OutsideError."""
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (socket.gaierror, UnicodeError) as error:
            raise OutsideError(f"the name {target.host[:100]} is not known: {error}"[:200]) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            closed = why_closed(address, self._allowed)
            if closed is not None:
                leads = f"{target.host[:100]} leads to {address}: {closed}"
                raise OutsideError(f"{leads}; hub.yaml's publishing.private_networks does not allow it")
            if not target.tls and not is_listed(address, self._allowed):
                raise OutsideError(
                    f"http:// is for publishing.private_networks alone, {address} is in none: use https://"
                )
        if not addresses:
            raise OutsideError(f"the name {target.host[:100]} has no address")
        return addresses[:MOST_ADDRESSES]

    @contextlib.contextmanager
    def _connected(self, target: Target, deadline: float) -> Iterator[http.client.HTTPConnection]:
        """A connection to one of the checked addresses; whatever happens on it ends at the deadline."""
        plain = _dialled(self.checked(target), target.port, deadline)
        try:
            sock = self._wrapped(plain, target)
        except BaseException:
            plain.close()
            raise
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.auto_open = 0  # it would look the name up again
        try:
            with _ended_at(sock, deadline):
                if isinstance(sock, ssl.SSLSocket):
                    sock.do_handshake()
                connection.sock = sock
                yield connection
        finally:
            connection.close()
            sock.close()

    def _wrapped(self, plain: socket.socket, target: Target) -> socket.socket:
        if not target.tls:
            return plain
        return self._tls.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)


def _target(url: str) -> Target:
    """Raises OutsideError, which does not repeat the URL: a token may stand in it."""
    try:
        where = urlsplit(url)
        host = (where.hostname or "").encode("idna").decode()
        port = where.port
    except (ValueError, UnicodeError):
        raise OutsideError("the address cannot be read") from None
    if where.scheme not in {"http", "https"} or not host:
        raise OutsideError("the address is not https://HOST/PATH")
    tls = where.scheme == "https"
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    return Target(tls, host, port or (443 if tls else 80), path)


def _dialled(addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
    """Connected to the first address that answers."""
    failed: OSError = TimeoutError()
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(min(CONNECT_TIMEOUT_S, left))
        try:
            sock.connect((address, port))  # create_connection would ask the resolver once more
        except OSError as error:
            sock.close()
            failed = error
            continue
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        return sock
    raise failed


@contextlib.contextmanager
def _ended_at(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Time-outs are per read: who sends a byte every second would hold us for ever."""

    def end() -> None:
        with contextlib.suppress(OSError):  # closed already: nobody is held up any more
            socket.socket.shutdown(
                sock, socket.SHUT_RDWR
            )  # beneath TLS: its own would change the object under a reader

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(connection: http.client.HTTPConnection) -> Answer:
    answer = connection.getresponse()
    payload = answer.read(LARGEST_ANSWER)
    return Answer(status=answer.status, retry_after_s=seconds(answer.getheader("Retry-After")), body=payload)
