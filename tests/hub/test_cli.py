"""Command `hub`: exit codes 0, 1 and 2, one sentence for what can be foreseen, stdout only for what was asked for."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hub import cli, wiring
from hub.store import accounts
from hub.vocabulary.roles import Role
from support.commands import ROOT, SITE, hub_here, hub_process, store_of, write_place

pytestmark = pytest.mark.slow  # real processes or sockets with their own times

NOW = 1_750_000_000_000


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
    result = (hub_process if arguments == ["nonsense"] else hub_here)(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage" in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_not_there_is_named_and_nothing_is_touched(place):
    result = hub_here("import", "people.csv", cwd=place)
    assert result.returncode == 1
    assert result.stderr == "The system refuses: No such file or directory (people.csv).\n"
    assert sorted(path.name for path in place.iterdir()) == ["hub.yaml", "sites"]


# --- check ------------------------------------------------------------------------------------------------


def test_a_right_configuration_is_confirmed(place):
    result = hub_here("check", cwd=place)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "hub.yaml: right. Sites: lakeside; 1 × elevator, 0 × bus.\n"
    assert not (place / "hub.db").exists(), "checking touches nothing"


def test_each_mistake_is_one_line_on_stderr(place):
    write_place(place, port=99999, site=SITE.replace("hub-json", "hub-jsom").replace("place: b1", "place: b2"))
    result = hub_process("check", cwd=place)
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
    result = hub_here(*command, cwd=tmp_path)
    assert result.returncode == 2
    assert "hub.yaml: cannot be read: No such file or directory" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_connect_tells_what_answers_and_what_does_not(tmp_path, nats_broker, free_port):
    """A broker that lets us in, and a bus where nobody listens: one line each, and exit code 1."""
    site = SITE.replace("devices:\n", f'buses: [{{id: m-1, url: "modbus+tcp://127.0.0.1:{free_port()}"}}]\ndevices:\n')
    mqtt = f'{{url: "{nats_broker.url}", username: {nats_broker.username}, password_env: PW}}'
    place = write_place(tmp_path, mqtt=mqtt, site=site)
    result = hub_here("check", "--connect", cwd=place, environ={"PW": nats_broker.password})
    assert result.returncode == 1
    lines = result.stdout.splitlines()[1:]
    assert lines[0] == f"ok     database: {place / 'hub.db'} will be made at the first start"
    assert lines[1].startswith(f"ok     mqtt: {nats_broker.url}: connected with MQTT ")
    assert lines[2].startswith("FAILED lakeside/m-1: modbus+tcp://127.0.0.1:")
    assert len(lines) == 3
    wrong = hub_here("check", "--connect", cwd=place, environ={"PW": "something else"})
    assert any(line.startswith("FAILED mqtt") for line in wrong.stdout.splitlines())
    assert not (place / "hub.db").exists()


def test_connect_ends_with_0_when_everything_answers(place):
    result = hub_here("check", "--connect", cwd=place)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [["ok", "database:"], ["ok", "mqtt:"]]


# --- people and machines ----------------------------------------------------------------------------------


def test_a_tokens_only_copy_is_the_printed_one(place):
    result = hub_here(
        "token", "add", "billing", "--role", "integrator", "--role", "finance", "--site", "lakeside", cwd=place
    )
    assert result.returncode == 0, result.stderr
    token = result.stdout.strip()
    store = store_of(place)
    try:
        found = accounts.by_token(store, token)
        assert found is not None
        assert (found.roles, found.sites) == ({Role.INTEGRATOR, Role.FINANCE}, {"lakeside"})
    finally:
        store.close()
    assert token.encode() not in (place / "hub.db").read_bytes()


def test_a_user_gets_the_password_of_the_variable(place):
    arguments = ["user", "add", "王芳", "--role", "control_room", "--password-env", "PW"]
    result = hub_here(*arguments, cwd=place, environ={"PW": "correct horse"})
    assert (result.returncode, result.stdout) == (0, "王芳 may sign in now.\n"), result.stderr
    store = store_of(place)
    try:
        assert accounts.sign_in(store, "王芳", "correct horse", NOW) is not None
    finally:
        store.close()


def test_without_a_terminal_a_password_is_made_up_and_printed_once(place):
    result = hub_here("user", "add", "control", "--role", "control_room", cwd=place)
    assert result.returncode == 0, result.stderr
    store = store_of(place)
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
    result = hub_here("user", "add", "x", "--role", "admin", *arguments, cwd=place, environ=environ)
    assert result.returncode == code
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_name_that_is_taken_is_refused(place):
    assert hub_here("token", "add", "x", "--role", "admin", cwd=place).returncode == 0
    result = hub_here("token", "add", "x", "--role", "admin", cwd=place)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "There is a token called 'x' already.\n"
