"""A link in a message acts once, when the button is pressed and not when it is fetched, for one person on one ticket."""

import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from hub.registry import people
from hub.registry.links import Link, LinkKey
from hub.registry.people import PersonEdit
from hub.store import retention
from hub.store.schema import link_uses
from hub.vocabulary.instants import DAY_MS, HOUR_MS
from hub.vocabulary.roles import Role

KEY = LinkKey(b"k" * 32)


@pytest.fixture
def case(small_hub):
    """A ticket, a supervisor, and a client without any sign-in."""
    ticket = small_hub.ticket("b1-e1")
    with small_hub.store.write() as connection:
        edit = PersonEdit(code="s1", name="陈主管", role="duty_supervisor", locale="en")
        person = people.create(connection, "lakeside", edit, small_hub.now())
    app = create_app(replace(small_hub.services, link_key=KEY))
    nobody = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    return ticket, person, nobody


def path(small_hub, ticket, person, action="acknowledge", valid_ms=HOUR_MS):
    link = Link(ticket_id=ticket, person_id=person, action=action, expires_at=small_hub.now() + valid_ms)
    return f"/ack/{KEY.token(link)}"


def detail(small_hub, client_of, ticket):
    return client_of(small_hub, Role.CONTROL_ROOM).get(f"/api/v1/tickets/{ticket}").json()


def acknowledged(small_hub, client_of, ticket):
    found = detail(small_hub, client_of, ticket)["milestones"]
    return [each["by"] for each in found if each["name"] == "acknowledged"]


def test_a_scanner_that_fetches_the_link_does_nothing_and_the_button_does_it_once(small_hub, case, client_of):
    ticket, person, nobody = case
    where = path(small_hub, ticket, person)
    for method in ("GET", "HEAD", "GET"):
        nobody.request(method, where)
    page = nobody.get(where)
    assert page.status_code == 200
    assert "陈主管" in page.text
    assert "1栋1号梯" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert re.findall(r"<form method=\"post\" action=\"([^\"]+)\"", page.text) == [where]
    assert acknowledged(small_hub, client_of, ticket) == []

    done = nobody.post(where)
    assert done.status_code == 200
    assert "has acknowledged" in done.text
    assert acknowledged(small_hub, client_of, ticket) == ["陈主管"]
    entry = detail(small_hub, client_of, ticket)["timeline"][-1]
    assert (entry["by"], entry["name"], entry["data"]) == ("陈主管", "acknowledge", {"note": "by link"})

    again = nobody.post(where)
    assert again.status_code == 409
    assert "used before" in again.text
    assert nobody.get(where).status_code == 410
    assert acknowledged(small_hub, client_of, ticket) == ["陈主管"]


def test_who_is_sent_takes_the_order_by_link(small_hub, case, client_of):
    ticket, person, nobody = case
    where = path(small_hub, ticket, person, "firm_answered")
    assert "am coming" in nobody.get(where).text
    assert nobody.post(where).status_code == 200
    found = detail(small_hub, client_of, ticket)
    assert {each["name"]: each["by"] for each in found["milestones"]}["firm_answered"] == "陈主管"
    assert found["timeline"][-1]["data"] == {"name": "陈主管", "note": "by link"}


def test_a_link_that_is_over_or_forged_or_of_somebody_who_has_left_does_nothing(small_hub, case, client_of):
    ticket, person, nobody = case
    over = path(small_hub, ticket, person, valid_ms=-HOUR_MS)
    assert (nobody.get(over).status_code, nobody.post(over).status_code) == (410, 409)
    forged = path(small_hub, ticket, person)[:-1] + "?"
    for where in (forged, "/ack/nonsense", "/ack/" + "a" * 3000):
        assert (nobody.get(where).status_code, nobody.post(where).status_code) == (404, 404)
    good = path(small_hub, ticket, person)
    with small_hub.store.write() as connection:
        edit = PersonEdit(code="s1", name="陈主管", role="duty_supervisor", retired=True)
        people.change(connection, person, edit, small_hub.now())
    assert nobody.post(good).status_code == 403
    assert acknowledged(small_hub, client_of, ticket) == []


def test_a_link_whose_action_is_no_longer_possible_says_why_and_is_not_used_up(small_hub, case, client_of):
    ticket, person, nobody = case
    room = client_of(small_hub, Role.CONTROL_ROOM)
    assert room.post(f"/api/v1/tickets/{ticket}/actions/acknowledge", json={}).status_code == 200
    refused = nobody.post(path(small_hub, ticket, person))
    assert refused.status_code == 409
    assert "done already" in refused.text
    with small_hub.store.read() as connection:
        assert connection.execute(link_uses.select()).all() == []


def test_a_hub_without_a_key_knows_no_links(small_hub, case):
    ticket, person, _ = case
    assert TestClient(small_hub.app).get(path(small_hub, ticket, person)).status_code == 404


def test_that_a_link_was_used_is_forgotten_a_month_after_it_is_over_and_not_before(small_hub, case):
    ticket, person, nobody = case
    assert nobody.post(path(small_hub, ticket, person)).status_code == 200

    def rows():
        with small_hub.store.read() as connection:
            return len(connection.execute(link_uses.select()).all())

    over = small_hub.now() + HOUR_MS
    retention.enforce(small_hub.store, over + 29 * DAY_MS, 0)
    assert rows() == 1
    retention.enforce(small_hub.store, over + 31 * DAY_MS, 0)
    assert rows() == 0


def test_what_a_link_is_refused_is_said_in_the_language_of_whom_it_was_for(small_hub, case, client_of):
    ticket, person, nobody = case
    with small_hub.store.write() as connection:
        edit = PersonEdit(code="s1", name="陈主管", role="duty_supervisor", locale="zh-CN")
        people.change(connection, person, edit, small_hub.now())
    assert "此链接已过期" in nobody.post(path(small_hub, ticket, person, valid_ms=-HOUR_MS)).text
    good = path(small_hub, ticket, person)
    assert nobody.post(good).status_code == 200
    assert "此链接已经用过" in nobody.post(good).text
