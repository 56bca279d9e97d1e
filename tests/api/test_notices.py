"""Notices and their texts over HTTP: who sees whose name, what came of it, which texts are refused."""

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from hub.notices import orders, texts
from hub.notices.letters import SiteNotices
from hub.notices.post import Post
from hub.pipeline.settling import settle
from hub.settings.model import NoticePolicy
from hub.store.schema import notices
from hub.vocabulary.decisions import Audience, Notify, TicketKind, Urgency
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import Role
from support.far_side import far_side
from support.notice_api import household, person
from support.notices import PARAMS, gateway
from support.running import RunningHub
from support.waiting import wait_until

__all__ = ["far_side"]

METER = Subject("lakeside", SubjectType.DEVICE, "m-0101")
SEE_NAMES = {Role.FRONT_DESK, Role.HOUSEKEEPER, Role.MANAGER, Role.ADMIN}


class Told:
    """A hub whose post runs, and that can order notices."""

    def __init__(self, hub: RunningHub, far_side, client_of: Callable[..., TestClient]) -> None:
        site = SiteNotices(
            policy=NoticePolicy(merge_window_s=0),
            zone=ZoneInfo("Asia/Shanghai"),
            notifiers=frozenset({"sms", "chat"}),
            receipts=frozenset({"sms"}),
        )
        senders = {
            ("lakeside", "sms"): gateway(far_side, "sms", receipts=True),
            ("lakeside", "chat"): gateway(far_side, "chat"),
        }
        self.hub = hub
        self.post = Post(
            hub.store,
            {"lakeside": site},
            senders,
            lambda over: hub.inbox.ask(lambda step: settle(step, over)),
            hub.now,
        )
        hub.services = replace(hub.services, receipt=self.post.receipt)
        hub.app = create_app(hub.services)
        self.client_of = client_of
        self.post.start()

    def order(self, key: str = "1", **other) -> None:
        values = {
            "key": key,
            "subject": METER,
            "audience": Audience.HOUSEHOLD,
            "template": "low_balance_1",
            "params": PARAMS,
            "urgency": Urgency.URGENT,
        }
        with self.hub.store.write() as connection:
            orders.order(connection, Notify(**(values | other)), "low_balance", self.hub.now())
        self.post.wake()

    def state(self, state: str) -> None:
        def found() -> bool:
            with self.hub.store.read() as connection:
                return state in {row.state for row in connection.execute(notices.select())}

        wait_until(found)

    def client(self, *roles: Role, sites: tuple[str, ...] = ()) -> TestClient:
        return self.client_of(self.hub, *roles, sites=sites)


@pytest.fixture
def told(hub, far_side, client_of):
    running = Told(hub, far_side, client_of)
    desk = running.client(Role.FRONT_DESK)
    channels = [
        {"channel": "sms", "address": "13800000001", "consent": True},
        {"channel": "chat", "address": "wangfang", "consent": True},
    ]
    household(desk, person(desk, channels=channels))
    yield running
    running.post.stop()


def test_a_notice_tells_who_was_told_what_how_and_what_came_of_it(told, far_side):
    told.order()
    far_side.expect("sms", "1栋0101")
    told.state("sent")
    client = told.client(Role.HOUSEKEEPER)
    (item,) = client.get("/api/v1/notices").json()["items"]
    assert (item["recipient"], item["channel"], item["address"], item["state"]) == (
        "王芳芳",
        "sms",
        "13800000001",
        "sent",
    )
    assert (item["template"], item["key"], item["subject"]) == (
        "low_balance_1",
        "1",
        {"type": "device", "id": "m-0101"},
    )
    assert item["sent_at"].endswith("+08:00")
    detail = client.get(f"/api/v1/notices/{item['id']}").json()
    assert [(a["ok"], a["answer"]) for a in detail["history"]] == [(True, "HTTP 200 OK")]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SECURITY, Role.CARD_CUSTODIAN}))
def test_names_and_numbers_are_for_those_who_need_them(told, far_side, role):
    told.order()
    far_side.expect("sms")
    told.state("sent")
    answer = told.client(role).get("/api/v1/notices")
    (item,) = answer.json()["items"]
    if role in SEE_NAMES:
        assert (item["recipient"], item["address"], item["masked"]) == ("王芳芳", "13800000001", False)
    else:
        assert (item["recipient"], item["address"], item["masked"]) == ("王**", "138****0001", True)
        assert "13800000001" not in answer.text


def test_notices_are_found_by_ticket_subject_state_and_site(told, far_side):
    ticket = told.hub.ticket("b1-e2")
    told.order("a", kind=TicketKind.ENTRAPMENT, subject=Subject("lakeside", SubjectType.DEVICE, "b1-e2"))
    told.order("b")
    far_side.expect("sms")
    client = told.client(Role.MANAGER)
    wait_until(lambda: len(client.get("/api/v1/notices").json()["items"]) == 2)

    def keys(**params) -> list[str]:
        return [item["key"] for item in client.get("/api/v1/notices", params=params).json()["items"]]

    assert keys(ticket=ticket) == ["a"]
    assert keys(subject="m-0101") == ["b"]
    assert keys(state="delivered") == ["a"], "the elevator is in no unit: the housekeeper's list"
    assert keys(site="hilltop") == []
    assert keys(limit=1) in (["a"], ["b"])


def test_a_receipt_makes_it_delivered_and_a_second_one_changes_nothing(told, far_side):
    told.order()
    far_side.expect("sms")
    told.state("sent")
    machine = told.client(Role.INTEGRATOR)
    receipt = {"site": "lakeside", "channel": "sms", "provider_id": "receipt-1", "delivered": True}
    assert machine.post("/api/v1/notice-receipts", json=receipt).status_code == 200
    told.state("delivered")
    failed = receipt | {"delivered": False, "detail": "late"}
    assert machine.post("/api/v1/notice-receipts", json=failed).status_code == 200
    told.state("delivered")


def test_a_receipt_that_says_no_brings_the_next_channel(told, far_side):
    told.order()
    far_side.expect("sms")
    told.state("sent")
    receipt = {"site": "lakeside", "channel": "sms", "provider_id": "receipt-1", "delivered": False, "detail": "off"}
    assert told.client(Role.INTEGRATOR).post("/api/v1/notice-receipts", json=receipt).status_code == 200
    far_side.expect("chat", to="wangfang")


@pytest.mark.parametrize("wrong", [{"provider_id": "other"}, {"channel": "chat"}, {"site": "hilltop"}])
def test_a_receipt_for_nothing_that_was_sent_is_404(told, far_side, wrong):
    told.order()
    far_side.expect("sms")
    told.state("sent")
    receipt = {"site": "lakeside", "channel": "sms", "provider_id": "receipt-1", "delivered": True} | wrong
    assert told.client(Role.INTEGRATOR).post("/api/v1/notice-receipts", json=receipt).status_code == 404


# --- texts ------------------------------------------------------------------------------------------------


def test_a_sites_own_text_is_what_is_sent_from_then_on(told, far_side):
    manager = told.client(Role.MANAGER)
    own = {"site": "lakeside", "locale": "zh-CN", "title": "买电", "body": "{place}请买电[[，还剩{days_left}天]]"}
    answer = manager.put("/api/v1/notice-templates/low_balance_1", json=own)
    assert (answer.status_code, answer.json()["own"]) == (200, True)
    told.order()
    assert far_side.expect("sms").body == "1栋0101请买电"
    back = manager.delete("/api/v1/notice-templates/low_balance_1", params={"site": "lakeside", "locale": "zh-CN"})
    assert back.json()["own"] is False
    assert back.json()["body"] == texts.shipped("zh-CN")["low_balance_1"].body


def test_an_own_text_belongs_to_its_site_alone(told):
    manager = told.client(Role.MANAGER)
    own = {"site": "hilltop", "locale": "en", "title": "Buy", "body": "{place}"}
    manager.put("/api/v1/notice-templates/low_balance_1", json=own)
    listed = manager.get("/api/v1/notice-templates").json()["items"]
    assert {(item["site"], item["locale"]) for item in listed if item["own"]} == {("hilltop", "en")}
    assert len(listed) == 2 * 2 * len(texts.parameters())


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("{place} {nonsense}", "nonsense"),
        ("{place} {days_left}", "days_left"),
        ("{place} 请缴物业费", "944"),
        ("{place} 请缴 物 业 管 理 费", "944"),
        ("{place} please pay the Property Management Fee", "944"),
        ("{place} {", "brace"),
        (" ", "characters"),
    ],
)
def test_a_text_that_must_not_be_sent_is_refused_when_it_is_edited(told, body, word):
    manager = told.client(Role.MANAGER)
    own = {"site": "lakeside", "locale": "zh-CN", "title": "买电", "body": body}
    answer = manager.put("/api/v1/notice-templates/low_balance_1", json=own)
    assert answer.status_code == 422
    assert word in answer.text
    preview = manager.post("/api/v1/notice-templates/low_balance_1/preview", json=own)
    assert preview.status_code == 422
    listed = manager.get("/api/v1/notice-templates", params={"site": "lakeside"}).json()["items"]
    assert not any(item["own"] for item in listed)


def test_a_preview_shows_what_would_be_sent_and_stores_nothing(told):
    client = told.client(Role.HOUSEKEEPER)
    wanted = {"site": "lakeside", "locale": "zh-CN", "params": {"place": "2栋0303", "credit": "1.00"}}
    shown = client.post("/api/v1/notice-templates/low_balance_2/preview", json=wanted).json()
    assert "2栋0303" in shown["body"]
    assert "1.00" in shown["body"]
    assert client.get("/api/v1/notices").json()["items"] == []


def test_only_managers_edit_texts(told):
    own = {"site": "lakeside", "locale": "zh-CN", "title": "买电", "body": "{place}"}
    for role in set(Role) - {Role.MANAGER, Role.ADMIN}:
        assert told.client(role).put("/api/v1/notice-templates/low_balance_1", json=own).status_code == 403


def test_notices_come_in_pages_each_once(told, far_side):
    for key in ("1", "2"):
        told.order(key)
        far_side.expect("sms", "1栋0101")
    client = told.client(Role.HOUSEKEEPER)
    wait_until(lambda: len(client.get("/api/v1/notices").json()["items"]) == 2)
    newest = client.get("/api/v1/notices", params={"limit": 1}).json()
    oldest = client.get("/api/v1/notices", params={"limit": 1, "cursor": newest["next"]}).json()
    assert sorted(each["key"] for page in (newest, oldest) for each in page["items"]) == ["1", "2"]
    assert oldest["next"] is None
