"""A door controller decides from its own list of cards and answers the hub's commands."""

import json
import random

import pytest

from simulators.doors import DoorController
from simulators.mqtt import Broker
from simulators.site import Device, Door
from simulators.uplink import Uplink

DEVICE = Device(
    "gate-1",
    "lakeside",
    "access_controller",
    "hub-json",
    "b1",
    "东门",
    ("1",),
    doors=(Door("b1-main", 1), Door("b1-garage", 2)),
)


class Wire:
    """Stands in for the connection: keeps what was sent, hands in commands."""

    def __init__(self):
        self.sent, self.inbox, self.connected, self.fresh = [], [], True, False

    def publish(self, topic, payload):
        self.sent.append((topic.rsplit("/", 1)[1], json.loads(payload)))
        return True

    def commands(self):
        received, self.inbox = self.inbox, []
        return received

    def just_connected(self):
        fresh, self.fresh = self.fresh, False
        return fresh

    def start(self):
        pass


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def gate(wire):
    uplink = Uplink(Broker("127.0.0.1", 1), DEVICE, "Asia/Shanghai", random.Random(1), hub_messages=True)
    uplink.link = wire
    controller = DoorController(DEVICE, random.Random(1), False, uplink)
    controller.cards.clear()
    return controller


def ask(gate, wire, name, **args):
    wire.sent.clear()
    wire.inbox.append({"id": f"cmd-{name}", "name": name, "args": args})
    gate.advance(0.1)
    return next(payload for message, payload in wire.sent if message == "result")


CARD = {"format": "wiegand34", "value": "00112233"}


def test_a_card_works_from_put_to_delete_and_not_after(gate, wire):
    assert ask(gate, wire, "put_card", **CARD, doors=["b1-main"])["ok"]
    gate.swipe("00112233", "wiegand34", "b1-main")
    assert ask(gate, wire, "delete_card", **CARD)["ok"]
    wire.sent.clear()
    gate.swipe("00112233", "wiegand34", "b1-main")
    assert [(payload["result"], payload["reason"]) for message, payload in wire.sent if message == "access"] == [
        ("denied", "unknown_card")
    ]


def test_a_granted_pass_reports_card_index_and_door(gate, wire):
    ask(gate, wire, "put_card", **CARD, doors=["b1-main"])
    wire.sent.clear()
    gate.swipe("00112233", "wiegand34", "b1-main")
    gate.swipe("00112233", "wiegand34", "b1-main")
    passes = [payload for message, payload in wire.sent if message == "access"]
    assert [(entry["result"], entry["card"], entry["door"]) for entry in passes] == [("granted", CARD, "b1-main")] * 2
    assert [entry["index"] for entry in passes] == [1, 2]
    gate.advance(6)
    assert wire.sent[-1][1]["state"] == "closed"


@pytest.mark.parametrize(
    ("limits", "door", "reason"),
    [
        ({}, "b1-garage", "door_not_allowed"),
        ({"until": "2020-01-01T00:00:00+08:00"}, "b1-main", "expired"),
        ({"from": "2999-01-01T00:00:00+08:00"}, "b1-main", "not_yet_valid"),
    ],
)
def test_every_refusal_has_its_reason(gate, wire, limits, door, reason):
    ask(gate, wire, "put_card", **CARD, doors=["b1-main"], **limits)
    wire.sent.clear()
    gate.swipe("00112233", "wiegand34", door)
    assert wire.sent[0][1]["reason"] == reason


def test_the_list_is_what_was_stored(gate, wire):
    ask(gate, wire, "put_card", **CARD, doors=["b1-main", "b1-garage"])
    result = ask(gate, wire, "list_cards")
    assert (result["command_id"], result["ok"]) == ("cmd-list_cards", True)
    assert result["cards"] == [CARD | {"doors": ["b1-main", "b1-garage"]}]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("put_card", {"format": "uid32"}),
        ("put_card", CARD | {"doors": ["nowhere"]}),
        ("put_card", CARD | {"doors": ["b1-main"], "until": "2026-01-01T00:00:00"}),
        ("explode", {}),
    ],
)
def test_a_command_that_cannot_be_done_is_answered_with_why(gate, wire, name, args):
    result = ask(gate, wire, name, **args)
    assert not result["ok"]
    assert result["detail"]
    assert not gate.cards


def test_deleting_a_card_that_is_not_there_succeeds(gate, wire):
    """The end is what was asked for, so a repeated command is no error."""
    assert ask(gate, wire, "delete_card", **CARD)["ok"]


def test_after_every_connect_the_controller_says_that_it_is_online(gate, wire):
    wire.fresh = True
    gate.advance(0.1)
    gate.advance(0.1)
    greetings = [payload for message, payload in wire.sent if message == "status"]
    assert [(entry["online"], entry["boot_id"]) for entry in greetings] == [(True, gate.uplink.boot_id)]
