"""The feed is one order without gaps: whoever comes back with the last number misses nothing and sees nothing twice."""

from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.estate_files import elevator, site_file
from support.hub_json import alarm
from support.mqtt import MqttClient
from support.running_hub import RunningHub

COUNT = 30
SITE = site_file(devices=[elevator(f"e-{number}") for number in range(COUNT)])


def _opened(row: dict[str, object]) -> bool:
    """Of these entrapments nobody can be told (the site has no staff), which is said on the feed, too."""
    return row["type"] == "ticket_opened"


def _subject(row: dict[str, object]) -> str:
    body = row["body"]
    assert isinstance(body, dict)
    return str(body["subject"]["id"])


def test_a_reader_that_comes_back_resumes_where_it_was_also_after_a_restart_of_the_hub(
    nats_broker: TestBroker,
    database_url: str,
    start_hub: Callable[..., RunningHub],
    device_on: Callable[[TestBroker], MqttClient],
) -> None:
    hub = start_hub(nats_broker, [SITE], database=database_url)
    device = device_on(nats_broker)
    seen: list[tuple[int, str, bool]] = []
    with hub.stream() as live:
        for number in range(10):
            device.publish(*alarm(f"e-{number}", "a1"))
        live.wait_for(
            lambda change: change.event == "message" and _opened(change.data) and _subject(change.data) == "e-9"
        )
        seen += [(change.seq or 0, _subject(change.data), _opened(change.data)) for change in live.rows()]
    for number in range(10, 20):  # nobody listens
        device.publish(*alarm(f"e-{number}", "a1"))
    hub.wait_for_ticket("entrapment", "e-19")
    hub.kill()
    hub.start()
    hub.wait_ready()
    with hub.stream(last_event_id=seen[-1][0]) as live:
        for number in range(20, COUNT):
            device.publish(*alarm(f"e-{number}", "a1"))
        last = f"e-{COUNT - 1}"
        live.wait_for(
            lambda change: change.event == "message" and _opened(change.data) and _subject(change.data) == last
        )
        seen += [(change.seq or 0, _subject(change.data), _opened(change.data)) for change in live.rows()]

    numbers = [number for number, *_ in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [subject for _, subject, opened in seen if opened] == [f"e-{number}" for number in range(COUNT)]
    fed = [(row["seq"], _subject(row), _opened(row)) for row in hub.feed(after=numbers[0] - 1)]
    assert fed[: len(seen)] == seen


def test_an_acknowledgement_is_seen_by_everybody_at_once(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    hub = start_hub(nats_broker, [SITE])
    with hub.stream() as one, hub.stream() as other:
        device_on(nats_broker).publish(*alarm("e-1", "a1", "fault", code="2"))
        ticket = hub.wait_for_ticket("elevator_fault", "e-1")
        done = hub.api.post(f"/tickets/{ticket['id']}/actions/acknowledge")
        assert done.status == 200, done.body
        for live in (one, other):
            change = live.wait_for(lambda change: change.data.get("type") == "ticket_changed")
            assert change.data["body"]["state"] == "acknowledged"


@pytest.mark.parametrize("word", ["-1", "abc", "9" * 30])
def test_a_senseless_last_event_id_is_refused_or_resynchronised_and_breaks_nothing(
    word: str, nats_broker: TestBroker, start_hub: Callable[..., RunningHub]
) -> None:
    hub = start_hub(nats_broker, [SITE])
    answer = hub.api.request("GET", "/api/v1/feed/stream", headers={"Last-Event-ID": word})
    assert answer.status == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
