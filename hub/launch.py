"""Starting, watching and stopping a hub from a command line, and turning what can be foreseen into one sentence.

Only `hub.wiring` builds; this module asks it. Heavy imports stand inside the functions that need them, so that `--help` and
a wrong argument answer at once.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec
import structlog
import typer

from hub.settings import ConfigurationErrors, Settings
from hub.settings.apart import in_a_child

if TYPE_CHECKING:
    from hub.process import Hub
    from hub.store.database import Store

WRONG_USE: Final = 2
FAILURE: Final = 1


class StopRequestedError(BaseException):
    """SIGTERM or Ctrl-C, raised in the main thread wherever it waits."""


def load_settings(config: Path) -> Settings:
    """The whole configuration. Raises ConfigurationErrors."""
    from hub import settings, wiring
    from hub.tickets.site_clocks import clock_facts

    kinds, limits, notifiers = wiring.profile_kinds(), wiring.rule_limits(), wiring.notifier_types()
    return in_a_child(lambda: settings.load(config, os.environ, kinds, limits, notifiers, clock_facts()))


def rule_limits() -> Mapping[str, type[msgspec.Struct]]:
    """Every rule's name and its Limits struct."""
    from hub import wiring

    return wiring.rule_limits()


def child_command(command: list[str]) -> list[str]:
    """The command of a child that never outlives this process."""
    from hub import wiring

    return wiring.child_command(command)


def build(settings: Settings) -> Hub:
    """A hub from settings, not yet started."""
    from hub import wiring

    return wiring.build(settings)


@contextlib.contextmanager
def running(hub: Hub) -> Iterator[None]:
    """Start it, and stop it whatever happens."""
    try:
        hub.start()
        yield
    finally:
        hub.stop()


def announce(hub: Hub) -> None:
    """The one line that others wait for. A broker that cannot be reached delays it and ends nothing."""
    if hub.wait_ready():
        print(f"ready {hub.url}", flush=True)
        return
    print(
        "The intake is not ready yet (is the broker reachable?); the hub goes on trying.", file=sys.stderr, flush=True
    )
    while not hub.wait(0):
        if hub.wait_ready():
            print(f"ready {hub.url}", flush=True)
            return


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """SIGTERM and Ctrl-C end the block in order, with exit code 0; a second one while stopping ends it at once."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise StopRequestedError

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(StopRequestedError):
        yield


def log_to_stderr() -> None:
    _log(logging.StreamHandler(sys.stderr))


def log_to_file(path: Path) -> None:
    """For a command whose terminal is for people: the newest 5 MB, and as much before it."""
    _log(logging.handlers.RotatingFileHandler(path, maxBytes=5_000_000, backupCount=1, encoding="utf-8"))


def _log(handler: logging.Handler) -> None:
    """Both ways of logging end in one handler; stdout stays free for what a command was asked for."""
    logging.basicConfig(
        handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    for chatty in ("alembic", "apscheduler", "httpx2", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@contextlib.contextmanager
def open_database(settings: Settings) -> Iterator[Store]:
    """The database of the configuration, also while a hub runs on it. Raises StoreError, also for what fails meanwhile."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    from hub.store.database import StoreError, explain, open_store

    store = open_store(settings.database)
    try:
        yield store
    except (OperationalError, InterfaceError) as error:
        raise StoreError(explain(error, settings.database)) from error
    finally:
        store.close()


@contextlib.contextmanager
def foreseen() -> Iterator[None]:
    """Turn what can be foreseen into one sentence (or one line per mistake) and an exit code."""
    from hub.process import HubError
    from hub.registry.sheet import SheetError
    from hub.store.accounts import AccountError
    from hub.store.database import StoreError

    try:
        yield
    except ConfigurationErrors as errors:
        print("\n".join(map(str, errors.mistakes)), file=sys.stderr)
        count = len(errors.mistakes)
        fail(f"{count} mistake{'s' if count > 1 else ''} in the configuration; nothing was loaded.", WRONG_USE)
    except (AccountError, StoreError, HubError, SheetError) as error:
        fail(str(error))
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        fail(f"The system refuses: {error.strerror or error}{place}.")


def fail(sentence: str, code: int = FAILURE) -> NoReturn:
    """One sentence on stderr, and the exit code."""
    print(sentence, file=sys.stderr, flush=True)
    raise typer.Exit(code)
