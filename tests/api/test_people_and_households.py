"""Entering and editing people, moving in and out: what is stored, who may, and what the rules hear."""

import msgspec
import pytest
from sqlalchemy import select

from hub.store.schema import events
from hub.vocabulary.roles import Role
from support.notice_api import household, person


@pytest.fixture
def desk(hub, client_of):
    return client_of(hub, Role.FRONT_DESK)


def _moves(hub) -> list[tuple[str, bool]]:
    """(device, vacant) of what the rules heard."""
    with hub.store.read() as connection:
        rows = connection.execute(select(events.c.body_json).where(events.c.kind == "OccupancyChanged"))
        told = [msgspec.json.decode(row.body_json) for row in rows]
    return [(body["device"], body["vacant"]) for body in sorted(told, key=lambda body: body["occurred_at"])]


def test_a_person_is_read_as_they_were_entered(desk):
    entered = desk.post(
        "/api/v1/people",
        json={
            "site": "lakeside",
            "code": "W-001",
            "name": "王芳",
            "role": "housekeeper",
            "zone": ["b1", "b2"],
            "channels": [
                {"channel": "wecom", "address": "wang", "consent": True},
                {"channel": "sms", "address": "13800000001"},
            ],
        },
    )
    assert entered.status_code == 201
    read = desk.get(entered.headers["location"])
    assert read.json() == entered.json()
    found = read.json()
    assert (found["code"], found["role"], found["zone"]) == ("W-001", "housekeeper", ["b1", "b2"])
    assert [(c["channel"], c["consent"], c["consent_at"] is None) for c in found["channels"]] == [
        ("wecom", True, False),
        ("sms", False, True),
    ]


def test_only_what_is_named_is_changed_and_consent_keeps_its_time(desk):
    person_id = person(desk)
    before = desk.get(f"/api/v1/people/{person_id}").json()
    changed = desk.patch(
        f"/api/v1/people/{person_id}",
        json={
            "channels": [
                {"channel": "mail", "address": "w@example.com", "consent": True},
                {"channel": "sms", "address": "13800000001", "consent": True},
            ]
        },
    ).json()
    assert changed["name"] == before["name"]
    assert [c["channel"] for c in changed["channels"]] == ["mail", "sms"], "their order is the rank"
    assert changed["channels"][1]["consent_at"] == before["channels"][0]["consent_at"]


def test_an_edit_based_on_an_old_reading_is_refused(desk):
    person_id = person(desk)
    etag = desk.get(f"/api/v1/people/{person_id}").headers["etag"]
    assert desk.patch(f"/api/v1/people/{person_id}", json={"name": "甲"}, headers={"If-Match": etag}).status_code == 200
    stale = desk.patch(f"/api/v1/people/{person_id}", json={"name": "乙"}, headers={"If-Match": etag})
    assert stale.status_code == 412
    assert desk.get(f"/api/v1/people/{person_id}").json()["name"] == "甲"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"code": "with space"}, "code"),
        ({"locale": "fr"}, "locale"),
        ({"role": "king"}, "role"),
        ({"zone": ["B 1"]}, "zone"),
        ({"channels": [{"channel": "SMS!", "address": "1"}]}, "channels"),
        ({"channels": [{"channel": "sms", "address": "1 2"}]}, "channels"),
        ({"channels": [{"channel": "sms", "address": "1"}, {"channel": "sms", "address": "1"}]}, "channels"),
        ({"nickname": "x"}, "nickname"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(desk, wrong, field):
    answer = desk.post("/api/v1/people", json={"site": "lakeside", "code": "p1", "name": "王"} | wrong)
    assert answer.status_code == 422
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])
    assert desk.get("/api/v1/people").json()["items"] == []


def test_a_code_belongs_to_one_person_of_a_site(desk):
    person(desk, "p1")
    again = desk.post("/api/v1/people", json={"site": "lakeside", "code": "p1", "name": "别人"})
    assert again.status_code == 409
    person(desk, "p1", site="hilltop")


def test_moving_in_and_out_is_told_to_the_rules_of_that_units_devices(hub, desk):
    person_id = person(desk)
    home = household(desk, person_id)
    assert desk.get("/api/v1/people", params={"unit": "b1/0101"}).json()["items"][0]["homes"] == [
        {"unit": "b1/0101", "role": "owner", "notified": True}
    ]
    twice = desk.post(
        "/api/v1/units/move-in",
        json={"site": "lakeside", "unit": "b1/0101", "members": [{"person": person_id}]},
    )
    assert twice.status_code == 409
    gone = desk.post("/api/v1/units/move-out", json={"site": "lakeside", "unit": "b1/0101"})
    assert gone.json()["id"] == home
    assert gone.json()["until"] is not None
    assert desk.post("/api/v1/units/move-out", json={"site": "lakeside", "unit": "b1/0101"}).status_code == 409
    assert desk.get("/api/v1/households").json()["items"] == []
    past = desk.get("/api/v1/households", params={"current": "false"}).json()["items"]
    assert [each["id"] for each in past] == [home]
    assert _moves(hub) == [("m-0101", False), ("m-0101", True)]


def test_a_move_that_is_repeated_under_one_key_happens_once(hub, desk):
    person_id = person(desk)
    body = {"site": "lakeside", "unit": "b1/0101", "members": [{"person": person_id}]}
    first = desk.post("/api/v1/units/move-in", json=body, headers={"Idempotency-Key": "m1"})
    again = desk.post("/api/v1/units/move-in", json=body, headers={"Idempotency-Key": "m1"})
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert len(_moves(hub)) == 1


def test_members_are_people_of_the_same_site_who_have_not_left(desk):
    stranger = person(desk, site="hilltop")
    for wrong in (stranger, 4_711):
        answer = desk.post(
            "/api/v1/units/move-in",
            json={"site": "lakeside", "unit": "b1/0101", "members": [{"person": wrong}]},
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "members"


def test_members_are_set_as_a_whole(desk):
    first, second = person(desk, "p1"), person(desk, "p2")
    home = household(desk, first)
    body = {"members": [{"person": second, "role": "tenant", "notified": True}, {"person": first, "notified": False}]}
    changed = desk.patch(f"/api/v1/households/{home}", json=body)
    assert [(m["person"], m["role"], m["notified"]) for m in changed.json()["members"]] == [
        (first, "owner", False),
        (second, "tenant", True),
    ]


def test_a_past_household_cannot_be_edited(desk):
    person_id = person(desk)
    home = household(desk, person_id)
    desk.post("/api/v1/units/move-out", json={"site": "lakeside", "unit": "b1/0101"})
    assert desk.patch(f"/api/v1/households/{home}", json={"members": [{"person": person_id}]}).status_code == 404


def test_who_has_left_is_in_no_list_but_can_be_read(desk):
    person_id = person(desk)
    assert desk.patch(f"/api/v1/people/{person_id}", json={"retired": True}).json()["retired_at"] is not None
    assert desk.get("/api/v1/people").json()["items"] == []
    assert desk.get(f"/api/v1/people/{person_id}").status_code == 200


def test_pages_hold_everybody_once(desk):
    ids = [person(desk, f"p{number}") for number in range(5)]
    seen, cursor = [], None
    while True:
        answer = desk.get("/api/v1/people", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == ids
