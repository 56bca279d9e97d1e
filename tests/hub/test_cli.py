"""Command `hub`: exit codes 0, 1 and 2, one sentence for what can be foreseen, stdout only for what was asked for."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from hub import cli, wiring
from hub.store import accounts
from hub.store.database import open_store
from hub.vocabulary.roles import Role
from support.brokers import NatsBroker

pytestmark = pytest.mark.slow  # real processes or sockets with their own times

ROOT = Path(__file__).parents[2]
NOW = 1_750_000_000_000

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, units: ["0101"]}]
devices:
  - {id: b1-e1, kind: elevator, profile: hub-json, place: b1}
"""


def _hub(*arguments, cwd, environ=None, timeout=60, **options):
    """The command as an operator gives it, in a process of its own."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "COLUMNS": "200",
        **(environ or {}),
    }
    command = [sys.executable, "-W", "error::ResourceWarning", "-m", "hub", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )


def _here(*arguments, cwd, environ=None):
    """The same command within this process, many times faster; nothing of it may outlive the call."""
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], env=environ)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return SimpleNamespace(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)


def _write(folder, mqtt="{embedded: true}", port=0, database="sqlite:///hub.db", site=SITE):
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "sites" / "lakeside.yaml").write_text(site, encoding="utf-8")
    text = f"database: {database}\nhttp: {{port: {port}}}\nmqtt: {mqtt}\nsites: [sites/*.yaml]\n"
    (folder / "hub.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def place(tmp_path):
    """A folder with a right configuration; the database does not exist yet."""
    return _write(tmp_path)


class RunningHub:
    """`hub run` as a process; ends with the block."""

    def __init__(self, folder, environ=None):
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **(environ or {})}
        self.errors = (folder / "stderr.txt").open("w+", encoding="utf-8")
        command = [sys.executable, "-m", "hub", "run", "--config", str(folder / "hub.yaml")]
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=folder
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def ready(self):
        """The address that the one line names."""
        line = self.process.stdout.readline()
        match = re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)\n", line)
        assert match, f"{line!r}: {self.said()}"
        return match[1]

    def said(self):
        return Path(self.errors.name).read_text(encoding="utf-8")

    def end(self, how):
        """Exit code and what else stood on stdout."""
        self.process.send_signal(how)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest


# --- wrong use --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["demo"],
        ["check"],
        ["import"],
        ["backup"],
        ["restore"],
        ["user"],
        ["user", "add"],
        ["token", "add"],
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version_is_told():
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"hub {wiring.VERSION}\n")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--nonsense"], ["user", "add", "x"], ["user", "add", "x", "--role", "king"], ["backup"]],
    ids=" ".join,
)
def test_wrong_use_ends_with_2(arguments, tmp_path):
    result = (_hub if arguments == ["nonsense"] else _here)(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage" in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_not_there_is_named_and_nothing_is_touched(place):
    result = _here("import", "people.csv", cwd=place)
    assert result.returncode == 1
    assert result.stderr == "The system refuses: No such file or directory (people.csv).\n"
    assert sorted(path.name for path in place.iterdir()) == ["hub.yaml", "sites"]


# --- check ------------------------------------------------------------------------------------------------


def test_a_right_configuration_is_confirmed(place):
    result = _here("check", cwd=place)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "hub.yaml: right. Sites: lakeside; 1 × elevator, 0 × bus.\n"
    assert not (place / "hub.db").exists(), "checking touches nothing"


def test_each_mistake_is_one_line_on_stderr(place):
    _write(place, port=99999, site=SITE.replace("hub-json", "hub-jsom").replace("place: b1", "place: b2"))
    result = _hub("check", cwd=place)
    assert (result.returncode, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("hub.yaml:2: http.port: 99999 is out of range; allowed: ")
    assert lines[1].startswith("sites/lakeside.yaml:4: devices[0].place: there is no building 'b2'")
    assert lines[2].startswith(
        "sites/lakeside.yaml:4: devices[0].profile: there is no profile 'hub-jsom', did you mean"
    )
    assert lines[3] == "3 mistakes in the configuration; nothing was loaded."


@pytest.mark.parametrize("command", [["check"], ["user", "add", "x", "--role", "admin"], ["backup", "b.zip"]])
def test_without_a_configuration_every_command_ends_with_2(command, tmp_path):
    result = _here(*command, cwd=tmp_path)
    assert result.returncode == 2
    assert "hub.yaml: cannot be read: No such file or directory" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_connect_tells_what_answers_and_what_does_not(tmp_path, nats_broker, free_port):
    """A broker that lets us in, and a bus where nobody listens: one line each, and exit code 1."""
    site = SITE.replace("devices:\n", f'buses: [{{id: m-1, url: "modbus+tcp://127.0.0.1:{free_port()}"}}]\ndevices:\n')
    mqtt = f'{{url: "{nats_broker.url}", username: {nats_broker.username}, password_env: PW}}'
    place = _write(tmp_path, mqtt=mqtt, site=site)
    result = _here("check", "--connect", cwd=place, environ={"PW": nats_broker.password})
    assert result.returncode == 1
    lines = result.stdout.splitlines()[1:]
    assert lines[0] == f"ok     database: {place / 'hub.db'} will be made at the first start"
    assert lines[1].startswith(f"ok     mqtt: {nats_broker.url}: connected with MQTT ")
    assert lines[2].startswith("FAILED lakeside/m-1: modbus+tcp://127.0.0.1:")
    assert len(lines) == 3
    wrong = _here("check", "--connect", cwd=place, environ={"PW": "something else"})
    assert any(line.startswith("FAILED mqtt") for line in wrong.stdout.splitlines())
    assert not (place / "hub.db").exists()


def test_connect_ends_with_0_when_everything_answers(place):
    result = _here("check", "--connect", cwd=place)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [["ok", "database:"], ["ok", "mqtt:"]]


# --- people and machines ----------------------------------------------------------------------------------


def _store(place):
    return open_store(f"sqlite:///{place / 'hub.db'}")


def test_a_tokens_only_copy_is_the_printed_one(place):
    result = _here(
        "token", "add", "billing", "--role", "integrator", "--role", "finance", "--site", "lakeside", cwd=place
    )
    assert result.returncode == 0, result.stderr
    token = result.stdout.strip()
    store = _store(place)
    try:
        found = accounts.by_token(store, token)
        assert found is not None
        assert (found.roles, found.sites) == ({Role.INTEGRATOR, Role.FINANCE}, {"lakeside"})
    finally:
        store.close()
    assert token.encode() not in (place / "hub.db").read_bytes()


def test_a_user_gets_the_password_of_the_variable(place):
    arguments = ["user", "add", "王芳", "--role", "control_room", "--password-env", "PW"]
    result = _here(*arguments, cwd=place, environ={"PW": "correct horse"})
    assert (result.returncode, result.stdout) == (0, "王芳 may sign in now.\n"), result.stderr
    store = _store(place)
    try:
        assert accounts.sign_in(store, "王芳", "correct horse", NOW) is not None
    finally:
        store.close()


def test_without_a_terminal_a_password_is_made_up_and_printed_once(place):
    result = _here("user", "add", "control", "--role", "control_room", cwd=place)
    assert result.returncode == 0, result.stderr
    store = _store(place)
    try:
        assert accounts.sign_in(store, "control", result.stdout.strip(), NOW) is not None
    finally:
        store.close()


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [("correct horse", 0, "王芳 may sign in now."), ("short", 2, "at least 8 characters")],
)
def test_on_a_terminal_the_password_is_asked_for_and_not_shown(typed, code, said, place):
    keyboard, terminal = os.openpty()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "hub", "user", "add", "王芳", "--role", "control_room"],
        cwd=place,
        env=environ,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # no terminal of the test's own
    )
    output = b""
    try:
        for _ in range(2):  # the password, and once more; what is typed before the question is thrown away
            output += _until(process.stdout, b": ")
            os.write(keyboard, f"{typed}\n".encode())
        output += process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.communicate()
        os.close(keyboard)
        os.close(terminal)
    text = output.decode()
    assert process.returncode == code, text
    assert said in text
    assert typed not in text


def _until(stream, mark):
    found = b""
    while not found.endswith(mark):
        found += stream.read(1) or mark
    return found


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "sentence"),
    [
        (["--password-env", "PW"], {}, 2, "The variable PW holds no password"),
        (["--password-env", "PW"], {"PW": "short"}, 2, "at least 8 characters"),
        (["--site", "hillside"], {}, 2, "There is no site 'hillside'; there are: lakeside."),
    ],
)
def test_a_wrong_user_is_refused_in_one_sentence(arguments, environ, code, sentence, place):
    result = _here("user", "add", "x", "--role", "admin", *arguments, cwd=place, environ=environ)
    assert result.returncode == code
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_name_that_is_taken_is_refused(place):
    assert _here("token", "add", "x", "--role", "admin", cwd=place).returncode == 0
    result = _here("token", "add", "x", "--role", "admin", cwd=place)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "There is a token called 'x' already.\n"


# --- data in and out --------------------------------------------------------------------------------------


def test_backup_and_restore_bring_everything_back(place, tmp_path_factory):
    token = _here("token", "add", "x", "--role", "admin", cwd=place).stdout.strip()
    made = _here("backup", "b.zip", cwd=place)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("b.zip: ")
    other = _write(tmp_path_factory.mktemp("other"))
    result = _here("restore", place / "b.zip", cwd=other)
    assert result.returncode == 0, result.stderr
    store = _store(other)
    try:
        assert accounts.by_token(store, token) is not None
    finally:
        store.close()


def test_a_mistake_in_a_site_file_keeps_nobody_from_a_backup(place):
    _here("token", "add", "x", "--role", "admin", cwd=place)
    (place / "sites" / "lakeside.yaml").write_text("site: [half an edit")
    assert _here("backup", "b.zip", cwd=place).returncode == 0


def test_restore_into_a_place_in_use_changes_nothing(place):
    _here("token", "add", "x", "--role", "admin", cwd=place)
    _here("backup", "b.zip", cwd=place)
    before = (place / "hub.db").read_bytes()
    result = _here("restore", "b.zip", cwd=place)
    assert result.returncode == 1
    assert "restore into an empty place" in result.stderr
    assert (place / "hub.db").read_bytes() == before


# --- running ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_run_says_ready_once_and_ends_cleanly(how, place):
    with RunningHub(place) as hub:
        url = hub.ready()
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            assert json.load(answer)["ready"]
        assert hub.end(how) == (0, ""), hub.said()
        assert "Traceback" not in hub.said()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One running hub for the tests that leave it as it is: its folder and its address."""
    place = _write(tmp_path_factory.mktemp("shared"))
    with RunningHub(place) as hub:
        yield SimpleNamespace(place=place, url=hub.ready(), process=hub.process)
        assert hub.end(signal.SIGTERM) == (0, ""), hub.said()


def test_a_backup_can_be_made_while_the_hub_runs(shared):
    result = _here("backup", "b.zip", cwd=shared.place)
    assert result.returncode == 0, result.stderr


def test_people_and_machines_can_be_added_while_the_hub_runs(shared):
    token = _here("token", "add", "x", "--role", "control_room", cwd=shared.place).stdout.strip()
    request = urllib.request.Request(f"{shared.url}/api/v1/devices", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert [device["id"] for device in json.load(answer)["items"]] == ["b1-e1"]


def test_two_hubs_on_one_database_are_refused(shared):
    result = _hub("run", cwd=shared.place)
    assert result.returncode == 1
    assert "Another hub" in result.stderr.splitlines()[-1]
    assert shared.process.poll() is None


def test_a_broker_that_is_away_keeps_the_hub_waiting_and_not_dead(tmp_path, wait_until):
    broker = NatsBroker(tmp_path / "nats")
    broker.folder.mkdir(exist_ok=True)
    place = _write(
        tmp_path, mqtt=f'{{url: "mqtt://127.0.0.1:{broker.port}", username: {broker.username}, password_env: PW}}'
    )
    with RunningHub(place, {"PW": broker.password}) as hub:
        wait_until(lambda: "no connection" in hub.said() or "connect" in hub.said(), timeout=60, message=hub.said)
        assert hub.process.poll() is None
        broker.start()
        try:
            hub.ready()
            assert hub.end(signal.SIGTERM)[0] == 0, hub.said()
        finally:
            broker.stop()


def test_a_port_in_use_is_one_sentence(place, free_port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        _write(place, port=other.getsockname()[1])
        result = _hub("run", cwd=place)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"Port {other_port(place)} of 127.0.0.1 cannot be used")
    assert "Traceback" not in result.stderr
    assert not (place / "hub.db").exists(), "nothing is touched"


def other_port(place):
    return re.search(r"port: (\d+)", (place / "hub.yaml").read_text())[1]


def _spoil_revision(file):
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()


def _spoil_pages(file):
    raw = bytearray(file.read_bytes())
    for page in range(1, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 300] = b"\xee" * 300
    file.write_bytes(raw)


def _spoil_header(file):
    file.write_bytes(b"this was a database once" * 1000)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(_spoil_revision, "newer version"), (_spoil_pages, "damaged"), (_spoil_header, "damaged")],
    ids=["newer", "damaged pages", "no database"],
)
@pytest.mark.parametrize(
    "command", [["run"], ["token", "add", "y", "--role", "admin"], ["backup", "b.zip"]], ids=" ".join
)
def test_a_database_that_cannot_be_used_is_one_sentence_and_stays_as_it_is(command, spoil, sentence, place):
    _here("token", "add", "x", "--role", "admin", cwd=place)
    spoil(place / "hub.db")
    before = (place / "hub.db").read_bytes()
    result = (_hub if command == ["run"] else _here)(*command, cwd=place)
    assert result.returncode == 1
    assert sentence in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert (place / "hub.db").read_bytes() == before


def test_a_full_disk_is_one_sentence(place):
    """The process may write 64 kB to any file, which is less than the empty tables need."""
    result = _hub(
        "token",
        "add",
        "x",
        "--role",
        "admin",
        cwd=place,
        preexec_fn=_little_room,
        environ={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 1
    assert "disk" in result.stderr
    assert "Traceback" not in result.stderr


def _little_room():
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))


def test_a_place_that_cannot_be_written_is_one_sentence(place):
    """Not even root may write there."""
    _write(place, database="sqlite:////proc/hub.db")
    result = _here("token", "add", "x", "--role", "admin", cwd=place)
    assert (result.returncode, result.stdout) == (1, "")
    assert "no permission" in result.stderr
    assert len(result.stderr.splitlines()) == 1
