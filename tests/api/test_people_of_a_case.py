"""The people of a case over HTTP: the document names the words, a refusal does too, in the caller's language."""

import pytest

from api.action_schema import action_fields, schema_of
from api.console.catalogue import LANGUAGES, catalogue
from hub.tickets.kind import Field
from hub.tickets.kinds import KINDS
from hub.tickets.occupants import PEOPLE, WELFARE, Injury
from hub.vocabulary.roles import Role


@pytest.fixture
def room(small_hub, client_of):
    return client_of(small_hub, Role.CONTROL_ROOM)


def test_a_wrong_word_is_answered_in_the_callers_language_and_nothing_is_done(small_hub, room):
    path = f"/api/v1/tickets/{small_hub.ticket()}"
    wrong = {"inside": 1, "condition": "medicl"}
    english = room.post(f"{path}/actions/people", json=wrong)
    assert english.status_code == 422
    assert english.json()["errors"][0]["problem"].startswith("unknown: medicl; allowed: calm, anxious")
    for headers in ({"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}, {"Cookie": "hub_language=zh-CN"}):
        chinese = room.post(f"{path}/actions/people", json=wrong, headers=headers).json()
        assert chinese["detail"] == "有缺漏或错误。"
        assert chinese["errors"][0]["problem"].startswith("不认识：medicl；可用：calm 情绪稳定、anxious 紧张不安")
        assert chinese["type"] == "urn:hub:invalid"
    assert "people" not in {each["name"] for each in room.get(path).json()["milestones"]}
    again = room.post(f"{path}/actions/resolve", json={}, headers={"Accept-Language": "zh"}).json()
    assert "resolve" in again["detail"]
    not_now = room.post(f"{path}/actions/welfare", json={}, headers={"Accept-Language": "zh"}).json()
    assert not_now["detail"] == "工单处于“疑似困人”时不能“已慰问乘客”。"


def test_names_are_read_by_rescuers_only(small_hub, client_of, room):
    path = f"/api/v1/tickets/{small_hub.ticket()}"
    body = {"inside": 1, "contact": "phone", "contact_name": "李女士", "injury": ["bleeding"]}
    assert room.post(f"{path}/actions/people", json=body).json()["timeline"][-1]["data"] == body
    for role in (Role.FINANCE, Role.HOUSEKEEPER):
        shown = client_of(small_hub, role).get(path)
        assert "李女士" not in shown.text
        assert shown.json()["timeline"][-1]["data"] == {"inside": 1, "contact": "phone", "injury": ["bleeding"]}
    assert "李女士" not in client_of(small_hub, Role.FINANCE).get("/api/v1/feed?after=0").text


def test_a_ticket_offers_the_words_and_the_document_names_them(small_hub, room):
    offered = room.get(f"/api/v1/tickets/{small_hub.ticket()}").json()["action_fields"]["people"]
    injury = next(each for each in offered if each["name"] == "injury")
    assert injury == {"name": "injury", "type": "choices", "required": False, "choices": [*Injury]}
    document = room.get("/api/v1/openapi.json").json()
    act = document["paths"]["/api/v1/tickets/{ticket_id}/actions/{action}"]["post"]
    schema = act["requestBody"]["content"]["application/json"]["schema"]
    assert {"$ref": "#/components/schemas/ActionFields"} in schema["anyOf"]
    named = document["components"]["schemas"]["ActionFields"]["properties"]["injury"]["anyOf"]
    assert named[0]["items"]["enum"] == [*Injury]


def test_fields_of_one_name_are_of_one_type_in_every_action():
    fields: dict[str, Field] = {}
    for kind in KINDS.values():
        for action in kind.actions.values():
            for field in action.fields:
                assert schema_of(fields.setdefault(field.name, field)) == schema_of(field), field.name
    assert set(action_fields()["properties"]) == set(fields)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_of_an_action_and_every_word_of_a_list_has_a_text(language):
    texts = catalogue(language)
    fields = {f.name: f for kind in KINDS.values() for action in kind.actions.values() for f in action.fields}
    needed = {f"field.{name}" for name in fields}
    needed |= {f"choice.{f.name}.{word}" for f in (*PEOPLE, *WELFARE) for word in (*f.choices, *f.also)}
    assert needed - set(texts) == set()
