"""Every error is a problem document, says what to do, and gives nothing of the hub's inside away."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from hub.tickets.lifecycle import Refused
from hub.vocabulary.roles import Role

PROBLEM = "application/problem+json"


@pytest.fixture
def operator(small_hub, client_of):
    return client_of(small_hub, Role.ADMIN)


@pytest.mark.parametrize(
    ("method", "path", "how", "status"),
    [
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", "/nothing", {}, 404),
        ("GET", "/api/v1/tickets/", {}, 404),
        ("DELETE", "/api/v1/tickets", {}, 405),
        ("GET", "/api/v1/tickets?limit=0", {}, 422),
        ("GET", "/api/v1/tickets?cursor=x", {}, 422),
        ("GET", "/api/v1/tickets/99999999999999999999", {}, 422),
        ("GET", "/api/v1/tickets?subject=%00", {}, 422),
        ("POST", "/api/v1/tickets", {"content": b"{"}, 422),
        ("POST", "/api/v1/tickets", {"content": b"\xff"}, 400),
        ("POST", "/api/v1/tickets", {"content": b'{"kind":' + b"9" * 5_000 + b"}"}, 400),
        ("POST", "/api/v1/tickets", {"content": b'{"a":' * 5_000 + b"1" + b"}" * 5_000}, 400),
        ("POST", "/api/v1/tickets", {"content": b'{"kind":"' + b"x" * 70_000 + b'"}'}, 413),
        ("POST", "/api/v1/tickets", {"content": b'{"kind":"entrapment","subject":{"id":"\\ud800"}}'}, 422),
    ],
)
def test_each_error_is_a_problem_document(operator, method, path, how, status):
    headers = {"Content-Type": "application/json"} if how else {}
    answer = operator.request(method, path, headers=headers, **how)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    found = answer.json()
    assert found["status"] == status
    assert {"type", "title", "detail"} <= set(found)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_405_says_all_methods_of_the_address(operator):
    assert operator.delete("/api/v1/tickets").headers["allow"] == "GET, POST"


def test_deep_fields_are_refused_not_stored(operator):
    deep = {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}
    body = {"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e1"}, "fields": deep}
    assert operator.post("/api/v1/tickets", json=body).status_code == 422


def test_a_fault_of_ours_is_500_without_its_inside_and_logged_whole(small_hub, operator, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("secret-inside")

    monkeypatch.setattr("api.tickets.queries.page", fail)
    with caplog.at_level(logging.ERROR):
        answer = operator.get("/api/v1/tickets")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == PROBLEM
    assert "secret-inside" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"]
    assert "secret-inside" in caplog.text


def test_a_database_that_does_not_answer_is_503(small_hub, operator, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OperationalError("SELECT secret", {}, Exception("database is locked"))

    monkeypatch.setattr("api.tickets.queries.page", fail)
    answer = operator.get("/api/v1/tickets")
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("not_found", 404),
        ("not_allowed", 409),
        ("conflict", 409),
        ("stale", 412),
        ("invalid", 422),
        ("unavailable", 503),
    ],
)
def test_each_refusal_of_the_hub_has_its_status(small_hub, operator, monkeypatch, word, status):
    def refuse(*_args, **_kwargs):
        raise Refused(word, "because", allowed=("note",), errors=(("text", "missing"),))

    ticket = small_hub.ticket()
    monkeypatch.setattr(small_hub.services.door, "act", refuse)
    answer = operator.post(f"/api/v1/tickets/{ticket}/actions/note", json={"text": "x"})
    assert answer.status_code == status
    assert answer.json()["detail"] == "because"
    assert answer.json()["allowed"] == ["note"]
    assert answer.json()["errors"] == [{"field": "text", "problem": "missing"}]


def test_an_answer_that_decided_nothing_is_not_kept_under_its_key(small_hub, operator, monkeypatch):
    ticket = small_hub.ticket()
    path, headers = f"/api/v1/tickets/{ticket}/actions/note", {"Idempotency-Key": "again"}
    with monkeypatch.context() as patched:

        def refuse(*_args, **_kwargs):
            raise Refused("unavailable", "the disk is full")

        patched.setattr(small_hub.services.door, "act", refuse)
        assert operator.post(path, json={"text": "x"}, headers=headers).status_code == 503
    assert operator.post(path, json={"text": "x"}, headers=headers).status_code == 200


def test_the_same_key_while_the_first_is_running_is_409(small_hub, operator, monkeypatch):
    ticket = small_hub.ticket()
    path, headers = f"/api/v1/tickets/{ticket}/actions/note", {"Idempotency-Key": "twice"}
    real = small_hub.services.door.act
    inner = []

    def act(*args, **kwargs):
        if not inner:
            inner.append(None)
            inner[0] = operator.post(path, json={"text": "x"}, headers=headers).status_code
        real(*args, **kwargs)

    monkeypatch.setattr(small_hub.services.door, "act", act)
    assert operator.post(path, json={"text": "x"}, headers=headers).status_code == 200
    assert inner == [409]


def test_a_body_without_an_announced_length_is_cut_off_too(operator):
    def pieces():
        for _ in range(40):
            yield b" " * 4_000

    answer = operator.post("/api/v1/tickets", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
