"""Commands to makers' controllers: their words, no names, no rights without end, and what cannot be done is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors import profiles
from connectors.access.mqtt_doors import MqttDoors
from hub.vocabulary.events import Clock, CommandResult
from hub.vocabulary.ports import DeviceEntry

NOW = 1_795_255_260_000
CARD = {"format": "uid32", "value": "5630F009", "raw": "5630F009", "doors": ["main"]}
CARD |= {"from": "2026-11-21T18:00:00+08:00", "until": "2026-11-24T18:30:00+08:00"}


class Broker:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.up = True

    def publish(self, topic: str, payload: bytes) -> bool:
        if self.up:
            self.sent.append((topic, json.loads(payload)))
        return self.up


class Heard:
    def __init__(self) -> None:
        self.events: list[CommandResult] = []

    def report(self, event: Any) -> None:
        self.events.append(event)

    def offer(self, message: Any) -> None:
        raise AssertionError(message)


def doors(profile: str, **options: Any) -> tuple[MqttDoors, Broker, Heard]:
    known = {
        "doors": {"main": 1, "back": 2},
        "ip": "192.168.1.50",
        "card_format": "uid32",
        "serial": 405419896,
    } | options
    entry = DeviceEntry(
        site="s", device="g", kind="access_controller", profile=profile, timezone="Asia/Shanghai", options=known
    )
    sections = {name: each.doors for name, each in profiles.load().items() if each.doors is not None}
    broker, heard = Broker(), Heard()
    return MqttDoors(sections, [entry], broker, heard, lambda: NOW), broker, heard


def test_a_card_is_put_on_an_esp_rfid_by_ip_with_its_number_for_a_name_and_never_as_admin() -> None:
    sender, broker, heard = doors("esp-rfid")
    assert sender.send("s", "g", "c1", "put_card", CARD, 0)
    [(topic, said)] = broker.sent
    assert topic == "esp-rfid/s/g/cmd"
    assert said == {
        "cmd": "adduser", "doorip": "192.168.1.50", "uid": "5630f009", "user": "5630f009",
        "acctype": "1", "acctype2": "0", "acctype3": "0", "acctype4": "0",
        "validsince": "1795255200", "validuntil": "1795516200",
    }  # fmt: skip
    # Its acknowledgement says nothing: handed over is as good, and asks for the proof.
    assert [(each.command_id, each.ok) for each in heard.events] == [("c1", True)]
    assert heard.events[0].clock is Clock.ARRIVAL  # ours: it proves nothing of the reader's clock


def test_a_list_begins_with_a_marker_that_opens_nothing() -> None:
    sender, broker, heard = doors("esp-rfid")
    sender.send("s", "g", "c1", "list_cards", {}, 0)
    assert [said["cmd"] for _, said in broker.sent] == ["adduser", "getuserlist"]
    assert (broker.sent[0][1]["uid"], broker.sent[0][1]["acctype"]) == ("hub-list", "0")
    assert heard.events == []  # the list is the answer


def test_a_wiegand_reader_is_told_the_decimal_number() -> None:
    sender, broker, _ = doors("esp-rfid", card_format="wiegand26")
    args = CARD | {"format": "wiegand26", "value": "10058400", "raw": "64E420"}
    sender.send("s", "g", "c1", "delete_card", args, 0)
    assert broker.sent[0][1] == {"cmd": "deletuid", "doorip": "192.168.1.50", "uid": "6612000"}


@pytest.mark.parametrize(
    ("profile", "options", "name", "args", "said"),
    [
        ("esp-rfid", {"reader": "pn532"}, "put_card", {}, "drops leading zeros"),
        ("esp-rfid", {"card_format": "wiegand26"}, "put_card", {}, "sends wiegand26, the card is uid32"),
        ("esp-rfid", {}, "put_card", {"doors": ["roof"]}, "no number from 1 to 4"),
        ("esp-rfid", {}, "get_card", {}, "has no get_card"),
        ("dahua-vto", {}, "put_card", {}, "takes no commands"),
        ("uhppoted-mqtt", {"card_format": "wiegand34"}, "put_card", {}, "readers send wiegand34"),
    ],
)
def test_what_a_controller_cannot_do_is_answered_with_the_reason(profile, options, name, args, said) -> None:
    sender, broker, heard = doors(profile, **options)
    assert sender.send("s", "g", "c1", name, CARD | args, 0)
    assert broker.sent == []
    [answer] = heard.events
    assert not answer.ok
    assert said in (answer.detail or "")


def test_without_a_broker_nothing_is_answered() -> None:
    sender, broker, heard = doors("esp-rfid")
    broker.up = False
    assert not sender.send("s", "g", "c1", "put_card", CARD, 0)
    assert heard.events == []


def test_uhppoted_mqtt_is_asked_in_its_documented_shape_and_answers_by_the_commands_id() -> None:
    sender, broker, heard = doors("uhppoted-mqtt", card_format="wiegand26")
    args = CARD | {"format": "wiegand26", "value": "081,65538", "raw": "519A02", "doors": ["main", "back"]}
    sender.send("s", "g", "c1", "put_card", args, 0)
    sender.send("s", "g", "c2", "get_card", args, 0)
    sender.send("s", "g", "c3", "list_cards", {}, 0)
    [put, get, listing] = broker.sent
    assert put == (
        "uhppoted/s/requests/device/card:put",
        {
            "message": {
                "request": {
                    "client-id": "hub", "request-id": "c1", "reply-to": "uhppoted/s/replies", "device-id": 405419896,
                    "card": {
                        "card-number": 8139426, "start-date": "2026-11-21", "end-date": "2026-11-24",
                        "doors": {"1": True, "2": True, "3": False, "4": False},
                    },
                }
            }
        },
    )  # fmt: skip
    assert get[1]["message"]["request"]["card-number"] == 8139426
    assert listing[0] == "uhppoted/s/requests/device/cards:get"
    assert heard.events == []
