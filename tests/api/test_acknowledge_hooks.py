"""A provider's message acknowledges for the person who answered; without the channel's secret it does nothing at all."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from hub.registry import people
from hub.registry.people import ChannelEdit, PersonEdit
from hub.settings.model import HookConfig, Secret
from hub.vocabulary.roles import Role

VOICE = HookConfig(
    id="voice",
    secret=Secret("voice-secret"),
    ticket="data.ticket",
    person="data.callee",
    answer="data.digit",
    answers={"1": "acknowledge", "2": "firm_answered"},
)
CHAT = HookConfig(
    id="chat",
    auth="hmac-sha256",
    header="X-Signature",
    prefix="sha256=",
    secret=Secret("chat-secret"),
    ticket="ticket",
    person="user",
    answer="text",
    answers={"收到": "acknowledge"},
)
URL = "/api/v1/hooks/acknowledgements"
TOKEN = {"Authorization": "Bearer voice-secret"}


@pytest.fixture
def nobody(small_hub):
    app = create_app(replace(small_hub.services, hooks=(VOICE, CHAT)))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def number(small_hub, client_of):
    ticket = small_hub.ticket("b1-e1")
    with small_hub.store.write() as connection:
        sms = (ChannelEdit("sms", "13800000001", True),)
        edit = PersonEdit(code="t1", name="王工", role="technician", channels=sms)
        people.create(connection, "lakeside", edit, small_hub.now())
        people.create(connection, "lakeside", PersonEdit(code="r1", name="张三"), small_hub.now())
    return client_of(small_hub, Role.ADMIN).get(f"/api/v1/tickets/{ticket}").json()["number"]


def message(number, person="13800000001", digit="1"):
    return {"data": {"ticket": number, "callee": person, "digit": digit}}


def signed(body, secret="chat-secret", encode=lambda digest: digest.hex()):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"X-Signature": "sha256=" + encode(digest), "Content-Type": "application/json"}


def milestones(small_hub, client_of):
    found = client_of(small_hub, Role.ADMIN).get("/api/v1/tickets/1").json()
    return {each["name"]: each["by"] for each in found["milestones"]}, found["timeline"][-1]["data"]


def test_a_key_that_was_pressed_acknowledges_for_whoever_was_called(small_hub, nobody, number, client_of):
    answer = nobody.post(f"{URL}/voice", json=message(number.lower(), digit=1), headers=TOKEN)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"ticket": 1, "number": number, "action": "acknowledge", "person": "王工"}
    reached, data = milestones(small_hub, client_of)
    assert reached["acknowledged"] == "王工"
    assert data == {"note": "by voice"}
    again = nobody.post(f"{URL}/voice", json=message(number), headers=TOKEN)
    assert (again.status_code, "done already" in again.json()["detail"]) == (409, True)


def test_another_key_does_another_thing_and_a_code_names_the_person_as_well(small_hub, nobody, number, client_of):
    answer = nobody.post(f"{URL}/voice", json=message(number, "t1", "2"), headers=TOKEN)
    assert answer.json()["action"] == "firm_answered"
    assert milestones(small_hub, client_of)[0]["firm_answered"] == "王工"


@pytest.mark.parametrize(
    "encode", [lambda digest: digest.hex(), lambda digest: base64.b64encode(digest).decode()], ids=["hex", "base64"]
)
def test_a_signed_message_is_believed_in_either_spelling(nobody, number, encode):
    body = json.dumps({"ticket": number, "user": "t1", "text": "收到"}).encode()
    assert nobody.post(f"{URL}/chat", content=body, headers=signed(body, encode=encode)).status_code == 200


def test_a_form_is_read_like_json(small_hub, nobody, number):
    form = {"data.ticket": number, "data.callee": "t1", "data.digit": "1"}
    assert nobody.post(f"{URL}/voice", data=form, headers=TOKEN).status_code == 200


def test_without_the_channel_s_own_secret_nothing_happens(small_hub, nobody, number, client_of):
    body = json.dumps({"ticket": number, "user": "t1", "text": "收到"}).encode()
    admin = {"Authorization": f"Bearer {small_hub.token(Role.ADMIN)}"}
    for channel, content, headers in (
        ("voice", json.dumps(message(number)).encode(), {}),
        ("voice", json.dumps(message(number)).encode(), {"Authorization": "Bearer wrong"}),
        ("voice", json.dumps(message(number)).encode(), {"Authorization": "Basic voice-secret"}),
        ("voice", json.dumps(message(number)).encode(), admin),
        ("chat", body, {}),
        ("chat", body, signed(body, "wrong")),
        ("chat", body + b" ", signed(body)),
        ("chat", body, {"X-Signature": signed(body)["X-Signature"].removeprefix("sha256=")}),
        ("chat", body, {"X-Signature": "sha256=zz"}),
        ("other", body, TOKEN),
    ):
        answer = nobody.post(f"{URL}/{channel}", content=content, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:hub:sign_in"), (channel, headers)
    assert "acknowledged" not in milestones(small_hub, client_of)[0]


def test_what_is_wrong_is_named_exactly(nobody, number):
    def said(content, status=422):
        answer = nobody.post(f"{URL}/voice", json=content, headers=TOKEN)
        assert answer.status_code == status, answer.text
        return [each["field"] for each in answer.json().get("errors", [])] or answer.json()["detail"]

    assert said({}) == ["data.ticket", "data.callee", "data.digit"]
    assert said({"data": {"ticket": number, "digit": True, "callee": "t1"}}) == ["data.digit"]
    assert said(message(number, digit="9")) == ["data.digit"]
    assert said(message(number, person="nobody")) == ["person"]
    assert said(message(number, person="r1")) == ["person"]  # a resident
    assert said(message("LAKESIDE-1999-00001"), 404) == "There is no ticket 'LAKESIDE-1999-00001'."
    broken = nobody.post(f"{URL}/voice", content=b"{", headers=TOKEN)
    assert (broken.status_code, broken.json()["type"]) == (422, "urn:hub:malformed")


def test_staff_of_another_site_and_residents_answer_for_nobody_here(small_hub, nobody, number, client_of):
    with small_hub.store.write() as connection:
        sms = (ChannelEdit("sms", "13800000009", True),)
        edit = PersonEdit(code="h1", name="外人", role="technician", channels=sms)
        people.create(connection, "hilltop", edit, small_hub.now())
    for stranger in ("13800000009", "h1", "r1"):
        answer = nobody.post(f"{URL}/voice", json=message(number, person=stranger), headers=TOKEN)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "person"), stranger
    assert "acknowledged" not in milestones(small_hub, client_of)[0]
