"""The console's pages with forms: a case is moved, quiet things begin and end, drills start, without a line of script."""

import html
import re

import pytest
from starlette.testclient import TestClient

from api.console import pages
from hub.store import accounts
from hub.tickets.kinds import KINDS
from hub.vocabulary.decisions import Severity
from hub.vocabulary.elevator import AlarmType
from hub.vocabulary.roles import Role
from support.running import RunningHub

SAME = {"Sec-Fetch-Site": "same-origin"}
STAFF = {"room": Role.CONTROL_ROOM, "boss": Role.DEPARTMENT_MANAGER, "desk": Role.FRONT_DESK, "tech": Role.TECHNICIAN}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    running = RunningHub(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'hub.db'}")
    for name, role in STAFF.items():
        accounts.add_user(running.store, name, "secret-1", [role], [], running.now())
    accounts.add_user(running.store, "hill", "secret-1", [Role.CONTROL_ROOM], ["hilltop"], running.now())
    running.sessions = {}  # a password costs a fifth of a second
    yield running
    running.close()


@pytest.fixture
def browser_of(hub):
    def sign_in(name="room"):
        browser = TestClient(hub.app, headers=SAME, follow_redirects=False)
        if name not in hub.sessions:
            pages.install(hub.app)
            assert browser.post("/login", data={"name": name, "password": "secret-1"}).status_code == 303
            hub.sessions[name] = browser.cookies["hub_session"]
        browser.cookies.set("hub_session", hub.sessions[name])
        return browser

    return sign_in


@pytest.fixture
def room(browser_of):
    return browser_of()


@pytest.fixture
def case(hub, browser_of):
    """An entrapment, freed and closed after the test."""
    ticket = hub.ticket("b1-e1")
    yield ticket
    boss = browser_of("boss")
    for action in ("release", "report", "close"):
        post(boss, f"/tickets/{ticket}/actions/{action}", note="over")


def token(browser):
    return re.search(r'"csrf": ?"([^"]+)"', browser.get("/").text)[1]


def post(browser, path, **fields):
    return browser.post(path, data={"csrf": token(browser), **fields})


def shown(answer):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_a_case_shows_what_is_known_and_every_action_that_may_be_taken_now(room, case):
    page = room.get(f"/tickets/{case}")
    assert page.status_code == 200
    offered = set(re.findall(rf'action="/tickets/{case}/actions/(\w+)"', page.text))
    assert offered == set(room.get(f"/api/v1/tickets/{case}").json()["actions"]) >= {"acknowledge", "people", "release"}
    for words in ("电梯困人", "1栋1号梯", "停在 7 层", "疑似困人", "确认时限", "登记被困人员", "呼吸困难", "拒绝就医"):
        assert words in page.text, words
    assert "medical" not in shown(page)
    english = shown(room.get(f"/tickets/{case}?lang=en"))
    assert "cannot breathe well" in english
    assert not re.search("[一-鿿]", re.sub("1栋.号梯|湖畔花园|中文", "", english))


def test_one_press_does_an_action_in_the_name_of_who_pressed(room, case):
    done = post(room, f"/tickets/{case}/actions/acknowledge")
    assert (done.status_code, done.headers["location"]) == (303, f"/tickets/{case}?done=acknowledge")
    assert "已记录：确认" in room.get(done.headers["location"]).text
    made = {each["name"]: each["by"] for each in room.get(f"/api/v1/tickets/{case}").json()["milestones"]}
    assert made["acknowledged"] == "room"


def test_people_are_registered_with_boxes_and_lists_and_the_form_comes_back_filled_in(room, case):
    fields = {
        "inside": "2", "special_needs": ["elderly", "wheelchair"], "injury": ["breathing"], "contact": "phone", "contact_phone": "138",
        "last_contact_at": "2026-11-22T09:05", "refused": ["medical"], "refused_by": "张女士", "refused_why": "赶时间", "condition": [],
    }  # fmt: skip
    assert post(room, f"/tickets/{case}/actions/people", **fields).status_code == 303
    ticket = room.get(f"/api/v1/tickets/{case}").json()
    assert ticket["fields"]["people"] == {
        "inside": 2, "special_needs": ["elderly", "wheelchair"], "injury": ["breathing"], "contact": "phone",
        "last_contact_at": "2026-11-22T09:05:00+08:00", "refused": ["medical"],
    }  # fmt: skip
    assert ticket["severity"] == "critical"
    page = room.get(f"/tickets/{case}").text
    assert re.search(r'value="wheelchair" checked', page)
    assert 'value="2026-11-22T09:05"' in page
    assert 'value="138"' in page
    assert re.search(r'id="release-people_out"[^>]*value="2"', page)


def test_what_is_refused_is_said_at_its_field_and_nothing_that_was_typed_is_lost(room, case):
    wrong = post(
        room, f"/tickets/{case}/actions/people", inside="two", note="她在哭", refused=["help"], condition="medicl"
    )
    assert wrong.status_code == 422
    words = shown(wrong)
    for said in ("须为 0 到 10000 的整数", "不认识：medicl；可用：calm 情绪稳定"):
        assert said in words
    assert "她在哭" in wrong.text
    assert re.search(r'value="help" checked', wrong.text)
    missing = shown(post(room, f"/tickets/{case}/actions/people", inside="1", refused=["help"]))
    assert "拒绝人：必填" in missing
    not_now = post(room, f"/tickets/{case}/actions/close")
    assert not_now.status_code == 409
    assert "工单处于“疑似困人”时不能“关闭”" in shown(not_now)
    assert "现在可以" in shown(not_now)
    back = room.get(f"/tickets/{case}/actions/people")
    assert (back.status_code, back.headers["location"]) == (303, f"/tickets/{case}#act-people")


def test_a_form_needs_the_sessions_token_and_a_page_of_ours(hub, room, case):
    path = f"/tickets/{case}/actions/acknowledge"
    before = room.get(f"/api/v1/tickets/{case}").json()["revision"]
    good = token(room)
    for data in ({}, {"csrf": ""}, {"csrf": good[:-1]}, {"csrf": "é"}):
        assert room.post(path, data=data).status_code == 403
    assert room.post(path, data={"csrf": good}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    nobody = TestClient(hub.app, headers=SAME, follow_redirects=False)
    assert nobody.post(path, data={"csrf": good}).headers["location"] == "/login"
    for address in ("/quiet", "/drills", f"/tickets/{case}"):
        assert nobody.get(address).headers["location"] == "/login"
    for address in ("/quiet", "/quiet/1/end", "/drills"):
        assert room.post(address, data={}).status_code == 403
    assert room.get(f"/api/v1/tickets/{case}").json()["revision"] == before


def test_a_page_shows_only_what_its_reader_may_see_and_do(browser_of, case):
    desk = browser_of("desk").get(f"/tickets/{case}").text
    assert set(re.findall(r"/actions/(\w+)\"", desk)) == {"note"}
    assert f"/tickets/{case}/record" not in desk
    assert browser_of("hill").get(f"/tickets/{case}").status_code == 404
    assert post(browser_of("hill"), f"/tickets/{case}/actions/note", text="x").status_code == 404
    assert 'action="/quiet"' not in browser_of("desk").get("/quiet").text
    assert 'action="/drills"' not in browser_of("desk").get("/drills").text
    tech = browser_of("tech").get("/quiet").text
    assert 'data-what="maintenance"' in tech
    assert 'data-what="silence"' not in tech


def test_a_ticket_is_shelved_for_at_most_its_longest_time_with_a_reason(hub, room):
    ticket = hub.ticket("b1-e2", type=AlarmType.FAULT)
    page = room.get(f"/tickets/{ticket}").text
    assert re.search(r'id="shelve-minutes"[^>]*max="480"', page)
    assert "最多 480" in page
    path = f"/tickets/{ticket}/actions/shelve"
    assert "须在 1 到 480 之间" in shown(post(room, path, minutes="481", reason="等配件"))
    assert "原因：必填" in shown(post(room, path, minutes="30"))
    assert post(room, path, minutes="30", reason="等配件").status_code == 303
    assert "搁置至" in room.get(f"/tickets/{ticket}").text
    quiet = room.get("/quiet")
    assert "等配件" in quiet.text
    found = re.search(r"/quiet/(\d+)/end", quiet.text)[0]
    assert post(room, found).headers["location"] == "/quiet?done=ended"
    assert room.get(f"/api/v1/tickets/{ticket}").json()["shelved_until"] is None
    assert "not_allowed" not in post(room, found).text
    assert post(room, found).status_code == 409
    assert "shelve" not in KINDS["entrapment"].actions


def test_silence_and_maintenance_begin_and_end_on_one_page(room, browser_of):
    device = "lakeside|device|b1-e2"
    begun = post(room, "/quiet", what="maintenance", subject=device, minutes="60", reason="年检")
    assert (begun.status_code, begun.headers["location"]) == (303, "/quiet?done=begun")
    assert (
        post(
            room,
            "/quiet",
            what="silence",
            subject="lakeside|building|b1",
            kind="device_silent",
            minutes="5",
            reason="施工",
        ).status_code
        == 303
    )
    running = room.get("/api/v1/suppressions").json()["items"]
    assert {(each["what"], each["subject"]["id"], each["kind"]) for each in running} == {
        ("maintenance", "b1-e2", None), ("silence", "b1", "device_silent")
    }  # fmt: skip
    page = room.get("/quiet")
    assert all(words in shown(page) for words in ("维保 · 1栋2号梯 · b1", "静音 · 楼栋 b1 · 设备失联", "年检", "施工"))
    for fields, said in (
        ({"subject": device, "minutes": "241", "reason": "x"}, "须在 1 到 240 之间"),
        ({"subject": device, "minutes": "soon", "reason": "x"}, "须为 0 到"),
        ({"minutes": "5"}, "对象：必填"),
        ({"subject": "elsewhere|device|b1-e2", "minutes": "5", "reason": "x"}, "没有这个选项"),
        ({"subject": device, "minutes": "5", "reason": "x" * 501}, "最多 500"),
        ({"subject": device, "kind": "entrapment", "minutes": "5", "reason": "x"}, "不能静音"),
        ({"subject": device, "kind": "sunshine", "minutes": "5", "reason": "x"}, "没有这个选项"),
    ):
        wrong = post(room, "/quiet", what="silence", **fields)
        assert wrong.status_code == 422, fields
        assert said in shown(wrong), fields
    assert "lakeside|" not in browser_of("hill").get("/quiet").text
    assert post(browser_of("hill"), f"/quiet/{running[0]['id']}/end").status_code == 404
    for each in running:
        assert post(room, f"/quiet/{each['id']}/end").status_code == 303
    assert room.get("/api/v1/suppressions").json()["items"] == []


def test_a_drill_is_begun_played_and_evaluated_on_pages(browser_of):
    boss, room = browser_of("boss"), browser_of()
    wrong = post(boss, "/drills", elevator="lakeside|b1-e2")
    assert wrong.status_code == 422
    assert "演练情景：必填" in shown(wrong)
    assert re.search(r'data-field="scenario".*?<p class="wrong" role="alert">必填</p>', wrong.text, re.DOTALL)
    for scenario in ("x" * 501, "x\0"):
        assert "演练情景：最多 500" in shown(post(boss, "/drills", elevator="lakeside|b1-e2", scenario=scenario))
    assert 'value="lakeside|b1-e2" selected' in wrong.text
    begun = post(room, "/drills", elevator="lakeside|b1-e2", scenario="两人被困，一人不适")
    assert begun.status_code == 303
    where = begun.headers["location"]
    assert all(words in room.get(where).text for words in ("演练进行中", "1栋2号梯"))
    again = post(room, "/drills", elevator="lakeside|b1-e2", scenario="x")
    assert again.status_code == 409
    assert "已有" in shown(again)
    for action in ("acknowledge", "release"):
        assert post(room, f"{where}/actions/{action}").status_code == 303
    assert "/actions/evaluate" not in room.get(where).text  # not by those who were drilled
    assert re.search(r'id="evaluate-score"[^>]*max="100"', boss.get(where).text)
    assert "须在 0 到 100 之间" in shown(post(boss, f"{where}/actions/evaluate", remarks="好", score="101"))
    assert post(boss, f"{where}/actions/evaluate", remarks="处置得当", score="90").status_code == 303
    listed = room.get("/drills").text
    assert all(words in listed for words in ("两人被困，一人不适", "处置得当", "得分 90", "boss"))
    assert post(boss, f"{where}/actions/report").status_code == 303
    assert post(boss, f"{where}/actions/close").status_code == 303


def test_a_test_of_the_button_is_declared_on_a_page(room, browser_of):
    for fields, said in (
        ({"elevator": "lakeside|b1-e2", "minutes": "61", "reason": "年检"}, "须在 0 到 60 之间"),
        ({"elevator": "lakeside|m-0101", "minutes": "5", "reason": "年检"}, "没有这个选项"),
        ({"elevator": "lakeside|b1-e2", "minutes": "5", "reason": "x" * 501}, "最多 500"),
        ({"minutes": "5"}, "电梯：必填"),
    ):
        wrong = post(room, "/press-tests", **fields)
        assert (wrong.status_code, said in shown(wrong)) == (422, True), fields
    fields = {"elevator": "lakeside|b1-e2", "minutes": "0", "reason": "测完"}
    assert post(browser_of("desk"), "/press-tests", **fields).status_code == 409
    done = post(room, "/press-tests", **fields)
    assert (done.status_code, done.headers["location"]) == (303, "/press-tests?done=declared")
    assert "已声明" in room.get(done.headers["location"]).text
    assert "现在没有声明的测试" in room.get("/press-tests").text


def test_a_shift_is_handed_over_and_taken_over_on_pages(room, browser_of, case):
    wrong = post(
        room,
        "/hand-overs",
        place="lakeside|finance",
        item_name="对讲机",
        item_count="三",
        item_expected="",
        item_note="",
    )
    assert wrong.status_code == 422
    for said in ("没有这个选项", "班次：必填", "对讲机：数量和应有须为"):
        assert said in shown(wrong), said
    given = {
        "place": "lakeside|control_room", "shift": "A", "instructions": "注意水泵", "item_name": ["对讲机", "钥匙", ""],
        "item_count": ["3", "12", ""], "item_expected": ["4", "", ""], "item_note": ["一台送修", "", ""],
    }  # fmt: skip
    done = post(room, "/hand-overs", **given)
    note = done.headers["location"]
    page = room.get(note).text
    assert all(words in page for words in ("1栋1号梯", "对讲机", "一台送修", "注意水泵", "尚未签字"))
    assert "接班并签字" not in page  # not by whoever hands over
    alone = post(room, f"{note}/take-over")
    assert (alone.status_code, "须由另一人签字" in shown(alone)) == (409, True)
    other = browser_of("boss")
    assert "接班并签字" in other.get(note).text
    assert post(other, f"{note}/take-over", remark="x" * 501).status_code == 422
    assert post(other, f"{note}/take-over", remark="已清点").status_code == 303
    assert "已清点" in room.get(note).text
    listed = room.get("/hand-overs").text
    assert "room → boss" in listed
    assert re.search(r'name="item_name"[^>]*value="钥匙"', listed)  # asked for again
    assert post(browser_of("hill"), f"{note}/take-over").status_code == 404


def test_hostile_text_is_text_and_pages_hold_no_inline_script(room, case):
    evil = "</textarea><script>alert(1)</script>{{7*7}}"
    post(room, f"/tickets/{case}/actions/note", text=evil)
    post(room, f"/tickets/{case}/actions/people", inside="1", note=evil, contact_name=evil)
    post(room, "/quiet", what="silence", subject="lakeside|device|m-0101", minutes="5", reason=evil)
    for path in (f"/tickets/{case}", "/quiet", "/drills"):
        page = room.get(path)
        assert "<script>alert" not in page.text
        assert re.findall(r"<script(?![^>]*(src=|application/json))[^>]*>", page.text) == []
        assert not re.search(r"\son\w+=|style=|javascript:|https?://", page.text.replace("&#34;", '"'))
    running = room.get("/api/v1/suppressions").json()["items"]
    assert all(post(room, f"/quiet/{each['id']}/end").status_code == 303 for each in running)


def test_every_kind_has_a_page(hub, room):
    gate, meter = dict.fromkeys(("door_alarm", "lost_card_used"), "gate-1"), "m-0101"
    subject = {"elevator_fault": "b1-e2", "low_balance": meter, "topup_missing": meter} | gate
    for kind in set(KINDS) - {"entrapment"}:
        raised = room.post(
            "/api/v1/tickets",
            json={
                "kind": kind,
                "site": "lakeside",
                "subject": {"id": subject.get(kind, "b1-e1")},
                "severity": Severity.LOW,
            },
            headers={"X-CSRF-Token": token(room)},
        ).json()
        page = room.get(f"/tickets/{raised['id']}")
        assert page.status_code == 200
        assert raised["number"] in page.text
    wall = room.get("/").text
    assert f'href="/tickets/{raised["id"]}"' in wall
    assert 'href="/quiet"' in wall
    assert 'href="/drills"' in wall
