"""Every shipped Modbus profile from end to end: the registers of its case folder behind a socket, the planner's own reads, the decoder."""

from pathlib import Path

import msgspec
import pytest
import yaml

from connectors import profiles
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_profile import Period
from connectors.modbus.connector import BusConnector
from connectors.modbus.planner import Read, ambiguous, plan
from hub.vocabulary.ports import BusEntry, DeviceEntry
from hub.vocabulary.rejected import Rejected
from support.modbus_wire import Bank, WireServer
from support.waiting import wait_until

CASES = Path(__file__).parents[2] / "cases"
SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}


class Inbox:
    def __init__(self):
        self.messages, self.events = [], []
        self.offer, self.report = self.messages.append, self.events.append


def whole_case(profile):
    """The first case of the profile whose dumps hold every register that the hub asks for."""
    for path in sorted((CASES / profile.id).glob("*.yaml")):
        case = yaml.safe_load(path.read_text(encoding="utf-8"))
        dumps = {addr: [int(word, 16) for word in dump.split()] for addr, dump in case["reads"].items()}
        held = {addr + i for addr, words in dumps.items() for i in range(len(words))}
        wanted = {addr for read in plan(profile) for addr in range(read.span.addr, read.span.end)}
        if wanted <= held and "events" in case and "valid_when" not in case:
            return case, dumps
    return None


def plain(value):
    return msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize("name", [name for name, each in SHIPPED.items() if each.kind == "meter"])
def test_a_meter_is_read_over_the_wire_and_says_what_its_case_says(name):
    profile = SHIPPED[name]
    found = whole_case(profile)
    assert found, f"{name}: no case holds all registers that the hub reads"
    case, dumps = found
    bank = Bank()
    for addr, words in dumps.items():
        bank.put(7, addr, words)
    device = DeviceEntry(
        site="lakeside", device="d1", kind="meter", profile=name, timezone="Asia/Shanghai", bus="b", unit_id=7,
        **case.get("device", {}),
    )  # fmt: skip
    inbox = Inbox()
    with WireServer(bank) as server:
        connector = BusConnector(
            [BusEntry(site="lakeside", bus="b", url=f"modbus+tcp://127.0.0.1:{server.port}")], [device], SHIPPED, inbox
        )
        connector.start()
        try:
            wait_until(lambda: bool(inbox.messages), 30, lambda: str(inbox.events))
        finally:
            connector.stop()
        assert {asked.fc for asked in server.asked} == {read.span.fc for read in plan(profile)}
    events = ModbusDecoder(SHIPPED, [device]).decode(inbox.messages[0])
    assert not isinstance(events, Rejected), events
    for event, expected in zip(events, case["events"], strict=True):
        expected.pop("event")
        assert {key: plain(getattr(event, key)) for key in expected} == expected


def test_no_two_reads_of_a_profile_could_answer_each_other():
    """RTU frames carry no address: what the planner makes of a profile differs in length, also where it merges by itself."""
    found = {name: ambiguous(plan(profile)) for name, profile in SHIPPED.items()}
    assert {name: pairs for name, pairs in found.items() if pairs} == {}
    alike = (
        Read(Span(3, 0, 4), Period.SLOW, ()),
        Read(Span(3, 9, 4), Period.DAILY, ()),
        Read(Span(4, 9, 4), Period.SLOW, ()),
    )
    assert ambiguous(alike) == (alike[:2],), "the search finds what there is"


def test_all_points_of_a_meter_are_slow_or_daily():
    """No meter may take the place of an elevator's alarm points on a bus."""
    for profile in SHIPPED.values():
        if profile.kind == "meter":
            assert {read.period for read in plan(profile)} <= {Period.SLOW, Period.DAILY}
