"""kill -9 in the middle of a rescue, again and again, before and after commits: every deadline fires once, in order, at its time."""

import contextlib
import json
import os
import shutil
import signal
import traceback

import pytest

from hub.store.database import open_store
from support.rescues import LENGTH, Story, outcome, play

pytestmark = pytest.mark.slow


def die(database, progress, dies_at, *, after_commit):
    """In a process of its own: go on where the last one died, until the `dies_at`th transaction; exit code 0 at the end."""
    store = open_store(f"sqlite:///{database}")
    at = json.loads(progress.read_text())
    story = Story(store, now=at["now"])
    transactions = 0
    write = store.write

    @contextlib.contextmanager
    def write_or_die(**how):
        nonlocal transactions
        transactions += 1
        # Where the clock stands is not lost with the process: the next one begins at this moment.
        progress.write_text(json.dumps(at | {"now": story.rig.now}))
        with write(**how) as connection:
            yield connection
            if transactions == dies_at and not after_commit:
                os.kill(os.getpid(), signal.SIGKILL)
        if transactions == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    object.__setattr__(store, "write", write_or_die)

    def note(number):
        at["step"] = number

    play(story, at["step"], note)
    store.close()


def killed(*args, **how):
    """Whether the process died by the signal; its own failure is ours."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die(*args, **how)
            code = 0
        except BaseException:  # noqa: BLE001  nothing of this process may run on in pytest
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("after_commit", [False, True], ids=["before the commit", "after the commit"])
def test_a_rescue_through_many_kills_is_the_rescue_without_any(tmp_path, migrated_sqlite, after_commit):
    quiet = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'quiet.db')}")
    story = Story(quiet)
    begin = story.rig.now
    play(story)
    expected = outcome(story)
    quiet.close()

    database, progress = tmp_path / "killed.db", tmp_path / "progress.json"
    shutil.copy(migrated_sqlite, database)
    progress.write_text(json.dumps({"now": begin, "step": 0}))
    deaths = 0
    while killed(database, progress, (1 if after_commit else 2) + deaths % 3, after_commit=after_commit):
        deaths += 1
        assert deaths < 200, "no progress"
    assert deaths >= 10
    assert json.loads(progress.read_text())["step"] == LENGTH - 1
    store = open_store(f"sqlite:///{database}")
    found = outcome(Story(store, now=json.loads(progress.read_text())["now"]))
    store.close()
    assert found == expected
