"""How long a lost card lives: loss reported over HTTP → proved off every door, while events stream and thousands of cards expire.

All controllers are online, in a process of their own, with lists of their own: what counts as proved is what the hub's own
book calls removed, and it does so only after it has read the controller's list. Door by door, from the request's start.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench import machine
from bench.ingest import MakeBroker
from support.brokers import TestBroker
from support.estate_files import site_file
from support.hub_http import HubHttp
from support.lean_publisher import LeanPublisher
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

EVENTS_PER_SECOND = 100
STREAM_S = 240
PROMISE_MS = 10_000
GIVE_UP_S = 180.0
SETTLE_S = 3.0


@dataclass(frozen=True)
class Lost:
    """Doors of all lost cards together; milliseconds from the report to the proof."""

    controllers: int
    lost_cards: int
    doors: int
    expiring_cards: int
    events_per_second: int
    p50_ms: int
    p99_ms: int
    max_ms: int
    over_promise: int  # doors that took longer than 10 s
    unproved: int  # doors that were not proved within GIVE_UP_S
    expired_s: float  # until the last expired card was proved off its door; 0: it was not
    load: float

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


def measure(folder: Path, make_broker: MakeBroker, controllers: int, lost_cards: int, expiring: int) -> Lost:
    """One run with this many controllers."""
    broker = make_broker(folder / "broker")
    broker.start()
    hub = RunningHub(folder / "hub", broker, [_site(controllers)], forked=False)
    spawned = multiprocessing.get_context("spawn")
    stop, listening = spawned.Event(), spawned.Event()
    doors = spawned.Process(
        target=_controllers, args=(_address(broker), controllers, expiring, listening, stop), daemon=True
    )
    try:
        assert hub.token
        hub.start()
        hub.wait_ready()
        doors.start()
        assert listening.wait(60), "the controllers do not listen"
        cards = [_issue(hub, number) for number in range(lost_cards)]
        book = folder / "hub" / "hub.db"
        wait_until(lambda: _count(book, cards, "confirmed") == lost_cards * controllers, GIVE_UP_S)
        hub.stop()
        expires_at = round(time.time() * 1000) + 15_000
        _clone_expiring(book, cards[0], controllers, expiring, expires_at)
        hub.start()
        hub.wait_ready()
        with _Stream(broker, controllers):
            while time.time() * 1000 < expires_at + 1_000:
                time.sleep(0.1)
            return _lose(hub, book, cards, controllers, expiring, expires_at)
    finally:
        stop.set()
        if doors.pid is not None:
            doors.join(10)
        hub.stop()
        broker.stop()


def _lose(hub: RunningHub, book: Path, cards: list[int], controllers: int, expiring: int, expires_at: int) -> Lost:
    taken: list[int] = []
    unproved = 0
    http = HubHttp(hub.url, hub.token, timeout=60)
    for card in cards:
        reported = round(time.time() * 1000)
        answer = http.post(f"/cards/{card}/loss", {"reporter": "bench", "verified": "phone"})
        assert answer.status == 200, answer.body
        deadline = time.monotonic() + GIVE_UP_S
        while _count(book, [card], "removed") < controllers and time.monotonic() < deadline:
            time.sleep(0.05)
        proved = _since(book, card)
        taken += [at - reported for at in proved]
        unproved += controllers - len(proved)
    done_at = _expired_at(book, cards, expiring)
    http.close()
    ordered = sorted(taken)
    assert ordered, "no door was proved"
    return Lost(
        controllers=controllers,
        lost_cards=len(cards),
        doors=len(ordered),
        expiring_cards=expiring,
        events_per_second=EVENTS_PER_SECOND,
        p50_ms=ordered[len(ordered) // 2],
        p99_ms=ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        max_ms=ordered[-1],
        over_promise=sum(each > PROMISE_MS for each in ordered),
        unproved=unproved,
        expired_s=0.0 if done_at is None else round((done_at - expires_at) / 1000, 1),
        load=machine.load(),
    )


def _site(controllers: int) -> Any:
    devices = [
        {"id": f"g-{at}", "kind": "access_controller", "profile": "hub-json", "place": "b1",
         "doors": [{"id": f"d-{at}", "number": 1}]}
        for at in range(controllers)
    ]  # fmt: skip
    return site_file(devices=devices)


def _issue(hub: RunningHub, number: int) -> int:
    body = {"site": "lakeside", "kind": "staff", "holder": {"name": "bench"},
            "documents": ["department_head", "project_manager"], "doors": None,
            "credential": {"format": "wiegand26", "value": f"200{number:05d}"}}  # fmt: skip
    body = body | {"kind": "owner", "unit": "b1/0101", "documents": [], "payment": None}
    answer = hub.api.post("/cards", {key: value for key, value in body.items() if value is not None})
    assert answer.status == 201, answer.body
    return int(answer.json()["id"])


# --- the book -------------------------------------------------------------------------------------------------


def _rows(book: Path, sql: str, *values: Any) -> list[Any]:
    connection = sqlite3.connect(f"file:{book}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def _count(book: Path, cards: list[int], state: str) -> int:
    marks = ",".join("?" * len(cards))
    sql = f"select count(*) from card_permissions where assignment_id in ({marks}) and reported = ?"
    return int(_rows(book, sql, *cards, state)[0][0])


def _since(book: Path, card: int) -> list[int]:
    sql = "select since from card_permissions where assignment_id = ? and reported = 'removed'"
    return [int(row[0]) for row in _rows(book, sql, card)]


def _expired_at(book: Path, cards: list[int], expiring: int) -> int | None:
    """When the last of the expired cards was proved off; waits for it."""
    marks = ",".join("?" * len(cards))
    sql = f"select count(*), max(since) from card_permissions where assignment_id not in ({marks}) and reported = 'removed'"
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        number, last = _rows(book, sql, *cards)[0]
        if number >= expiring:
            return int(last)
        time.sleep(0.5)
    return None


def _clone_expiring(book: Path, card: int, controllers: int, number: int, expires_at: int) -> None:
    """Cards that end at one moment, each on one controller, as rows like those of a card that was issued and confirmed."""
    connection = sqlite3.connect(book, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        assignment = dict(connection.execute("select * from card_assignments where id = ?", (card,)).fetchone())
        thing = dict(connection.execute("select * from cards where id = ?", (assignment["card_id"],)).fetchone())
        door = dict(connection.execute("select * from card_permissions where assignment_id = ?", (card,)).fetchone())
        del door["id"]
        for at in range(number):
            raw, key = 0x300000 + at, 1_000_000 + at
            value, gate = _value(at), at % controllers
            _insert(connection, "cards", thing | {"id": key, "raw_hex": f"{raw:06X}", "value": value})
            ends = {"id": key, "card_id": key, "valid_until": expires_at, "counts": False}
            _insert(connection, "card_assignments", assignment | ends)
            _insert(
                connection, "card_permissions",
                door | {"assignment_id": key, "controller": f"g-{gate}", "door": f"d-{gate}"},
            )  # fmt: skip
        connection.commit()
    finally:
        connection.close()


def _value(at: int) -> str:
    raw = 0x300000 + at
    return f"{raw >> 16:03d}{raw & 0xFFFF:05d}"


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


# --- the others -----------------------------------------------------------------------------------------------


class _Stream:
    """Ordinary passes at a steady rate, for as long as the block lasts."""

    def __init__(self, broker: TestBroker, controllers: int) -> None:
        self._publisher = LeanPublisher(broker, "passes")
        now = round(time.time() * 1000)
        self._publisher.add([_pass(at, at % controllers, now) for at in range(EVENTS_PER_SECOND * STREAM_S)])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._publisher.run(rate=EVENTS_PER_SECOND, stop=self._over.is_set)

    def __enter__(self) -> None:
        self._publisher.connect()
        self._thread.start()
        time.sleep(SETTLE_S)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        self._publisher.close()


def _pass(number: int, gate: int, began: int) -> tuple[str, bytes]:
    at = began + number * 1000 // EVENTS_PER_SECOND
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at / 1000)) + f".{at % 1000:03d}+00:00"
    body = {"id": f"p{number}", "at": stamp, "door": f"d-{gate}", "result": "granted",
            "card": {"format": "wiegand26", "value": f"210{number % 60000:05d}"}}  # fmt: skip
    return f"hub/v1/lakeside/g-{gate}/access", json.dumps(body).encode()


def _address(broker: TestBroker) -> Any:
    """What a client needs of the broker, for another process."""
    names = ("host", "port", "username", "password", "mqtt_version", "tls")
    return SimpleNamespace(**{name: getattr(broker, name) for name in names})


def _controllers(broker: Any, number: int, expiring: int, listening: Event, stop: Event) -> None:
    """All controllers on one connection: each obeys, answers, and lists what it holds."""
    held: dict[str, dict[tuple[str, str], list[str]]] = {f"g-{at}": {} for at in range(number)}
    for at in range(expiring):
        held[f"g-{at % number}"]["wiegand26", _value(at)] = [f"d-{at % number}"]
    client = MqttClient(broker, "controllers")
    count = 0

    def answer(_client: Any, _data: Any, message: Any) -> None:
        nonlocal count
        command, device = json.loads(message.payload), message.topic.split("/")[3]
        args, cards, said = command["args"], held[device], {}
        if command["name"] == "put_card":
            cards[args["format"], args["value"]] = args["doors"]
        elif command["name"] == "delete_card":
            cards.pop((args["format"], args["value"]), None)
        elif command["name"] == "list_cards":
            said = {"cards": [{"format": f, "value": v, "doors": doors} for (f, v), doors in cards.items()]}
        count += 1
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        body = {"id": f"r{count}", "at": stamp, "command_id": command["id"], "ok": True, **said}
        client.paho.publish(f"hub/v1/lakeside/{device}/result", json.dumps(body), qos=1)

    with client:
        client.paho.on_message = answer
        client.subscribe("hub/v1/lakeside/+/command")
        listening.set()
        stop.wait()
