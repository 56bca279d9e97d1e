"""A billing platform pushes balances over HTTP: the same message as over the broker, answered when it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from connectors import profiles
from connectors.codecs.hub_topics import reading_topic
from connectors.codecs.json_decoder import JsonDecoder
from hub.meters import platform
from hub.meters.platform import PlatformReadings
from hub.vocabulary.instants import iso
from hub.vocabulary.ports import DeviceEntry
from hub.vocabulary.roles import Role
from support.running import DEVICES, RunningHub

READ_BY_THE_HUB = "m-0301"


@pytest.fixture
def pushed(small_hub: RunningHub) -> RunningHub:
    """With the decoder that the running hub has."""
    shipped = {name: each.mqtt for name, each in profiles.load().items() if each.mqtt is not None}
    entries = [
        DeviceEntry(
            site=each.site, device=each.id, kind=each.kind, timezone="Asia/Shanghai", balance_unit=each.balance_unit,
            profile="acrel-ddsy1352" if each.id == READ_BY_THE_HUB else "hub-json",
        )
        for each in DEVICES
    ]  # fmt: skip
    decoder = JsonDecoder(shipped, entries, "hub-1")
    small_hub.engine._decoders = {"mqtt": decoder}
    push = PlatformReadings(decoder, small_hub.inbox, reading_topic, small_hub.now).take
    small_hub.app = create_app(replace(small_hub.services, push=push))
    return small_hub


@pytest.fixture
def biller(pushed: RunningHub, client_of: Any) -> TestClient:
    """The platform's client."""
    client: TestClient = client_of(pushed, Role.INTEGRATOR)
    return client


def reading(hub: RunningHub, id_: str = "r-1", **other: Any) -> dict[str, Any]:
    return {"id": id_, "at": iso(hub.now()), "balance": 23.5, "unit": "CNY"} | other


def push(client: TestClient, body: dict[str, Any], meter: str = "m-0101", **more: Any) -> Any:
    return client.post(f"/api/v1/meters/{meter}/readings", json=body, **more)


def test_a_pushed_balance_is_the_meters_balance_when_it_is_answered(pushed: RunningHub, biller: TestClient) -> None:
    body = reading(pushed, energy_kwh=120.25, purchases=4, relay="closed", overdraft=0, tariff="night")
    answer = push(biller, body)
    assert (answer.status_code, answer.json()) == (201, {"site": "lakeside", "meter": "m-0101", "id": "r-1"})
    shown = biller.get("/api/v1/meters/m-0101").json()
    assert shown["balance"] == {"amount": "23.50", "currency": "CNY"}
    assert (shown["energy"], shown["purchases"], shown["relay"]) == ({"amount": "120.250", "unit": "kWh"}, 4, "closed")


def test_the_same_id_again_is_the_same_reading(pushed: RunningHub, biller: TestClient) -> None:
    body = reading(pushed)
    assert [push(biller, body).status_code for _ in range(3)] == [201, 201, 201]
    assert len(biller.get("/api/v1/meters/m-0101/readings").json()["items"]) == 1


def test_a_debt_stands_beside_an_empty_balance(pushed: RunningHub, biller: TestClient) -> None:
    assert push(biller, reading(pushed, balance=0, overdraft=12.34)).status_code == 201
    assert biller.get("/api/v1/meters/m-0101").json()["balance"]["amount"] == "-12.34"


def test_an_unknown_balance_is_null_and_never_0(pushed: RunningHub, biller: TestClient) -> None:
    assert push(biller, reading(pushed, balance=None)).status_code == 201
    assert biller.get("/api/v1/meters/m-0101").json()["balance"] is None


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"balance": "23.5"}, "balance"),
    ({"balance": True}, "balance"),
    ({"balance": 1e300}, "implausible"),
    ({"unit": "EUR"}, "unit"),
    ({"at": "2026-06-01T12:00:00"}, "at"),
    ({"at": 1_780_000_000_000}, "at"),
    ({"purchases": -1}, "purchases"),
    ({"purchases": 1.5}, "purchases"),
    ({"relay": "tripped"}, "relay"),
    ({"meter_alarm": 4}, "meter_alarm"),
    ({"id": ""}, "id"),
    ({"energy_kwh": -1}, "implausible"),
)


def test_what_is_wrong_is_named_and_nothing_is_stored(pushed: RunningHub, biller: TestClient) -> None:
    for wrong, field in WRONG:
        answer = push(biller, reading(pushed) | wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), wrong
        assert field in answer.text, wrong
    assert biller.get("/api/v1/meters/m-0101/readings").json()["items"] == []
    assert biller.get("/api/v1/rejected").json()["items"] == [], "the caller was told; nobody else has to look"


def test_what_is_missing_is_named(pushed: RunningHub, biller: TestClient) -> None:
    for missing in ("id", "at", "balance", "unit"):
        body = reading(pushed)
        del body[missing]
        answer = push(biller, body)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, [missing])


def test_not_a_number_is_no_balance(pushed: RunningHub, biller: TestClient) -> None:
    """Python's JSON lets NaN pass; a NaN that became null would be an unknown balance that nobody sent."""
    body = '{"id": "1", "at": "2026-06-01T12:00:00Z", "balance": NaN, "unit": "CNY"}'
    headers = {"Content-Type": "application/json"}
    assert biller.post("/api/v1/meters/m-0101/readings", content=body, headers=headers).status_code == 422


def test_a_meter_that_the_hub_reads_itself_has_one_source(pushed: RunningHub, biller: TestClient) -> None:
    answer = push(biller, reading(pushed), READ_BY_THE_HUB)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:hub:conflict")
    assert "acrel-ddsy1352" in answer.json()["detail"]
    assert push(biller, reading(pushed), "m-9999").status_code == 404


def test_a_commit_that_does_not_come_is_no_success(
    pushed: RunningHub, biller: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answered is stored: while nothing is written down, the platform keeps its reading and sends it again."""
    monkeypatch.setattr(platform, "ANSWER_WITHIN_S", 0.05)
    body = reading(pushed)
    pushed.engine.stop()
    answer = push(biller, body)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:hub:unconfirmed")


def test_only_machines_of_integrators_push(pushed: RunningHub, client_of: Any) -> None:
    assert push(client_of(pushed, Role.FRONT_DESK), reading(pushed)).status_code == 403
    assert push(client_of(pushed), reading(pushed)).status_code == 401
    assert push(client_of(pushed, Role.INTEGRATOR, sites=("hilltop",)), reading(pushed)).status_code == 404
