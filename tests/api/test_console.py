"""The console's pages: signing in and out, what a session may do, and what a page never contains."""

import re

import pytest
from starlette.testclient import TestClient

from api.console import pages
from api.console.wall import age_text
from api.rate_limit import MovingWindow
from hub.store import accounts
from hub.vocabulary.elevator import AlarmType
from hub.vocabulary.roles import Role
from support.running import RunningHub

NAME, PASSWORD = "王值班", "correct horse"
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def staffed(tmp_path_factory):
    hub = RunningHub(f"sqlite:///{tmp_path_factory.mktemp('console') / 'hub.db'}")
    accounts.add_user(hub.store, NAME, PASSWORD, [Role.CONTROL_ROOM], [], hub.now())
    yield hub
    hub.close()


@pytest.fixture
def browser(staffed):
    pages.install(staffed.app)  # attempts counted afresh
    return TestClient(staffed.app, headers=SAME, follow_redirects=False)


@pytest.fixture
def signed_in(browser):
    assert sign_in(browser).status_code == 303
    return browser


def sign_in(browser, name=NAME, password=PASSWORD, **how):
    return browser.post("/login", data={"name": name, "password": password}, **how)


def csrf(browser) -> str:
    return re.search(r'"csrf": ?"([^"]+)"', browser.get("/").text)[1]


def test_a_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(browser):
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert browser.get("/").status_code == 200


def test_wrong_name_and_wrong_password_look_the_same(browser):
    wrong_password = sign_in(browser, password="wrong")
    wrong_name = sign_in(browser, name="nobody")
    assert wrong_password.status_code == wrong_name.status_code == 401
    assert wrong_password.text.replace(NAME, "") == wrong_name.text.replace("nobody", "")
    assert "set-cookie" not in wrong_password.headers or "hub_session" not in wrong_password.headers["set-cookie"]


def test_guessing_is_slowed_down(browser):
    for _ in range(pages.PER_NAME):
        sign_in(browser, password="wrong")
    refused = sign_in(browser)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_a_moving_window_forgets_and_is_bounded():
    window = MovingWindow(2, 1_000)
    for now in (0, 400):
        assert window.wait_ms("a", now) == 0
        window.note("a", now)
    assert window.wait_ms("a", 500) == 500
    assert window.wait_ms("b", 500) == 0
    assert window.wait_ms("a", 1_000) == 0


def test_a_form_of_another_site_is_refused(browser):
    assert sign_in(browser, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    old = TestClient(browser.app, headers={"Origin": "https://evil.example"}, follow_redirects=False)
    assert sign_in(old).status_code == 403


def test_a_session_reads_and_writes_only_with_its_csrf_token(staffed, signed_in):
    ticket = staffed.ticket(type=AlarmType.FAULT)
    path = f"/api/v1/tickets/{ticket}/actions/note"
    token = csrf(signed_in)
    assert signed_in.get(f"/api/v1/tickets/{ticket}").status_code == 200
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": token[:-1]}, {"X-CSRF-Token": "é"}):
        answer = signed_in.post(path, json={"text": "x"}, headers={k: v.encode() for k, v in headers.items()})
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:hub:csrf"
    written = signed_in.post(path, json={"text": "x"}, headers={"X-CSRF-Token": token})
    assert written.json()["timeline"][-1]["by"] == NAME


def test_signing_out_and_being_disabled_end_the_session_at_once(staffed, signed_in):
    secret = signed_in.cookies["hub_session"]
    assert signed_in.post("/logout").status_code == 303
    stolen = TestClient(staffed.app, cookies={"hub_session": secret}, follow_redirects=False)
    assert stolen.get("/api/v1/tickets").status_code == 401
    accounts.add_user(staffed.store, "leaver", "pw", [Role.ADMIN], [], staffed.now())
    assert sign_in(signed_in, "leaver", "pw").status_code == 303
    accounts.disable_user(staffed.store, "leaver", staffed.now())
    assert signed_in.get("/api/v1/tickets").status_code == 401
    assert sign_in(signed_in, "leaver", "pw").status_code == 401


def test_a_wrong_bearer_token_is_not_healed_by_a_session(signed_in):
    assert signed_in.get("/api/v1/tickets", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_pages_speak_chinese_unless_told_otherwise_and_remember(browser):
    page = browser.get("/login")
    assert '<html lang="zh-CN">' in page.text
    assert "登录" in page.text
    assert '<html lang="en">' in browser.get("/login?lang=en").text
    assert '<html lang="en">' in browser.get("/login").text
    assert '<html lang="en">' in browser.get("/login?lang=tlh").text


def test_the_wall_is_drawn_by_the_server_worst_first(staffed, signed_in):
    staffed.ticket("b1-e2", type=AlarmType.FAULT)
    staffed.ticket("b1-e2")
    html = signed_in.get("/").text
    assert html.index("电梯困人") < html.index("电梯故障", html.index('id="tickets"'))
    assert "1栋2号梯" in html


def test_no_page_holds_inline_script_style_or_anything_from_elsewhere(signed_in):
    for path in ("/", "/login"):
        page = signed_in.get(path)
        assert re.findall(r"<script(?![^>]*(src=|application/json))[^>]*>", page.text) == []
        assert not re.search(r"\son\w+=|style=|javascript:|https?://", page.text)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_hostile_names_are_text(staffed, signed_in):
    evil = "</script><img src=x onerror=alert(1)>{{7*7}}"
    body = {"kind": "door_alarm", "site": "lakeside", "subject": {"id": "gate-1"}, "fields": {"note": evil}}
    token = csrf(signed_in)
    raised = signed_in.post("/api/v1/tickets", json=body, headers={"X-CSRF-Token": token}).json()
    signed_in.post(
        f"/api/v1/tickets/{raised['id']}/actions/assign", json={"assignee": evil}, headers={"X-CSRF-Token": token}
    )
    html = signed_in.get("/").text
    assert "<img" not in html
    assert "&lt;img src=x" in html


def test_assets_come_from_a_closed_list_and_are_revalidated(browser):
    found = browser.get("/assets/wall.js")
    assert found.headers["content-type"].startswith("text/javascript")
    assert browser.get("/assets/wall.js", headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    for name in ("..%2fpages.py", "../pages.py", "wall.html", "zh-CN.json", ""):
        assert browser.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [
        (0, "0 s"),
        (59_999, "59 s"),
        (61_000, "1 min 01 s"),
        (7_500_000, "2 h 05 min"),
        (90_000_000, "1 d 01 h"),
        (-5, "0 s"),
    ],
)
def test_ages_are_said_in_their_two_largest_units(age_ms, text):
    assert age_text("en", age_ms) == text
