"""A large configuration is read in a child, with the same outcome as here, whatever becomes of the child."""

import os
import signal
import threading
from pathlib import Path

import pytest

from hub.settings.apart import in_a_child
from hub.settings.model import Secret


def open_files():
    return sorted(each.name for each in Path("/proc/self/fd").iterdir())


@pytest.fixture
def alone(monkeypatch):
    """Threads that other tests of this worker have left behind are none of the hub's."""
    monkeypatch.setattr("hub.settings.apart.threading.active_count", lambda: 1)


@pytest.mark.usefixtures("alone")
def test_the_answer_comes_over_and_the_work_was_done_elsewhere():
    here = os.getpid()
    there, secret, many = in_a_child(lambda: (os.getpid(), Secret("told to nobody"), list(range(100_000))))
    assert there != here
    assert secret.reveal() == "told to nobody"
    assert many[-1] == 99_999


@pytest.mark.usefixtures("alone")
def test_what_is_raised_is_raised_here(capfd):
    def wrong() -> int:
        raise LookupError("wrong field")

    with pytest.raises(LookupError, match="wrong field"):
        in_a_child(wrong)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("alone")
def test_a_child_that_is_killed_does_not_matter():
    here = os.getpid()

    def killed_elsewhere() -> int:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return 5

    assert in_a_child(killed_elsewhere) == 5


@pytest.mark.usefixtures("alone")
def test_where_no_child_can_be_made_the_work_is_done_here_and_nothing_stays_open(monkeypatch):
    def no_more_processes():
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr("hub.settings.apart.os.fork", no_more_processes)
    before = open_files()
    assert in_a_child(os.getpid) == os.getpid()
    assert open_files() == before


def test_with_threads_about_nothing_is_forked():
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        assert in_a_child(os.getpid) == os.getpid()
    finally:
        release.set()
        other.join()
