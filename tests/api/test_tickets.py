"""Tickets over HTTP as the contract says it, on both databases."""

import pytest
from sqlalchemy import update

from hub.store.schema import tickets
from hub.vocabulary.elevator import AlarmType
from hub.vocabulary.roles import Role

FIELDS = {"id", "number", "kind", "site", "subject", "state", "active", "severity", "title", "occurred_at", "opened_at"}


def test_a_ticket_has_the_contracts_fields_and_its_timeline_milestones_clocks_and_actions(hub, client):
    ticket = hub.ticket()
    answer = client.get(f"/api/v1/tickets/{ticket}")
    found = answer.json()
    assert answer.status_code == 200
    assert set(found) >= FIELDS | {
        "count",
        "assignee",
        "fields",
        "drill",
        "timeline",
        "milestones",
        "clocks",
        "actions",
    }
    assert found["subject"] == {"type": "device", "id": "b1-e1", "name": "1栋1号梯", "place": "b1"}
    assert (found["kind"], found["state"], found["severity"], found["active"]) == (
        "entrapment",
        "suspected",
        "critical",
        True,
    )
    assert found["occurred_at"].endswith("+08:00")
    assert [entry["entry"] for entry in found["timeline"]] == ["raised"]
    assert found["timeline"][0]["data"] == {"type": "passenger_alarm"}
    assert found["milestones"][0]["name"] == "opened"
    assert {"name", "due_at", "state"} <= set(found["clocks"][0])
    assert "acknowledge" in found["actions"]
    assert found["fields"]["floor"] == "7"
    assert answer.headers["etag"] == f'"{found["revision"]}"'


def test_lists_are_newest_first_and_filtered_by_kind_state_subject_and_site(hub, client):
    first = hub.ticket()
    second = hub.ticket("b1-e2", type=AlarmType.FAULT)
    third = hub.ticket("b1-e1", "hilltop")
    client.post(f"/api/v1/tickets/{second}/actions/resolve")

    def ids(**query):
        return [item["id"] for item in client.get("/api/v1/tickets", params=query).json()["items"]]

    assert ids() == [third, second, first]
    assert ids(state="active") == [third, first]
    assert ids(state="closed") == [second]
    assert ids(state="resolved") == [second]
    assert ids(kind="elevator_fault") == [second]
    assert ids(subject="b1-e1") == [third, first]
    assert ids(subject="b1-e1", site="lakeside") == [first]
    assert ids(site="nowhere") == []


def test_a_list_of_what_is_below_a_ticket(hub, client):
    above, below, _other = hub.ticket(), hub.ticket("b1-e2"), hub.ticket("b1-e1", "hilltop")
    with hub.store.write() as connection:
        connection.execute(update(tickets).where(tickets.c.id == below).values(parent_id=above))
    assert [item["id"] for item in client.get("/api/v1/tickets", params={"parent": above}).json()["items"]] == [below]


def test_a_cursor_leads_through_all_tickets_once(hub, client):
    wanted = [hub.ticket(device) for device in ("b1-e1", "b1-e2")]
    wanted += [hub.ticket(device, type=AlarmType.FAULT) for device in ("b1-e1", "b1-e2")]
    seen, cursor = [], None
    for _ in range(4):
        page = client.get("/api/v1/tickets", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert sorted(seen) == sorted(wanted)
    assert cursor is None


def test_an_action_moves_the_ticket_and_says_who(hub, client):
    ticket = hub.ticket(type=AlarmType.FAULT)
    found = client.post(f"/api/v1/tickets/{ticket}/actions/acknowledge", json={"note": "on my way"}).json()
    assert (found["state"], found["acknowledged"]) == ("acknowledged", True)
    assert found["milestones"][-1]["name"] == "acknowledged"
    assert found["milestones"][-1]["by"].startswith("token:client-")
    assert found["timeline"][-1]["data"] == {"note": "on my way"}
    assert "acknowledge" not in found["actions"]


def test_an_action_that_is_not_allowed_now_is_409_with_the_reason_and_what_is_allowed(hub, client):
    ticket = hub.ticket(type=AlarmType.FAULT)
    answer = client.post(f"/api/v1/tickets/{ticket}/actions/close")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "open" in answer.json()["detail"]
    assert "acknowledge" in answer.json()["allowed"]


def test_missing_and_unknown_fields_are_422_naming_each(hub, client):
    ticket = hub.ticket()
    answer = client.post(f"/api/v1/tickets/{ticket}/actions/people", json={"outside": 3})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"inside", "outside"}


def test_an_edit_based_on_an_older_state_is_412_and_changes_nothing(hub, client):
    ticket = hub.ticket(type=AlarmType.FAULT)
    tag = client.get(f"/api/v1/tickets/{ticket}").headers["etag"]
    assert client.post(
        f"/api/v1/tickets/{ticket}/actions/note", json={"text": "a"}, headers={"If-Match": tag}
    ).is_success
    stale = client.post(f"/api/v1/tickets/{ticket}/actions/note", json={"text": "b"}, headers={"If-Match": tag})
    assert stale.status_code == 412
    for unknown in ('"nobody-gave-this"', 'W/"abc"', '""', f'"{10**12}"'):
        headers = {"If-Match": unknown}
        refused = client.post(f"/api/v1/tickets/{ticket}/actions/note", json={"text": "c"}, headers=headers)
        assert refused.status_code == 412, unknown
    notes = [entry for entry in client.get(f"/api/v1/tickets/{ticket}").json()["timeline"] if entry["name"] == "note"]
    assert len(notes) == 1


@pytest.mark.parametrize("action", ["fly", "acknowledge"])
def test_what_there_is_not_is_404(hub, client, action):
    ticket = hub.ticket() if action == "fly" else 987_654
    assert client.post(f"/api/v1/tickets/{ticket}/actions/{action}").status_code == 404
    assert client.get("/api/v1/tickets/987654").status_code == 404


def test_a_ticket_raised_by_hand_is_201_and_a_second_one_is_counted_on_it(hub, client):
    body = {
        "kind": "entrapment",
        "site": "lakeside",
        "subject": {"type": "device", "id": "b1-e2"},
        "fields": {"floor": "3"},
    }
    first = client.post("/api/v1/tickets", json=body)
    assert first.status_code == 201
    assert first.headers["location"] == f"/api/v1/tickets/{first.json()['id']}"
    assert first.json()["fields"]["floor"] == "3"
    again = client.post("/api/v1/tickets", json=body)
    assert (again.status_code, again.json()["id"], again.json()["count"]) == (200, first.json()["id"], 2)


@pytest.mark.parametrize(
    "subject",
    [{"type": "building", "id": "b1"}, {"type": "site", "id": "lakeside"}, {"type": "gateway", "id": "mqtt"}],
    ids=lambda subject: subject["type"],
)
def test_a_ticket_may_be_about_what_holds_devices(subject, hub, client):
    answer = client.post("/api/v1/tickets", json={"kind": "entrapment", "site": "lakeside", "subject": subject})
    assert answer.status_code == 201, answer.text


def test_the_site_may_be_left_out_where_the_device_says_it(hub, client):
    new = {"kind": "elevator_fault", "subject": {"id": "b1-e2"}}
    assert client.post("/api/v1/tickets", json=new).json()["site"] == "lakeside"
    ambiguous = client.post("/api/v1/tickets", json={"kind": "elevator_fault", "subject": {"id": "b1-e1"}})
    assert ambiguous.status_code == 409
    assert ambiguous.json()["allowed"] == ["hilltop", "lakeside"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "flood", "subject": {"id": "b1-e1"}}, "kind"),
        ({"kind": "entrapment"}, "subject"),
        ({"kind": "entrapment", "site": "lakeside", "subject": {"id": "b9-e9"}}, "subject"),
        ({"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e1"}, "colour": 1}, "colour"),
        ({"kind": "entrapment", "site": "lakeside", "subject": {"id": "m-0101"}}, "subject"),  # a meter
        ({"kind": "low_balance", "site": "lakeside", "subject": {"id": "b1-e1"}}, "subject"),
        ({"kind": "entrapment", "site": "lakeside", "subject": {"type": "building", "id": "b9"}}, "subject"),
        ({"kind": "intake_problem", "site": "lakeside", "subject": {"type": "gateway", "id": "bus-9"}}, "subject"),
        ({"kind": "intake_problem", "site": "lakeside", "subject": {"type": "site", "id": "b1"}}, "subject"),
        (
            {"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e1"}, "occurred_at": "2026-01-01"},
            "occurred_at",
        ),
        ({"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e1"}, "fields": {"x": "a\u0000b"}}, "fields"),
    ],
)
def test_a_ticket_that_cannot_be_raised_names_the_field(hub, client, body, field):
    answer = client.post("/api/v1/tickets", json=body)
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}


def test_a_write_with_the_same_key_is_done_once_and_answered_the_same(hub, client):
    ticket = hub.ticket()
    path, headers = f"/api/v1/tickets/{ticket}/actions/note", {"Idempotency-Key": "k-1"}
    first = client.post(path, json={"text": "told the guard"}, headers=headers)
    second = client.post(path, json={"text": "told the guard"}, headers=headers)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["etag"] == first.headers["etag"]
    other = client.post(path, json={"text": "something else"}, headers=headers)
    assert other.status_code == 409
    entries = client.get(f"/api/v1/tickets/{ticket}").json()["timeline"]
    assert [entry["name"] for entry in entries].count("note") == 1


def test_a_refusal_is_kept_under_its_key_too(hub, client):
    ticket = hub.ticket(type=AlarmType.FAULT)
    headers = {"Idempotency-Key": "k-2"}
    first = client.post(f"/api/v1/tickets/{ticket}/actions/close", headers=headers)
    client.post(f"/api/v1/tickets/{ticket}/actions/resolve")
    second = client.post(f"/api/v1/tickets/{ticket}/actions/close", headers=headers)
    assert (first.status_code, second.status_code) == (409, 409)
    assert first.content == second.content
    assert second.headers["content-type"] == "application/problem+json"


def test_two_callers_keys_are_their_own(hub, client, client_of):
    ticket = hub.ticket()
    other = client_of(hub, Role.TECHNICIAN)
    for each in (client, other):
        answer = each.post(
            f"/api/v1/tickets/{ticket}/actions/note", json={"text": "here"}, headers={"Idempotency-Key": "k-3"}
        )
        assert "idempotency-replayed" not in answer.headers
        assert answer.status_code == 200


def test_actions_are_those_of_the_callers_roles(hub, client_of):
    ticket = hub.ticket()
    finance = client_of(hub, Role.FINANCE)
    assert finance.get(f"/api/v1/tickets/{ticket}").json()["actions"] == ["note"]
    refused = finance.post(f"/api/v1/tickets/{ticket}/actions/acknowledge")
    assert refused.status_code == 409
    assert refused.json()["allowed"] == ["note"]
