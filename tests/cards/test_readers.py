"""Doors that the hub opens: simulated readers on real Modbus frames, the connector, the decision and the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from hub.cards import numbers, permissions
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.store.schema import commands, events, problems, tickets
from hub.vocabulary.access import EventsMissed
from hub.vocabulary.credentials import NumberProfile, Spelling
from hub.vocabulary.events import DeviceStatus, DoorEvent, DoorState, GatewayChanged
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import SECOND_MS
from hub.vocabulary.readers import CardPresented, DecisionMissed, FailPolicy, HubAway, RelayRef
from rules.lost_card import LostCard
from simulators.readers import InveoReader, RelayModule, RfIdeasReader
from support.readers import SECURE, ReaderSite, reader_facts
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
UID = bytes.fromhex("5630F009")
OTHER = bytes.fromhex("11223344")
HEX = NumberProfile("uid32", Spelling.HEX)
SAFE = msgspec.structs.replace(SECURE, fail_policy=FailPolicy.FAIL_SAFE, hub_away=HubAway.OPENS, decide_within_ms=300)


@pytest.fixture
def opening() -> Any:
    return SECURE


@pytest.fixture
def numbers_of() -> NumberProfile:
    return HEX


@pytest.fixture
def rig(migrated_sqlite, tmp_path, opening, numbers_of) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [LostCard()], [reader_facts("gate-7", "north", numbers_of, opening)])
    store.close()


@pytest.fixture
def reader() -> InveoReader:
    return InveoReader()


@pytest.fixture
def site(rig: Rig, reader: InveoReader) -> Iterator[ReaderSite]:
    running = ReaderSite(rig, {1: reader}, {"gate-7": {"unit_id": 1}})
    settled = running.wire.settled(reader)
    running.settle(lambda: running.of(DeviceStatus) and settled())
    yield running
    running.stop()


def issue(rig: Rig, uid: bytes = UID, doors: tuple[str, ...] = ("north",), format: str = "uid32") -> int:
    value = uid.hex().upper()
    wish = Wish(
        site=LAKESIDE,
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=Holder(name="张三", id_last4="1234"),
        number=numbers.read(format, value, Spelling.HEX),
        value=value,
        doors=doors,
        by="desk",
    )
    return int(rig.ask(lambda step: card_desk.issue(step, wish)))


def lose(rig: Rig, card: int) -> None:
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="张三", verified="phone"), "desk"))


def passages(rig: Rig) -> list[dict[str, Any]]:
    with rig.store.read() as connection:
        rows = connection.execute(
            select(events.c.body_json).where(events.c.kind == "AccessEvent").order_by(events.c.seq)
        ).scalars()
        return [msgspec.json.decode(row) for row in rows]


def said(rig: Rig) -> list[tuple[str, str | None]]:
    return [(each["result"], each.get("reason")) for each in passages(rig)]


def told(rig: Rig) -> dict[str, tuple[bool, str]]:
    with rig.store.read() as connection:
        return {row.code: (bool(row.active), row.severity) for row in connection.execute(select(problems))}


def opened(site: ReaderSite, reader: InveoReader) -> int:
    """How often relay 1 was switched on."""
    return site.wire.do(lambda: reader.written.count((1000, 1)))  # type: ignore[no-any-return]


def test_a_valid_card_opens_the_door_which_is_locked_again_and_it_is_on_record(site, rig, reader) -> None:
    card = issue(rig)
    assert site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: passages(rig))
    assert reader.open
    [passage] = passages(rig)
    assert (passage["result"], passage["door"], passage["card"]) == (
        "granted",
        "north",
        {"format": "uid32", "value": "5630F009"},
    )
    assert (passage["extra"]["assignment"], passage["extra"]["lock"]) == (card, "open")
    site.settle(lambda: not reader.open)
    assert opened(site, reader) == 1
    site.settle(lambda: not reader.points.coils[reader.NEW])  # the next card can be read
    with rig.store.read() as connection:
        row = connection.execute(select(commands).where(commands.c.name == "open_door")).one()
    assert (row.state, row.device) == ("done", "gate-7")  # every write to the door is a row


@pytest.mark.parametrize("opening", [msgspec.structs.replace(SECURE, contact=1, exit_button=2)])
def test_a_door_that_opens_without_anybody_let_through_is_forced(site, rig, reader) -> None:
    site.settle(lambda: site.of(DoorEvent))
    issue(rig)
    site.wire.do(lambda: reader.door(shut=True))
    site.settle(lambda: site.of(DoorEvent)[-1].state is DoorState.CLOSED)
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: reader.open)
    site.wire.do(lambda: reader.door(shut=False))
    site.settle(lambda: site.of(DoorEvent)[-1].state is not DoorState.CLOSED)
    assert site.of(DoorEvent)[-1].state is DoorState.OPEN, "by whoever was let through"
    other = InveoReader()
    other.door(shut=True)
    forced = ReaderSite(rig, {1: other}, {"gate-7": {"unit_id": 1}})
    try:
        forced.settle(lambda: [each.state for each in forced.of(DoorEvent)] == [DoorState.CLOSED])
        forced.wire.do(lambda: other.door(shut=False))
        forced.settle(lambda: forced.of(DoorEvent)[-1].state is not DoorState.CLOSED)
        assert forced.of(DoorEvent)[-1].state is DoorState.FORCED_OPEN
    finally:
        forced.stop()


def test_an_unknown_card_stays_outside(site, rig, reader) -> None:
    site.wire.do(lambda: reader.present(OTHER))
    site.settle(lambda: said(rig) == [("denied", "credential_not_found")])
    assert opened(site, reader) == 0


def test_a_lost_card_is_dead_the_moment_it_is_reported_and_one_ticket_when_it_is_used(site, rig, reader) -> None:
    card = issue(rig)
    with rig.store.read() as connection:
        assert [row.reported for row in permissions.of_card(connection, card)] == ["confirmed"]
    lose(rig, card)
    with rig.store.read() as connection:
        rows = permissions.of_card(connection, card)
    assert [(row.reported, row.reason) for row in rows] == [("removed", "hub_decides")]
    assert permissions.summary(rows, "zh-CN") == "已失效 1/1 扇门（由系统逐次判定、立即失效：north）"
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: said(rig) == [("denied", "credential_lost")])
    with rig.store.read() as connection:
        opened_tickets = connection.execute(select(tickets.c.kind, tickets.c.severity)).all()
    assert [tuple(each) for each in opened_tickets] == [("lost_card_used", "high")]
    assert opened(site, reader) == 0


def test_a_card_that_is_held_is_one_passage(site, rig, reader) -> None:
    issue(rig)
    site.wire.do(lambda: reader.hold(UID))
    site.settle(lambda: passages(rig))
    seen = site.wire.do(lambda: site.wire.server.requests)
    site.settle(lambda: site.wire.do(lambda: site.wire.server.requests) > seen + 40)
    assert len(passages(rig)) == 1
    assert opened(site, reader) == 1


def test_what_stands_in_the_reader_when_the_hub_comes_back_opens_nothing(site, rig, reader) -> None:
    issue(rig)
    site.connector.stop()
    site.wire.do(lambda: reader.hold(UID))  # presented while nobody listens, and still there
    before = opened(site, reader)
    site.connect()
    site.settle(lambda: passages(rig))
    [passage] = passages(rig)
    assert (passage["result"], passage["live"]) == ("denied", False)
    # Held on and on it stays the same card; taken away and presented anew, it opens.
    site.settle(lambda: not site.of(CardPresented)[0].live)
    assert opened(site, reader) == before
    site.wire.do(lambda: reader.hold(None))


def test_a_card_that_the_reader_kept_over_a_broken_bus_opens_nothing(rig, reader, monkeypatch) -> None:
    issue(rig)
    units = {1: reader}
    site = ReaderSite(rig, units, {"gate-7": {"unit_id": 1}})
    try:
        site.settle(lambda: site.of(DeviceStatus))
        site.wire.close()
        site.settle(lambda: any(not each.up for each in site.seen if isinstance(each, GatewayChanged)))
        reader.present(UID)
        site.settle(lambda: told(rig).get("gateway_down", (False,))[0])
        _age(site)
        site.wire.open()
        site.settle(lambda: passages(rig), timeout=15)
        assert [(each["result"], each["live"]) for each in passages(rig)] == [("denied", False)]
        assert opened(site, reader) == 0
    finally:
        site.stop()


def _age(site: ReaderSite) -> None:
    """As if the last look was long ago: the bus need not stay broken for two seconds."""
    for each in site.connector._readers.values():
        assert each._watch._looked_at is not None
        each._watch._looked_at -= 10_000


def test_a_reader_that_restarted_is_said_and_what_it_holds_opens_nothing(site, rig, reader) -> None:
    issue(rig)

    def restart() -> None:
        reader.held = UID
        reader.restart()

    site.wire.do(restart)
    site.settle(lambda: passages(rig))
    assert [(each["result"], each["live"]) for each in passages(rig)] == [("denied", False)]
    assert any(each.boot_id for each in site.of(DeviceStatus))
    assert opened(site, reader) == 0
    site.wire.do(lambda: reader.hold(None))


def test_a_write_that_is_refused_is_denied_and_a_problem(site, rig, reader) -> None:
    issue(rig)
    site.wire.do(lambda: setattr(reader, "refuses", 4))
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: said(rig) == [("denied", "other")])
    assert passages(rig)[0]["extra"]["lock"] == "write_exception_04"
    assert told(rig)["door_did_not_open"] == (True, "high")
    assert told(rig)["door_lock_not_obeying"][0]
    site.wire.do(lambda: setattr(reader, "refuses", None))
    site.settle(lambda: not told(rig)["door_lock_not_obeying"][0])
    assert not reader.open


def test_a_relay_that_sticks_open_is_critical_and_tried_until_it_is_locked(site, rig, reader) -> None:
    issue(rig)
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: reader.open)
    site.wire.do(lambda: reader.stuck.add(1000))
    site.settle(lambda: told(rig).get("door_lock_not_obeying") == (True, "critical"))
    site.wire.do(reader.stuck.clear)
    site.settle(lambda: told(rig)["door_lock_not_obeying"] == (False, "critical"))
    assert not reader.open


def test_a_relay_that_only_says_that_it_opened_is_no_passage(site, rig, reader) -> None:
    issue(rig)
    site.wire.do(lambda: reader.stuck.add(1000))
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: said(rig) == [("denied", "other")])
    assert passages(rig)[0]["extra"]["lock"] == "not_as_written"
    assert told(rig)["door_did_not_open"][0]


@pytest.mark.parametrize("opening", [msgspec.structs.replace(SECURE, decide_within_ms=300)])
def test_without_a_decision_in_time_a_fail_secure_door_stays_locked_and_says_so(site, rig, reader) -> None:
    issue(rig)
    site.deaf = True
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: not reader.points.coils[reader.NEW])  # let go, so that the next card can be read
    site.deaf = False
    rig.now += 3 * SECOND_MS
    site.settle(lambda: site.of(DecisionMissed))
    assert said(rig) == [("denied", "other")]
    assert told(rig)["door_decided_without_hub"] == (True, "high")
    assert opened(site, reader) == 0


@pytest.mark.parametrize("opening", [SAFE])
def test_without_a_decision_in_time_a_fail_safe_door_opens_and_that_is_critical(site, rig, reader) -> None:
    site.settle(lambda: reader.open)  # its relay holds it locked
    issue(rig)
    site.deaf = True
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: not reader.open)
    site.deaf = False
    rig.now += 3 * SECOND_MS
    site.settle(lambda: site.of(DecisionMissed))
    assert said(rig) == [("granted", "other")]
    assert told(rig)["door_decided_without_hub"] == (True, "critical")
    site.settle(lambda: reader.open)  # and is locked again
    site.connector.stop()
    assert not reader.open  # the hub leaves: let go, as the file says


@pytest.mark.parametrize("numbers_of", [NumberProfile("uid32", Spelling.HEX_REVERSED)])
def test_a_reader_that_turns_the_bytes_round_is_understood_by_its_number_profile(site, rig, reader) -> None:
    issue(rig)  # the desk entered 5630F009
    site.wire.do(lambda: reader.present(bytes(reversed(UID))))
    site.settle(lambda: said(rig) == [("granted", None)])
    assert passages(rig)[0]["card"]["value"] == "09F03056"


def test_a_number_longer_than_the_file_says_is_denied_and_kept_as_it_came(site, rig, reader) -> None:
    issue(rig)
    site.wire.do(lambda: reader.present(UID + b"\x01\x02\x03"))
    site.settle(lambda: said(rig) == [("denied", "other")])
    assert "longer than 32 bits" in passages(rig)[0]["extra"]["why"]
    assert passages(rig)[0]["card"]["value"].startswith("0056003000f00009")
    assert opened(site, reader) == 0


def test_a_presentation_that_is_read_again_later_opens_nothing(site, rig, reader) -> None:
    issue(rig)
    site.wire.do(lambda: reader.present(UID))
    site.settle(lambda: passages(rig))
    [first] = site.of(CardPresented)
    again = msgspec.structs.replace(first, source_key="again", received_at=rig.now - 3 * SECOND_MS)
    site.settle(lambda: not reader.open)
    rig.take(again)
    assert len(passages(rig)) == 1
    assert rig.sent == []  # nothing goes out for it


def test_a_command_that_nobody_answers_is_written_down_as_unknown(site, rig, reader) -> None:
    issue(rig)
    site.connector.stop()
    fresh = CardPresented(
        site=SITE, device="gate-7", source_key="x", occurred_at=rig.now, received_at=rig.now, door="north",
        format="uid32", raw="5630F009",
    )  # fmt: skip
    rig.take(fresh)
    assert passages(rig) == []
    rig.advance(70 * SECOND_MS, 10 * SECOND_MS)
    assert [(each["result"], each["extra"]["lock"]) for each in passages(rig)] == [("granted", "no answer")]
    assert told(rig)["door_did_not_open"][0]


def test_a_card_number_that_jumped_is_cards_that_nobody_saw(migrated_sqlite, tmp_path) -> None:
    """rfIDeas: a sequence number, no relay of its own; a module on the same bus holds the lock."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    opening = msgspec.structs.replace(SECURE, relay=RelayRef("relays-1", 3))
    w26 = NumberProfile("wiegand26", Spelling.FACILITY)
    known = [
        reader_facts("gate-7", "north", w26, opening, "rfideas-80581"),
        device("relays-1", DeviceKind.ACCESS_CONTROLLER, profile="modbus-relays", gateway="doors"),
    ]
    rig = Rig(store, [LostCard()], known)
    reader, relays = RfIdeasReader(), RelayModule()
    reader.present(0xB7748A, 24)  # long before the hub came: no time, no passage
    site = ReaderSite(rig, {1: reader, 9: relays}, {"gate-7": {"unit_id": 1}, "relays-1": {"unit_id": 9}})
    try:
        site.settle(lambda: site.of(DeviceStatus) and site.of(DeviceStatus, "relays-1"))
        issue(rig, bytes.fromhex("B7748A"), format="wiegand26")
        site.wire.do(lambda: reader.present(0xB7748A, 24))
        site.settle(lambda: said(rig) == [("granted", None)])
        assert relays.points.coils[2] == 1
        assert passages(rig)[0]["card"] == {"format": "wiegand26", "value": "18329834"}  # B7 = 183, 748A = 29834
        site.settle(lambda: not relays.points.coils[2])

        def several() -> None:
            for value in (1, 2, 3):
                reader.present(value, 24)

        site.wire.do(several)
        site.settle(lambda: len(passages(rig)) == 2)
        [missed] = site.of(EventsMissed)
        assert missed.last - missed.first + 1 == 2
        assert told(rig)["access_events_missed"][0]
    finally:
        site.stop()
        store.close()
