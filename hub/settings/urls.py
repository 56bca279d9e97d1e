"""The URLs of the configuration, taken apart and checked. Pure: text in, problem or parts out.

A password never stands in a file: it comes from the environment or from a file of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DATABASE_ALLOWED: Final = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
MQTT_ALLOWED: Final = "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]"
BUS_ALLOWED: Final = (
    "modbus+tcp://HOST[:PORT], modbus+rtu-over-tcp://HOST[:PORT], modbus+rtu:///DEVICE[?baudrate=9600&parity=N], "
    "dlt645+tcp://HOST:PORT, dlt645:///DEVICE[?baudrate=2400&parity=E], "
    "or acrel+tcp://ADDRESS:PORT, where the hub listens for meters that report by themselves"
)

BUS_SCHEMES: Final = ("modbus+tcp", "modbus+rtu-over-tcp", "modbus+rtu", "dlt645+tcp", "dlt645", "acrel+tcp")
SERIAL_SCHEMES: Final = {
    "modbus+rtu": "modbus+rtu:///dev/ttyUSB0?baudrate=9600",
    "dlt645": "dlt645:///dev/ttyUSB0?baudrate=2400",
}
"""Of serial lines, each with an example."""
_SERIAL: Final = {
    "baudrate": ("1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200"),
    "parity": ("N", "E", "O"),
    "stopbits": ("1", "2"),
    "bytesize": ("7", "8"),
}


class UrlError(Exception):
    """`problem` and `allowed` for the mistake."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed


def database_url(text: str, base: Path, *, secret_allowed: bool) -> tuple[str, Path | None]:
    """The URL with driver and an absolute path, and the SQLite file where it is one. Raises UrlError."""
    scheme, colon, _ = text.partition("://")
    if scheme == "sqlite" and colon:
        return _sqlite_url(text, base)
    if scheme not in ("postgresql", "postgresql+psycopg") or not colon:
        raise UrlError(f"{_shown(text)!r} names no database that the hub knows", DATABASE_ALLOWED)
    url = _split(text, DATABASE_ALLOWED)
    if not url.path.strip("/"):
        raise UrlError("the URL names no database", DATABASE_ALLOWED)
    query = dict(parse_qsl(url.query))
    if (url.password is not None or "password" in query) and not secret_allowed:
        raise UrlError(
            "a password in the file", "the whole URL in the variable HUB_DATABASE, or the password in PGPASSFILE"
        )
    return f"postgresql+psycopg{text[len(scheme) :]}", None


def _sqlite_url(text: str, base: Path) -> tuple[str, Path]:
    name = text.removeprefix("sqlite://")
    if "?" in name or "#" in name:
        raise UrlError("options in an SQLite URL are not used", DATABASE_ALLOWED)
    if not name.startswith("/") or name in ("/", "/:memory:"):
        problem = "a database in memory keeps nothing" if name in ("", "/", "/:memory:") else "a slash is missing"
        raise UrlError(problem, "sqlite:///relative/file.db or sqlite:////absolute/file.db")
    path = base / unquote(name[1:])
    return sqlite_url(path), path


def sqlite_url(path: Path) -> str:
    """The database URL of a file, whatever its folder is called."""
    text = str(path)
    for character in "%?#":
        text = text.replace(character, f"%{ord(character):02X}")
    return f"sqlite:///{text}"


def mqtt_url(text: str) -> str:
    """The URL with its port. Raises UrlError."""
    url = _split(text, MQTT_ALLOWED)
    if url.scheme not in ("mqtt", "mqtts"):
        raise UrlError(f"{_shown(text)!r} is not an MQTT address", MQTT_ALLOWED)
    if url.username is not None or url.password is not None:
        raise UrlError("user or password in the URL", "`username` and `password_env` (the name of a variable)")
    if not url.hostname:
        raise UrlError("the URL names no host", MQTT_ALLOWED)
    if url.path not in ("", "/") or url.query or url.fragment:
        raise UrlError("something stands behind the host", MQTT_ALLOWED)
    return f"{url.scheme}://{_host(url)}:{_port(url, 8883 if url.scheme == 'mqtts' else 1883, MQTT_ALLOWED)}"


def bus_url(text: str) -> str:
    """The URL of a bus, with its port where it has one. Raises UrlError."""
    url = _split(text, BUS_ALLOWED)
    if url.scheme not in BUS_SCHEMES:
        raise UrlError(f"{text[:80]!r} is not a bus address", BUS_ALLOWED)
    if url.username is not None or url.fragment:
        raise UrlError("the URL holds what a bus has not (user, #)", BUS_ALLOWED)
    if url.scheme in SERIAL_SCHEMES:
        return _serial_url(text, url)
    if not url.hostname:
        raise UrlError("the URL names no host", BUS_ALLOWED)
    if url.path not in ("", "/") or url.query:
        raise UrlError("something stands behind the host", BUS_ALLOWED)
    if not url.scheme.startswith("modbus") and _port(url, -1, BUS_ALLOWED) < 0:
        raise UrlError("the URL names no port; there is no usual one", f"{url.scheme}://HOST:PORT")
    return f"{url.scheme}://{_host(url)}:{_port(url, 502, BUS_ALLOWED)}"


def _serial_url(text: str, url: SplitResult) -> str:
    if url.netloc or len(url.path) < 2:
        raise UrlError("the URL names no serial device", SERIAL_SCHEMES[url.scheme])
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in _SERIAL:
            raise UrlError(f"unknown option {name!r}", ", ".join(_SERIAL))
        if value not in _SERIAL[name]:
            raise UrlError(f"{name}={value} is not allowed", f"{name} " + ", ".join(_SERIAL[name]))
    return text


def _split(text: str, allowed: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.hostname
    except ValueError as error:
        raise UrlError(f"not a URL: {error}", allowed) from None
    return url


def _host(url: SplitResult) -> str:
    host = url.hostname or ""
    return f"[{host}]" if ":" in host else host


def _port(url: SplitResult, default: int, allowed: str) -> int:
    try:
        port = url.port
    except ValueError:
        raise UrlError("the port is out of range", "1 to 65535") from None
    if port == 0:
        raise UrlError("the port is out of range", "1 to 65535")
    return default if port is None else port


def _shown(text: str) -> str:
    """Without what may be a password."""
    return text[:80] if "@" not in text else text.partition(":")[0] + "://…"
