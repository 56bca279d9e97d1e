"""The roster over HTTP: entered by those who may, read by everybody, taken back and never edited."""

import pytest

from hub.vocabulary.instants import HOUR_MS, iso
from hub.vocabulary.roles import Role
from support.notice_api import person

ROSTER = "/api/v1/roster"


@pytest.fixture
def lead(small_hub, client_of):
    return client_of(small_hub, Role.DUTY_SUPERVISOR)


@pytest.fixture
def staff(small_hub, client_of):
    desk = client_of(small_hub, Role.FRONT_DESK)
    return {name: person(desk, code=name, name=name, role="technician", channels=[]) for name in ("wang", "li")}


def assignment(client, who, **other):
    body = {"site": "lakeside", "person": who, "shift": "round_the_clock", "valid_from": "2026-01-01"}
    return client.post(f"{ROSTER}/assignments", json=body | other)


def on_duty(client, **query):
    answer = client.get(f"{ROSTER}/on-duty", params={"site": "lakeside", "role": "technician"} | query)
    assert answer.status_code == 200, answer.text
    (role,) = answer.json()["roles"]
    return [each["person"]["name"] for each in role["on_duty"]], role["everybody"]


def test_who_was_put_into_a_shift_is_on_duty_until_it_is_taken_back(lead, staff):
    assert on_duty(lead) == ([], True)
    made = assignment(lead, staff["wang"], zone=["b1"], weekdays=[7, 1, 2, 3, 4, 5, 6])
    assert made.status_code == 201
    assert made.headers["Location"] == f"{ROSTER}/assignments/{made.json()['id']}"
    assert made.json() | {"created_at": ""} == {
        "id": 1,
        "site": "lakeside",
        "person": {"id": staff["wang"], "code": "wang", "name": "wang"},
        "role": "technician",
        "shift": "round_the_clock",
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "zone": ["b1"],
        "valid_from": "2026-01-01",
        "valid_until": None,
        "created_at": "",
        "created_by": made.json()["created_by"],
        "ended_at": None,
        "ended_by": None,
    }
    assert on_duty(lead) == (["wang"], False)
    assert on_duty(lead, building="b2") == ([], True)
    ended = lead.delete(f"{ROSTER}/assignments/1")
    assert ended.status_code == 200
    assert ended.json()["ended_by"] == made.json()["created_by"]
    assert on_duty(lead) == ([], True)
    assert lead.get(f"{ROSTER}/assignments?site=lakeside").json()["items"] == []
    assert lead.get(f"{ROSTER}/assignments/1").status_code == 200
    assert lead.delete(f"{ROSTER}/assignments/1").status_code == 409


def test_a_past_moment_is_answered_as_the_roster_stood_then(small_hub, lead, staff):
    assignment(lead, staff["wang"])
    before = iso(small_hub.now())
    lead.delete(f"{ROSTER}/assignments/1")
    assert on_duty(lead, at=before) == (["wang"], False)
    assert on_duty(lead) == ([], True)


def test_an_override_replaces_adds_and_takes_away_for_its_time(small_hub, lead, staff):
    assignment(lead, staff["wang"])
    now = small_hub.now()
    body = {
        "site": "lakeside",
        "kind": "replace",
        "person": staff["wang"],
        "by_person": staff["li"],
        "from_at": iso(now - HOUR_MS),
        "until_at": iso(now + HOUR_MS),
        "note": "病假",
    }
    made = lead.post(f"{ROSTER}/overrides", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["by_person"]["name"], made.json()["note"]) == ("li", "病假")
    assert on_duty(lead) == (["li"], False)
    assert on_duty(lead, at=iso(now + 2 * HOUR_MS)) == (["wang"], False)
    assert [each["id"] for each in lead.get(f"{ROSTER}/overrides").json()["items"]] == [1]
    assert lead.delete(f"{ROSTER}/overrides/1").status_code == 200
    assert on_duty(lead) == (["wang"], False)
    for kind, role, expected in (("add", "technician", ["wang", "li"]), ("absent", None, ["wang"])):
        other = {"kind": kind, "person": staff["li"], "by_person": None, "role": role}
        assert lead.post(f"{ROSTER}/overrides", json=body | other).status_code == 201
        assert on_duty(lead) == (expected, False)


def test_an_override_that_means_nothing_is_refused_with_its_field(lead, staff):
    for change, field in [
        ({"kind": "add"}, "role"),
        ({"kind": "replace"}, "by_person"),
        ({"kind": "absent", "by_person": 2}, "by_person"),
        ({"kind": "replace", "by_person": 1}, "by_person"),
        ({"kind": "absent", "person": 99}, "person"),
        ({"kind": "absent", "zone": ["b1"]}, "zone"),
        ({"kind": "absent", "until_at": "2026-06-01T00:00:00+08:00"}, "until_at"),
        ({"kind": "holiday"}, "kind"),
    ]:
        body = {
            "site": "lakeside",
            "person": staff["wang"],
            "from_at": "2026-06-01T00:00:00+08:00",
            "until_at": "2026-06-02T00:00:00+08:00",
        }
        answer = lead.post(f"{ROSTER}/overrides", json=body | change)
        assert answer.status_code == 422, change
        assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_an_assignment_that_cannot_be_is_refused_with_its_field(lead, staff):
    for change, field in [
        ({"person": 99}, "person"),
        ({"shift": "C"}, "shift"),
        ({"valid_until": "2025-01-01"}, "valid_until"),
        ({"valid_from": "2026-02-30"}, "valid_from"),
        ({"weekdays": [8]}, "weekdays.0"),
        ({"zone": ["B 1"]}, "zone"),
    ]:
        answer = assignment(lead, staff["wang"], **change)
        assert answer.status_code == 422, change
        assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_resident_cannot_be_put_on_duty(small_hub, lead, client_of):
    resident = person(client_of(small_hub, Role.FRONT_DESK))
    answer = assignment(lead, resident, role="technician")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "person")


def test_a_site_may_have_shifts_of_its_own(lead, staff):
    shifts = f"{ROSTER}/shifts"
    assert lead.get(shifts, params={"site": "lakeside"}).json()["items"] == [
        {"name": "A", "start": "08:30", "end": "16:00"},
        {"name": "B", "start": "13:00", "end": "20:30"},
        {"name": "round_the_clock", "start": "00:00", "end": "00:00"},
    ]
    put = lead.put(f"{shifts}/lakeside/A", json={"start": "07:00", "end": "15:00"})
    assert put.json() == {"name": "A", "start": "07:00", "end": "15:00"}
    assert lead.get(shifts, params={"site": "lakeside"}).json()["items"][0]["start"] == "07:00"
    assert lead.get(shifts, params={"site": "hilltop"}).json()["items"][0]["start"] == "08:30"
    wrong = lead.put(f"{shifts}/lakeside/A", json={"start": "7:00", "end": "15:00"})
    assert wrong.status_code == 422
    assignment(lead, staff["wang"], shift="A")
    assert on_duty(lead, at="2026-06-03T07:30:00+08:00") == (["wang"], False)


def test_only_those_who_lead_write_and_only_for_their_sites(small_hub, lead, staff, client_of):
    guard = client_of(small_hub, Role.SECURITY)
    assert assignment(guard, staff["wang"]).status_code == 403
    assert on_duty(guard) == ([], True)
    other = client_of(small_hub, Role.MANAGER, sites=("hilltop",))
    assert assignment(other, staff["wang"]).status_code == 404
    assignment(lead, staff["wang"])
    assert other.get(f"{ROSTER}/assignments").json()["items"] == []
    assert other.delete(f"{ROSTER}/assignments/1").status_code == 404
    assert client_of(small_hub).get(f"{ROSTER}/on-duty").status_code == 401


def test_a_list_comes_in_pages(lead, staff):
    for shift in ("A", "B", "22:00-06:00"):
        assert assignment(lead, staff["wang"], shift=shift).status_code == 201
    page = lead.get(f"{ROSTER}/assignments", params={"limit": 2}).json()
    assert [each["shift"] for each in page["items"]] == ["A", "B"]
    rest = lead.get(f"{ROSTER}/assignments", params={"limit": 2, "cursor": page["next"]}).json()
    assert ([each["shift"] for each in rest["items"]], rest["next"]) == (["22:00-06:00"], None)
