"""A backup is taken while alarms come in, and an empty machine carries on from it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.brokers import NatsBroker, TestBroker
from support.estate_files import elevator, meter, site_file
from support.hub_json import alarm, reading
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SITE = site_file(devices=[elevator("e-1"), elevator("e-2"), meter("m-1")])


def test_backup_while_running_and_restore_into_an_empty_place(
    nats_broker: TestBroker,
    database_url: str,
    tmp_path: Path,
    start_hub: Callable[..., RunningHub],
    device_on: Callable[[TestBroker], MqttClient],
) -> None:
    hub = start_hub(nats_broker, [SITE], database=database_url)
    device = device_on(nats_broker)
    device.publish(*alarm("e-1", "a1"))
    for number in range(50):
        device.publish(*reading("m-1", f"r{number}", 100 - number))
    before = hub.wait_for_ticket("entrapment", "e-1")
    wait_until(lambda: len(hub.readings("m-1")) == 50, 10, "the readings were not stored")

    archive = tmp_path / "hub.zip"
    done = hub.command("backup", str(archive))
    assert done.returncode == 0, done.stderr
    device.publish(*alarm("e-2", "after the backup"))
    hub.wait_for_ticket("entrapment", "e-2")
    readings = hub.readings("m-1")
    feed = [row for row in hub.feed() if row["body"].get("subject", {}).get("id") != "e-2"]
    hub.stop()

    elsewhere = NatsBroker(tmp_path / "other-broker")
    elsewhere.start()
    try:
        fresh = RunningHub(tmp_path / "fresh", elsewhere, [SITE])
        put_back = fresh.command("restore", str(archive))
        assert put_back.returncode == 0, put_back.stderr
        fresh._token = hub.token  # the token was in the backup
        with fresh:
            assert [(ticket["id"], ticket["number"]) for ticket in fresh.tickets()] == [
                (before["id"], before["number"])
            ]
            assert fresh.readings("m-1") == readings
            assert [row for row in fresh.feed() if row["type"] == "ticket_opened"] == [
                row for row in feed if row["type"] == "ticket_opened"
            ]
            device_on(elsewhere).publish(*alarm("e-2", "a2"))
            assert fresh.wait_for_ticket("entrapment", "e-2")["number"] != before["number"]
            again = fresh.command("restore", str(archive))
            assert again.returncode == 1, "a place that is not empty is not touched"
            assert len(again.stderr.strip().splitlines()) == 1
    finally:
        elsewhere.stop()


def test_restoring_what_is_no_backup_touches_nothing(nats_broker: TestBroker, tmp_path: Path) -> None:
    hub = RunningHub(tmp_path / "hub", nats_broker, [SITE])
    archive = tmp_path / "no.zip"
    archive.write_bytes(b"PK\x03\x04 and then nothing")
    done = hub.command("restore", str(archive))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    with hub:
        assert hub.tickets() == []
