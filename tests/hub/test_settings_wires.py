"""Two buses on one wire are a mistake: two pollers would speak at once, and each would take the other's answers."""

import pytest

from hub.settings import ConfigurationErrors
from hub.settings.wires import wire_of
from support.configuration import SITE_YAML, elsewhere, load_configuration, write_configuration

TWO = "  - {id: serial-1, url:"


def mistakes(tmp_path, **sites):
    with pytest.raises(ConfigurationErrors) as wrong:
        load_configuration(write_configuration(tmp_path, **sites))
    return [str(each) for each in wrong.value.mistakes]


@pytest.mark.parametrize(
    ("url", "wire"),
    [
        ("modbus+tcp://192.168.1.20:502", "192.168.1.20:502"),
        ("modbus+rtu-over-tcp://Gateway:4001", "gateway:4001"),
        ("modbus+rtu:///dev/ttyUSB0?baudrate=9600", "/dev/ttyUSB0"),
        ("dlt645:///dev/ttyUSB0?parity=E", "/dev/ttyUSB0"),
        ("", ""),
    ],
)
def test_a_wire_is_the_gateways_port_or_the_serial_line(url, wire):
    assert wire_of(url) == wire


def test_one_gateway_is_one_bus_whatever_it_is_called_or_speaks(tmp_path):
    twice = SITE_YAML.replace(TWO, '  - {id: again, url: "modbus+rtu-over-tcp://127.0.0.1:5020"}\n' + TWO)
    (found,) = mistakes(tmp_path, lakeside=twice)
    assert "the address '127.0.0.1:5020' stands twice" in found


def test_two_sites_cannot_share_a_gateway(tmp_path):
    other = elsewhere(SITE_YAML).replace(":5021", ":5020")
    (found,) = mistakes(tmp_path, lakeside=SITE_YAML, hillside=other)
    assert "bus 'meters-1' is on 127.0.0.1:5020, as is bus 'meters-1' of" in found
    assert ":6:" in found or "line 6" in found, found


def test_other_ports_of_one_gateway_are_other_lines(tmp_path):
    settings = load_configuration(write_configuration(tmp_path, lakeside=SITE_YAML, hillside=elsewhere(SITE_YAML)))
    assert len({bus.url for site in settings.sites for bus in site.buses}) == 2 * len(settings.sites[0].buses)
