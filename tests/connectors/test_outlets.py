"""Each word that a publication may use has its way out; a word that is not known has none."""

import socket
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from connectors.mqtt_tickets import TicketTopics
from connectors.outlets import WayMaker
from connectors.platforms import SHIPPED
from connectors.platforms.way import PlatformWay
from connectors.webhook import FORMATS, WebhookWay
from hub.vocabulary.ports import PlatformOrder, WayOrder
from hub.vocabulary.publications import WEBHOOK_FORMATS, Channel

VALUES = {"host": "a.example", "unit_code": "1", "app_key": "k", "app_secret": "s"}


class Rules(NamedTuple):
    private_networks: tuple[str, ...] = ("127.0.0.0/8",)
    ca: Path | None = None


class NoBroker:
    """A connection that is not there."""

    connection_number = None

    def publish_state(self, topic, payload, timeout_s):
        return False


def order(channel, form="", platform=None):
    return WayOrder(
        channel=channel,
        site="lakeside",
        name="x",
        url="https://a.example/",
        format=form,
        zone=ZoneInfo("Asia/Shanghai"),
        locale="zh-CN",
        keys=list,
        platform=platform,
    )


@pytest.fixture(scope="module")
def make():
    return WayMaker("hub-1", Rules(), NoBroker(), lambda: 0)


def platform(kind="city-96333", description=None):
    return PlatformOrder(type=kind, values=VALUES, elevators={}, description=description)


def test_every_channel_and_format_has_its_way(make):
    assert {*FORMATS} == {*WEBHOOK_FORMATS}
    for form in FORMATS:
        assert isinstance(make(order(Channel.WEBHOOK, form)), WebhookWay)
    assert isinstance(make(order(Channel.MQTT)), TicketTopics)
    assert isinstance(make(order(Channel.PLATFORM, platform=platform())), PlatformWay)
    own = platform("http", str(SHIPPED / "city-96333.yaml"))
    assert isinstance(make(order(Channel.PLATFORM, platform=own)), PlatformWay)


def test_what_is_not_there_has_none(make):
    assert make(order(Channel.WEBHOOK, "soap")) is None
    assert make(order(Channel.PLATFORM)) is None
    assert make(order(Channel.PLATFORM, platform=platform("city-96366"))) is None
    assert make(order("pigeon")) is None
    assert WayMaker("hub-1", Rules(), None, lambda: 0)(order(Channel.MQTT)) is None


def test_a_check_says_where_it_leads_and_what_is_closed_without_going_there(make, monkeypatch):
    def lead_to(address):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    ways = [make(order(Channel.WEBHOOK, "cap")), make(order(Channel.PLATFORM, platform=platform()))]
    lead_to("93.184.215.14")
    assert [way.check() for way in ways] == ["a.example leads to 93.184.215.14; nothing was sent"] * 2
    lead_to("10.0.0.7")
    for way in ways:
        with pytest.raises(ValueError, match="a private network"):
            way.check()


def test_networks_and_authorities_that_are_none_stop_the_start(tmp_path):
    with pytest.raises(ValueError, match="intranet"):
        WayMaker("hub-1", Rules(("intranet",)), None, lambda: 0)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(OSError, match=r"X509|certificate|NO_"):
        WayMaker("hub-1", Rules(ca=tmp_path / "ca.pem"), None, lambda: 0)
