"""Webhooks over HTTP: set up, secrets shown once, keys, replay, ping, switched off and on; and tickets as CAP."""

import dataclasses
import shutil
from datetime import UTC
from xml.etree import ElementTree as ET

import msgspec
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from connectors.codecs import cap
from connectors.codecs.cloudevents import Source
from hub.pipeline import publications
from hub.pipeline.publications import Wanted
from hub.pipeline.publisher import Publisher
from hub.pipeline.webhook_desk import MOST_PER_SITE, WebhookDesk
from hub.store.schema import idempotency, metadata
from hub.vocabulary.ports import Retry
from hub.vocabulary.publications import Channel, Origin, PublicationState
from hub.vocabulary.roles import Role
from hub.vocabulary.signing_keys import key_of
from support.publishing import Receiver
from support.running import RunningHub
from support.waiting import wait_until

NEW = {"site": "lakeside", "name": "crm", "url": "https://crm.example/hook"}


@pytest.fixture(scope="module")
def hub(migrated_sqlite, tmp_path_factory):
    """One for all tests of this file: building the app is what costs. Each test takes its webhooks away again."""
    path = tmp_path_factory.mktemp("webhooks") / "hub.db"
    shutil.copy(migrated_sqlite, path)
    running = RunningHub(f"sqlite:///{path}")
    yield running
    running.close()


@pytest.fixture(scope="module")
def token(hub):
    return hub.token(Role.INTEGRATOR)


@pytest.fixture
def client(hub, token):
    with TestClient(hub.app, headers={"Authorization": f"Bearer {token}"}) as signed_in:
        yield signed_in
        for item in signed_in.get("/api/v1/webhooks").json()["items"]:
            signed_in.delete(f"/api/v1/webhooks/{item['id']}")


@pytest.fixture
def crm(hub):
    """The receiver behind the webhook `crm`, and a publisher that runs."""
    receiver = hub.ways["crm"] = Receiver()
    hub.publisher = Publisher(hub.store, hub.feed, hub.outlets, lambda site: UTC, hub.now)
    hub.webhooks = WebhookDesk(hub.store, hub.publisher, hub.outlets.ring, hub.now)
    hub.publisher.start()
    yield receiver
    hub.publisher.stop()
    del hub.ways["crm"]


def add(client, **other):
    return client.post("/api/v1/webhooks", json=NEW | other)


def test_a_new_webhook_with_its_secret_this_one_time(client):
    answer = add(client, kinds=["entrapment"])
    assert answer.status_code == 201
    body = answer.json()
    assert len(key_of(body["secret"])) == 32
    assert (body["state"], body["origin"], body["keys"], body["behind"]) == ("active", "api", 1, 0)
    assert body["types"] == ["ticket_opened", "ticket_changed", "problem_raised", "problem_cleared"]
    assert answer.headers["location"] == f"/api/v1/webhooks/{body['id']}"
    assert client.get(answer.headers["location"]).json()["secret"] is None
    assert [item["secret"] for item in client.get("/api/v1/webhooks").json()["items"]] == [None]


def test_no_table_holds_a_secret_and_a_repeat_is_not_answered_with_one(client, hub):
    answers = [client.post("/api/v1/webhooks", json=NEW, headers={"Idempotency-Key": "1"}) for _ in range(2)]
    secret = answers[0].json()["secret"]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1].json()["id"] == answers[0].json()["id"]
    assert answers[1].json()["secret"] is None
    with hub.store.read() as connection:
        assert connection.execute(select(idempotency)).all()
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            assert all(secret not in repr(row) and key_of(secret).hex() not in repr(row) for row in rows)


@pytest.mark.parametrize(
    "other",
    [
        {"url": "ftp://a.example/"},
        {"url": "https://u:p@a.example/"},
        {"url": "https://a.example/#x"},
        {"name": "Two Words"},
        {"name": "mqtt-tickets"},
        {"format": "soap"},
        {"types": ["ticket_open"]},
        {"kinds": ["fire"]},
        {"colour": "red"},
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_set_up(client, other):
    answer = add(client, **other)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(next(iter(other)))
    assert client.get("/api/v1/webhooks").json()["items"] == []


def test_one_name_once_and_not_more_than_a_site_can_have(client):
    assert add(client).status_code == 201
    assert add(client).status_code == 409
    for number in range(1, MOST_PER_SITE):
        assert add(client, name=f"n{number}").status_code == 201
    assert add(client, name="one-more").status_code == 409
    page = client.get("/api/v1/webhooks", params={"limit": 15}).json()
    rest = client.get("/api/v1/webhooks", params={"limit": 15, "cursor": page["next"]}).json()
    assert len(page["items"] + rest["items"]) == MOST_PER_SITE
    assert rest["next"] is None


def test_an_edit_keeps_the_place_and_needs_the_newest_etag(client):
    first = add(client)
    path, tag = first.headers["location"], first.headers["etag"]
    edited = client.patch(
        path, json={"url": "https://b.example/", "types": ["ticket_opened"]}, headers={"If-Match": tag}
    )
    assert edited.status_code == 200
    assert (edited.json()["url"], edited.json()["types"]) == ("https://b.example/", ["ticket_opened"])
    assert client.patch(path, json={"url": "https://c.example/"}, headers={"If-Match": tag}).status_code == 412


def test_a_new_key_and_the_one_before_sign_side_by_side_for_a_day(client, hub):
    first = add(client).json()
    second = client.post(f"/api/v1/webhooks/{first['id']}/keys").json()
    assert second["keys"] == 2
    assert second["secret"] not in {None, first["secret"]}
    third = client.post(f"/api/v1/webhooks/{first['id']}/keys").json()
    assert third["keys"] == 2  # never more: the oldest ends
    assert client.get(f"/api/v1/webhooks/{first['id']}").json()["secret"] is None


def test_removed_is_gone_and_its_name_is_free_again(client):
    path = add(client).headers["location"]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.get("/api/v1/webhooks").json()["items"] == []
    again = add(client)
    assert (again.status_code, again.json()["keys"]) == (201, 1)


def test_from_the_tickets_change_to_the_receiver_and_again_by_replay(client, hub, crm):
    path = add(client).headers["location"]
    ticket = hub.ticket()
    wait_until(lambda: crm.got, 5, "nothing came")
    assert crm.got[0].body["id"] == ticket
    wait_until(lambda: client.get(path).json()["behind"] == 0, 5, "not written down")
    seq = crm.got[0].seq
    replayed = client.post(f"{path}/replay", json={"after": seq - 1})
    assert replayed.status_code == 200
    wait_until(lambda: crm.seqs == [seq, seq], 5, "not told again")
    attempts = wait_until(lambda: client.get(f"{path}/attempts").json()["items"], 5)
    assert {(each["seq"], each["outcome"], each["ok"]) for each in attempts} == {(seq, "delivered", True)}


def test_a_replay_from_what_the_feed_does_not_hold_is_refused_with_what_it_holds(client, hub):
    path = add(client).headers["location"]
    hub.ticket()
    answer = client.post(f"{path}/replay", json={"after": 10_000})
    assert answer.status_code == 422
    assert f"up to {hub.feed.latest_seq}" in answer.json()["errors"][0]["problem"]


def test_off_it_is_told_nothing_and_on_again_everything_since(client, hub, crm):
    path = add(client).headers["location"]
    off = client.post(f"{path}/disable").json()
    assert (off["state"], off["disabled_reason"]) == ("disabled", "by_hand")
    hub.ticket()
    hub.settled()
    assert client.get(path).json()["behind"] == 1
    assert crm.got == []
    assert client.post(f"{path}/enable").json()["state"] == "active"
    wait_until(lambda: crm.got, 5, "nothing came")


def test_a_ping_waits_for_the_answer_and_is_in_the_log(client, hub, crm):
    path = add(client).headers["location"]
    assert client.post(f"{path}/ping").json() == {"ok": True, "answer": "taken"}
    crm.script.append(Retry(reason="HTTP 503 later"))
    assert client.post(f"{path}/ping").json() == {"ok": False, "answer": "HTTP 503 later"}
    assert [(each["seq"], each["type"], each["ok"]) for each in client.get(f"{path}/attempts").json()["items"][:2]] == [
        (0, "ping", False),
        (0, "ping", True),
    ]
    assert client.get(path).json()["attempts"] == 0


def test_other_sites_webhooks_are_not_there(hub, client):
    path = add(client).headers["location"]
    stranger = TestClient(hub.app, headers={"Authorization": f"Bearer {hub.token(Role.ADMIN, sites=('hilltop',))}"})
    assert stranger.get(path).status_code == 404
    assert stranger.post(f"{path}/ping").status_code == 404
    assert stranger.get("/api/v1/webhooks").json()["items"] == []
    assert stranger.post("/api/v1/webhooks", json=NEW).status_code == 404


def test_a_ticket_as_cap(client, hub):
    source = Source(hub="hub-1")
    ticket = hub.ticket()
    hub.app.state.services = dataclasses.replace(hub.services, cap=lambda view, locale: cap.encode_ticket(view, source))
    try:
        answer = client.get(f"/api/v1/tickets/{ticket}/cap")
        assert client.get("/api/v1/tickets/999/cap").status_code == 404
    finally:
        hub.app.state.services = hub.services
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/cap+xml")
    root = ET.fromstring(answer.content)
    assert root.tag == f"{{{cap.NAMESPACE}}}alert"
    assert root.findtext(f"{{{cap.NAMESPACE}}}status") == "Actual"


def test_what_is_no_incident_has_no_cap(client, hub):
    ticket = hub.ticket()  # this hub has no words for any ticket
    answer = client.get(f"/api/v1/tickets/{ticket}/cap")
    assert (answer.status_code, msgspec.json.decode(answer.content)["detail"]) == (404, "There is no such incident.")


def test_tickets_on_the_broker_are_listed_but_not_stopped_here(client, hub):
    """Stopped, they would stay there as they were, long after they are over."""
    wanted = Wanted(site="lakeside", name="mqtt-tickets", channel=Channel.MQTT, origin=Origin.FILE, format="ticket")
    with hub.store.write() as connection:
        row = publications.add(connection, wanted, "file", hub.now())
    path = f"/api/v1/webhooks/{row}"
    assert client.get(path).json()["channel"] == "mqtt"
    assert client.post(f"{path}/disable").status_code == 409
    assert client.post(f"{path}/replay", json={"after": hub.feed.latest_seq}).status_code == 409
    assert client.post(f"{path}/ping").status_code == 409
    assert client.delete(path).status_code == 409
    with hub.store.write() as connection:
        found = publications.one(connection, row)
        gone = msgspec.structs.replace(found.progress, state=PublicationState.REMOVED)
        publications.put_progress(connection, found, gone, hub.now())
