"""Who passed where, over HTTP: filters, pages, whose card it was then, and what each role may see of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from hub.cards import numbers
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.pipeline import card_desk
from hub.pipeline.card_desk import Wish
from hub.store.schema import audit
from hub.vocabulary.access import Danger, DoorDanger
from hub.vocabulary.credentials import NumberProfile, Spelling
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, DoorEvent, DoorState
from hub.vocabulary.roles import Role
from support.running import DEVICES, LAKESIDE, RunningHub

UID = "5630F009"
SEEN = "24012374"  # what a Wiegand 26 reader makes of it: low three bytes reversed, 240 12374
NAMED = dict.fromkeys(("credential", "card", "unit"))


@pytest.fixture
def log_hub(migrated_sqlite, tmp_path) -> Any:
    """A controller with a Wiegand 26 reader, and a day at its doors."""
    import shutil

    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    reader = NumberProfile("wiegand26", Spelling.FACILITY)
    devices = [
        msgspec.structs.replace(each, doors=("b1-main",), numbers=reader) if each.id == "gate-1" else each
        for each in DEVICES
    ]
    running = RunningHub(f"sqlite:///{tmp_path / 'hub.db'}", devices)
    yield running
    running.close()


def issue(hub: RunningHub, value: str = UID) -> int:
    wish = Wish(
        site=LAKESIDE,
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=Holder(name="张三"),
        number=numbers.read("uid32", value),
        value=value,
        by="desk",
    )
    return int(hub.inbox.ask(lambda step: card_desk.issue(step, wish)).result(10))


def swipe(hub: RunningHub, key: str, card: CardNumber | None, *, granted: bool = True, **other: Any) -> None:
    now = hub.now()
    said: dict[str, Any] = {
        "reason": None if granted else "credential_not_found",
        "door": "b1-main",
        "occurred_at": now,
    }
    event = AccessEvent(
        site="lakeside",
        device="gate-1",
        source_key=key,
        received_at=now,
        card=card,
        result=AccessResult.GRANTED if granted else AccessResult.DENIED,
        **(said | other),
    )
    hub.offer(event)


def read(hub: RunningHub, client_of: Any, *roles: Role, sites: tuple[str, ...] = (), **query: Any) -> Any:
    return client_of(hub, *roles, sites=sites).get("/api/v1/access-events", params=query)


def items(*args: Any, **query: Any) -> list[dict[str, Any]]:
    answer = read(*args, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_a_card_is_named_by_what_its_reader_makes_of_it(log_hub, client_of) -> None:
    card = issue(log_hub)
    swipe(log_hub, "1", CardNumber("wiegand26", SEEN))
    log_hub.settled()
    [entry] = items(log_hub, client_of, Role.CARD_CUSTODIAN)
    assert (entry["card"], entry["unit"], entry["result"]) == (card, "b1/0101", "granted")
    assert entry["credential"] == {"format": "wiegand26", "value": SEEN}
    assert entry["at"].endswith("+08:00")


def test_the_export_of_a_person_holds_passages_under_every_readers_spelling(log_hub, client_of) -> None:
    card = issue(log_hub)
    swipe(log_hub, "1", CardNumber("wiegand26", SEEN))
    log_hub.settled()
    told = {"card": card, "reason": "asked at the desk"}
    data = client_of(log_hub, Role.CARD_CUSTODIAN).post("/api/v1/privacy/exports", json=told).json()
    assert [each["door"] for each in data["cards"][0]["passages"]] == ["b1-main"]


def test_before_it_was_issued_the_number_was_nobodys(log_hub, client_of) -> None:
    swipe(log_hub, "1", CardNumber("wiegand26", SEEN), occurred_at=log_hub.now() - 60_000)
    log_hub.settled()
    issue(log_hub)
    [entry] = items(log_hub, client_of, Role.CARD_CUSTODIAN)
    assert (entry["card"], entry["unit"]) == (None, None)


def test_each_role_sees_what_it_may_see_of_a_card(log_hub, client_of) -> None:
    card = issue(log_hub)
    swipe(log_hub, "1", CardNumber("wiegand26", SEEN))
    log_hub.settled()
    for roles, seen in {
        (Role.SECURITY,): {"credential": None, "card": card, "unit": "b1/0101"},
        (Role.CONTROL_ROOM,): NAMED,
        (Role.DUTY_SUPERVISOR,): NAMED,
        (Role.MANAGER,): {"card": card, "unit": "b1/0101"},
    }.items():
        [entry] = items(log_hub, client_of, *roles)
        assert {key: entry[key] for key in seen} == seen, roles


def test_filters_by_door_reason_kind_and_time(log_hub, client_of) -> None:
    now = log_hub.now()
    swipe(log_hub, "1", CardNumber("wiegand26", SEEN))
    swipe(log_hub, "2", None, granted=False)
    swipe(log_hub, "3", None, granted=False, door="b1-back", occurred_at=now - 3_600_000, reason='say "b1-main" %')
    common = {"site": "lakeside", "device": "gate-1", "occurred_at": now, "received_at": now, "door": "b1-main"}
    log_hub.offer(DoorEvent(**common, source_key="4", state=DoorState.FORCED_OPEN))
    log_hub.offer(DoorDanger(**common, source_key="5", danger=Danger.DURESS))
    log_hub.settled()

    def seen(**query: Any) -> list[tuple[str, str]]:
        found = items(log_hub, client_of, Role.SECURITY, **query)
        return sorted((each["what"], each["reason"] or each["state"] or each["result"]) for each in found)

    assert len(seen()) == 5
    assert seen(what="door") == [("door", "forced_open")]
    assert seen(what="danger") == [("danger", "duress")]
    assert seen(door="b1-main", result="denied") == [("access", "credential_not_found")]
    assert seen(reason="credential_not_found") == [("access", "credential_not_found")]
    assert seen(what="door", reason="credential_not_found") == []
    assert seen(door="b1-back") == [("access", 'say "b1-main" %')]
    ago = {"to": "2026-01-01T00:00:00Z"}
    assert seen(**ago) == []
    assert seen(site="hilltop") == []
    assert seen(controller="gate-2") == []
    [denied] = items(log_hub, client_of, Role.SECURITY, reason="credential_not_found")
    assert denied["bacnet_event"] == 129


def test_pages_follow_each_other_without_hole_or_repeat(log_hub, client_of) -> None:
    for number in range(7):
        swipe(log_hub, str(number), None, granted=bool(number % 2))
    log_hub.settled()
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        answer = read(log_hub, client_of, Role.SECURITY, **query).json()
        seen += [each["id"] for each in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)
    assert read(log_hub, client_of, Role.SECURITY, cursor="999999").json() == {"items": [], "next": None}


def test_one_cards_history_needs_a_purpose_and_is_in_the_audit(log_hub, client_of) -> None:
    card, other = issue(log_hub), issue(log_hub, "11223344")
    swipe(log_hub, "1", CardNumber("wiegand26", SEEN))
    swipe(log_hub, "2", CardNumber("wiegand26", "00100001"))
    log_hub.settled()
    assert read(log_hub, client_of, Role.SECURITY, card=card).status_code == 422
    [entry] = items(log_hub, client_of, Role.SECURITY, card=card, purpose="theft in 1栋")
    assert entry["card"] == card
    assert items(log_hub, client_of, Role.SECURITY, card=other, purpose="theft in 1栋") == []
    assert read(log_hub, client_of, Role.CONTROL_ROOM, card=card, purpose="theft").status_code == 403
    assert read(log_hub, client_of, Role.MANAGER, sites=("hilltop",), card=card, purpose="theft").status_code == 404
    with log_hub.store.read() as connection:
        rows = connection.execute(select(audit.c.subject, audit.c.reason).where(audit.c.action == "reveal")).all()
    assert [tuple(row) for row in rows if str(card) in row.subject] == [(f"cards/{card}/access-events", "theft in 1栋")]


def test_another_sites_doors_are_not_shown_and_reading_is_audited(log_hub, client_of) -> None:
    swipe(log_hub, "1", None)
    log_hub.settled()
    assert items(log_hub, client_of, Role.SECURITY, sites=("hilltop",)) == []
    assert items(log_hub, client_of, Role.SECURITY, sites=("hilltop",), site="lakeside") == []
    with log_hub.store.read() as connection:
        listed = connection.execute(select(audit.c.subject).where(audit.c.action == "list")).scalars().all()
    assert "access-events" in listed
