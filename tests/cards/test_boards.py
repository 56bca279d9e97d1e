"""Cards on real protocol bytes: the desk, the pipeline, the third-party client and a board that shares no code with either."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connectors.access.board import Resume
from hub.cards import controllers, numbers, permissions
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.store.schema import problems, tickets
from hub.vocabulary.access import ControllerReport, EventsMissed
from hub.vocabulary.credentials import NumberProfile, Spelling
from hub.vocabulary.events import AccessEvent, AccessResult, DeviceStatus, DoorEvent, DoorState
from hub.vocabulary.facts import AccessFacts, DeviceKind, SiteFacts
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS
from rules.lost_card import LostCard
from support.boards import DOORS, BoardSite
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
W26, BOARD_NUMBER = "10058400", 10058400  # FC 100, CN 58400
ALL = {"main": "confirmed", "back": "confirmed", "garage": "confirmed"}
GONE = dict.fromkeys(ALL, "removed")
BOARD = AccessFacts(reads_one=True)


@pytest.fixture
def numbers_of() -> NumberProfile | None:
    """How the boards' readers spell; None: nobody says."""
    return NumberProfile("wiegand26", Spelling.FACILITY)


@pytest.fixture
def rig(migrated_sqlite, tmp_path, numbers_of) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    kind = DeviceKind.ACCESS_CONTROLLER
    known = [
        device(name, kind, doors=tuple(doors), profile="uhppote", gateway="lan", access=BOARD, numbers=numbers_of)
        for name, doors in DOORS.items()
    ]
    yield Rig(store, [LostCard()], known)
    store.close()


@pytest.fixture
def site(rig: Rig) -> Iterator[BoardSite]:
    boards = BoardSite(rig)
    boards.settle(lambda: all(boards.of(DeviceStatus, name) for name in DOORS))
    yield boards
    boards.stop()


def issue(rig: Rig, value: str = W26, **other: Any) -> int:
    wish = {
        "site": LAKESIDE,
        "kind": CardKind.OWNER,
        "unit": "b1/0101",
        "holder": Holder(name="张三", id_last4="1234"),
        "number": numbers.read("wiegand26", value) if "number" not in other else None,
        "value": value,
        "by": "desk",
    }
    return int(rig.ask(lambda step: card_desk.issue(step, Wish(**(wish | other)))))


def lose(rig: Rig, card: int) -> None:
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="张三", verified="phone"), "desk"))


def states(rig: Rig, card: int) -> dict[str, str]:
    with rig.store.read() as connection:
        return {row.door: row.reported for row in permissions.of_card(connection, card)}


def told(rig: Rig) -> dict[str, bool]:
    with rig.store.read() as connection:
        return {row.code: bool(row.active) for row in connection.execute(select(problems))}


def guards(rig: Rig) -> list[tuple[str, bool]]:
    """Security tasks, and whether the doors still have to be watched."""
    with rig.store.read() as connection:
        rows = connection.execute(select(tickets).where(tickets.c.kind == "door_alarm")).all()
    return [(row.reason, row.state in {"open", "acknowledged"}) for row in rows]


def row_of(rig: Rig, name: str = "gate-1") -> Any:
    with rig.store.read() as connection:
        return controllers.one(connection, SITE, name)


def confirmed(site: BoardSite, value: str = W26) -> int:
    card = issue(site.rig, value)
    site.settle(lambda: states(site.rig, card) == ALL)
    return card


def test_a_card_is_put_on_the_board_read_back_and_confirmed_and_opens_its_doors(site: BoardSite) -> None:
    confirmed(site)
    board = site.boards["gate-1"]
    held = board.card(BOARD_NUMBER)
    assert held is not None
    assert held.doors == bytes([1, 1, 0, 0])
    assert site.wire.do(lambda: board.swipe(BOARD_NUMBER, door=2))
    seen = site.settle(lambda: site.of(AccessEvent))[0]
    assert (seen.door, seen.result, seen.card.value, seen.direction) == ("back", AccessResult.GRANTED, W26, "in")
    doors = site.settle(lambda: site.of(DoorEvent)[1:] and site.of(DoorEvent))
    assert [each.state for each in doors] == [DoorState.OPEN, DoorState.CLOSED]


def test_a_lost_card_is_deleted_and_proved_dead_and_refused_at_the_reader(site: BoardSite) -> None:
    card = confirmed(site)
    lose(site.rig, card)
    site.settle(lambda: states(site.rig, card) == GONE)
    assert site.boards["gate-1"].card(BOARD_NUMBER) is None
    assert not site.wire.do(lambda: site.boards["gate-1"].swipe(BOARD_NUMBER))
    denied = site.settle(lambda: site.of(AccessEvent))[0]
    assert denied.reason == "credential_not_found"
    with site.rig.store.read() as connection:
        opened = connection.execute(select(tickets.c.kind, tickets.c.severity)).all()
    assert [tuple(each) for each in opened] == [("lost_card_used", "high")]


def test_a_board_that_says_deleted_and_is_not_keeps_the_card_unconfirmed(site: BoardSite) -> None:
    card = confirmed(site)
    site.boards["gate-2"].deletes = False
    lose(site.rig, card)
    site.settle(lambda: states(site.rig, card) == GONE | {"garage": "removing"})
    assert site.boards["gate-2"].card(BOARD_NUMBER) is not None
    site.boards["gate-2"].deletes = True
    site.rig.advance(61 * SECOND_MS, 10 * SECOND_MS)
    site.settle(lambda: states(site.rig, card) == GONE)
    assert site.boards["gate-2"].card(BOARD_NUMBER) is None


def test_a_datagram_that_gets_lost_is_sent_again_at_once(site: BoardSite) -> None:
    card = confirmed(site)
    board = site.boards["gate-1"]
    lose(site.rig, card)
    board.loses = 1
    site.settle(lambda: states(site.rig, card) == GONE)
    assert [each.online for each in site.of(DeviceStatus)] == [True]  # that is no silence yet


def test_a_board_whose_clock_is_behind_does_not_make_a_use_after_the_loss_one_before_it(site: BoardSite) -> None:
    card = confirmed(site)
    board = site.boards["gate-1"]
    board.skew = timedelta(seconds=-25)  # less than what makes the hub set it
    site.settle(lambda: any(each for each in site.of(ControllerReport)))
    lose(site.rig, card)
    site.settle(lambda: states(site.rig, card) == GONE)
    site.rig.now += 5 * SECOND_MS
    site.wire.do(lambda: board.swipe(BOARD_NUMBER))
    seen = site.settle(lambda: site.of(AccessEvent))[0]
    assert abs(seen.occurred_at - site.rig.now) <= SECOND_MS
    with site.rig.store.read() as connection:
        assert connection.execute(select(tickets.c.kind)).scalars().all() == ["lost_card_used"]


def test_an_unplugged_board_is_told_at_once_when_it_is_back(site: BoardSite) -> None:
    card = confirmed(site)
    site.boards["gate-2"].unplugged = True
    lose(site.rig, card)
    site.settle(lambda: any(not each.online for each in site.of(DeviceStatus, "gate-2")))
    site.rig.advance(70 * SECOND_MS, 10 * SECOND_MS)
    assert told(site.rig)["revocation_unconfirmed"]
    assert guards(site.rig) == [("revocation_unconfirmed", True)]
    site.boards["gate-2"].unplugged = False
    site.settle(lambda: states(site.rig, card) == GONE, timeout=15)
    assert not told(site.rig)["revocation_unconfirmed"]
    assert guards(site.rig) == [("revocation_unconfirmed", False)]


def test_a_lost_card_that_is_found_before_its_doors_were_proved_needs_no_guard_any_more(site: BoardSite) -> None:
    card = confirmed(site)
    site.boards["gate-2"].unplugged = True
    lose(site.rig, card)
    site.rig.advance(70 * SECOND_MS, 10 * SECOND_MS)
    assert guards(site.rig) == [("revocation_unconfirmed", True)]
    site.rig.ask(lambda step: card_desk.found(step, card, "", "desk"))
    assert not told(site.rig)["revocation_unconfirmed"]
    assert guards(site.rig) == [("revocation_unconfirmed", False)]


def test_a_board_that_was_reset_is_a_new_epoch_filled_again_and_then_live(site: BoardSite) -> None:
    card = confirmed(site)
    board = site.boards["gate-1"]
    for _ in range(3):
        site.wire.do(lambda: board.swipe(BOARD_NUMBER))
    site.settle(lambda: (row_of(site.rig).last_index or 0) >= 7)
    site.wire.do(board.reset)
    site.settle(lambda: row_of(site.rig).epoch == 2)
    assert told(site.rig)["controller_restoring"]
    site.settle(lambda: states(site.rig, card) == ALL and not told(site.rig)["controller_restoring"])
    assert board.card(BOARD_NUMBER) is not None
    assert board.special  # doors are recorded again
    # The same event numbers again are other events: none is taken for an old one.
    before = len(site.of(AccessEvent))
    site.wire.do(lambda: board.swipe(BOARD_NUMBER))
    site.settle(lambda: len(site.of(AccessEvent)) > before)


def test_a_board_that_somebody_emptied_is_found_by_its_count_and_filled_again(site: BoardSite) -> None:
    card = confirmed(site)
    site.wire.do(site.boards["gate-2"].clear_cards)
    site.rig.now += 6 * MINUTE_MS  # boards are counted every five minutes
    site.settle(lambda: site.boards["gate-2"].card(BOARD_NUMBER) is not None)
    site.settle(lambda: states(site.rig, card) == ALL)
    assert site.boards["gate-2"].card(BOARD_NUMBER).doors == bytes([1, 0, 0, 0])


def test_another_board_in_its_place_is_a_new_epoch(site: BoardSite) -> None:
    card = confirmed(site)
    site.connector.stop()
    site.wire.do(site.boards["gate-1"].clear_cards)
    old = Resume(epoch=1, last_index=0, serial="111111111")  # what the hub remembers of the board before
    site.connect({(SITE, "gate-1"): old, (SITE, "gate-2"): Resume(epoch=1, last_index=0, serial="303986753")})
    site.settle(lambda: row_of(site.rig).epoch == 2)
    assert row_of(site.rig).epoch_why == "serial_changed"
    site.settle(lambda: states(site.rig, card) == ALL)
    assert row_of(site.rig, "gate-2").epoch == 1


def test_events_that_were_overwritten_unread_are_said_with_their_number(site: BoardSite) -> None:
    board = site.boards["gate-1"]
    board.unplugged, board.keeps = True, 4
    site.wire.do(lambda: [board.swipe(42) for _ in range(10)])
    board.unplugged = False
    site.settle(lambda: len(site.of(AccessEvent)) == 4)
    missed = site.of(EventsMissed)[0]
    assert (missed.first, missed.last) == (1, 6)
    assert row_of(site.rig).missed == 6
    assert told(site.rig)["access_events_missed"]


def test_after_a_restart_reading_goes_on_where_the_database_ends(site: BoardSite) -> None:
    board = site.boards["gate-1"]
    site.wire.do(lambda: [board.swipe(42) for _ in range(3)])
    site.settle(lambda: row_of(site.rig).last_index == 3)
    site.connector.stop()
    site.wire.do(lambda: [board.swipe(43) for _ in range(2)])
    row = row_of(site.rig)
    site.connect({(SITE, "gate-1"): Resume(epoch=row.epoch, last_index=row.last_index, serial=row.serial)})
    site.settle(lambda: row_of(site.rig).last_index == 5)
    assert [each.index for each in site.of(AccessEvent)] == [1, 2, 3, 4, 5]


def test_a_wrong_clock_is_set_and_one_that_does_not_hold_is_a_problem(site: BoardSite) -> None:
    board = site.boards["gate-1"]
    board.skew = timedelta(minutes=5)
    site.settle(lambda: abs(board.skew.total_seconds()) < 2)
    assert "controller_clock" not in told(site.rig)
    board.skew = timedelta(minutes=5)
    site.settle(lambda: told(site.rig).get("controller_clock"))
    assert [each.clock_set for each in site.of(ControllerReport) if each.clock_offset_ms is not None][-1]


def test_a_card_is_told_to_the_board_as_its_reader_sees_it_and_dies_by_that_number(site: BoardSite) -> None:
    uid = numbers.read("uid32", "5630F009")
    card = issue(site.rig, "5630F009", number=uid)
    site.settle(lambda: states(site.rig, card) == ALL)
    board, seen = site.boards["gate-1"], 24012374  # F0, 3056: facility 240, card 12374
    assert board.card(seen) is not None
    site.rig.advance(25 * 3_600_000, 25 * 3_600_000)  # the nightly list is compared in the board's own numbers
    site.settle(lambda: row_of(site.rig).listed_at is not None)
    assert row_of(site.rig).foreign_json == "[]"
    assert states(site.rig, card) == ALL
    lose(site.rig, card)
    site.settle(lambda: states(site.rig, card) == GONE)
    assert board.card(seen) is None
    site.wire.do(lambda: board.swipe(seen))
    site.settle(lambda: site.of(AccessEvent))
    with site.rig.store.read() as connection:
        assert connection.execute(select(tickets.c.kind)).scalars().all() == ["lost_card_used"]


@pytest.mark.parametrize("numbers_of", [None])
def test_a_card_of_another_format_than_the_readers_is_refused_with_the_reason(site: BoardSite) -> None:
    number = numbers.read("wiegand34", "0388575490")
    card = issue(site.rig, "0388575490", number=number)
    site.settle(lambda: set(states(site.rig, card).values()) == {"failed"})
    with site.rig.store.read() as connection:
        reasons = {row.reason for row in permissions.of_card(connection, card)}
    assert reasons == {"refused: this board's readers send wiegand26, the card is wiegand34"}


def test_a_push_wakes_the_connector_before_its_next_poll(site: BoardSite, free_port) -> None:
    site.connector.stop()
    site.connect({}, listener=f"127.0.0.1:{free_port()}", poll_s=60)
    board = site.boards["gate-1"]
    site.settle(lambda: board.listener is not None)
    site.wire.do(lambda: board.swipe(42))
    (seen,) = site.settle(lambda: site.of(AccessEvent))
    assert (seen.result, seen.reason) == (AccessResult.DENIED, "credential_not_found")
