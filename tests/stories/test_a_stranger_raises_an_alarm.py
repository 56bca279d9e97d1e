"""The promise of the first page: a client that we did not write, a broker that we did not write, a ticket within two seconds."""

import shutil
import subprocess
import time
from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.estate_files import elevator, site_file
from support.hub_json import alarm
from support.running_hub import RunningHub

WITHIN_S = 2.0


def mosquitto_pub(broker: TestBroker, topic: str, payload: bytes, *more: str) -> None:
    """Publishes with QoS 1 and returns when the broker has it."""
    program = shutil.which("mosquitto_pub")
    if program is None:
        pytest.skip("mosquitto_pub is not on this machine (Debian: apt install mosquitto-clients)")
    where = ["-h", broker.host, "-p", str(broker.port), "-u", broker.username, "-P", broker.password]
    done = subprocess.run(
        [program, *where, "-q", "1", "-t", topic, "-m", payload.decode(), *more],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr


def test_mosquitto_pub_raises_one_ticket_within_two_seconds_also_when_sent_three_times(
    mosquitto_broker: TestBroker, start_hub: Callable[..., RunningHub]
) -> None:
    hub = start_hub(mosquitto_broker, [site_file(devices=[elevator("b1-e1")])])
    topic, payload = alarm("b1-e1", "evt-1", "passenger_alarm", floor="5")
    hub.get("/tickets")

    began = time.monotonic()
    mosquitto_pub(mosquitto_broker, topic, payload)
    ticket = hub.wait_for_ticket("entrapment", "b1-e1", WITHIN_S - (time.monotonic() - began))

    assert ticket["active"] is True
    assert ticket["subject"]["place"] == "b1"
    assert ticket["count"] == 1
    for _ in range(2):
        mosquitto_pub(mosquitto_broker, topic, payload)
    other_topic, other = alarm(
        "b1-e1", "evt-2", "fault", code="2"
    )  # comes after the repeats: they have been seen by then
    mosquitto_pub(mosquitto_broker, other_topic, other)
    hub.wait_for_ticket("elevator_fault", "b1-e1")
    after = hub.tickets(kind="entrapment")
    assert [(each["id"], each["count"]) for each in after] == [(ticket["id"], 1)]


def test_a_press_with_a_new_id_is_counted_on_the_open_ticket(
    mosquitto_broker: TestBroker, start_hub: Callable[..., RunningHub]
) -> None:
    hub = start_hub(mosquitto_broker, [site_file(devices=[elevator("b1-e1")])])
    mosquitto_pub(mosquitto_broker, *alarm("b1-e1", "evt-1", "passenger_alarm"))
    first = hub.wait_for_ticket("entrapment", "b1-e1")
    mosquitto_pub(mosquitto_broker, *alarm("b1-e1", "evt-2", "passenger_alarm"))
    again = hub.wait_for_ticket("entrapment", "b1-e1", where=lambda ticket: ticket["count"] > 1)
    assert again["id"] == first["id"]
    assert len(hub.tickets()) == 1


def test_a_retained_alarm_of_yesterday_is_no_news(
    mosquitto_broker: TestBroker, start_hub: Callable[..., RunningHub]
) -> None:
    """What a broker kept says how it was, not that somebody presses now; it is not lost either."""
    mosquitto_pub(mosquitto_broker, *alarm("b1-e1", "old", "fault", code="2"), "-r")
    hub = start_hub(mosquitto_broker, [site_file(devices=[elevator("b1-e1"), elevator("b1-e2")])])
    mosquitto_pub(mosquitto_broker, *alarm("b1-e2", "new", "fault", code="2"))
    hub.wait_for_ticket("elevator_fault", "b1-e2")
    assert hub.tickets(subject="b1-e1") == []
    assert hub.rejected() == []
    assert hub.get("/devices/b1-e1")["evaluations"][0]["reason"] == "not_live"
