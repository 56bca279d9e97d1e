"""`hub check --connect` at a door: who answers, and the card in the installer's hand as the hub would understand it."""

from __future__ import annotations

from connectors import profiles
from connectors.access.check_readers import check_readers
from hub.vocabulary.ports import BusEntry, DeviceEntry
from simulators.readers import Device, InveoReader, RelayModule, RfIdeasReader
from support.readers import ReaderWire


def entry(name: str, profile: str, unit_id: int, card_format: str = "uid32") -> DeviceEntry:
    return DeviceEntry(
        site="lakeside", device=name, kind="access_controller", profile=profile, timezone="Asia/Shanghai", bus="doors",
        unit_id=unit_id, options={"card_format": card_format},
    )  # fmt: skip


def test_each_reader_answers_and_shows_the_card_that_is_held_to_it() -> None:
    inveo, rfideas, relays, wrong = InveoReader(), RfIdeasReader(), RelayModule(), InveoReader()
    units: dict[int, Device] = {1: inveo, 2: rfideas, 3: relays, 4: wrong}
    sections = {name: each.reader for name, each in profiles.load().items() if each.reader is not None}
    with ReaderWire(units) as wire:
        inveo.present(bytes.fromhex("5630F009"))
        wrong.present(bytes.fromhex("04A1B2C3D4E5F6"))
        bus = BusEntry(site="lakeside", bus="doors", url=f"modbus+tcp://127.0.0.1:{wire.server.port}")
        devices = [
            entry("gate-1", "inveo-rfid-ind", 1),
            entry("gate-2", "rfideas-80581", 2, "wiegand26"),
            entry("relays", "modbus-relays", 3),
            entry("gate-4", "inveo-rfid-ind", 4),
            entry("gate-5", "inveo-rfid-ind", 5),
        ]
        found = {each.target: (each.ok, each.text) for each in check_readers([bus], devices, sections)}
    assert found["lakeside/gate-1"] == (
        True,
        "unit 1: answers; last card uid32 5630F009 (as the reader orders the bytes)",
    )
    assert found["lakeside/gate-2"] == (True, "unit 2: answers; no card")
    assert found["lakeside/relays"] == (True, "unit 3: answers; 8 relays")
    assert found["lakeside/gate-4"][1].endswith("is no uid32 number: the card's number is longer than 32 bits")
    assert found["lakeside/gate-5"] == (False, "unit 5: exception_0b")
    assert not inveo.written, "a check writes nothing"
