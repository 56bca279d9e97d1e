"""Cards over HTTP: what a clerk enters, what it costs, who may see what, and what becomes of it."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from hub.store.schema import card_assignments, card_payments, commands
from hub.vocabulary.roles import Role
from support.running import DEVICES, RunningHub

GATE = {"gate-1": ("b1-main", "b1-back")}
ID_NUMBER = "110101199003071234"


@pytest.fixture
def desk_hub(database_url):
    devices = [msgspec.structs.replace(each, doors=GATE.get(each.id, ())) for each in DEVICES]
    running = RunningHub(database_url, devices)
    yield running
    running.close()


@pytest.fixture
def desk(desk_hub, client_of):
    return client_of(desk_hub, Role.FRONT_DESK)


def new(number: int = 1, kind: str = "owner", **other: Any) -> dict[str, Any]:
    return {
        "site": "lakeside",
        "kind": kind,
        "unit": "b1/0101",
        "holder": {"name": "张三", "phone": "13800000000"},
        "credential": {"format": "wiegand26", "value": f"100{number:05d}"},
        **other,
    }


def issue(desk, number: int = 1, kind: str = "owner", **other: Any) -> dict[str, Any]:
    answer = desk.post("/api/v1/cards", json=new(number, kind, **other))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/cards/{answer.json()['id']}"
    return answer.json()


def test_three_cards_are_free_and_the_fourth_waits_for_fifty_yuan(desk):
    for number in (1, 2, 3):
        card = issue(desk, number)
        assert (card["state"], card["missing"], card["fee_due"]["amount"]) == ("active", [], "0.00")
    fourth = issue(desk, 4)
    assert (fourth["state"], fourth["missing"]) == ("pending", ["payment"])
    assert fourth["fee_due"] == {"amount": "50.00", "currency": "CNY"}
    assert fourth["arithmetic"] == "已发 3 张(免费 3/3)，第 4 张应收 50 元"
    assert fourth["doors"] == []
    part = desk.post(f"/api/v1/cards/{fourth['id']}/payment", json={"receipt": "R-1", "amount": "20"}).json()
    assert (part["state"], part["fee_due"]["amount"]) == ("pending", "30.00")
    rest = {"receipt": "R-2", "amount": {"amount": "30.00", "currency": "CNY"}}
    paid = desk.post(f"/api/v1/cards/{fourth['id']}/payment", json=rest).json()
    assert (paid["state"], paid["missing"], paid["fee_due"]["amount"]) == ("active", [], "0.00")
    assert {door["door"] for door in paid["doors"]} == {"b1-main", "b1-back"}


def test_two_clerks_at_once_never_both_give_the_third_free_card(desk_hub, client_of):
    first = client_of(desk_hub, Role.FRONT_DESK)
    issue(first, 1)
    issue(first, 2)
    clerks = [client_of(desk_hub, Role.FRONT_DESK) for _ in range(4)]
    answers: list[dict[str, Any]] = []
    gate = threading.Barrier(len(clerks))

    def at_once(clerk, number):
        gate.wait()
        answers.append(clerk.post("/api/v1/cards", json=new(number)).json())

    threads = [threading.Thread(target=at_once, args=(clerk, 10 + at)) for at, clerk in enumerate(clerks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["fee_due"]["amount"] for answer in answers) == ["0.00", "50.00", "50.00", "50.00"]


def test_a_receipt_is_one_payment_and_more_than_is_due_is_refused(desk, desk_hub):
    for number in (1, 2, 3):
        issue(desk, number)
    fourth, fifth = issue(desk, 4)["id"], issue(desk, 5)["id"]
    money = {"receipt": "R-1", "amount": "20.00"}
    for _ in range(2):
        assert desk.post(f"/api/v1/cards/{fourth}/payment", json=money).json()["fee_due"]["amount"] == "30.00"
    assert desk.post(f"/api/v1/cards/{fifth}/payment", json=money).status_code == 409
    much = desk.post(f"/api/v1/cards/{fourth}/payment", json={"receipt": "R-2", "amount": "30.01"})
    assert (much.status_code, much.json()["errors"][0]["field"]) == (422, "amount")
    undone = desk.post(f"/api/v1/cards/{fourth}/payment-reversal", json={"receipt": "R-1", "reversal": "R-1-S"})
    assert undone.json()["fee_due"]["amount"] == "50.00"
    with desk_hub.store.read() as connection:
        rows = connection.execute(card_payments.select().order_by(card_payments.c.id)).all()
    assert [(row.receipt, row.amount_fen) for row in rows] == [("R-1", 2000), ("R-1-S", -2000)]
    assert rows[1].reverses_id == rows[0].id


def test_a_payment_can_come_with_the_card(desk):
    card = issue(
        desk,
        1,
        "worker_pass",
        holder={"name": "李四", "id_number": ID_NUMBER},
        documents=["renovation_permit"],
        payment={"receipt": "R-9", "amount": {"amount": "55", "currency": "CNY"}},
    )
    assert (card["state"], card["paid"]["amount"]) == ("active", "55.00")
    assert card["arithmetic"] == "押金 50 元 + 工本费 5 元，应收 55 元"
    assert card["valid_until"].endswith("T00:00:00.000+08:00")


def test_a_pass_waits_for_its_papers_and_becomes_active_when_they_were_seen(desk):
    card = issue(desk, 1, "temporary_pass")
    assert (card["state"], card["missing"]) == ("pending", ["id_document"])
    seen = desk.post(f"/api/v1/cards/{card['id']}/documents", json={"documents": ["id_document"]}).json()
    assert (seen["state"], seen["missing"]) == ("active", [])


def test_an_identity_number_goes_in_and_never_comes_out(desk, desk_hub):
    card = issue(desk, holder={"name": "张三", "id_number": ID_NUMBER})
    assert card["holder"]["id_number"] == "***1234"
    with desk_hub.store.read() as connection:
        row = connection.execute(card_assignments.select()).one()
    keys = desk_hub.services.keys
    assert row.id_digest == keys.digest("110101 19900307 1234")
    assert all(ID_NUMBER not in str(value) for value in row)
    assert keys.open_number(row.id_cipher, row.id_key, row.id_digest) == ID_NUMBER


def test_a_number_is_one_card_however_it_is_spelled(desk):
    card = issue(desk, credential={"format": "wiegand26", "value": "100,58400"})
    assert card["credential"]["raw_hex"] == "64E420"
    again = desk.post("/api/v1/cards", json=new(credential={"format": "wiegand26", "value": "6612000"}))
    assert again.status_code == 409
    for text in ("10058400", "0006612000", "100,58400", "64e420"):
        found = desk.get("/api/v1/cards", params={"number": text}).json()["items"]
        assert [each["id"] for each in found] == [card["id"]], text
    assert desk.get("/api/v1/cards", params={"number": "12345"}).json()["items"] == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"credential": {"format": "mifare", "value": "1"}}, "credential.format"),
        ({"credential": {"format": "wiegand26", "value": "99999999"}}, "credential.value"),
        ({"doors": ["nowhere"]}, "doors"),
        ({"unit": None}, "unit"),
        ({"kind": "visitor"}, "kind"),
        ({"holder": {"name": ""}}, "holder.name"),
        ({"payment": {"receipt": "R", "amount": "1"}}, "amount"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_entered(desk, wrong, field):
    answer = desk.post("/api/v1/cards", json=new() | wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert desk.get("/api/v1/cards").json()["items"] == []


def test_a_loss_suspends_at_once_and_says_what_is_not_proved(desk, desk_hub):
    card = issue(desk)
    lost = desk.post(f"/api/v1/cards/{card['id']}/loss", json={"reporter": "张三", "verified": "phone", "note": "电话"})
    assert lost.status_code == 200
    body = lost.json()
    assert (body["state"], body["reason"]) == ("suspended", "lost")
    assert {(door["controller"], door["desired"], door["reported"]) for door in body["doors"]} == {
        ("gate-1", "revoked", "removing")
    }
    assert body["doors_summary"] == "已失效 0/2 扇门，未确认：b1-main、b1-back"
    doors = desk.get(f"/api/v1/cards/{card['id']}/doors").json()
    assert doors == {"items": body["doors"], "summary": body["doors_summary"]}
    with desk_hub.store.read() as connection:
        sent = connection.execute(commands.select().order_by(commands.c.created_at)).all()
    assert [row.name for row in sent] == ["put_card", "delete_card"]
    assert msgspec.json.decode(sent[1].args_json) == {"format": "wiegand26", "value": "10000001"}
    assert msgspec.json.decode(sent[0].args_json)["doors"] == ["b1-main", "b1-back"]
    assert "张三" not in sent[0].args_json


def test_at_night_the_guard_takes_the_loss_and_nothing_more(desk, desk_hub, client_of):
    card, guard = issue(desk), client_of(desk_hub, Role.SECURITY)
    path = f"/api/v1/cards/{card['id']}"
    lost = guard.post(f"{path}/loss", json={"reporter": "张三", "verified": "phone"})
    assert (lost.status_code, lost.json()["state"]) == (200, "suspended")
    assert "张三" not in lost.text, "whose card it is stays hidden from them"
    other = {"verified": "id_document", "credential": {"format": "wiegand26", "value": "20000001"}}
    assert guard.post(f"{path}/replace", json=other).status_code == 403
    assert guard.post(f"{path}/found", json={}).status_code == 403


def test_a_replacement_needs_the_id_check_costs_fifty_and_uses_no_free_card(desk, desk_hub, client_of):
    card = issue(desk)
    path = f"/api/v1/cards/{card['id']}"
    other = {"format": "wiegand26", "value": "20000001"}
    assert desk.post(f"{path}/replace", json={"verified": "id_document", "credential": other}).status_code == 409
    desk.post(f"{path}/loss", json={"reporter": "张三", "verified": "phone"})
    assert desk.post(f"{path}/replace", json={"verified": "phone", "credential": other}).status_code == 422
    taken = issue(desk, 7)["credential"]
    refused = desk.post(
        f"{path}/replace",
        json={"verified": "id_document", "credential": {"format": "wiegand26", "value": taken["value"]}},
    )
    assert refused.status_code == 409
    assert desk.get(path).json()["state"] == "suspended"
    placed = desk.post(f"{path}/replace", json={"verified": "id_document", "credential": other})
    assert placed.status_code == 201
    replacement = placed.json()
    assert (replacement["replaces"], replacement["state"], replacement["fee_due"]["amount"]) == (
        card["id"],
        "pending",
        "50.00",
    )
    old = desk.get(path).json()
    assert (old["state"], old["reason"]) == ("ended", "replaced")
    assert issue(desk, 2)["arithmetic"].startswith("已发 2 张")
    # Found after it was replaced: no valid card; its number may be issued again when the custodian has it in stock.
    back = desk.post(f"{path}/found", json={"verified": "id_document"}).json()
    assert (back["state"], back["object"]) == ("ended", "found")
    assert desk.post("/api/v1/cards", json=new(1)).status_code == 409
    assert desk.post(f"{path}/stock", json={}).status_code == 403
    custodian = client_of(desk_hub, Role.CARD_CUSTODIAN)
    assert custodian.post(f"{path}/stock", json={}).json()["object"] == "in_stock"
    assert issue(desk, 1)["credential"]["value"] == "10000001"


def test_a_lost_number_is_not_issued_again_and_a_found_card_is_valid_again(desk):
    card = issue(desk)
    path = f"/api/v1/cards/{card['id']}"
    desk.post(f"{path}/loss", json={"reporter": "张三", "verified": "id_document"})
    assert desk.post("/api/v1/cards", json=new(1, unit="b1/0102")).status_code == 409
    back = desk.post(f"{path}/found", json={"verified": "id_document"}).json()
    assert (back["state"], back["reason"]) == ("active", None)
    assert {(door["desired"], door["reported"]) for door in back["doors"]} == {("granted", "sent")}
    assert desk.post(f"{path}/found", json={"verified": "id_document"}).status_code == 409


def test_a_returned_card_gives_no_free_card_back_and_can_be_issued_again(desk):
    card = issue(desk)
    given = desk.post(f"/api/v1/cards/{card['id']}/return", json={}).json()
    assert (given["state"], given["reason"]) == ("ended", "returned")
    assert {door["desired"] for door in given["doors"]} == {"revoked"}
    again = issue(desk, 1)
    assert again["id"] != card["id"]
    assert again["arithmetic"].startswith("已发 1 张")


def test_a_pass_is_extended_within_what_its_kind_allows_from_the_first_issue(desk):
    card = issue(desk, 1, "temporary_pass", documents=["id_document"])
    answer = desk.post(f"/api/v1/cards/{card['id']}/extend", json={"until": "2099-01-01T00:00:00+08:00"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "until")
    assert (
        desk.post(f"/api/v1/cards/{issue(desk, 2)['id']}/extend", json={"until": "2099-01-01T00:00:00Z"}).status_code
        == 409
    )


def test_an_edit_on_an_old_version_is_refused(desk):
    card = issue(desk)
    path = f"/api/v1/cards/{card['id']}"
    version = desk.get(path).headers["etag"]
    loss = {"reporter": "张三", "verified": "phone"}
    assert desk.post(f"{path}/loss", json=loss, headers={"If-Match": version}).status_code == 200
    assert (
        desk.post(f"{path}/found", json={"verified": "id_document"}, headers={"If-Match": version}).status_code == 412
    )


def test_an_idempotency_key_issues_one_card(desk):
    first = desk.post("/api/v1/cards", json=new(), headers={"Idempotency-Key": "a"})
    again = desk.post("/api/v1/cards", json=new(), headers={"Idempotency-Key": "a"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(desk.get("/api/v1/cards").json()["items"]) == 1


def test_security_sees_unit_and_state_and_nothing_of_the_holder(desk, desk_hub, client_of):
    card = issue(desk, holder={"name": "张三", "id_number": ID_NUMBER})
    guard = client_of(desk_hub, Role.SECURITY)
    answer = guard.get("/api/v1/cards", params={"number": "10000001"})
    (seen,) = answer.json()["items"]
    assert (seen["unit"], seen["state"]) == ("b1/0101", "active")
    assert {seen[name] for name in ("holder", "credential", "arithmetic", "paid", "fee_due")} == {None}
    assert "张三" not in answer.text
    assert guard.get("/api/v1/cards", params={"holder": "张"}).status_code == 403
    assert guard.post(f"/api/v1/cards/{card['id']}/return", json={}).status_code == 403
    assert [each["id"] for each in desk.get("/api/v1/cards", params={"holder": "张"}).json()["items"]] == [card["id"]]


def test_lists_filter_and_page(desk):
    for number in range(1, 4):
        issue(desk, number)
    issue(desk, 9, unit="b1/0102")
    assert len(desk.get("/api/v1/cards?unit=b1/0101&state=active").json()["items"]) == 3
    first = desk.get("/api/v1/cards?limit=3").json()
    rest = desk.get(f"/api/v1/cards?limit=3&cursor={first['next']}").json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [3, 1, None]
