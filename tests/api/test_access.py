"""Denied by default: every route × every role × every site, and nobody at all, against a table written by hand."""

import asyncio
from datetime import date

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, select
from starlette.testclient import TestClient

from api import auth
from api.app import create_app
from api.auth import UnguardedRouteError, demand_guards, routes_of
from hub.cards import numbers
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.works import NewWorks
from hub.meters import topups
from hub.meters.topups import TopUp
from hub.notices import orders
from hub.notices.letters import write_notice
from hub.notices.plan import Channel
from hub.notices.recipients import Recipient
from hub.notices.text_book import TextBook
from hub.pipeline import card_desk, card_ends, suppression_desk
from hub.pipeline.card_desk import Wish
from hub.pipeline.webhook_desk import new_webhook
from hub.registry import households, people, roster_rows
from hub.registry.households import Member, MemberRole
from hub.registry.people import PersonEdit
from hub.registry.roster import OverrideKind
from hub.registry.roster_rows import AssignmentEdit, OverrideEdit
from hub.store import accounts
from hub.store.schema import devices, notice_orders
from hub.tickets import hand_over
from hub.tickets.hand_over import Note
from hub.tickets.lifecycle import Actor
from hub.tickets.suppression import Suppressed
from hub.vocabulary.decisions import Audience, Notify
from hub.vocabulary.events import Subject, SubjectType, TopUpState
from hub.vocabulary.roles import Role
from support.running import LAKESIDE, Trial, Why
from support.who_may import EVERYBODY, HOOK, PAGE, TABLE


def _target(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


def _ask(client: TestClient, method: str, path: str, ids: dict[str, str]) -> int:
    if path.endswith("/stream"):
        # A stream that is let in never ends by itself: a wrong number shows that the guard let it pass.
        path += "?after=-1"
    if path.endswith(("/id-copy", "/{register}")) and method == "GET":
        path += f"?reason=test&site={ids['site']}"
    elif method == "DELETE":
        path += f"?site={ids['site']}&locale=zh-CN"
    body = _body(path, ids) if method in {"POST", "PUT", "PATCH"} and "/api/" in path else None
    return client.request(method, _target(path, ids), json=body).status_code


def _body(path: str, ids: dict[str, str]) -> dict[str, object]:
    """Enough that nothing but the guard, or the other site, stands in the way."""
    person = {"person": int(ids["person_id"])}
    ends = {
        "/suppressions": {
            "what": "maintenance",
            "site": ids["site"],
            "subject": {"id": ids["device_id"]},
            "minutes": 5,
            "reason": "test",
        },
        "/drills": {"site": ids["site"], "device": ids["device_id"], "scenario": "test"},
        "/tickets": {"kind": "entrapment", "site": ids["site"], "subject": {"id": ids["device_id"]}},
        "/{template}": {"site": ids["site"], "locale": "en", "title": "a", "body": "b"},
        "/preview": {"site": ids["site"], "locale": "en"},
        "/{household_id}": {"members": [person]},
        "/move-in": {"site": ids["site"], "unit": "b1/0101", "members": [person]},
        "/move-out": {"site": ids["site"], "unit": "b1/0101"},
        "/topups": {
            "site": ids["site"],
            "meter": "m-0101",
            "amount": {"amount": "1", "currency": "CNY"},
            "reference": "1",
        },
        "/cards": {
            "site": ids["site"],
            "kind": "owner",
            "unit": "b1/0101",
            "holder": {"name": "王芳"},
            "credential": {"format": "uid32", "value": "00000002"},
        },
        "/readings": {"id": "1", "at": "2026-06-01T12:00:00+08:00", "balance": 1, "unit": "CNY"},
        "/loss": {"reporter": "王芳", "verified": "phone"},
        "/found": {"verified": "id_document"},
        "/payment": {"receipt": "1", "amount": "1"},
        "/payment-reversal": {"receipt": "1", "reversal": "2"},
        "/documents": {"documents": ["id_document"]},
        "/webhooks": {"site": ids["site"], "name": "bi", "url": "https://a.example/"},
        "/replay": {"after": 0},
        "/reveal": {"reason": "test"},
        "/card-search": {"id_number": "110101199003071234", "reason": "test"},
        "/id-copy": {"media_type": "image/png", "content": "aaaa"},
        "/exports": {"reason": "test", "card": int(ids["card_id"])},
        "/erasures": {"reason": "test", "card": int(ids["card_id"])},
        "/suspend": {"reason": "arrears", "note": "1"},
        "/penalty": {"reason": "lost_pass"},
        "/reversal": {"entry": 1, "note": "1"},
        "/works": {"site": ids["site"], "unit": "b1/0101", "reference": "P2"},
        "/extend": {"until": "2030-01-01T00:00:00Z"},
        "/{card_id}/replace": {
            "verified": "id_document",
            "credential": {"format": "uid32", "value": "00000003"},
        },
        "/people": {"site": ids["site"], "code": "p2", "name": "李"},
        "/shifts/{site}/{name}": {"start": "08:00", "end": "16:00"},
        "/notice-receipts": {"site": ids["site"], "channel": "sms", "provider_id": "1", "delivered": True},
    }
    return next((body for end, body in ends.items() if path.endswith(end)), {})


def _household(connection: Connection, now: int) -> dict[str, int]:
    """Who lives there, who guards it and when."""
    person = people.create(connection, "lakeside", PersonEdit(code="p1", name="王芳"), now)
    home = households.move_in(connection, "lakeside", "b1/0102", [Member(person, MemberRole.OWNER)], now)
    guard = people.create(connection, "lakeside", PersonEdit(code="s1", name="赵", role="security"), now)
    assigned = AssignmentEdit(person_id=guard, role="security", shift="A", valid_from=date(2026, 1, 1))
    row = roster_rows.assign(connection, "lakeside", assigned, "test", now)
    ill = OverrideEdit(kind=OverrideKind.ABSENT, person_id=guard, from_at=now, until_at=now + 1)
    assert roster_rows.put_override(connection, "lakeside", ill, "test", now) == row, "one id serves both paths"
    note = hand_over.write(connection, Note(site="lakeside", desk="security", shift="A"), "test", now)
    return {"person_id": person, "household_id": home, "row_id": row, "hand_over_id": note}


def _money(connection: Connection, person: int, now: int) -> dict[str, int]:
    """A purchase, and a notice that the credit runs low."""
    subject = Subject("lakeside", SubjectType.DEVICE, "m-0101")
    ordered = Notify(key="1", subject=subject, audience=Audience.HOUSEHOLD, template="low_balance_1")
    orders.order(connection, ordered, "low_balance", now)
    (order,) = connection.execute(notice_orders.select().where(notice_orders.c.rule == "low_balance"))
    recipient = Recipient(person_id=person, name="王芳", locale="en", channels=(Channel("sms", "1"),))
    write_notice(connection, TextBook(connection), recipient, [order], now)
    meter = connection.execute(select(devices.c.pk).where(devices.c.id == "m-0101")).scalar_one()
    paid = TopUp(site="lakeside", device_pk=meter, reference="R1", amount_fen=100, state=TopUpState.PAID, paid_at=now)
    return {"notice_id": 1, "topup_id": topups.write(connection, paid, topups.Change.NEW, now)}


def _asked_of_the_hub(hub: Trial) -> dict[str, int]:
    """What a step makes: a card, something quiet, a work permit."""
    wish = Wish(
        site=LAKESIDE,
        kind=CardKind.OWNER,
        unit="b1/0102",
        holder=Holder(name="王芳"),
        number=numbers.read("uid32", "00000001"),
        value="00000001",
        by="desk",
    )
    clerk = Actor("desk", frozenset({Role.CONTROL_ROOM}))
    permit = NewWorks(site="lakeside", unit="b1/0102", reference="P1")
    asked = {
        "card_id": lambda step: card_desk.issue(step, wish),
        "suppression_id": lambda step: suppression_desk.begin(
            step, Suppressed.SILENCE, "lakeside", None, "door_alarm", 5, "test", clerk
        ),
        "works_id": lambda step: card_ends.open_works(step, permit, "desk"),
    }
    return {name: hub.inbox.ask(ask).result(10) for name, ask in asked.items()}


@pytest.fixture
def ids(small_hub) -> dict[str, str]:
    """One object of each kind, all of lakeside."""
    made = {"ticket_id": small_hub.ticket("b1-e2"), "rejected_id": 1, "entry_id": 1}
    small_hub.offer(payload=b"bad")
    small_hub.settled()
    with small_hub.store.write() as connection:
        made |= _household(connection, small_hub.now())
        made |= _money(connection, made["person_id"], small_hub.now())
    made |= _asked_of_the_hub(small_hub)
    hook = new_webhook("lakeside", "crm", "https://a.example/", "cap", (), ())
    return {
        **{name: str(id_) for name, id_ in made.items()},
        "webhook_id": str(small_hub.webhooks.add(hook, "x")),
        "register": "issue",
        "template": "low_balance_1",
        "action": "note",
        "form": "emergency",
        "device_id": "b1-e2",
        "name": "wall.css",
        "site": "lakeside",
    }


def test_the_table_names_every_route(small_hub):
    served = {(method, route.path) for route in routes_of(small_hub.app) for method in route.methods}
    assert served == set(TABLE)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_what_the_table_gives_it_and_nothing_else(small_hub, client_of, ids, role):
    client = client_of(small_hub, role)
    for (method, path), whose in TABLE.items():
        if whose in (EVERYBODY, PAGE, HOOK):
            continue
        used = ids | ({"device_id": "m-0101"} if "meters" in path else {})
        status = _ask(client, method, path, used)
        if role in whose:
            assert status not in {401, 403}, (method, path)
        else:
            assert status == 403, (method, path)


def test_nobody_gets_nothing_that_is_not_everybodys(small_hub, client_of, ids):
    nobody = client_of(small_hub)
    for (method, path), whose in TABLE.items():
        status = _ask(nobody, method, path, ids)
        if whose == EVERYBODY:
            assert status not in ({403} if path == "/login" else {401, 403}), (method, path)
        elif whose == PAGE:
            assert status == 303, (method, path)
        else:
            assert status == 401, (method, path)


def test_what_belongs_to_another_site_is_not_there(small_hub, client_of, ids):
    """The same 404 as for what does not exist: a caller of hilltop learns nothing of lakeside."""
    stranger = client_of(small_hub, *Role, sites=("hilltop",))
    for (method, path), whose in TABLE.items():
        if "{" not in path or whose in (EVERYBODY, PAGE, HOOK):
            continue
        used = ids | ({"device_id": "m-0101"} if "meters" in path else {})
        assert _ask(stranger, method, path, used) == 404, (method, path)
    for path in ("tickets", "people", "units/move-in", "units/move-out", "notice-receipts"):
        assert _ask(stranger, "POST", f"/api/v1/{path}", ids) == 404
    for noun in ("tickets", "rejected", "feed?after=0", "notices", "people", "households"):
        assert stranger.get(f"/api/v1/{noun}").json()["items"] == []
    assert {item["site"] for item in stranger.get("/api/v1/devices").json()["items"]} == {"hilltop"}


def test_asking_for_another_site_by_name_widens_nothing(small_hub, client_of, ids):
    stranger = client_of(small_hub, Role.ADMIN, sites=("hilltop",))
    for noun in ("tickets", "devices", "rejected", "problems", "notices", "people", "households", "notice-templates"):
        assert stranger.get(f"/api/v1/{noun}", params={"site": "lakeside"}).json()["items"] == []


def test_a_route_without_a_guard_stops_the_app_from_starting(small_hub):
    app: FastAPI = create_app(small_hub.services)

    @app.get("/forgotten")
    def forgotten() -> dict[str, str]:
        return {}

    with pytest.raises(UnguardedRouteError, match="/forgotten"):
        demand_guards(app)


@pytest.mark.parametrize(("scheme", "status"), [("Bearer", 200), ("bearer", 200), ("Basic", 401), ("Token", 401)])
def test_a_token_counts_as_a_bearer_token_alone(small_hub, scheme, status):
    client = TestClient(small_hub.app, headers={"Authorization": f"{scheme} {small_hub.token(Role.ADMIN)}"})
    assert client.get("/api/v1/tickets").status_code == status


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YTpi", "nonsense", "Bearer " + "x" * 5000])
def test_a_wrong_credential_is_the_same_401_whatever_is_wrong(small_hub, client_of, header):
    answer = client_of(small_hub).get("/api/v1/tickets", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nonsense" not in answer.text


def test_a_revoked_token_ends_at_once(hub):
    token = hub.token(Role.ADMIN, name="gone-soon")
    client = TestClient(hub.app, headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/tickets").status_code == 200
    accounts.revoke_token(hub.store, "gone-soon", hub.now())
    assert client.get("/api/v1/tickets").status_code == 401


def test_nobody_waits_while_another_one_is_signed_in_over_the_network(hub, client_of, monkeypatch):
    on_the_loop = []

    def look_up(*given):
        on_the_loop.append(asyncio._get_running_loop() is not None)
        return before(*given)

    before = auth.look_up
    monkeypatch.setattr(auth, "look_up", look_up)
    assert client_of(hub, Role.ADMIN).get("/api/v1/tickets").status_code == 200
    assert on_the_loop == [hub.store.is_sqlite], "a glance at a file takes less than the way to another thread"


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 401),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 401),
    ],
)
def test_probes_need_no_sign_in_from_this_machine_only(small_hub, peer, headers, status):
    client = TestClient(small_hub.app, client=(peer, 40_000))
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers=headers).status_code == status
    assert client.get("/api/v1/tickets", headers=headers).status_code == 401


def test_the_feed_shows_rejected_input_to_those_who_may_read_it_only(small_hub, client_of, ids):
    small_hub.alarm("b1-e2")
    small_hub.settled()
    assert "rejected" in {
        row["type"] for row in client_of(small_hub, Role.INTEGRATOR).get("/api/v1/feed?after=0").json()["items"]
    }
    assert {row["type"] for row in client_of(small_hub, Role.FINANCE).get("/api/v1/feed?after=0").json()["items"]} == {
        "ticket_opened",
        "ticket_changed",
        "suppression_started",
    }
    assert Why.PRESSED in client_of(small_hub, Role.FINANCE).get("/api/v1/feed?after=0").text
