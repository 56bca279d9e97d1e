"""Rejected input, problems, probes and metrics over HTTP."""

import base64

import pytest

from api.rejected import preview
from hub.store import schema
from hub.vocabulary.decisions import ClearProblem
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import Role


def test_rejected_input_is_shown_with_its_bytes_reason_and_count(hub, client):
    hub.offer(payload=b"bad")
    hub.settled()
    [found] = client.get("/api/v1/rejected").json()["items"]
    assert (found["reason"], found["detail"], found["site"]) == ("not_json", "not JSON", "lakeside")
    assert base64.b64decode(found["payload_base64"]) == b"bad"
    assert (found["payload_text"], found["size"], found["truncated"], found["count"]) == ("bad", 3, False, 1)
    assert found["outcome"] is None
    assert client.get(f"/api/v1/rejected/{found['id']}").json() == found


def test_long_payloads_are_cut_in_the_list_and_whole_alone(hub, client):
    hub.offer(payload=b"bad")
    hub.settled()
    whole = bytes(range(256)) * 100
    with hub.store.write() as connection:
        connection.execute(schema.rejected.update().values(payload=whole))
    [short] = client.get("/api/v1/rejected").json()["items"]
    assert (short["truncated"], short["size"]) == (True, len(whole))
    long = client.get(f"/api/v1/rejected/{short['id']}").json()
    assert base64.b64decode(long["payload_base64"]) == whole
    assert long["truncated"] is False


def test_a_replay_says_what_came_of_it_and_the_log_says_who_asked(hub, client, caplog):
    hub.offer(payload=b"bad")
    hub.settled()
    [found] = client.get("/api/v1/rejected").json()["items"]
    with caplog.at_level("INFO", "hub.pipeline.door"):
        again = client.post(f"/api/v1/rejected/{found['id']}/replay")
    assert again.json() == {"id": found["id"], "outcome": "not_json"}
    [line] = [record.getMessage() for record in caplog.records if record.name == "hub.pipeline.door"]
    assert line.startswith(f"rejected input {found['id']} was sent through again by token:")
    assert line.endswith(": not_json")
    with hub.store.write() as connection:
        connection.execute(schema.rejected.update().values(payload=b"ok"))  # the device was mended
    hub.passing.events[found["address"]] = []
    assert client.post(f"/api/v1/rejected/{found['id']}/replay").json()["outcome"] == "accepted"
    assert client.get("/api/v1/rejected?waiting=true").json()["items"] == []
    assert client.get("/api/v1/rejected?waiting=false").json()["items"][0]["outcome"] == "accepted"
    assert client.post("/api/v1/rejected/999/replay").status_code == 404


def test_input_of_no_known_site_is_shown_only_to_those_who_see_all(hub, client_of):
    hub.offer(payload=b"bad")
    hub.settled()
    with hub.store.write() as connection:
        connection.execute(schema.rejected.update().values(site=""))
    assert len(client_of(hub, Role.INTEGRATOR).get("/api/v1/rejected").json()["items"]) == 1
    limited = client_of(hub, Role.INTEGRATOR, sites=("lakeside",))
    assert limited.get("/api/v1/rejected").json()["items"] == []
    assert limited.get("/api/v1/rejected/1").status_code == 404


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"a\x00b\x1b[31m", "a\\u0000b\\u001b[31m"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("电梯\u202e".encode(), "电梯\\u202e"),
        (b"x" * 2_000, "x" * 500),
    ],
)
def test_a_preview_is_text_that_can_do_no_harm(payload, text):
    assert preview(payload) == text


def test_a_problem_says_what_to_do_in_both_languages_and_stays_on_record(hub, client):
    hub.alarm("b1-e2", detail="problem")
    hub.alarm("b1-e2", detail="problem")
    hub.settled()
    [found] = client.get("/api/v1/problems?active=true").json()["items"]
    assert (found["code"], found["count"], found["subject"]) == ("gateway_down", 2, {"type": "device", "id": "b1-e2"})
    assert found["texts"]["en"]["text"].startswith("Gateway b1-e2 is down (test)")
    assert found["texts"]["zh-CN"]["what_to_do"]
    cleared = ClearProblem(code="gateway_down", subject=Subject("lakeside", SubjectType.DEVICE, "b1-e2"))
    hub.inbox.ask(lambda step: step.clear_problem(cleared)).result(10)
    assert client.get("/api/v1/problems?active=true").json()["items"] == []
    [old] = client.get("/api/v1/problems?active=false").json()["items"]
    assert old["cleared_at"] is not None


def test_ready_means_that_everything_required_works(small_hub, client_of):
    client = client_of(small_hub, Role.ADMIN)
    assert client.get("/readyz").status_code == 200
    part = type(small_hub.parts[0])
    small_hub.parts.append(part("bus", ok=False, id="meters-1", why="connection refused", required=False))
    assert client.get("/readyz").json()["ready"] is True
    small_hub.parts.append(part("broker", ok=False, id="alarm", why="not connected"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert {found["why"] for found in answer.json()["parts"] if not found["ok"]} == {
        "connection refused",
        "not connected",
    }
    assert client.get("/healthz").json() == {"status": "alive", "version": "0.1.0"}


def test_a_health_check_that_fails_is_not_ready_rather_than_an_error(small_hub, client_of, monkeypatch):
    monkeypatch.setattr(small_hub, "parts", None)
    answer = client_of(small_hub, Role.ADMIN).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"][0]["name"] == "health"


def test_metrics_are_prometheus_text(small_hub, client_of):
    answer = client_of(small_hub, Role.ADMIN).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "hub_messages_total 1.0" in answer.text
