"""Alarm load, and what is kept quiet, over HTTP: everybody sees it, some may change it, other sites are not there."""

import csv
import io

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hub.store import accounts
from hub.tickets.load_figures import AlarmLoadCollector
from hub.vocabulary.elevator import AlarmType
from hub.vocabulary.roles import Role

LOAD = "/api/v1/statistics/alarm-load"
QUIET = "/api/v1/suppressions"


@pytest.fixture
def operator(small_hub, client_of):
    return client_of(small_hub, Role.CONTROL_ROOM)


def silence(client, **other):
    body = {"what": "silence", "site": "lakeside", "kind": "elevator_fault", "minutes": 10, "reason": "works"}
    return client.post(QUIET, json=body | other)


def test_a_site_and_each_position_have_a_line_and_the_sheet_says_the_same(small_hub, operator):
    for _ in range(3):
        small_hub.ticket("b1-e1", type=AlarmType.FAULT)
    accounts.add_user(small_hub.store, "li", "secret-1", [Role.CONTROL_ROOM], ["lakeside"], small_hub.now())
    accounts.add_user(small_hub.store, "wu", "secret-1", [Role.FINANCE], ["hilltop"], small_hub.now())
    found = operator.get(LOAD).json()
    lines = [
        (item["what"], item["sites"], item["figures"]["tickets"], item["figures"]["signals"]) for item in found["items"]
    ]
    assert lines == [("site", "lakeside", 1, 3), ("site", "hilltop", 0, 0), ("position", "lakeside", 1, 3)]
    assert [(each["subject"], each["most_in_a_minute"]) for each in found["chattering"]] == [("b1-e1", 3)]
    answer = operator.get(LOAD, params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["what"], row["sites"], row["tickets"]) for row in rows] == [
        ("site", "lakeside", "1"),
        ("site", "hilltop", "0"),
        ("position", "lakeside", "1"),
    ]


def test_a_time_that_is_none_or_too_long_is_refused_and_other_sites_are_not_there(small_hub, client_of, operator):
    for wrong in ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, {"from": "2025-01-01T00:00:00Z"}):
        assert operator.get(LOAD, params=wrong).status_code == 422
    stranger = client_of(small_hub, Role.CONTROL_ROOM, sites=("hilltop",))
    assert [item["sites"] for item in stranger.get(LOAD).json()["items"]] == ["hilltop"]
    assert stranger.get(LOAD, params={"site": "lakeside"}).json()["items"] == []


def test_prometheus_reads_the_same_by_site(small_hub, operator):
    small_hub.ticket("b1-e1", type=AlarmType.FAULT)
    silence(operator)
    registry = CollectorRegistry()
    registry.register(AlarmLoadCollector(small_hub.store, ["lakeside", "hilltop"], small_hub.now))
    text = generate_latest(registry).decode()
    for line in (
        'hub_alarm_tickets_24h{site="lakeside"} 1.0',
        'hub_alarm_tickets_10min{site="hilltop"} 0.0',
        'hub_alarm_active{site="lakeside"} 1.0',
        'hub_alarm_suppressed{site="lakeside",what="silence"} 1.0',
    ):
        assert line in text


def test_a_shelved_ticket_says_until_when_and_what_may_be_done_and_is_on_the_list(small_hub, operator):
    ticket = small_hub.ticket("b1-e1", type=AlarmType.FAULT)
    assert "shelve" in operator.get(f"/api/v1/tickets/{ticket}").json()["actions"]
    shelved = operator.post(f"/api/v1/tickets/{ticket}/actions/shelve", json={"minutes": 30, "reason": "part"}).json()
    assert shelved["shelved_until"] is not None
    assert "unshelve" in shelved["actions"]
    assert "shelve" not in shelved["actions"]
    (item,) = operator.get(QUIET).json()["items"]
    assert (item["what"], item["ticket"], item["ticket_number"], item["reason"]) == (
        "shelf",
        ticket,
        shelved["number"],
        "part",
    )
    assert item["until"] == shelved["shelved_until"]
    assert operator.post(f"{QUIET}/{item['id']}/end").json()["end_reason"] == "by_hand"
    assert operator.get(f"/api/v1/tickets/{ticket}").json()["shelved_until"] is None
    assert operator.get(QUIET).json()["items"] == []
    assert len(operator.get(QUIET, params={"state": "ended"}).json()["items"]) == 1
    assert operator.post(f"{QUIET}/{item['id']}/end").status_code == 409


def test_an_entrapment_is_not_shelved_and_the_answer_says_why(small_hub, operator):
    ticket = small_hub.ticket("b1-e1")
    answer = operator.post(f"/api/v1/tickets/{ticket}/actions/shelve", json={"minutes": 5, "reason": "x"})
    assert answer.status_code == 409
    assert "never shelved" in answer.json()["detail"]
    assert "shelve" not in answer.json()["allowed"]


def test_a_silence_shows_on_the_tickets_that_it_covers_and_never_on_an_entrapment(small_hub, operator):
    fault, trapped = small_hub.ticket("b1-e1", type=AlarmType.FAULT), small_hub.ticket("b1-e2")
    made = silence(operator, kind=None, subject={"type": "building", "id": "b1"})
    assert (made.status_code, made.headers["Location"]) == (201, f"{QUIET}/{made.json()['id']}")
    seen = {item["id"]: item["silenced_until"] for item in operator.get("/api/v1/tickets").json()["items"]}
    assert (seen[fault], seen[trapped]) == (made.json()["until"], None)


def test_who_may_and_what_may_not(small_hub, operator, client_of):
    assert silence(client_of(small_hub, Role.HOUSEKEEPER)).status_code == 403
    assert silence(client_of(small_hub, Role.TECHNICIAN)).status_code == 403
    assert silence(operator, kind="entrapment").status_code == 422
    assert silence(operator, minutes=241).json()["errors"][0]["field"] == "minutes"
    stranger = client_of(small_hub, Role.CONTROL_ROOM, sites=("hilltop",))
    assert silence(stranger).status_code == 404
    made = silence(operator).json()["id"]
    assert stranger.get(f"{QUIET}/{made}").status_code == 404
    assert stranger.post(f"{QUIET}/{made}/end").status_code == 404
    assert stranger.get(QUIET, params={"site": "lakeside"}).json()["items"] == []
    limits = operator.get(f"{QUIET}/limits").json()
    assert limits["never"] == ["entrapment"]
    assert "critical" not in limits["shelf"]
