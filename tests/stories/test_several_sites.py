"""One process, several estates: the same device ids in each, and nobody sees another's."""

from collections.abc import Callable

from support.brokers import TestBroker
from support.estate_files import elevator, site_file
from support.hub_http import HubHttp
from support.hub_json import alarm
from support.mqtt import MqttClient
from support.running_hub import RunningHub

SITES = [site_file(name, [elevator("e-1"), elevator(f"e-{name}")]) for name in ("hill", "lakeside", "river")]


def test_an_alarm_belongs_to_the_site_of_its_topic(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    hub = start_hub(nats_broker, SITES)
    device = device_on(nats_broker)
    device.publish(*alarm("e-1", "a1", site="lakeside"))
    device.publish(*alarm("e-1", "a1", site="river"))
    device.publish(*alarm("e-lakeside", "a1", site="river"))  # a device of another site
    hub.wait_for_ticket("entrapment", "e-1", where=lambda ticket: ticket["site"] == "river")
    assert sorted(ticket["site"] for ticket in hub.tickets()) == ["lakeside", "river"]
    assert [(row["reason"], row["site"]) for row in hub.rejected()] == [("unknown_device", "river")]
    assert len({ticket["number"] for ticket in hub.tickets()}) == 2


def test_a_client_of_one_site_sees_that_site_alone(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    hub = start_hub(nats_broker, SITES)
    device = device_on(nats_broker)
    for site in ("lakeside", "river"):
        device.publish(*alarm("e-1", "a1", site=site))
    other = hub.wait_for_ticket("entrapment", "e-1", where=lambda ticket: ticket["site"] == "river")
    hub.wait_for_ticket("entrapment", "e-1", where=lambda ticket: ticket["site"] == "lakeside")
    made = hub.command("token", "add", "lakeside-desk", "--role", "control_room", "--site", "lakeside")
    desk = HubHttp(hub.url, made.stdout.strip())
    assert {ticket["site"] for ticket in desk.pages("/tickets")} == {"lakeside"}
    assert {device["site"] for device in desk.pages("/devices")} == {"lakeside"}
    assert {row["site"] for row in desk.pages("/feed")} == {"lakeside"}
    assert desk.request("GET", f"/api/v1/tickets/{other['id']}").status == 404
    assert desk.post(f"/tickets/{other['id']}/actions/acknowledge").status == 404
    desk.close()
