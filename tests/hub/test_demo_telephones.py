"""The demonstration's telephones: what people are sent arrives through a notifier like any other and can be read, by its owner alone."""

from __future__ import annotations

import http.client
import json
import stat
from pathlib import Path

import pytest
import yaml

from connectors.notify.description import read_description
from connectors.notify.gateway import Gateway
from hub.demo_telephones import PATH, description, telephones
from hub.vocabulary.ports import GiveUp, OutgoingNotice, Sent

NOTICE = OutgoingNotice(
    key="hub-1",
    address="ZK01",
    title="电梯困人报警",
    body="1栋 http://x/ack/t",
    template="entrapment_opened",
    params={},
)


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def gateway(tmp_path):
    with telephones(tmp_path / "messages.jsonl") as port:
        (tmp_path / "telephones.yaml").write_text(yaml.safe_dump(description(port)), encoding="utf-8")
        yield Gateway(read_description(tmp_path / "telephones.yaml"), {}, {})


def test_a_notice_arrives_and_is_a_line_that_only_its_owner_reads(gateway, tmp_path):
    assert isinstance(gateway.send(NOTICE), Sent)
    file = tmp_path / "messages.jsonl"
    (line,) = lines(file)
    assert (line["to"], line["title"], line["text"]) == ("ZK01", "电梯困人报警", "1栋 http://x/ack/t")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_address_that_is_nobodys_is_given_up(gateway, tmp_path):
    other = OutgoingNotice(key="k", address="13800000000", title="t", body="b", template="x", params={})
    assert isinstance(gateway.send(other), GiveUp)
    assert not (tmp_path / "messages.jsonl").exists()


@pytest.mark.parametrize(
    ("path", "body"), [(PATH, b"{"), (PATH, b"[]"), (PATH, b'{"to":"ZK01"}'), ("/other", b"{}"), (PATH, b"")]
)
def test_what_is_no_message_is_refused_and_not_written_down(tmp_path, path, body):
    with telephones(tmp_path / "messages.jsonl") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", path, body)
        assert connection.getresponse().status == 400
        connection.close()
    assert not (tmp_path / "messages.jsonl").exists()
