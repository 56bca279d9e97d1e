"""Personal data over HTTP: masked, revealed with a reason, copied under lock, handed out, erased; every look in the audit."""

from __future__ import annotations

import base64
from typing import Any

from hub.cards import audit
from hub.cards.forgetting import enforce
from hub.store.schema import card_assignments, card_entries, card_losses, id_copies, people
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber
from hub.vocabulary.instants import DAY_MS
from hub.vocabulary.roles import Role

ID_NUMBER = "110101199003071234"
API = "/api/v1"
PICTURE = b"\x89PNG a picture of an identity card" * 3_000


def issue(desk, number: int = 1, **other: Any) -> dict[str, Any]:
    body = {
        "site": "lakeside",
        "kind": "owner",
        "unit": "b1/0101",
        "holder": {"name": "张三", "phone": "13800001234", "id_number": ID_NUMBER},
        "credential": {"format": "wiegand26", "value": f"100{number:05d}"},
    }
    answer = desk.post(f"{API}/cards", json=body | other)
    assert answer.status_code == 201, answer.text
    return answer.json()


def trail(manager, *actions: str) -> list[tuple[str, str, str]]:
    rows = manager.get(f"{API}/audit").json()["items"]
    return [(row["action"], row["subject"], row["reason"]) for row in reversed(rows) if row["action"] in actions]


def test_a_full_value_needs_a_role_and_a_reason_and_leaves_a_row(desk_hub, desk, manager, client_of):
    card = issue(desk)
    assert card["holder"] == {"name": "张*", "phone": "138****1234", "id_number": "***1234", "under_14": False}
    path = f"{API}/cards/{card['id']}/reveal"
    assert desk.post(path, json={}).status_code == 422
    assert desk.post(path, json={"reason": "   "}).status_code == 422
    assert client_of(desk_hub, Role.ADMIN).post(path, json={"reason": "curious"}).status_code == 403
    assert trail(manager, "reveal") == []
    shown = desk.post(path, json={"reason": "本人来补卡"}).json()
    assert shown == {"name": "张三", "phone": "13800001234", "id_number": ID_NUMBER}
    desk.post(path, json={"reason": "again"})
    assert trail(manager, "reveal") == [
        ("reveal", f"cards/{card['id']}", "本人来补卡"),
        ("reveal", f"cards/{card['id']}", "again"),
    ]


def test_reading_is_in_the_audit_and_security_reads_nobody(desk_hub, desk, manager, client_of):
    card = issue(desk)
    path = f"{API}/cards/{card['id']}"
    for _ in range(3):
        desk.get(path)
        desk.get(f"{API}/cards?holder=张")
    client_of(desk_hub, Role.SECURITY).get(path)
    assert trail(manager, "read", "list") == [("read", f"cards/{card['id']}", ""), ("list", "cards", "")]
    with desk_hub.store.read() as connection:
        end, findings = audit.verify(connection, desk_hub.services.keys.chains)
    assert (end.seq, findings) == (2, ())


def test_a_number_is_found_by_its_digest_and_never_stands_in_the_audit(desk_hub, desk, manager):
    first, second = issue(desk, 1), issue(desk, 2)
    issue(desk, 3, holder={"name": "张三", "id_number": "110101199003075678"})
    told = {"id_number": "110101 19900307 1234", "reason": "核对"}
    assert desk.post(f"{API}/card-search", json=told).json() == {"cards": [second["id"], first["id"]]}
    assert ID_NUMBER not in manager.get(f"{API}/audit").text
    with desk_hub.store.read() as connection:
        dump = str(connection.execute(card_assignments.select()).all()) + str(
            connection.execute(card_entries.select()).all()
        )
    assert ID_NUMBER not in dump
    assert ID_NUMBER.encode().hex() not in dump


def test_a_copy_is_locked_opened_with_a_reason_and_gone_when_the_card_is_settled(desk_hub, desk, client_of):
    card = issue(desk)
    path = f"{API}/cards/{card['id']}/id-copy"
    told = {"media_type": "image/png", "content": base64.b64encode(PICTURE).decode()}
    assert desk.post(path, json=told).json()["size_bytes"] == len(PICTURE)
    assert desk.post(path, json=told | {"content": "a==="}).status_code == 422
    with desk_hub.store.read() as connection:
        row = connection.execute(id_copies.select()).one()
    assert PICTURE[:20] not in row.cipher
    custodian = client_of(desk_hub, Role.CARD_CUSTODIAN)
    assert desk.get(path, params={"reason": "check"}).status_code == 403
    assert custodian.get(path).status_code == 422
    seen = custodian.get(path, params={"reason": "check"})
    assert (seen.content, seen.headers["content-type"]) == (PICTURE, "image/png")
    desk.post(f"{API}/cards/{card['id']}/return", json={})
    assert custodian.get(path, params={"reason": "check"}).status_code == 404
    with desk_hub.store.read() as connection:
        row = connection.execute(id_copies.select()).one()
    assert (row.cipher, row.deleted_why) == (None, "settled")


def passes_by(desk_hub, value: str, seconds_ago: int) -> None:
    at = desk_hub.now() - 1000 * seconds_ago
    event = AccessEvent(
        site="lakeside",
        device="gate-1",
        source_key=f"{value}/{seconds_ago}",
        occurred_at=at,
        received_at=at,
        door="b1-main",
        card=CardNumber("wiegand26", value),
        result=AccessResult.GRANTED,
    )
    desk_hub.offer(event)
    desk_hub.settled()


def test_a_persons_data_is_handed_out_whole_and_nobody_elses(desk_hub, desk, client_of):
    card = issue(desk)
    other = issue(desk, 3, holder={"name": "李四"})
    passes_by(desk_hub, "10000001", 0)
    passes_by(desk_hub, "10000003", 0)
    custodian = client_of(desk_hub, Role.CARD_CUSTODIAN)
    data = custodian.post(f"{API}/privacy/exports", json={"card": card["id"], "reason": "本人申请"}).json()
    (mine,) = data["cards"]
    assert (mine["id"], mine["holder_name"], mine["id_number"]) == (card["id"], "张三", ID_NUMBER)
    assert [each["door"] for each in mine["passages"]] == ["b1-main"]
    assert "李四" not in str(data)
    assert other["id"] != mine["id"]
    by_number = {"id_number": ID_NUMBER, "site": "lakeside", "reason": "本人申请"}
    assert custodian.post(f"{API}/privacy/exports", json=by_number).json()["cards"] == data["cards"]
    for wrong in ({}, {"card": 1, "person": 1}, {"id_number": ID_NUMBER}):
        assert custodian.post(f"{API}/privacy/exports", json={"reason": "test"} | wrong).status_code == 422


def test_an_erasure_leaves_what_the_law_demands_and_names_it(desk_hub, desk, manager):
    used, over = issue(desk, 1), issue(desk, 2)
    path = f"{API}/cards/{over['id']}"
    desk.post(f"{path}/loss", json={"reporter": "张太太", "verified": "phone", "note": "丢在公园"})
    desk.post(f"{path}/found", json={"verified": "id_document", "note": "张太太送回"})
    desk.post(f"{path}/return", json={})
    done = manager.post(f"{API}/privacy/erasures", json={"card": over["id"], "reason": "本人申请"}).json()
    assert done["erased"] == [f"cards/{over['id']}"]
    kept = {each["what"]: each["why"] for each in done["kept"]}
    assert "in use" in kept[f"cards/{used['id']}"]
    assert {"door events", "audit"} <= kept.keys()
    with desk_hub.store.read() as connection:
        gone = connection.execute(card_assignments.select().where(card_assignments.c.id == over["id"])).one()
        stays = connection.execute(card_assignments.select().where(card_assignments.c.id == used["id"])).one()
        text = "".join(
            str(connection.execute(table.select().where(table.c.assignment_id == over["id"])).all())
            for table in (card_losses, card_entries)
        )
    assert (gone.holder_name, gone.holder_phone, gone.id_last4, gone.id_cipher) == ("(erased)", None, None, None)
    assert stays.holder_name == "张三"
    assert "张太太" not in text
    assert "公园" not in text
    assert trail(manager, "erase") == [("erase", "person", "本人申请")]


def test_a_person_who_moved_out_is_erased_and_one_who_lives_here_is_not(desk_hub, manager):
    person = manager.post(f"{API}/people", json={"site": "lakeside", "code": "p1", "name": "张三"}).json()["id"]
    home = {"site": "lakeside", "unit": "b1/0101"}
    manager.post(f"{API}/units/move-in", json=home | {"members": [{"person": person}]})
    told = {"person": person, "reason": "本人申请"}
    first = manager.post(f"{API}/privacy/erasures", json=told).json()
    assert first["erased"] == []
    assert "lives in b1/0101" in first["kept"][0]["why"]
    manager.post(f"{API}/units/move-out", json=home)
    assert manager.post(f"{API}/privacy/erasures", json=told).json()["erased"] == [f"people/{person}"]
    with desk_hub.store.read() as connection:
        row = connection.execute(people.select()).one()
    assert (row.name, row.retired_at is None) == ("(erased)", False)


def test_a_holder_whose_card_is_over_for_three_years_is_forgotten_by_itself(desk_hub, desk):
    card, other = issue(desk, 1), issue(desk, 2)
    desk.post(f"{API}/cards/{card['id']}/return", json={})
    chain = desk_hub.services.keys.chain
    assert enforce(desk_hub.store, chain, desk_hub.now() + 1_000 * DAY_MS, 0).holders_gone == 0
    assert enforce(desk_hub.store, chain, desk_hub.now() + 1_100 * DAY_MS, 0).holders_gone == 1
    with desk_hub.store.read() as connection:
        names = {row.id: row.holder_name for row in connection.execute(card_assignments.select())}
    assert names == {card["id"]: "(erased)", other["id"]: "张三"}


def test_reading_people_and_households_is_in_the_audit(desk_hub, manager):
    person = manager.post(f"{API}/people", json={"site": "lakeside", "code": "p1", "name": "张三"}).json()["id"]
    home = {"site": "lakeside", "unit": "b1/0101", "members": [{"person": person}]}
    household = manager.post(f"{API}/units/move-in", json=home).json()["id"]
    for path in ("people", f"people/{person}", "households", f"households/{household}"):
        assert manager.get(f"{API}/{path}").status_code == 200
        manager.get(f"{API}/{path}")
    assert trail(manager, "read", "list") == [
        ("list", "people", ""),
        ("read", f"people/{person}", ""),
        ("list", "households", ""),
        ("read", f"households/{household}", ""),
    ]
