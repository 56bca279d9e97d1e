"""Every case folder of a card reader: what its registers hold at each look, and what that means. A bug report becomes a file here."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import profiles
from connectors.codecs.modbus_values import Segment
from connectors.codecs.profile_error import ProfileError
from connectors.codecs.reader import ReaderDecoder, encode
from connectors.codecs.reader_profile import parse
from connectors.codecs.reader_watch import Card, ReaderWatch
from hub.vocabulary.events import Clock
from hub.vocabulary.ports import DeviceEntry, Lane, RawMessage
from hub.vocabulary.readers import CardPresented
from hub.vocabulary.rejected import Rejected

CASES = Path(__file__).parents[2] / "cases"
LOADED = profiles.load()
SHIPPED = {name: each.reader for name, each in LOADED.items() if each.reader is not None}
FILES = sorted(path for name in SHIPPED for path in (CASES / name).glob("*.yaml"))
AT = 1_795_255_260_000


def entry(profile: str, card_format: str = "uid32") -> DeviceEntry:
    return DeviceEntry(
        site="lakeside",
        device="d1",
        kind="access_controller",
        profile=profile,
        timezone="Asia/Shanghai",
        options={"card_format": card_format},
    )


def segment(where: str, text: str) -> Segment:
    fc, addr = map(int, where.split("/"))
    if fc in {1, 2}:
        return Segment(fc, addr, tuple(map(int, text)))
    data = bytes.fromhex(text)
    return Segment(fc, addr, struct.unpack(f">{len(data) // 2}H", data))


def decoded(profile: str, card_format: str, card: Card, **other: Any) -> CardPresented:
    message = RawMessage(
        channel="reader", address="lakeside/d1", payload=encode("1/1", "north", card), received_at=AT, **other
    )
    found = ReaderDecoder(SHIPPED, [entry(profile, card_format)]).decode(message)
    assert not isinstance(found, Rejected), found
    [event] = found
    assert isinstance(event, CardPresented)
    return event


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_looks_give_what_their_case_says(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    profile = path.parent.name
    watch = ReaderWatch(SHIPPED[profile])
    for look in case["looks"]:
        seen = watch.look([segment(where, text) for where, text in look["reads"].items()], look["at"])
        found: dict[str, Any] = {}
        if seen.card is not None:
            event = decoded(profile, case["format"], seen.card)
            found = {"fresh": event.live, **({"raw": event.raw} if event.raw is not None else {"why": event.why})}
        found |= {key: getattr(seen, key) for key in ("missed", "restarted", "clear") if getattr(seen, key)}
        assert found == look["finds"], look["at"]


def test_every_reader_has_its_cases() -> None:
    for name, profile in SHIPPED.items():
        number = len([path for path in FILES if path.parent.name == name])
        assert number >= (8 if profile.number is not None else 1), name


def test_profile_and_section_agree_about_relays_and_who_decides() -> None:
    for name, section in SHIPPED.items():
        facts = LOADED[name].access
        assert facts is not None
        assert (facts.relays, facts.inputs) == (len(section.relays), len(section.inputs)), name
        assert facts.hub_decides is (section.number is not None), name


def test_a_presentation_has_our_time_and_a_replayed_one_is_never_live() -> None:
    card = Card((0x56, 0x30, 0xF0, 0x09, 0, 0, 0, 0, 0, 0), None, True)
    event = decoded("inveo-rfid-ind", "uid32", card, lane=Lane.ALARM)
    assert (event.occurred_at, event.clock, event.live) == (AT, Clock.ARRIVAL, True)
    assert event.registers == "0056003000f00009000000000000000000000000"
    assert not decoded("inveo-rfid-ind", "uid32", card, replay_of=7).live


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"key":"1","door":"n","registers":"xx","bits":null,"fresh":true}', b"[1]"]
)
def test_what_is_no_presentation_is_rejected_and_kept(payload: bytes) -> None:
    message = RawMessage(channel="reader", address="lakeside/d1", payload=payload, received_at=AT)
    found = ReaderDecoder(SHIPPED, [entry("inveo-rfid-ind")]).decode(message)
    assert isinstance(found, Rejected)
    assert found.device == "d1"


def _section(**other: Any) -> dict[str, Any]:
    section: dict[str, Any] = {
        "reads": [{"fc": 3, "addr": 10, "count": 6}],
        "number": {"fc": 3, "addr": 11, "count": 5, "packing": "byte_per_register"},
        "new": {"fc": 3, "addr": 10, "clear": "flag"},
        "writable": {"flag": {"coil": 4, "values": [0]}, "lock": {"coil": 1, "values": [0, 1]}},
        "relays": ["lock"],
    }
    return {"reader": section | other}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"relays": ["door"]}, "reader.relays: 'door' is not writable; named there: flag, lock"),
        ({"relays": ["flag"]}, "reader.relays: 'flag' does not take 1"),
        ({"new": {"fc": 3, "addr": 10, "clear": "lock2"}}, "reader.new.clear: 'lock2' is not writable"),
        ({"tones": {"accept": ["lock", 2]}}, "reader.tones.accept: 'lock' does not take 2"),
        ({"sequence": {"fc": 3, "addr": 10}}, "exactly one of new and sequence"),
        ({"number": {"fc": 3, "addr": 12, "count": 5, "packing": "byte_per_register"}}, "reader.number: is in none"),
        ({"number": {"fc": 3, "addr": 11, "count": 5, "packing": "bcd"}}, "reader.number.packing: 'bcd'; allowed"),
        ({"writable": {"flag": {"coil": 4, "values": [0, 7]}}}, "reader.writable.flag.values: a coil takes 0 and 1"),
        ({"writable": {"flag": {"values": [0]}}}, "reader.writable.flag: {coil or register"),
        ({"inputs": [{"fc": 1, "addr": 9}]}, "reader.inputs[0]: is in none of the reads"),
        ({"every_ms": 10}, "reader.every_ms: 10; allowed: 50 to 5000"),
        ({"reads": []}, "reader.reads: a list"),
        ({"speed": 1}, "reader.speed: unknown key"),
    ],
)
def test_a_mistake_in_a_map_is_said_with_its_place(wrong: dict[str, Any], said: str) -> None:
    parse(_section())
    with pytest.raises(ProfileError) as caught:
        parse(_section(**wrong))
    assert any(said in problem for problem in caught.value.problems), caught.value.problems
