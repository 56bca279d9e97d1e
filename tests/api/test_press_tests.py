"""A test of an alarm button is declared by those who may, for one elevator, for an hour at most, and is an event like all others."""

import pytest
from sqlalchemy import select

from hub.store.schema import events
from hub.vocabulary.roles import Role


@pytest.fixture
def client(small_hub, client_of):
    return client_of(small_hub, Role.CONTROL_ROOM)


def declared(hub):
    with hub.store.read() as connection:
        return list(
            connection.execute(select(events.c.body_json).where(events.c.kind == "PressTestDeclared")).scalars()
        )


def test_it_is_kept_with_name_and_end_and_once_per_key(small_hub, client):
    ask = {"json": {"minutes": 20, "reason": "年检"}, "headers": {"Idempotency-Key": "k"}}
    answer = client.post("/api/v1/devices/b1-e2/press-test", params={"site": "lakeside"}, **ask)
    assert answer.status_code == 200
    assert answer.json()["until"].endswith("+08:00")
    client.post("/api/v1/devices/b1-e2/press-test", params={"site": "lakeside"}, **ask)
    (body,) = declared(small_hub)
    assert answer.json()["by"] in body
    assert "年检" in body


def test_who_may_and_what_is_refused(small_hub, client, client_of):
    path = "/api/v1/devices/b1-e2/press-test"
    assert client_of(small_hub, Role.SECURITY).post(path, json={}).status_code == 403
    assert client_of(small_hub, *Role, sites=("hilltop",)).post(path, json={}).status_code == 404
    assert client.post("/api/v1/devices/m-0101/press-test", json={}).status_code == 404
    for wrong in ({"minutes": 61}, {"minutes": -1}, {"minutes": "x"}, {"for": 5}):
        assert client.post(path, json=wrong).status_code == 422
    assert declared(small_hub) == []
