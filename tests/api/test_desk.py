"""The desk over HTTP beside the cards themselves: deposits, renovations, a manager's and a custodian's acts, papers."""

from __future__ import annotations

import io
from typing import Any

import openpyxl

from hub.vocabulary.roles import Role
from support.waiting import wait_until

ID_NUMBER = "110101199003071234"
API = "/api/v1"


def issue(desk, number: int = 1, kind: str = "worker_pass", **other: Any) -> dict[str, Any]:
    body = {
        "site": "lakeside",
        "kind": kind,
        "unit": "b1/0101",
        "holder": {"name": "李四", "phone": "13800001234", "id_number": ID_NUMBER},
        "credential": {"format": "uid32", "value": f"{number:08X}"},
    }
    if kind == "worker_pass":
        body |= {"documents": ["renovation_permit"], "payment": {"receipt": f"R-{number}", "amount": "55"}}
    answer = desk.post(f"{API}/cards", json=body | other)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_deposit_is_seen_paid_back_and_printed(desk, manager):
    works = desk.post(f"{API}/works", json={"site": "lakeside", "unit": "b1/0101", "reference": "ZX-1"})
    assert works.status_code == 201
    assert works.headers["location"] == f"{API}/works/{works.json()['id']}"
    first, second = (issue(desk, number, works=works.json()["id"]) for number in (1, 2))
    path = f"{API}/cards/{first['id']}"
    desk.post(f"{path}/return", json={})
    early = desk.post(f"{path}/deposit/refund", json={})
    assert (early.status_code, early.json()["allowed"]) == (409, ["accept"])
    accepted = desk.post(f"{API}/works/{works.json()['id']}/accept").json()
    assert [each["card"] for each in accepted["outstanding"]] == [second["id"]]
    assert accepted["held"]["amount"] == "100.00"
    blocked = desk.post(f"{path}/deposit/refund", json={})
    assert blocked.json()["errors"] == [{"field": f"cards/{second['id']}", "problem": "worker_pass 00000002: assigned"}]
    lost = desk.post(f"{API}/cards/{second['id']}/penalty", json={"reason": "lost_pass"}).json()
    assert {name: lost[name]["amount"] for name in ("received", "held", "refunded", "forfeited")} == {
        "received": "50.00",
        "held": "0.00",
        "refunded": "0.00",
        "forfeited": "50.00",
    }
    done = desk.post(f"{path}/deposit/refund", json={"party": "李四"}, headers={"Idempotency-Key": "r1"}).json()
    again = desk.post(f"{path}/deposit/refund", json={"party": "李四"}, headers={"Idempotency-Key": "r1"}).json()
    assert done == again
    assert [(each["entry"], each["amount"]["amount"], each["party"]) for each in done["entries"]] == [
        ("received", "50.00", "李*"),
        ("refunded", "50.00", "李*"),
    ]
    paper = desk.get(f"{API}/cards/{second['id']}/deposit/documents/{lost['entries'][-1]['id']}")
    assert paper.headers["content-type"].startswith("text/html")
    for words in ("出入证处罚单", lost["entries"][-1]["document"], "出入证遗失", "李*"):
        assert words in paper.text
    assert "李四" not in paper.text
    undone = desk.post(
        f"{API}/cards/{second['id']}/deposit/reversal", json={"entry": lost["entries"][-1]["id"], "note": "找到了"}
    )
    assert undone.json()["held"]["amount"] == "50.00"
    assert manager.get(f"{API}/works?unit=b1/0101").json()["items"][0]["accepted_by"]


def test_finance_reads_amounts_and_nobodys_name(desk, desk_hub, client_of):
    card = issue(desk)
    finance = client_of(desk_hub, Role.FINANCE)
    seen = finance.get(f"{API}/cards/{card['id']}").json()
    assert (seen["holder"], seen["credential"], seen["paid"]["amount"]) == (None, None, "55.00")
    deposit = finance.get(f"{API}/cards/{card['id']}/deposit")
    assert (deposit.json()["held"]["amount"], deposit.json()["entries"][0]["party"]) == ("50.00", None)
    assert finance.post(f"{API}/cards/{card['id']}/deposit/refund", json={}).status_code == 403


def test_a_staff_card_is_signed_by_the_head_and_then_by_the_manager(desk, desk_hub, manager, client_of):
    card = issue(desk, 1, "staff", unit=None)
    path = f"{API}/cards/{card['id']}/approval"
    assert card["missing"] == ["department_head_signed", "manager_approved"]
    assert manager.post(path, json={}).json()["allowed"] == ["department_head_signed"]
    head = client_of(desk_hub, Role.DEPARTMENT_MANAGER)
    assert head.post(path, json={}).json()["state"] == "pending"
    assert head.post(path, json={}).status_code == 409
    assert manager.post(path, json={}).json()["state"] == "active"
    sheet = manager.get(f"{API}/card-registers/application?site=lakeside&reason=audit").json()
    (row,) = sheet["rows"]
    assert sheet["title"] == "业主卡办理申请表"
    assert "client-" in row["head"]
    assert row["head"] != row["manager"]
    assert row["holder"] == "李四"


def test_only_a_manager_holds_a_card_and_a_loss_does_not_undo_it(desk, manager):
    card = issue(desk, 1, "owner")
    path = f"{API}/cards/{card['id']}"
    held = manager.post(f"{path}/suspend", json={"reason": "arrears", "note": "经理审批"}).json()
    assert (held["state"], held["reason"]) == ("suspended", "arrears")
    assert {door["desired"] for door in held["doors"]} == {"revoked"}
    desk.post(f"{path}/loss", json={"reporter": "李四", "verified": "phone"})
    found = desk.post(f"{path}/found", json={"verified": "id_document"}).json()
    assert (found["state"], found["reason"]) == ("suspended", "arrears")
    assert manager.post(f"{path}/resume", json={}).json()["state"] == "active"


def test_whoever_leaves_takes_no_valid_card_along(desk, manager):
    first, second = issue(desk, 1, "staff", unit=None), issue(desk, 2, "staff", unit=None)
    other = issue(desk, 3, "staff", unit=None, holder={"name": "王五"})
    home = issue(desk, 4, "owner")  # the same person lives here
    namesake = issue(desk, 5, "staff", unit=None, holder={"name": "王五"})
    desk.post(f"{API}/cards/{first['id']}/left", json={})
    desk.post(f"{API}/cards/{other['id']}/left", json={})
    states = {each["id"]: each["state"] for each in desk.get(f"{API}/cards").json()["items"]}
    assert states == {
        first["id"]: "ended",
        second["id"]: "ended",
        other["id"]: "ended",
        home["id"]: "active",
        namesake["id"]: "pending",
    }


def test_a_card_that_a_guard_took_away_waits_for_the_custodian(desk, desk_hub, client_of):
    card = issue(desk, 1, "owner")
    path = f"{API}/cards/{card['id']}"
    taken = desk.post(f"{path}/take-away", json={"note": "他人使用"}).json()
    assert (taken["state"], taken["reason"], taken["object"]) == ("ended", "confiscated", "confiscated")
    body = {"site": "lakeside", "kind": "owner", "unit": "b1/0101", "holder": {"name": "张三"}}
    again = desk.post(f"{API}/cards", json=body | {"credential": {"format": "uid32", "value": "00000001"}})
    assert (again.status_code, again.json()["allowed"]) == (409, ["stock"])
    assert client_of(desk_hub, Role.CARD_CUSTODIAN).post(f"{path}/stock", json={}).json()["object"] == "in_stock"


def test_a_defective_card_is_damaged_for_good_and_what_is_back_is_destroyed_by_the_custodian(desk, desk_hub, client_of):
    card = issue(desk, 1, "owner")
    other = {"verified": "id_document", "defective": True, "credential": {"format": "uid32", "value": "00000002"}}
    new = desk.post(f"{API}/cards/{card['id']}/replace", json=other).json()
    assert desk.get(f"{API}/cards/{card['id']}").json()["object"] == "damaged"
    body = {"site": "lakeside", "kind": "owner", "unit": "b1/0101", "holder": {"name": "张三"}}
    again = desk.post(f"{API}/cards", json=body | {"credential": {"format": "uid32", "value": "00000001"}})
    assert (again.status_code, "damaged" in again.json()["detail"]) == (409, True)
    custodian = client_of(desk_hub, Role.CARD_CUSTODIAN)
    in_use = custodian.post(f"{API}/cards/{new['id']}/destroy", json={})
    assert (in_use.status_code, in_use.json()["allowed"]) == (409, ["return"])
    assert custodian.post(f"{API}/cards/{card['id']}/destroy", json={}).json()["object"] == "destroyed"
    assert custodian.post(f"{API}/cards/{card['id']}/stock", json={}).status_code == 409


def test_a_child_needs_a_guardian_and_is_shown_to_fewer(desk, manager):
    card = issue(desk, 1, "owner", holder={"name": "张小小", "under_14": True})
    assert (card["state"], card["missing"]) == ("pending", ["guardian_consent"])
    path = f"{API}/cards/{card['id']}"
    assert manager.get(path).json()["holder"]["name"] == "张**"
    assert desk.post(f"{path}/documents", json={"documents": ["guardian_consent"]}).json()["state"] == "active"
    assert manager.post(f"{path}/reveal", json={"reason": "check"}).status_code == 403


def test_registers_are_printed_and_exported_as_the_role_may_see_them(desk, desk_hub, manager):
    card = issue(desk, 1, "owner", holder={"name": "=1+1", "id_number": ID_NUMBER})
    issue(desk, 2)
    desk.post(f"{API}/cards/{card['id']}/loss", json={"reporter": "张三", "verified": "phone"})
    query = {"site": "lakeside", "reason": "月报"}
    titles = {}
    for register in ("issue", "loss", "application", "outstanding", "expiring"):
        answer = manager.get(f"{API}/card-registers/{register}", params=query)
        assert answer.status_code == 200, answer.text
        titles[register] = (answer.json()["title"], len(answer.json()["rows"]))
    assert titles == {
        "issue": ("业主卡发放登记表", 2),
        "loss": ("业主卡挂失登记表", 1),
        "application": ("业主卡办理申请表", 0),
        "outstanding": ("未归还出入证清单", 0),
        "expiring": ("即将到期清单", 0),
    }
    sheet = manager.get(f"{API}/card-registers/issue", params=query | {"format": "csv"})
    assert "'=1+1" in sheet.text
    assert sheet.text.startswith("\ufeff序号,发放日期,房号")
    assert "***1234" in sheet.text
    assert ID_NUMBER not in sheet.text
    book = openpyxl.load_workbook(
        io.BytesIO(manager.get(f"{API}/card-registers/issue", params=query | {"format": "xlsx"}).content)
    )
    rows = list(book.active.iter_rows(values_only=True))
    assert (rows[1][4], rows[1][6], rows[2][8]) == ("=1+1", "00000001", "R-2")
    assert [row[3] for row in rows[1:]] == ["业主卡", "出入证"]
    html = desk.get(f"{API}/card-registers/loss", params=query | {"format": "html"})
    assert "业主卡挂失登记表" in html.text
    assert "张三" not in html.text
    assert "张*" in html.text
    assert "<td>电话</td>" in html.text
    assert desk.get(f"{API}/card-registers/issue", params={"site": "lakeside"}).status_code == 422
    slip = desk.get(f"{API}/cards/{card['id']}/slip")
    assert "已失效 0/1 扇门，未确认：b1-main" in slip.text
    assert "正在删除，可能仍能开门" in slip.text
    desk_hub.status("gate-1", online=False)
    wait_until(lambda: "未确认：b1-main(离线)" in desk.get(f"{API}/cards/{card['id']}/slip").text)
    assert desk.get(f"{API}/cards/{card['id']}/doors").json()["items"][0]["reason"] == "offline"
    exports = [row for row in manager.get(f"{API}/audit").json()["items"] if row["action"] == "export"]
    assert {row["reason"] for row in exports} == {"月报"}
    assert len(exports) == 8


def test_a_pass_that_ends_soon_is_on_the_list_until_it_is_handed_in(desk, manager):
    soon = issue(desk, 1, "temporary_pass", documents=["id_document"])

    def listed():
        sheet = manager.get(f"{API}/card-registers/expiring", params={"site": "lakeside", "reason": "到期提醒"})
        return [row["card"] for row in sheet.json()["rows"]]

    assert soon["state"] == "active", soon["missing"]
    assert listed() == ["00000001"]
    assert desk.post(f"{API}/cards/{soon['id']}/return", json={}).status_code == 200
    assert listed() == []
