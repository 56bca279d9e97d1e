"""Cards on their way to doors and off them, against a controller that obeys, lies, sleeps and forgets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from hub.cards import numbers, permissions
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.permissions import Desired, Reported, judge, retry_after
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.store.schema import commands, notice_orders, problems, tickets
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, CommandResult, DeviceStatus
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, SECOND_MS
from rules.lost_card import LostCard
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
GATES = {"gate-1": ("main", "back"), "gate-2": ("garage",)}
REPORT = LossReport(reporter="张三", verified="phone")


class Controllers:
    """Door controllers with a list of their own; `away` ones hear nothing, `deaf` ones acknowledge and do nothing."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.lists: dict[str, dict[tuple[str, str], list[str]]] = {name: {} for name in GATES}
        self.away: set[str] = set()
        self.deaf: set[str] = set()
        self.heard: list[tuple[str, str]] = []
        self._number = 0

    def answer(self, rounds: int = 6) -> None:
        """Deal with what was sent, and with what is sent because of the answers."""
        for _ in range(rounds):
            sent, self.rig.sent[:] = list(self.rig.sent), []
            results = [self._obey(each) for each in sent if each.device not in self.away]
            if not results:
                return
            self.rig.take(*results)

    def _obey(self, command: Any) -> CommandResult:
        self.heard.append((command.device, command.name))
        cards = self.lists[command.device]
        listed = None
        if command.name == "list_cards":
            listed = tuple({"format": f, "value": v, "doors": doors} for (f, v), doors in cards.items())
        elif command.device not in self.deaf:
            key = (command.args["format"], command.args["value"])
            if command.name == "put_card":
                cards[key] = list(command.args["doors"])
            else:
                cards.pop(key, None)
        return self.result(command, cards=listed)

    def result(self, command: Any, **other: Any) -> CommandResult:
        now = self.rig.now
        self._number += 1
        common = {"site": SITE, "device": command.device, "source_key": f"r{self._number}", "occurred_at": now}
        return CommandResult(**(common | {"received_at": now, "command_id": command.id, "ok": True} | other))

    def online(self, name: str, *, online: bool = True) -> None:
        self._number += 1
        key, now = f"s{self._number}", self.rig.now
        self.rig.take(
            DeviceStatus(site=SITE, device=name, source_key=key, occurred_at=now, received_at=now, online=online)
        )


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    store = open_store(database_url)
    kind = DeviceKind.ACCESS_CONTROLLER
    yield Rig(store, [LostCard()], [device(name, kind, doors=doors) for name, doors in GATES.items()])
    store.close()


@pytest.fixture
def gates(rig: Rig) -> Controllers:
    return Controllers(rig)


def issue(rig: Rig, value: str = "10058400", kind: CardKind = CardKind.OWNER, **other: Any) -> int:
    wish = {
        "site": LAKESIDE,
        "kind": kind,
        "unit": "b1/0101",
        "holder": Holder(name="张三", id_last4="1234"),
        "number": numbers.read("wiegand26", value),
        "value": value,
        "by": "desk",
    }
    return int(rig.ask(lambda step: card_desk.issue(step, Wish(**(wish | other)))))


def lose(rig: Rig, card: int) -> None:
    rig.ask(lambda step: card_desk.report_loss(step, card, REPORT, "desk"))


def states(rig: Rig, card: int) -> dict[str, str]:
    with rig.store.read() as connection:
        return {row.door: row.reported for row in permissions.of_card(connection, card)}


def reasons(rig: Rig, card: int) -> dict[str, str | None]:
    with rig.store.read() as connection:
        return {row.door: row.reason for row in permissions.of_card(connection, card)}


def told(rig: Rig) -> dict[str, bool]:
    with rig.store.read() as connection:
        return {row.code: bool(row.active) for row in connection.execute(select(problems))}


ALL = {"main": "confirmed", "back": "confirmed", "garage": "confirmed"}
GONE = dict.fromkeys(ALL, "removed")


def test_a_card_is_confirmed_only_when_the_controllers_own_lists_name_it(rig: Rig, gates: Controllers) -> None:
    card = issue(rig)
    assert states(rig, card) == dict.fromkeys(ALL, "sent")
    puts = [each for each in rig.sent if each.name == "put_card"]
    assert {each.device: each.args["doors"] for each in puts} == {"gate-1": ["main", "back"], "gate-2": ["garage"]}
    assert puts[0].args["from"].endswith("+08:00")
    rig.take(*[gates.result(each) for each in puts])
    assert states(rig, card) == dict.fromkeys(ALL, "sent")  # acknowledged is not confirmed
    rig.sent[:] = [each for each in rig.sent if each.name == "list_cards"]
    for each in puts:
        gates.lists[each.device]["wiegand26", "10058400"] = list(each.args["doors"])
    gates.answer()
    assert states(rig, card) == ALL


def test_a_controller_that_acknowledges_and_does_nothing_is_not_believed(rig: Rig, gates: Controllers) -> None:
    gates.deaf = {"gate-2"}
    card = issue(rig)
    gates.answer()
    assert states(rig, card) == ALL | {"garage": "failed"}
    assert reasons(rig, card)["garage"] == "not_on_controller"
    gates.deaf = set()
    rig.advance(3 * MINUTE_MS, 5 * SECOND_MS)
    gates.answer()
    assert states(rig, card) == ALL


def test_a_refusal_carries_what_the_controller_said(rig: Rig, gates: Controllers) -> None:
    card = issue(rig)
    rig.take(*[gates.result(each, ok=False, detail="list is full") for each in rig.sent])
    assert set(states(rig, card).values()) == {"failed"}
    assert set(reasons(rig, card).values()) == {"refused: list is full"}


def test_a_loss_is_removed_only_when_every_list_proves_it(rig: Rig, gates: Controllers) -> None:
    card = issue(rig)
    gates.answer()
    gates.deaf = {"gate-2"}
    lose(rig, card)
    assert states(rig, card) == dict.fromkeys(ALL, "removing")
    gates.answer()
    assert states(rig, card) == GONE | {"garage": "removing"}
    assert reasons(rig, card)["garage"] == "still_on_controller"
    gates.deaf = set()
    rig.advance(61 * SECOND_MS, 5 * SECOND_MS)
    gates.answer()
    assert states(rig, card) == GONE


def test_a_sleeping_controller_is_a_problem_after_a_minute_until_it_comes_back_and_proves(
    rig: Rig, gates: Controllers
) -> None:
    card = issue(rig)
    gates.answer()
    gates.online("gate-2", online=False)
    gates.away = {"gate-2"}
    lose(rig, card)
    gates.answer()
    rig.advance(50 * SECOND_MS, 5 * SECOND_MS)
    assert told(rig) == {}
    rig.advance(15 * SECOND_MS, 5 * SECOND_MS)
    assert told(rig) == {"revocation_unconfirmed": True}
    assert states(rig, card) == GONE | {"garage": "removing"}
    with rig.store.read() as connection:
        (guards,) = connection.execute(select(notice_orders)).all()
    assert (guards.audience, guards.template, guards.urgency) == ("security", "card_doors_unproved", "urgent")
    assert "garage" in guards.params_json
    rig.sent.clear()  # what was sent to it is gone: it was away
    gates.away = set()
    gates.online("gate-2")
    assert next(each.name for each in rig.sent if each.device == "gate-2") == "delete_card"
    gates.answer()
    assert states(rig, card) == GONE
    assert told(rig) == {"revocation_unconfirmed": False}


def test_a_grant_that_nobody_answers_has_failed_after_a_minute_and_is_tried_again(rig: Rig, gates: Controllers) -> None:
    gates.away = {"gate-1", "gate-2"}
    card = issue(rig)
    rig.advance(66 * SECOND_MS, 5 * SECOND_MS)
    assert set(states(rig, card).values()) == {"failed"}
    assert set(reasons(rig, card).values()) == {"no_answer"}
    rig.sent.clear()
    gates.away = set()
    rig.advance(70 * SECOND_MS, 5 * SECOND_MS)
    gates.answer()
    assert states(rig, card) == ALL


def test_a_controller_that_did_not_hear_a_grant_is_told_again_the_moment_it_is_there(
    rig: Rig, gates: Controllers
) -> None:
    gates.away = {"gate-2"}
    card = issue(rig)
    gates.answer()
    assert states(rig, card)["garage"] == "sent"
    gates.away = set()
    rig.now += 5 * SECOND_MS
    gates.online("gate-2")
    gates.answer()
    assert states(rig, card) == ALL


def test_a_question_that_a_controller_did_not_hear_keeps_no_proof_back_when_it_is_there_again(
    rig: Rig, gates: Controllers
) -> None:
    card = issue(rig)
    gates.answer(rounds=1)  # the commands are read; the lists that were asked for then get lost
    gates.away = {"gate-2"}
    gates.answer()
    lose(rig, card)
    gates.answer()
    gates.away = set()
    rig.now += 5 * SECOND_MS
    gates.online("gate-2")
    gates.answer()
    assert states(rig, card) == GONE


def test_revocations_overtake_every_other_command_and_the_grant_of_the_same_card(rig: Rig) -> None:
    card = issue(rig)
    rig.sent.clear()
    first = rig.inbox.ask(lambda step: card_desk.issue(step, _wish("20000001")))
    second = rig.inbox.ask(lambda step: card_desk.found(step, card, "", "desk"))
    del second
    lose(rig, card)
    assert first.result(0)
    names = [each.name for each in rig.sent]
    assert names[:2] == ["delete_card", "delete_card"]
    assert set(names[2:]) == {"put_card"}
    assert all(each.args["value"] == "20000001" for each in rig.sent[2:])


def _wish(value: str) -> Wish:
    number = numbers.read("wiegand26", value)
    return Wish(
        site=LAKESIDE, kind=CardKind.OWNER, unit="b1/0101", holder=Holder(name="李"), number=number, value=value, by="d"
    )


def test_a_card_issued_and_lost_in_one_step_does_not_stay_on_the_controller(rig: Rig, gates: Controllers) -> None:
    asked = rig.inbox.ask(lambda step: card_desk.issue(step, _wish("10058400")))
    rig.inbox.ask(lambda step: card_desk.report_loss(step, 1, REPORT, "desk"))
    rig.engine.step(rig.inbox.take(10))
    assert asked.result(0) == 1
    gates.answer()
    assert gates.lists == {"gate-1": {}, "gate-2": {}}
    assert states(rig, 1) == GONE


def test_a_controller_that_was_cleared_is_filled_again_when_it_comes_back(rig: Rig, gates: Controllers) -> None:
    card = issue(rig)
    gates.answer()
    gates.lists["gate-1"].clear()
    gates.online("gate-1")
    gates.answer()
    assert gates.lists["gate-1"] == {("wiegand26", "10058400"): ["main", "back"]}
    assert states(rig, card) == ALL


def test_a_removed_card_that_turns_up_again_is_removed_again(rig: Rig, gates: Controllers) -> None:
    card = issue(rig)
    gates.answer()
    lose(rig, card)
    gates.answer()
    gates.lists["gate-1"]["wiegand26", "10058400"] = ["main"]
    rig.advance(DAY_MS + MINUTE_MS, 10 * MINUTE_MS)  # the nightly comparison finds it
    gates.answer()
    rig.advance(10 * SECOND_MS, 5 * SECOND_MS)
    gates.answer()
    assert gates.lists["gate-1"] == {}
    assert states(rig, card) == GONE


def test_cards_that_nobody_issued_are_told_and_never_deleted(rig: Rig, gates: Controllers) -> None:
    gates.lists["gate-1"]["wiegand26", "00100001"] = ["main"]
    issue(rig)
    gates.answer()
    assert told(rig) == {"foreign_cards": True}
    assert ("wiegand26", "00100001") in gates.lists["gate-1"]
    assert ("gate-1", "delete_card") not in gates.heard
    del gates.lists["gate-1"]["wiegand26", "00100001"]
    gates.online("gate-1")
    gates.answer()
    assert told(rig) == {"foreign_cards": False}


def test_a_pass_is_taken_off_the_doors_when_its_last_day_is_over(rig: Rig, gates: Controllers) -> None:
    card = issue(rig, kind=CardKind.TEMPORARY_PASS)
    gates.answer()
    assert states(rig, card) == ALL
    rig.advance(4 * DAY_MS, 60 * MINUTE_MS)
    gates.answer()
    assert states(rig, card) == GONE
    assert gates.lists == {"gate-1": {}, "gate-2": {}}


def test_a_lost_card_that_is_let_in_is_a_critical_ticket_and_is_deleted_again(rig: Rig, gates: Controllers) -> None:
    card = issue(rig)
    gates.answer()
    lose(rig, card)
    gates.answer()
    gates.lists["gate-2"]["wiegand26", "10058400"] = ["garage"]
    rig.now += 5 * SECOND_MS
    rig.take(
        AccessEvent(
            site=SITE, device="gate-2", source_key="a1", occurred_at=rig.now, received_at=rig.now, door="garage",
            card=CardNumber("wiegand26", "6612000"), result=AccessResult.GRANTED,
        )
    )  # fmt: skip
    with rig.store.read() as connection:
        (ticket,) = connection.execute(select(tickets)).all()
        guards = connection.execute(select(notice_orders)).all()
    assert (ticket.kind, ticket.severity, ticket.subject_type, ticket.subject_id) == (
        "lost_card_used",
        "critical",
        "card",
        str(card),
    )
    assert [(each.audience, each.template, each.ticket_id) for each in guards] == [
        ("security", "lost_card_granted", ticket.id)
    ]
    assert [(each.device, each.name) for each in rig.sent] == [("gate-2", "delete_card")]
    gates.answer()
    assert gates.lists["gate-2"] == {}
    assert states(rig, card) == GONE


def test_every_command_has_its_row_and_an_answer(rig: Rig, gates: Controllers) -> None:
    issue(rig)
    gates.answer()
    with rig.store.read() as connection:
        rows = connection.execute(select(commands)).all()
    assert sorted((row.name, row.state) for row in rows) == [("list_cards", "done")] * 2 + [("put_card", "done")] * 2


def test_a_list_proves_nothing_about_a_command_that_went_out_after_it_was_asked_for() -> None:
    assert judge(Desired.GRANTED, Reported.SENT, 11, listed=True, asked_at=10) is None
    assert judge(Desired.REVOKED, Reported.REMOVING, None, listed=False, asked_at=10) is None
    proof = judge(Desired.REVOKED, Reported.REMOVING, 9, listed=False, asked_at=10)
    assert proof is not None
    assert proof.reported is Reported.REMOVED


def test_revocations_are_repeated_at_least_every_minute() -> None:
    assert [retry_after(Desired.REVOKED, tries) // SECOND_MS for tries in (0, 1, 2, 3, 4, 500)] == [
        10,
        10,
        20,
        40,
        60,
        60,
    ]
    assert retry_after(Desired.GRANTED, 500) == 60 * MINUTE_MS
