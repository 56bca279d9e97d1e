"""A service centre and a board in the lobby hear of an entrapment, also when the hub is killed while it tells them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from connectors.codecs.standard_webhooks import verify
from hub.vocabulary.signing_keys import key_of
from support.brokers import TestBroker
from support.estate_files import elevator, site_file
from support.hub_json import alarm
from support.mqtt import MqttClient
from support.receiver import HookServer
from support.running_hub import RunningHub
from support.waiting import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BOARD = "hub/out/v1/lakeside/tickets/+"


@pytest.fixture
def centre() -> Iterator[HookServer]:
    running = HookServer()
    yield running
    running.close()


@pytest.fixture
def hub(nats_broker: TestBroker, tmp_path: Path, centre: HookServer) -> Iterator[RunningHub]:
    """A site that tells a service centre on loopback, and leaves its tickets on the broker."""
    (tmp_path / "secret").write_text(SECRET)
    site = site_file(devices=[elevator("b1-e1")])
    hook = {"id": "centre", "url": centre.url(), "kinds": ["entrapment"], "types": ["ticket_opened", "ticket_changed"]}
    site["publishing"] = {"mqtt_tickets": True, "webhooks": [hook | {"secret_file": str(tmp_path / "secret")}]}
    running = RunningHub(tmp_path / "hub", nats_broker, [site])
    with running.config.open("a") as file:
        file.write("publishing: {private_networks: [127.0.0.0/8]}\n")
    assert running.token
    running.start()
    running.wait_ready()
    yield running
    print(running.log_tail(60))
    running.stop()


def events(centre: HookServer) -> list[dict]:
    """All that arrived, each checked like a receiver does."""
    found = []
    for _, _, headers, body in list(centre.requests):
        assert verify([key_of(SECRET)], headers, body, int(headers["webhook-timestamp"]))
        found.append(msgspec.json.decode(body))
    return found


@pytest.mark.slow
def test_the_centre_and_the_board_hear_of_it_although_the_hub_is_killed(
    hub: RunningHub, centre: HookServer, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    board = device_on(hub.broker)
    board.subscribe(BOARD)
    centre.script.extend([503] * 100)
    device_on(hub.broker).publish(*alarm("b1-e1", "1"))
    ticket = hub.wait_for_ticket("entrapment", "b1-e1")
    wait_until(lambda: centre.requests, 15, "the centre is not asked at all")
    hub.kill()
    tried = events(centre)
    centre.script.clear()
    hub.start()
    hub.wait_ready()
    wait_until(lambda: len(centre.requests) > len(tried), 20, "the centre is not asked again")
    first = events(centre)[len(tried)]
    assert (first["id"], first["type"]) == (tried[0]["id"], "property-hub.ticket_opened")
    assert first["data"]["number"] == ticket["number"]
    left = wait_until(lambda: [message for message in board.received if message.payload], 10)
    assert msgspec.json.decode(left[-1].payload)["number"] == ticket["number"]

    (listed,) = [item for item in hub.get("/webhooks")["items"] if item["name"] == "centre"]
    assert (listed["origin"], listed["state"], listed["failing_since"]) == ("file", "active", None)
    log = wait_until(lambda: hub.get(f"/webhooks/{listed['id']}/attempts")["items"], 10)
    assert log[0]["outcome"] == "delivered"

    answer = hub.api.post(f"/tickets/{ticket['id']}/actions/false_alarm", {"note": "按错了"})
    assert answer.status == 200
    wait_until(lambda: events(centre)[-1]["data"]["state"] == "false_alarm", 15, "the end is not told")
    wait_until(lambda: board.received[-1].payload == b"", 15, "the board still shows it")
    sequences = [event["sequence"] for event in events(centre)]
    assert sequences == sorted(sequences)
