"""City platforms: each folder of tests/cases of a shipped description is played, and what a description may say is checked."""

import copy
import hashlib
import hmac
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
import yaml

from connectors.codecs.city import Times, moment
from connectors.outside_http import Answer, OutsideError
from connectors.platforms import SHIPPED, read_platform, shipped
from connectors.platforms.way import PlatformWay
from hub.tickets.kinds import KINDS
from hub.vocabulary.ports import PublicChange, PutAside, Refused, Retry, Sent

CASES = Path(__file__).parents[2] / "cases"
FILES = [(name, file) for name in shipped() for file in sorted((CASES / name).glob("*.yaml"))]
ZONE = ZoneInfo("Asia/Shanghai")
VALUES = {"host": "96333.example:8443", "unit_code": "U-17", "app_key": "k", "app_secret": "s3cr3t"}
ELEVATORS = {"b1-e1": "31101108002016030001"}
TICKET = {
    "id": 12,
    "number": "LS-2026-0007",
    "kind": "entrapment",
    "site": "lakeside",
    "subject": {"type": "device", "id": "b1-e1", "name": "1栋1号梯", "place": "b1"},
    "state": "suspected",
    "active": True,
    "severity": "critical",
    "title": "电梯困人 · 1栋1号梯",
    "occurred_at": "2026-11-21T19:59:58.000+08:00",
    "opened_at": "2026-11-21T20:00:00.250+08:00",
    "updated_at": "2026-11-21T20:00:00.250+08:00",
    "fields": {},
    "drill": False,
}
OK = Answer(status=200, body=b'{"code": "0", "message": "ok"}')


class World:
    """Stands for the network: keeps what is sent, answers as told."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    def exchange(self, method, url, headers, body):
        self.sent.append((method, url, dict(headers), body))
        said = self.answers.pop(0) if self.answers else OK
        if isinstance(said, Exception):
            raise said
        return said


def change(ticket=None, words=("raised",), milestones=None):
    body = copy.deepcopy(TICKET) | (ticket or {})
    listed = [{"name": name, "at": at, "by": "li"} for name, at in (milestones or {}).items()]
    case = {"words": list(words), "milestones": listed}
    return PublicChange(seq=42, site="lakeside", at=0, type="ticket_changed", body=body, case=case)


def way(world, platform="city-96333", values=VALUES):
    found = shipped()[platform] if isinstance(platform, str) else platform
    return PlatformWay(world, found, values, ELEVATORS, ZONE, lambda: 1_000_000)


@pytest.mark.parametrize(("name", "file"), FILES, ids=[file.stem for _, file in FILES])
def test_case(name, file):
    case = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    world = World()
    verdict = way(world, name).deliver(change(case["ticket"], case["words"], case.get("milestones")))
    found = [{"method": method, "url": url, "json": msgspec.json.decode(body)} for method, url, _, body in world.sent]
    assert found == case["requests"]
    expected = {"put_aside": PutAside, "refused": Refused}.get(case.get("outcome"), Sent)
    assert isinstance(verdict, expected)


def test_every_description_that_is_shipped_has_its_cases():
    assert {path.stem for path in SHIPPED.glob("*.yaml")} == {name for name, _ in FILES}


@pytest.mark.parametrize("name", list(shipped()))
def test_each_step_waits_for_something_that_a_case_can_do(name):
    platform = shipped()[name]
    known = {"raised", "repeat"}
    for kind in platform.kinds:
        known |= {*KINDS[kind].actions, *KINDS[kind].triggers}
        known |= {
            *(f"clock_{clock}" for clock in KINDS[kind].clocks),
            *(f"state_{state}" for state in KINDS[kind].states),
        }
    assert {word for step in platform.steps for word in step.when} <= known


def test_the_request_is_signed():
    world = World()
    way(world).deliver(change())
    _, _, headers, body = world.sent[0]
    signed = f"{headers['X-Timestamp']}.{headers['X-Nonce']}.".encode() + body
    assert headers["X-Timestamp"] == "1000"
    assert headers["X-Signature"] == hmac.new(b"s3cr3t", signed, hashlib.sha256).hexdigest()
    assert b"s3cr3t" not in body


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (OK, Sent),
        (Answer(status=200, body=b'{"code": "BUSY"}'), Retry),
        (Answer(status=200, body=b'{"code": "LIMIT_MINUTE"}'), Retry),
        (Answer(status=200, body=b'{"code": "E17", "message": "unknown elevator"}'), Refused),
        (Answer(status=200, body=b"<html>"), Retry),
        (Answer(status=502, body=b""), Retry),
        (Answer(status=429, retry_after_s=9.0), Retry),
        (Answer(status=404, body=b""), Refused),
        (OutsideError("no answer within 10 s"), Retry),
    ],
)
def test_what_the_platform_s_answers_mean(answer, meaning):
    """Never GiveUp: one message that is not wanted must not end the reporting of all later cases."""
    assert isinstance(way(World(answer)).deliver(change()), meaning)


def test_where_the_second_message_is_not_taken_both_are_sent_again_under_the_same_keys():
    both = change({"state": "released"}, ["state_released", "welfare"])
    world = World(OK, Answer(status=503))
    platform = way(world)
    assert isinstance(platform.deliver(both), Retry)
    assert isinstance(platform.deliver(both), Sent)
    keys = [msgspec.json.decode(body)["messageId"] for _, _, _, body in world.sent]
    assert keys == [keys[0], keys[1], keys[0], keys[1]]


def test_other_kinds_of_tickets_are_none_of_its_business():
    assert isinstance(way(World()).deliver(change({"kind": "low_balance"})), PutAside)


@pytest.mark.parametrize(
    ("format_", "written"),
    [
        ("iso", "2026-11-21T20:00:00+08:00"),
        ("%Y%m%d%H%M%S", "20261121200000"),
        ("epoch_s", 1795262400),
        ("epoch_ms", 1795262400250),
    ],
)
def test_times_as_platforms_want_them(format_, written):
    assert moment("2026-11-21T12:00:00.250+00:00", Times(format=format_), ZONE) == written
    assert moment(None, Times(format=format_), ZONE) is None


GOOD = yaml.safe_load((SHIPPED / "city-96333.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("change_", "word"),
    [
        ({"steps": []}, "steps"),
        ({"steps": GOOD["steps"][:1] * 2}, "name of its own"),
        ({"steps": [{"name": "a", "when": [], "json": {}}]}, "`when`"),
        ({"steps": [{"name": "a", "when": ["raised"], "json": {"x": "{colour}"}}]}, "colour"),
        ({"steps": [{"name": "a", "when": ["raised"], "form": {"x": "1"}, "json": {}}]}, "side by side"),
        ({"steps": [{"name": "a", "when": ["raised"], "method": "DELETE", "json": {}}]}, "DELETE"),
        ({"fields": {"x": {"from": "colour", "map": {}}}}, "colour"),
        ({"times": {"zone": "Mars/Olympus"}}, "Mars"),
        ({"url": "https://{floor}/x"}, "setting only"),
        ({"signing": {"by": "hmac-sha256", "secret": "other"}}, "other"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_each_mistake_of_a_description_is_named(tmp_path, change_, word):
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(GOOD | change_), encoding="utf-8")
    with pytest.raises(ValueError, match=word):
        read_platform(file)
