"""DL/T 645 meters in a site file: their buses, their addresses, and each mistake with its line and what is allowed."""

import pytest

from hub.settings import ConfigurationErrors
from hub.settings.urls import UrlError, bus_url
from support.configuration import load_configuration, write_configuration
from support.slips import assert_said

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, name: 1栋, units: ["0101", "0102"]}]
buses:
  - {id: m-1, url: modbus+tcp://127.0.0.1:5020}
  - {id: d-1, url: dlt645+tcp://127.0.0.1:4001}
  - {id: d-2, url: "dlt645:///dev/ttyUSB0?baudrate=2400&parity=E"}
devices:
  - {id: e1, kind: meter, profile: dlt645-prepaid, bus: d-1, address: "112233445566", place: b1/0101, balance_unit: CNY}
  - {id: e2, kind: meter, profile: dlt645-prepaid, bus: d-1, address: "000000000001", place: b1/0102, balance_unit: kWh}
  - {id: e3, kind: meter, profile: dlt645-prepaid, bus: d-2, address: "AAAAAAAAAAAA", place: b1, balance_unit: CNY}
"""


def read(tmp_path, text):
    return load_configuration(write_configuration(tmp_path, lakeside=text))


def test_meters_have_their_address_and_no_unit_id(tmp_path):
    [site] = read(tmp_path, SITE).sites
    assert [(device.bus, device.unit_id, device.options["address"]) for device in site.devices] == [
        ("d-1", None, "112233445566"),
        ("d-1", None, "000000000001"),
        ("d-2", None, "AAAAAAAAAAAA"),
    ]


def test_the_same_address_on_two_buses_is_two_meters(tmp_path):
    assert read(tmp_path, SITE.replace('"AAAAAAAAAAAA"', '"112233445566"'))


@pytest.mark.parametrize(
    ("old", "new", "field", "line", "said"),
    [
        ('"112233445566"', "112233445566", "devices[0].address", 8, "a number stands here"),
        ('"112233445566"', '"12345"', "devices[0].address", 8, "the 12 digits on the meter"),
        ('"112233445566"', '"11223344556A"', "devices[0].address", 8, "not allowed"),
        ('address: "112233445566", ', "", "devices[0].address", 8, "is missing"),
        (
            '"000000000001"',
            '"112233445566"',
            "devices[1].address",
            9,
            "112233445566 on d-1 stands twice (first in line 8)",
        ),
        ('"000000000001"', '"AAAAAAAAAAAA"', "devices[1].address", 9, "means every meter, and 1 more hang on 'd-1'"),
        ('bus: d-1, address: "11', 'bus: m-1, address: "11', "devices[0].bus", 8, "'m-1' does not speak dlt645"),
        ('address: "112233445566"', 'unit_id: 2, address: "112233445566"', "devices[0].unit_id", 8, "has no unit id"),
        ('bus: d-1, address: "11', 'address: "11', "devices[0].bus", 8, "is missing"),
        (", balance_unit: kWh", "", "devices[1].balance_unit", 9, "is missing"),
        ("127.0.0.1:4001", "127.0.0.1", "buses[1].url", 5, "names no port"),
        ("parity=E", "parity=X", "buses[2].url", 6, "parity=X is not allowed"),
        ("/dev/ttyUSB0", "", "buses[2].url", 6, "names no serial device"),
    ],
)
def test_each_mistake_is_named_with_its_line_and_what_is_allowed(tmp_path, old, new, field, line, said):
    assert_said(tmp_path, SITE, (old, new), field, line, said)


def test_a_modbus_meter_on_such_a_bus_is_a_mistake(tmp_path):
    text = SITE + "  - {id: k1, kind: meter, profile: kwh-meter, bus: d-1, unit_id: 3, place: b1}\n"
    with pytest.raises(ConfigurationErrors, match="does not speak modbus") as caught:
        read(tmp_path, text)
    assert [(mistake.field, mistake.line) for mistake in caught.value.mistakes] == [("devices[3].bus", 11)]


def test_the_addresses_of_buses():
    assert bus_url("dlt645+tcp://gateway:4001") == "dlt645+tcp://gateway:4001"
    assert bus_url("dlt645:///dev/ttyS0?baudrate=9600&parity=N") == "dlt645:///dev/ttyS0?baudrate=9600&parity=N"
    for wrong in (
        "dlt645+tcp://gateway",
        "dlt645://gateway:4001",
        "dlt645+rtu:///dev/ttyS0",
        "dlt645:///dev/x?speed=1",
    ):
        with pytest.raises(UrlError):
            bus_url(wrong)
