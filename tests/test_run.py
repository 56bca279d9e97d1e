"""The launcher: works on a bare Python, survives an interrupted try, and says in a sentence what is missing."""

import ast
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import run
from run import Setup, SetupError, VenvState, plan
from support.waiting import wait_until

ROOT = Path(__file__).parents[1]
READY = VenvState(python_answers=True, has_pip=True, unfinished=False, fingerprint="now")


@pytest.mark.parametrize(
    ("found", "todo"),
    [
        (READY, "nothing"),
        (READY._replace(has_pip=False), "nothing"),
        (READY._replace(fingerprint="before"), "install"),
        (READY._replace(fingerprint=None), "install"),
        (READY._replace(fingerprint=None, has_pip=False), "make"),
        (READY._replace(unfinished=True), "make"),
        (READY._replace(python_answers=False), "make"),
        (VenvState(python_answers=False, has_pip=False, unfinished=False, fingerprint=None), "make"),
    ],
)
def test_set_up_does_what_the_found_state_asks_for(found, todo):
    assert plan(found, "now") == todo


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "requirements.lock").write_text("typer==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def test_the_fingerprint_follows_lock_project_and_place(tree, tmp_path_factory):
    seen = {run.fingerprint(tree)}
    (tree / "requirements.lock").write_text("typer==2\n")
    seen.add(run.fingerprint(tree))
    (tree / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    seen.add(run.fingerprint(tree))
    other = tmp_path_factory.mktemp("other") / "place"
    shutil.copytree(tree, other)
    seen.add(run.fingerprint(other))
    assert len(seen) == 4


class FakeMachine:
    """Answers commands without running them. `broken` holds words; a command that contains one fails."""

    def __init__(self, setup, *broken):
        self.setup = setup
        self.broken = broken
        self.ran = []

    def __call__(self, command):
        line = " ".join(str(part) for part in command)
        self.ran.append(line)
        if any(word in line for word in self.broken):
            return subprocess.CompletedProcess(command, 1, "", "some noise\nthe last word\n\n")
        if " venv " in line:
            self.setup.python.parent.mkdir(parents=True)
            self.setup.python.touch()
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def machine(tree, monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda _: None)
    said = []
    setup = Setup(tree, said.append)
    fake = FakeMachine(setup)
    fake.said = said
    monkeypatch.setattr(run, "_run_quietly", fake)
    return fake


def installs(machine):
    return [line for line in machine.ran if " install " in line]


def test_a_first_set_up_uses_uv_and_a_second_does_nothing(machine):
    assert machine.setup.ensure() == machine.setup.python
    assert "-m uv pip install" in installs(machine)[-1]
    assert "--require-hashes" in installs(machine)[-2]
    machine.ran.clear()
    machine.setup.ensure()
    assert machine.ran == []


def test_progress_is_shown(machine):
    machine.setup.ensure()
    assert [line.split()[0] for line in machine.said] == ["Making", "Installing", "Set-up"]


def test_without_uv_pip_does_it(machine):
    machine.broken = ("uv>=",)
    machine.setup.ensure()
    assert ["-m pip" in line for line in installs(machine)[-2:]] == [True, True]
    assert machine.setup.stamp.exists()


def test_when_uv_fails_halfway_pip_does_it(machine):
    machine.broken = ("-m uv",)
    machine.setup.ensure()
    assert "-m pip" in installs(machine)[-1]


def test_when_nothing_installs_one_sentence_says_so_and_the_next_try_starts_afresh(machine):
    machine.broken = ("--require-hashes",)
    with pytest.raises(SetupError, match=r"could not be installed.*the last word"):
        machine.setup.ensure()
    machine.broken = ()
    machine.ran.clear()
    machine.setup.ensure()
    assert any(" venv " in line for line in machine.ran)
    assert not machine.setup.unfinished.exists()


def test_without_the_venv_module_one_sentence_says_what_to_install_and_nothing_is_left(machine):
    machine.broken = ("-m venv",)
    with pytest.raises(SetupError, match="python3-venv"):
        machine.setup.ensure()
    assert not machine.setup.venv.exists()


def test_without_the_venv_module_uv_on_the_path_makes_it(machine, monkeypatch):
    machine.broken = ("-m venv",)
    monkeypatch.setattr(run.shutil, "which", lambda name: "/opt/uv" if name == "uv" else None)
    machine.setup.ensure()
    assert any(line.startswith("/opt/uv venv") for line in machine.ran)


@pytest.mark.parametrize("leftover", ["empty folder", "python without pip", "marker"])
def test_a_half_made_venv_is_thrown_away(machine, leftover, monkeypatch):
    setup = machine.setup
    setup.venv.mkdir()
    (setup.venv / "rubbish").touch()
    if leftover != "empty folder":
        setup.python.parent.mkdir()
        setup.python.touch()
    if leftover == "marker":
        setup.stamp.write_text(run.fingerprint(setup.root))
        setup.unfinished.touch()
    if leftover == "python without pip":
        answers = iter([subprocess.CompletedProcess([], 0, "", ""), subprocess.CompletedProcess([], 1, "", "")])
        monkeypatch.setattr(run, "_run_quietly", lambda command: next(answers, None) or machine(command))
    setup.ensure()
    assert not (setup.venv / "rubbish").exists()
    assert setup.stamp.exists()


def test_a_change_of_the_lock_installs_into_the_venv_that_is_there(machine):
    machine.setup.ensure()
    (machine.setup.root / "requirements.lock").write_text("typer==2\n")
    machine.ran.clear()
    machine.setup.ensure()
    assert installs(machine)
    assert not any(" venv " in line for line in machine.ran)


def test_a_second_set_up_waits_for_the_first(machine):
    with (machine.setup.root / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=machine.setup.ensure)
        second.start()
        wait_until(lambda: any("waiting" in line for line in machine.said), 10)
        assert machine.ran == []
    second.join(10)
    assert machine.setup.stamp.exists()


def test_an_old_python_is_refused_in_one_sentence():
    pretend = (
        "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0); sys.version = '3.9.2 (old)'; "
        f"runpy.run_path({str(ROOT / 'run.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("The hub needs Python 3.11 or newer; this is 3.9.2")
    assert len(done.stderr.splitlines()) == 1


def test_the_launcher_parses_on_an_old_python_and_imports_the_standard_library_only():
    tree = ast.parse((ROOT / "run.py").read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_fast_leaves_out_the_slow_tests_and_pytest_gets_the_rest():
    command = run.checks("python", True, ["tests/hub", "-k", "entrapment"])[-1].command
    assert command[-5:] == ["-m", "not slow", "tests/hub", "-k", "entrapment"]
    assert "not slow" not in run.checks("python", False, [])[-1].command


def test_every_check_runs_even_after_a_failure_and_the_summary_names_what_failed(monkeypatch, capfd):
    def fake(_python, _fast, _rest):
        return [run.Check(f"c{code}", [sys.executable, "-c", f"raise SystemExit({code})"]) for code in (0, 1, 5)]

    monkeypatch.setattr(run, "checks", fake)
    assert run.run_tests("python", fast=False, pytest_args=[]) == 1
    summary = capfd.readouterr().out.split("--- summary")[1]
    assert [line.split()[:2] for line in summary.strip().splitlines()] == [
        ["c0", "ok"],
        ["c1", "FAILED"],
        ["c5", "FAILED"],
    ]


SLOW_CHECK = """
import signal, sys, run
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background may ignore it
run.Setup.ensure = lambda self: self.python
child = "import time; print('child runs', flush=True); time.sleep(60)"
run.checks = lambda *_: [run.Check("slow", [sys.executable, "-c", child])]
sys.exit(run.main(["test"]))
"""


def test_ctrl_c_reaches_the_child_and_ends_quietly():
    command = [sys.executable, "-c", SLOW_CHECK]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as launcher:
        for line in launcher.stdout:
            if "child runs" in line:
                break
        os.killpg(launcher.pid, signal.SIGINT)
        _, complaint = launcher.communicate(timeout=30)
    assert launcher.returncode == 130
    assert "Stopped" in complaint
    assert "run.py" not in complaint, "no traceback of the launcher"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_copy_of_the_tree_sets_itself_up_after_a_try_that_was_killed(tmp_path):
    """The real thing, in an empty environment: killed in the middle of installing, then run again."""
    copy = tmp_path / "copy"
    keep_out = shutil.ignore_patterns(".venv*", ".git", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "var")
    shutil.copytree(ROOT, copy, ignore=keep_out)
    network = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", str(tmp_path))}
    environment |= {name: value for name, value in os.environ.items() if name.startswith(network)}
    command = [str(Path(sys.base_prefix) / "bin" / "python3"), "run.py", "setup"]
    with subprocess.Popen(command, cwd=copy, env=environment, stdout=subprocess.PIPE, start_new_session=True) as first:
        wait_until((copy / ".venv" / ".unfinished").exists, 120, "the first try installs")
        os.killpg(first.pid, signal.SIGKILL)
    second = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Making .venv" in second.stdout
    hub = subprocess.run(
        [copy / ".venv/bin/hub", "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert hub.returncode == 0, hub.stderr
    assert "demo" in hub.stdout
    third = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert (third.returncode, third.stdout) == (0, ""), "nothing to do, nothing said"


SKIPS = """
import pytest

def test_says_so():
    pytest.skip("no such broker")

@pytest.mark.skipif(True, reason="no such platform")
def test_marked():
    pass

def test_expected_to_fail():
    pytest.xfail("known")
"""


@pytest.mark.parametrize(
    ("require_all", "workers", "outcome"),
    [("1", "0", "1 failed, 1 xfailed, 1 error"), ("1", "1", "1 failed, 1 xfailed, 1 error"), ("", "1", "2 skipped, 1 xfailed")],
    ids=["in CI", "in CI, by a worker of xdist", "elsewhere"],
)  # fmt: skip
def test_in_ci_a_skip_is_a_failure_with_its_reason(tmp_path, require_all, workers, outcome):
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_skips.py").write_text(SKIPS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    command += ["-n", workers]
    environment = {**os.environ, "REQUIRE_ALL_TESTS": require_all}
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert outcome in done.stdout, done.stdout + done.stderr
    assert "no such broker" in done.stdout


def test_a_developers_own_hub_settings_do_not_reach_the_tests():
    assert [name for name in os.environ if name.startswith("HUB_")] == []
