"""The record of a case and the forms about it over HTTP, as data and as pages for paper."""

import dataclasses
import re

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from hub.store import accounts
from hub.store.schema import case_reports
from hub.tickets.lifecycle import Actor
from hub.vocabulary.roles import Role
from support.running import RunningHub

OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))
COMPLETE = {
    "fault": "门机故障",
    "course": "10:02 接报；10:20 救出",
    "injuries": "无",
    "cause_kind": "door_system",
    "cause": "门刀松动 <img src=x onerror=alert(1)>",
    "responsible": "维保单位",
    "remedy": "更换门刀",
    "prevention": "每月检查",
    "measures": [{"measure": "检查全部门刀", "effect": "已完成", "by": "赵", "on": "2026-11-25"}],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    running = RunningHub(f"sqlite:///{tmp_path_factory.mktemp('records') / 'hub.db'}")
    yield running
    running.close()


@pytest.fixture
def case(hub, client_of):
    """A case of which two were freed, with the client of the department manager."""
    manager = client_of(hub, Role.DEPARTMENT_MANAGER)
    ticket = hub.ticket("b1-e1", detail=None)
    for action, fields in (
        ("acknowledge", {}),
        (
            "people",
            {
                "inside": 2,
                "condition": "Child",
                "injury": ["fainting"],
                "refused": "medical",
                "refused_by": "张女士",
                "refused_why": "赶时间",
            },
        ),
        ("release", {"people_out": 2}),
    ):
        assert manager.post(f"/api/v1/tickets/{ticket}/actions/{action}", json=fields).status_code == 200
    yield ticket, manager
    manager.post(f"/api/v1/tickets/{ticket}/actions/report", json={})
    assert manager.post(f"/api/v1/tickets/{ticket}/actions/close", json={}).status_code == 200


def test_the_report_comes_filled_in_is_drafted_signed_and_kept_version_by_version(hub, case):
    ticket, manager = case
    path = f"/api/v1/tickets/{ticket}/reports/major_incident"
    blank = manager.get(path)
    assert (blank.headers["etag"], blank.json()["version"], blank.json()["signed"]) == ('"0"', 0, False)
    assert "2 人" in blank.json()["fields"]["fault"]
    course = blank.json()["fields"]["course"].splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 发生", course[0])
    assert "轿厢内 2 人; 儿童; 伤病：头晕、晕厥; 拒绝的事项：拒绝就医; 拒绝人：张女士; 拒绝原因：赶时间" in course[3]
    assert "儿童；伤病：头晕、晕厥；拒绝的事项：拒绝就医" in blank.json()["fields"]["injuries"]
    assert "救出 2 人" in course[4]
    assert [line.split(" ", 2)[2].split(" ")[0] for line in course[2:]] == ["确认", "登记被困人员", "人员已救出"]

    draft = manager.post(path, json={"fields": {"fault": "门机故障"}}, headers={"If-Match": '"0"'})
    assert (draft.status_code, draft.headers["etag"]) == (201, '"1"')
    assert manager.get(draft.headers["location"]).json()["fields"] == {"fault": "门机故障"}
    assert manager.post(path, json={}, headers={"If-Match": '"0"'}).status_code == 412

    incomplete = manager.post(path, json={"fields": {"fault": "门机故障"}, "sign": True})
    assert incomplete.status_code == 422
    assert {each["field"] for each in incomplete.json()["errors"]} == {*COMPLETE, "signatory"} - {"fault"}

    signing = {"fields": COMPLETE, "sign": True, "signatory": "陈经理"}
    signed = manager.post(path, json=signing, headers={"Idempotency-Key": f"sign-{ticket}"})
    assert signed.status_code == 201
    assert manager.post(path, json=signing, headers={"Idempotency-Key": f"sign-{ticket}"}).json() == signed.json()
    assert (signed.json()["version"], signed.json()["signatory"], signed.json()["intact"]) == (2, "陈经理", True)
    shown = manager.get(f"/api/v1/tickets/{ticket}").json()
    assert "report" in {each["name"] for each in shown["milestones"]}
    versions = manager.get(f"/api/v1/tickets/{ticket}/reports").json()["items"]
    assert [(each["version"], each["signed"]) for each in versions] == [(1, False), (2, True)]
    assert manager.get(path, params={"version": 1}).json()["fields"] == {"fault": "门机故障"}
    assert manager.get(path, params={"version": 3}).status_code == 404


def test_the_record_tells_what_happened_and_what_did_not(hub, case):
    ticket, manager = case
    found = manager.get(f"/api/v1/tickets/{ticket}/record").json()
    times = {each["name"]: each["at"] for each in found["times"]}
    assert times["acknowledged"]
    assert times["firm_told"] is None
    decided = next(number for number, line in enumerate(found["course"]) if line["kind"] == "decision")
    signal = found["course"][decided - 1]
    assert (signal["kind"], signal["data"]["type"], signal["data"]["used"]) == ("signal", "passenger_alarm", True)
    assert {line["name"] for line in found["course"] if line["kind"] == "notice"} >= {"entrapment_opened"}


def test_the_papers_of_the_lift_come_from_the_sites_file_and_are_kept_with_the_signature(hub, case, client_of):
    ticket, _ = case
    papers = {"register_code": "00310104", "firm": "甲维保", "maker": "某厂"}
    services = dataclasses.replace(hub.services, lift_card=lambda site, device: papers)
    app, hub.app = hub.app, create_app(services)
    try:
        manager = client_of(hub, Role.DEPARTMENT_MANAGER)
    finally:
        hub.app = app
    path = f"/api/v1/tickets/{ticket}/reports/major_incident"
    assert {"register_code": "00310104", "firm": "甲维保"}.items() <= manager.get(path).json()["fields"].items()
    assert manager.get(f"/api/v1/tickets/{ticket}/record").json()["lift"] == papers
    signed = manager.post(path, json={"fields": COMPLETE, "sign": True, "signatory": "陈"})
    assert signed.json()["record"]["lift"] == papers


def test_who_reads_writes_and_signs(hub, case, client_of):
    ticket, _ = case
    path = f"/api/v1/tickets/{ticket}/reports/major_incident"
    assert client_of(hub, Role.FRONT_DESK).get(f"/api/v1/tickets/{ticket}/record").status_code == 403
    assert client_of(hub, Role.CONTROL_ROOM).get(path).json()["may_write"] is False
    assert client_of(hub, Role.CONTROL_ROOM).post(path, json={}).status_code == 403
    supervisor = client_of(hub, Role.DUTY_SUPERVISOR)
    assert supervisor.post(path, json={}).status_code == 201
    signing = {"fields": COMPLETE, "sign": True, "signatory": "周"}
    refused = supervisor.post(path, json=signing)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:hub:not_allowed")
    stranger = client_of(hub, *Role, sites=("hilltop",))
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, json={}).status_code == 404


@pytest.fixture
def signed_in(hub):
    """A department manager at the console."""
    if not getattr(hub, "staffed", False):
        accounts.add_user(hub.store, "chen", "secret-1", [Role.DEPARTMENT_MANAGER], [], hub.now())
        accounts.add_user(hub.store, "desk", "secret-1", [Role.FRONT_DESK], [], hub.now())
        hub.staffed = True

    def sign_in(name="chen"):
        browser = TestClient(hub.app, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
        assert browser.post("/login", data={"name": name, "password": "secret-1"}).status_code == 303
        return browser

    return sign_in


def test_pages_for_paper_show_the_form_its_state_and_lines_for_signatures(hub, case, signed_in):
    ticket, manager = case
    browser = signed_in()
    page = browser.get(f"/tickets/{ticket}/reports/major_incident")
    assert page.status_code == 200
    for words in (
        "重大事故报告表",
        "尚未填写",
        "LAKESIDE-",
        "湖畔花园",
        "1栋1号梯",
        "部门经理",
        "签名",
        "各项措施落实情况",
    ):
        assert words in page.text
    path = f"/api/v1/tickets/{ticket}/reports/major_incident"
    manager.post(path, json={"fields": COMPLETE, "sign": True, "signatory": "陈经理"})
    page = browser.get(f"/tickets/{ticket}/reports/major_incident")
    assert "陈经理 签认" in page.text
    assert "尚未填写" not in page.text
    assert "<img" not in page.text
    english = browser.get(f"/tickets/{ticket}/reports/major_incident?lang=en").text
    assert "Major incident report" in english
    for path in ("record", "reports/return_to_service", "reports/emergency", "reports/emergency/edit"):
        text = browser.get(f"/tickets/{ticket}/{path}").text
        assert "LAKESIDE-" in text, path
        assert not re.search(r"\son\w+=|style=|javascript:|https?://|<script(?![^>]*(src=|application/json))", text), (
            path
        )


def test_a_page_is_for_whoever_may_read_it(hub, case, signed_in):
    ticket, _ = case
    for path in ("record", "reports/major_incident", "reports/major_incident/edit"):
        assert signed_in("desk").get(f"/tickets/{ticket}/{path}").status_code == 403
        assert TestClient(hub.app, follow_redirects=False).get(f"/tickets/{ticket}/{path}").status_code == 303
    assert signed_in().get("/tickets/999999/record").status_code == 404
    assert signed_in().get(f"/tickets/{ticket}/reports/sick_note").status_code == 422


def test_the_wall_leads_by_a_tickets_page_to_the_record_for_those_who_may_read_it(hub, case, signed_in):
    ticket = hub.ticket("b1-e2")
    assert f'href="/tickets/{ticket}"' in signed_in().get("/").text
    assert f'href="/tickets/{ticket}/record"' in signed_in().get(f"/tickets/{ticket}").text
    assert "/record" not in signed_in("desk").get(f"/tickets/{ticket}").text


def test_a_page_warns_where_a_saved_version_was_changed(hub, case, signed_in):
    ticket, manager = case
    path = f"/api/v1/tickets/{ticket}/reports/emergency"
    manager.post(path, json={"fields": {"event": "a"}})
    with hub.store.write() as connection:
        mine = (case_reports.c.ticket_id == ticket) & (case_reports.c.form == "emergency")
        connection.execute(case_reports.update().where(mine).values(by="somebody else"))
    assert manager.get(path).json()["intact"] is False
    assert "与保存时不一致" in signed_in().get(f"/tickets/{ticket}/reports/emergency").text


@pytest.mark.slow
def test_a_manager_fills_in_signs_and_prints_the_report_as_a_pdf(small_hub, chromium_browser):
    ticket = small_hub.ticket("b1-e1")
    accounts.add_user(small_hub.store, "chen", "secret-1", [Role.DEPARTMENT_MANAGER], [], small_hub.now())
    address = small_hub.serve()
    context = chromium_browser.new_context()
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(f"{address}/login")
    page.fill("[name=name]", "chen")
    page.fill("[name=password]", "secret-1")
    page.click("button[type=submit]")
    small_hub.inbox.ask(lambda step: step.act(ticket, "release", {}, OPERATOR, None)).result(10)
    page.goto(f"{address}/tickets/{ticket}/reports/major_incident/edit")
    assert "发生" in page.input_value("[name=course]")
    page.fill("[name=fault]", "门机故障")
    page.click("button[value=sign]")
    page.wait_for_selector("section[data-field=cause] .wrong:not([hidden])")
    for name in ("injuries", "cause", "responsible", "remedy", "prevention"):
        page.fill(f"[name={name}]", f"{name}：已查明")
    page.select_option("[name=cause_kind]", "door_system")
    page.click("[data-add]")
    rows = page.locator("section[data-field=measures] tbody tr")
    assert rows.count() == 2
    for index in range(2):
        rows.nth(index).locator("[data-key=measure]").fill(f"措施{index}")
        rows.nth(index).locator("[data-key=effect]").fill("已落实")
    page.fill("#signatory", "陈经理")
    page.click("button[value=sign]")
    page.wait_for_url(f"{address}/tickets/{ticket}/reports/major_incident")
    assert "陈经理 签认" in page.inner_text("footer")
    page.emulate_media(media="print")
    assert not page.is_visible(".bar")
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-")
    (width, height) = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf).groups()
    assert (round(float(width)), round(float(height))) == (595, 842), "A4"
    assert len(pdf) > 20_000, "fonts are in it"
    assert errors == []
    context.close()
