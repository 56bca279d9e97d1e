"""The OpenAPI document says what the API does: generated calls against every operation, with all checks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hub.vocabulary.elevator import AlarmType
from hub.vocabulary.roles import Role
from support.running import RunningHub

pytestmark = pytest.mark.slow  # real processes or sockets with their own times


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    hub = RunningHub(f"sqlite:///{tmp_path_factory.mktemp('schema') / 'hub.db'}")
    for device in ("b1-e1", "b1-e2"):
        hub.ticket(device)
        hub.ticket(device, type=AlarmType.FAULT)
    hub.offer(payload=b"bad")
    hub.state("b1-e1")
    hub.reading("m-0101", 1234)
    hub.alarm(detail="problem")
    hub.settled()
    yield hub
    hub.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_operation_does_what_its_document_says(running, tmp_path):
    """Examples, coverage, fuzzing and stateful calls with all checks; the stream never ends and has tests of its own."""
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(Path(__file__).with_name("schemathesis.toml")),
        ),
        *("run", f"{running.serve()}/api/v1/openapi.json", "--checks", "all", "--exclude-path-regex", "/stream$"),
        *("--header", f"Authorization: Bearer {running.token(Role.ADMIN)}"),
        *("--max-examples", "6", "--no-color", "--seed", "1"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout


def test_the_document_names_all_paths_of_the_contract(running):
    paths = running.app.openapi()["paths"]
    for path in (
        "/tickets",
        "/tickets/{ticket_id}",
        "/tickets/{ticket_id}/actions/{action}",
        "/feed",
        "/feed/stream",
        "/devices",
        "/devices/{device_id}",
        "/meters/{device_id}",
        "/meters/{device_id}/readings",
        "/meters/{device_id}/lives",
        "/topups",
        "/topups/{topup_id}",
        "/rejected",
        "/rejected/{rejected_id}/replay",
        "/problems",
        "/notices",
        "/notices/{notice_id}",
        "/people",
        "/households",
    ):
        assert f"/api/v1{path}" in paths


def test_every_reference_in_the_document_leads_somewhere(running):
    document = running.app.openapi()
    names = set(re.findall(r"#/components/schemas/([A-Za-z]+)", str(document)))
    assert names <= set(document["components"]["schemas"])
