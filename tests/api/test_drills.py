"""Drills over HTTP: begun by those who lead, listed with what came of them, refused where a case is active."""

import pytest

from hub.vocabulary.roles import Role

DRILLS = "/api/v1/drills"
NEW = {"site": "lakeside", "device": "b1-e2", "scenario": "two people"}


@pytest.fixture
def manager(small_hub, client_of):
    return client_of(small_hub, Role.DEPARTMENT_MANAGER)


def test_a_drill_is_begun_played_evaluated_and_listed(manager):
    made = manager.post(DRILLS, json=NEW)
    assert made.status_code == 201
    ticket = manager.get(made.headers["Location"]).json()
    assert (ticket["drill"], ticket["id"], ticket["title"][:4]) == (True, made.json()["ticket"], "【演练】")
    assert "evaluate" not in ticket["actions"]
    for action in ("acknowledge", "release"):
        ticket = manager.post(f"/api/v1/tickets/{ticket['id']}/actions/{action}", json={}).json()
    assert "evaluate" in ticket["actions"]
    assert manager.get(DRILLS).json()["items"][0]["evaluation"] is None
    signed = manager.post(f"/api/v1/tickets/{ticket['id']}/actions/evaluate", json={"remarks": "good", "score": 90})
    assert signed.status_code == 200
    (item,) = manager.get(DRILLS, params={"site": "lakeside"}).json()["items"]
    found = item["evaluation"]
    assert (found["score"], found["remarks"], found["clocks_met"]) == (
        90,
        "good",
        ["acknowledge", "progress", "release"],
    )
    assert manager.get(DRILLS, params={"site": "hilltop"}).json()["items"] == []


def test_who_may_not_and_where_not(small_hub, client_of, manager):
    for role in (Role.SECURITY, Role.HOUSEKEEPER, Role.TECHNICIAN):
        stranger = client_of(small_hub, role)
        assert stranger.post(DRILLS, json=NEW).status_code == 403
        body = {"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e2"}, "drill": True}
        assert stranger.post("/api/v1/tickets", json=body).status_code == 403
    small_hub.ticket("b1-e2")
    assert manager.post(DRILLS, json=NEW).status_code == 409
    assert manager.post(DRILLS, json=NEW | {"device": "m-0101"}).status_code == 422
    assert manager.post(DRILLS, json=NEW | {"site": "nowhere"}).status_code == 404
    assert manager.get(DRILLS).json()["items"] == []
