"""A whole estate against a real broker: it connects, speaks, answers, loses its connection and ends cleanly."""

import asyncio
import json
import queue
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.estate import Estate, EstateError, Player
from simulators.mqtt import parse_broker
from simulators.scenario import parse, resolve
from simulators.site import load_site
from support.waiting import wait_until_async

SITE = """
site: {{id: s1, name: S1, timezone: Asia/Shanghai}}
buildings: [{{id: b1, units: ["0101", "0801"]}}]
buses: [{{id: bus, url: "modbus+tcp://127.0.0.1:{port}"}}]
devices:
  - {{id: e1, kind: elevator, profile: hub-json, place: b1}}
  - {{id: e2, kind: elevator, profile: elevatorcloud-json, place: b1}}
  - {{id: e3, kind: elevator, profile: shmashine-event, place: b1}}
  - {{id: e4, kind: elevator, profile: city-push, place: b1}}
  - {{id: e5, kind: elevator, profile: car-top-monitor, place: b1, bus: bus, unit_id: 247}}
  - {{id: m1, kind: meter, profile: acrel-adf400l-1p, place: b1/0101, bus: bus, unit_id: 1}}
  - {{id: m2, kind: meter, profile: hub-json, place: b1/0801, balance_unit: kWh}}
  - {{id: g1, kind: access_controller, profile: hub-json, place: b1, doors: [{{id: d1, number: 1}}]}}
"""

STUCK = """
name: x
title: x
title_zh: x
cast: {cars: {kind: elevator, all: true}}
timeline:
  - {at_s: 0, who: cars, do: trip, people: 1, to: "8"}
  - {at_s: 12, who: cars, do: stick}
  - {at_s: 90, who: cars, do: free}
ends_at_s: 100
"""


@pytest.fixture
def site(tmp_path: Path, free_port):
    file = tmp_path / "s1.yaml"
    file.write_text(SITE.format(port=free_port()), encoding="utf-8")
    return load_site(file)


@pytest.fixture
def broker(nats_broker):
    address = nats_broker.url.replace("mqtt://", f"mqtt://{nats_broker.username}:{nats_broker.password}@")
    return parse_broker(address)


class Spy:
    """An ordinary MQTT client that hears everything and can command."""

    def __init__(self, broker):
        self.heard: list[tuple[str, dict]] = []
        self.ready = threading.Event()
        self._changed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="spy")
        self.client.username_pw_set(broker.username, broker.password)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _c, _d, message: self.heard.append((message.topic, json.loads(message.payload)))
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        assert self.ready.wait(10)

    def _subscribe(self, client, *_):
        client.subscribe([(f"{root}/#", 1) for root in ("hub", "elevatorcloud", "shmashine", "citypush")])

    def on(self, topic: str) -> list[dict]:
        return [payload for heard, payload in self.heard if heard == topic]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def spy(broker):
    spy = Spy(broker)
    yield spy
    spy.close()


def live(estate, until, player=None, limit_s=25.0):
    """Run the estate until the condition holds; what it gave."""

    async def main():
        stop = asyncio.Event()
        await estate.start()
        running = asyncio.create_task(estate.run(stop, player))

        def still_running_until():
            assert not running.done(), running
            return until()

        try:
            return await wait_until_async(still_running_until, limit_s, "the condition never held")
        finally:
            stop.set()
            await running
            await estate.stop()

    return asyncio.run(main())


def test_one_story_is_told_in_every_format(site, broker, spy):
    """A car stuck between floors: hub-json shows its state, the others raise their own codes and drop them after release."""
    estate = Estate([site], broker, speed=20, traffic=False)
    player = Player(resolve(parse(STUCK), [site]), estate)

    def told():
        states = [state for state in spy.on("hub/v1/s1/e1/state") if state["passenger"] and not state["door_zone"]]
        cloud = [message["data"] for message in spy.on("elevatorcloud/s1/e2/info")]
        events = [(event["ST"], event["fault_type"]) for event in spy.on("shmashine/s1/e3/event")]
        city = [event["failureCode"] for event in spy.on("citypush/s1/e4/event")]
        return (
            any(state["car_status"] == 0 and state["doors"] == "closed" for state in states)
            and any(1 in data["fault"] and data["inposition"] == 0 for data in cloud)
            and cloud[-1]["fault"] == []
            and {("add", 8), ("disappear", 8)} <= set(events)
            and city == ["09"]
        )

    assert live(estate, told, player)


def test_every_device_says_hello_with_its_state(site, broker, spy):
    estate = Estate([site], broker, speed=5)
    assert live(
        estate,
        lambda: (
            all(spy.on(f"hub/v1/s1/{device}/status") for device in ("e1", "m2", "g1"))
            and spy.on("hub/v1/s1/e1/state")
            and spy.on("hub/v1/s1/m2/reading")
            and spy.on("elevatorcloud/s1/e2/info")
        ),
    )
    reading = spy.on("hub/v1/s1/m2/reading")[0]
    assert (reading["unit"], type(reading["balance"]), type(reading["purchases"])) == ("kWh", float, int)
    assert [alarm["type"] for alarm in spy.on("hub/v1/s1/e1/alarm")] == ["test"]
    everything = [payload["id"] for topic, payload in spy.heard if topic.startswith("hub/v1/s1/e1/")]
    assert len(set(everything)) == len(everything)


def test_a_misread_balance_is_said_once_without_an_alarm_and_the_next_reading_is_true(site, broker, spy):
    """What `balance_runs_out_and_topped_up` rests on: one false reading for certain, wherever the meter's own minute lies."""
    estate = Estate([site], broker, speed=60, traffic=False, only={("s1", "m2")})
    meter = estate.devices["s1", "m2"]
    misread: list[bool] = []

    def told():
        if spy.on("hub/v1/s1/m2/reading") and not misread:
            misread.append(True)
            meter.actions()["misread"](value=5)
        return len(spy.on("hub/v1/s1/m2/reading")) >= 3

    assert live(estate, told)
    false = [reading for reading in spy.on("hub/v1/s1/m2/reading") if reading["balance"] == 5]
    assert [reading["meter_alarm"] for reading in false] == [0]
    assert spy.on("hub/v1/s1/m2/reading")[-1]["balance"] > 5


def test_the_hub_can_ask_for_the_state(site, broker, spy):
    estate = Estate([site], broker, traffic=False, only={("s1", "e1")})
    asked = {"id": "c1", "at": "2026-11-21T00:00:00+00:00", "name": "report_state", "args": {}}
    said: list[int] = []

    def answered():
        if spy.on("hub/v1/s1/e1/state") and not said:
            said.append(len(spy.on("hub/v1/s1/e1/state")))
            spy.client.publish("hub/v1/s1/e1/command", json.dumps(asked), qos=1)
        return spy.on("hub/v1/s1/e1/result")

    assert live(estate, answered)
    assert spy.on("hub/v1/s1/e1/result")[0]["command_id"] == "c1"
    assert len(spy.on("hub/v1/s1/e1/state")) > said[0]


def test_a_lost_connection_makes_the_broker_say_so_and_a_reconnect_greets_again(site, broker, spy):
    estate = Estate([site], broker, traffic=False, only={("s1", "e1")})
    uplink = estate.uplinks[0]
    steps = iter(("lose", "return", "done"))
    now = [next(steps)]

    def came_back():
        online = [status["online"] for status in spy.on("hub/v1/s1/e1/status")]
        if now[0] == "lose" and online == [True]:
            uplink.lose()
            now[0] = next(steps)
        if now[0] == "return" and online == [True, False]:
            uplink.link.start()
            now[0] = next(steps)
        return online == [True, False, True]

    assert live(estate, came_back)
    assert len({status["id"] for status in spy.on("hub/v1/s1/e1/status")}) == 3


def test_a_taken_bus_port_is_one_clear_error(site, broker):
    async def main():
        first = Estate([site], broker, only={("s1", "m1")})
        second = Estate([site], broker, only={("s1", "m1")})
        await first.start()
        try:
            with pytest.raises(EstateError, match="bus bus cannot listen on"):
                await second.start()
        finally:
            await second.stop()
            await first.stop()

    asyncio.run(main())


def test_a_bus_comes_with_everything_on_it(site):
    """Naming one meter simulates its neighbours too: they would look dead otherwise."""
    estate = Estate([site], None, only={("s1", "m1")})
    assert set(estate.devices) == {("s1", "m1"), ("s1", "e5")}
    assert set(estate.buses["s1", "bus"].units) == {1, 247}


def test_mqtt_devices_without_a_broker_are_refused(site):
    with pytest.raises(EstateError, match="--mqtt"):
        Estate([site], None, only={("s1", "e1")})


def test_the_same_seed_gives_the_same_meters(site):
    first, second = (Estate([site], None, seed=7, only={("s1", "m1")}).devices["s1", "m1"] for _ in range(2))
    assert first.meter == second.meter


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{at_s: 0, who: cars, do: fly}", "cannot fly; it can"),
        ("{at_s: 0, who: cars, do: trip, destination: 3}", "trip: missing"),
    ],
)
def test_a_script_is_refused_before_anything_happens(site, broker, step, message):
    text = STUCK.replace("{at_s: 12, who: cars, do: stick}", step).replace("all: true", "nth: 1")
    script = resolve(parse(text), [site])
    with pytest.raises(EstateError, match=message):
        Estate([site], broker).check(script)


def test_what_a_device_cannot_do_now_stops_nothing(site, capsys):
    """Asked for a floor that the building does not have, the elevator refuses and the others go on."""
    estate = Estate([site], None, only={("s1", "e5")})
    text = STUCK.replace('to: "8"', 'to: "99"').replace("all: true", "id: e5")
    asyncio.run(estate.play(resolve(parse(text), [site]).steps[0]))
    assert "no floor 99" in capsys.readouterr().out
