"""Cards on an esp-rfid as its firmware really behaves: matched by address, acknowledged whatever happened, listed without end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from connectors import profiles
from connectors.access.mqtt_doors import MqttDoors
from connectors.codecs.door_decoder import DoorDecoder
from connectors.codecs.json_decoder import JsonDecoder
from hub.cards import numbers, permissions
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.dispatch import Dispatch
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.store.schema import problems
from hub.vocabulary.events import Event
from hub.vocabulary.facts import AccessFacts, DeviceKind, SiteFacts
from hub.vocabulary.instants import SECOND_MS
from hub.vocabulary.ports import DeviceEntry, RawMessage
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
ROOT = f"esp-rfid/{SITE}/gate-1"


class Board:
    """The firmware: user files by UID, commands by address, publishing at QoS 0."""

    def __init__(self, ip: str) -> None:
        self.ip = ip
        self.files: dict[str, dict[str, Any]] = {}
        self.stores = True
        self.online = True
        self.said: list[dict[str, Any]] = []

    def publish(self, topic: str, payload: bytes) -> bool:
        command = json.loads(payload)
        if topic != f"{ROOT}/cmd" or not self.online or command.get("doorip") != self.ip:
            return True  # in silence
        match command["cmd"]:
            case "adduser":
                if self.stores:
                    self.files[command["uid"]] = {**command, "command": "userfile"}
                self.acknowledge("adduser")
            case "deletuid":
                self.files.pop(command["uid"], None)
                self.acknowledge("deletuid")
            case "getuserlist":
                self.said += list(self.files.values())
        return True

    def acknowledge(self, word: str) -> None:
        self.said.append({"type": word, "ip": self.ip, "hostname": "door-1"})

    def heartbeat(self) -> None:
        self.said.append({"type": "heartbeat", "time": 0, "uptime": 9, "ip": self.ip, "hostname": "door-1"})


class Site:
    """Board, decoder and pipeline."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.board = rig, Board("192.168.1.50")
        options = {"ip": "192.168.1.50", "card_format": "uid32", "doors": {"main": 1}}
        known = [
            DeviceEntry(
                site=SITE, device="gate-1", kind="access_controller", profile="esp-rfid", timezone="Asia/Shanghai",
                options=options,
            )
        ]  # fmt: skip
        sections = {name: each.doors for name, each in profiles.load().items() if each.doors is not None}
        self.decoder = DoorDecoder(sections, known, JsonDecoder({}, known, "hub-1"))
        self.reported: list[Event] = []
        sender = MqttDoors(sections, known, self.board, self, lambda: rig.now)
        self.dispatch = Dispatch(sender, dict.fromkeys(sender.reaches, sender))

    def report(self, event: Event) -> None:
        self.reported.append(event)

    def offer(self, message: RawMessage) -> None:
        raise AssertionError(message)

    def live(self, seconds: int) -> None:
        """Time passes, and what one says reaches the other."""
        for _ in range(seconds):
            self.rig.advance(SECOND_MS)
            sent, self.rig.sent[:] = list(self.rig.sent), []
            self.dispatch(sent)
            said, self.board.said = self.board.said, []
            for each in said:
                message = RawMessage(
                    channel="mqtt", address=f"{ROOT}/send", payload=json.dumps(each).encode(), received_at=self.rig.now
                )
                decoded = self.decoder.decode(message)
                assert isinstance(decoded, tuple | list), decoded
                self.rig.take(*decoded)
            reported, self.reported = self.reported, []
            self.rig.take(*reported)


@pytest.fixture
def site(migrated_sqlite, tmp_path) -> Iterator[Site]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    kind, facts = DeviceKind.ACCESS_CONTROLLER, AccessFacts(capacity=1000, lists_in_pieces=True)
    yield Site(Rig(store, [], [device("gate-1", kind, doors=("main",), profile="esp-rfid", access=facts)]))
    store.close()


def issue(site: Site, value: str = "5630F009") -> int:
    wish = Wish(
        site=LAKESIDE, kind=CardKind.OWNER, unit="b1/0101", holder=Holder(name="张三"),
        number=numbers.read("uid32", value), value=value, by="desk",
    )  # fmt: skip
    return int(site.rig.ask(lambda step: card_desk.issue(step, wish)))


def lose(site: Site, card: int) -> None:
    site.rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="x", verified="phone"), "desk"))


def state(site: Site, card: int) -> str:
    with site.rig.store.read() as connection:
        return str(permissions.of_card(connection, card)[0].reported)


def told(site: Site) -> set[str]:
    with site.rig.store.read() as connection:
        return set(connection.execute(select(problems.c.code).where(problems.c.active)).scalars())


def test_a_card_is_confirmed_by_the_list_and_removed_by_the_list(site: Site) -> None:
    card = issue(site)
    site.live(1)
    assert state(site, card) == "sent"  # acknowledged is not confirmed
    site.live(12)
    assert state(site, card) == "confirmed"
    lose(site, card)
    site.live(14)
    assert state(site, card) == "removed"
    assert set(site.board.files) == {"hub-list"}  # the marker alone makes the list a list


def test_a_board_that_acknowledges_and_could_not_store_is_not_believed(site: Site) -> None:
    site.board.files["hub-list"] = {"command": "userfile", "uid": "hub-list", "acctype": "0"}
    site.board.stores = False
    card = issue(site)
    site.live(15)
    assert state(site, card) == "failed"


def test_a_board_under_another_address_hears_nothing_and_is_said_to_have_moved(site: Site) -> None:
    site.board.ip = "192.168.1.77"
    card = issue(site)
    site.board.heartbeat()
    site.live(20)
    assert state(site, card) == "sent"
    assert told(site) == {"controller_moved"}
    site.board.ip = "192.168.1.50"
    site.board.heartbeat()
    site.live(80)
    assert state(site, card) == "failed"  # told in time, tried again in its turn
    site.board.heartbeat()
    site.live(20)
    assert state(site, card) == "confirmed"
    assert "controller_moved" not in told(site)


def test_a_silent_board_proves_nothing_about_a_lost_card(site: Site) -> None:
    card = issue(site)
    site.live(14)
    site.board.online = False
    lose(site, card)
    site.live(90)
    assert state(site, card) == "removing"
    assert "revocation_unconfirmed" in told(site)
    site.board.online = True
    site.board.heartbeat()
    site.live(30)
    assert state(site, card) == "removed"
    assert "revocation_unconfirmed" not in told(site)
