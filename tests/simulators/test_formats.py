"""Every wire format against its document: decoded by hand here, never with code of the hub."""

import base64
import struct
from datetime import datetime, timedelta, timezone

import pytest

from simulators.detector import Thresholds
from simulators.elevator import Doors, ServiceMode
from simulators.formats import car_top_monitor, city_push, elevatorcloud, hub_json, lift_controller, shmashine
from simulators.sensors import Fault, Reading

CHINA = timezone(timedelta(hours=8))
AT = datetime(2023, 11, 30, 14, 37, 8, tzinfo=CHINA)


def reading(**more) -> Reading:
    """A car with a passenger, stopped between floors 5 and 6 with shut doors."""
    facts = {
        "service_mode": ServiceMode.NORMAL,
        "moving": False,
        "direction": 0,
        "door_zone": False,
        "doors": Doors.CLOSED,
        "passenger": True,
        "floor": "5",
        "floor_number": 5,
        "speed_mps": 0.0,
        "mains": True,
        "button": False,
    }
    return Reading(**(facts | more))


def test_hub_json_state_has_the_fields_and_words_of_the_contract():
    assert hub_json.elevator_state(reading(passenger=None, door_zone=None, mains=False)) == {
        "service_mode": 1,
        "car_status": 0,
        "direction": 0,
        "door_zone": None,
        "doors": "closed",
        "passenger": None,
        "floor": "5",
        "power": "outage",
    }


def test_hub_json_times_carry_their_offset():
    envelope = hub_json.envelope("a-1", AT, online=True)
    assert envelope == {"id": "a-1", "at": "2023-11-30T14:37:08.000+08:00", "online": True}
    with pytest.raises(ValueError, match="offset"):
        hub_json.stamp(datetime(2023, 11, 30))


def test_elevatorcloud_message_is_the_documented_one():
    """domain/elevator.md 2.7, first sample: off level, floor 5, somebody inside, fault 1."""
    message = elevatorcloud.info(reading(faults=frozenset({Fault.TRAPPED_OFF_LEVEL})))
    assert message == {
        "type": "info",
        "data": {
            "direction": 0,
            "inposition": 0,
            "floor": 5,
            "door": 0,
            "haspeople": 1,
            "reparing": 0,
            "inmaintenance": 0,
            "fault": [1],
        },
    }


@pytest.mark.parametrize(
    ("facts", "field", "value"),
    [
        ({"door_zone": True}, "inposition", 1),
        ({"doors": Doors.OPEN}, "door", 1),
        ({"doors": Doors.CLOSING}, "door", 2),
        ({"doors": Doors.OPENING}, "door", 3),
        ({"direction": 2}, "direction", 2),
        ({"service_mode": ServiceMode.INSPECTION}, "reparing", 1),
        ({"faults": frozenset({Fault.TRAPPED_LEVEL, Fault.STOPPED_OUTSIDE_ZONE})}, "fault", [2, 4]),
    ],
)
def test_elevatorcloud_polarities(facts, field, value):
    assert elevatorcloud.info(reading(**facts))["data"][field] == value


def test_event_with_snapshot_decodes_by_hand():
    """domain/elevator.md 2.7, second sample: type 8 is trapped off level; D is little-endian, its time a UTC epoch."""
    look = reading(faults=frozenset({Fault.TRAPPED_OFF_LEVEL}), speed_mps=1.2, mains=False)
    event = shmashine.event("MX3737", Fault.TRAPPED_OFF_LEVEL, True, "1280390375395176448", AT, look)
    data = base64.b64decode(event.pop("D"))
    assert event == {
        "elevatorCode": "MX3737",
        "TY": "Fault",
        "ST": "add",
        "fault_type": 8,
        "faultName": "非平层困人",
        "sensorType": "CarRoof",
        "faultId": "1280390375395176448",
        "time": "2023-11-30 14:37:08",
    }
    assert len(data) == 20
    assert struct.unpack("<I", data[:4])[0] == 1701326228  # 06:37:08 UTC
    version, status, direction, level, speed, lock, people, power, floor = data[4:13]
    assert (version, status, direction, level, speed, lock, people, power, floor) == (1, 3, 0, 1, 12, 0, 1, 1, 5)
    signal, battery, mode, run, shut = data[13:18]
    assert (0 <= signal <= 100, battery, mode, run, shut) == (True, 100, 0, 0, 1)


def test_the_makers_own_snapshot_has_the_same_shape():
    """The sample in the platform's source has 20 bytes and version 1 at byte 4, as the one-door snapshot here."""
    sample = base64.b64decode("nITTXQEVAAAAAQAAAQAAAAAAAB4=")
    ours = shmashine.snapshot(reading(), 0)
    assert len(sample) == len(ours) == 20
    assert sample[4] == ours[4] == 1


def test_a_two_door_snapshot_has_version_45_and_five_more_bytes():
    data = shmashine.snapshot(reading(faults=frozenset({Fault.STOPPED_OUTSIDE_ZONE})), 1, two_doors=True)
    assert (len(data), data[4], data[5]) == (25, 0x2D, 1)
    assert tuple(data[20:]) == (1, 0, 0, 1, 0)


def test_city_push_uses_code_09_for_both_ways_of_being_trapped():
    codes = {
        city_push.alarm("31000", fault, "7", AT, reading())["failureCode"]
        for fault in (Fault.TRAPPED_LEVEL, Fault.TRAPPED_OFF_LEVEL)
    }
    assert codes == {"09"}


def test_city_push_carries_id_channel_and_snapshot():
    alarm = city_push.alarm("31000", Fault.TRAPPED_LEVEL, "7", AT, reading())
    details = {entry["paramCode"]: entry["paramValue"] for entry in alarm["statusDetails"]}
    assert (alarm["alarmId"], alarm["alarmChannel"], alarm["registerNumber"]) == ("sim-7", "S04", "31000")
    assert alarm["occurTime"] == "2023-11-30 14:37:08"
    assert (details["Passenger_Status"], details["Car_Position"], details["Door_Close_Status"]) == ("True", "5", "True")


def movement(*looks) -> car_top_monitor.Movement:
    """The firmware's memory after these (reading, seconds)."""
    found = car_top_monitor.Movement()
    for look, seconds in looks:
        found.advance(look, seconds)
    return found


UPWARD = reading(moving=True, direction=1, speed_mps=1.0)
DOWNWARD = reading(moving=True, direction=2, speed_mps=1.0)
AT_LANDING = reading(door_zone=True)


def test_car_top_registers_follow_the_header_of_the_firmware():
    """domain/elevator.md 2.6A: 19 registers, defaults 90, 15, 15 s, 1 min, 1 min, 20 cycles."""
    faults = frozenset({Fault.TRAPPED_OFF_LEVEL, Fault.STOPPED_OUTSIDE_ZONE, Fault.POWER_LOST, Fault.ALARM_BUTTON})
    look = reading(faults=faults, speed_mps=1.6, door_openings=0x12345, floors_travelled=7)
    registers = car_top_monitor.registers(look, movement((UPWARD, 1)), True, ("B1", "1", "2", "3"), Thresholds())
    assert len(registers) == 19
    assert registers[0] == 0x0002 | 0x0020 | 0x0800
    assert registers[1] == 0x1000 | 0x0100
    assert registers[2] == 5 << 8 | 16
    assert (registers[3], registers[4], registers[5], registers[6]) == (0x0001, 0x2345, 0, 7)
    assert (registers[13], registers[14]) == (3 << 8 | 1, 1 << 8 | 30)
    assert (registers[16], registers[17], registers[18]) == (90 << 8 | 15, 15 << 8 | 1, 1 << 8 | 20)


@pytest.mark.parametrize(
    ("looks", "facts", "state"),
    [
        ([(UPWARD, 1)], {"moving": True}, 0x0100),
        ([(DOWNWARD, 1)], {"moving": True}, 0x0200),
        ([(DOWNWARD, 1), (reading(), 600)], {}, 0x0200),
        ([(UPWARD, 1), (AT_LANDING, 1.9)], {"door_zone": True}, 0x0100),
        ([(UPWARD, 1), (AT_LANDING, 2.0)], {"door_zone": True}, 0x0400),
        ([(AT_LANDING, 5)], {"door_zone": True, "doors": Doors.OPEN}, 0x0C00),
        ([(UPWARD, 1)], {"service_mode": ServiceMode.INSPECTION, "button": True}, 0x0100),
    ],
)
def test_car_top_state_bits(looks, facts, state):
    """A direction stays until the car was level for 2 s; inspection and button have bits that the firmware never sets."""
    assert car_top_monitor.registers(reading(**facts), movement(*looks), False, ("1",), Thresholds())[1] == state


def test_a_basement_is_counted_from_0xe0():
    look = reading(floor="B1", floor_number=-1)
    assert car_top_monitor.registers(look, movement(), False, ("1",), Thresholds())[2] >> 8 == 0xE1


def test_lift_controller_block_has_its_documented_offsets():
    """domain/elevator.md 2.6B."""
    look = reading(
        faults=frozenset({Fault.TRAPPED_OFF_LEVEL, Fault.DOOR_OPEN_FAILED}),
        speed_mps=1.6,
        direction=2,
        service_mode=ServiceMode.INSPECTION,
        doors=Doors.OPEN,
    )
    block = lift_controller.registers(look)
    assert lift_controller.BASE == 51200
    assert (block[0], block[5] & 7, block[10] & 0xF, block[10] >> 8 & 0xF) == (16, 3, 1, 2)
    assert (block[11], block[12], block[35], block[38] & 2) == (4800, 5, 1, 2)


def test_lift_controller_without_trouble_shows_none():
    block = lift_controller.registers(reading(door_zone=True))
    assert (block[11], block[38]) == (0, 0)
