"""The baseline: the same libraries with nothing between them. paho manual ack → msgspec → SQLite FULL batch commit → ack.

It checks nothing, decides nothing and remembers nothing; it only keeps the promise that what is acknowledged is stored, in
a table with the hub's own key. What the hub takes longer is what the hub does. An alarm is stored with the readings that came
beside it, and its elevator is printed as soon as it is.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import signal
import sqlite3
import threading
from datetime import datetime
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BATCH = 512
TABLE = """CREATE TABLE IF NOT EXISTS readings (device_pk INTEGER, at INTEGER, key INTEGER, lag_ms INTEGER, credit INTEGER,
unit INTEGER, energy_wh INTEGER, purchases INTEGER, relay INTEGER, meter_alarm INTEGER, late INTEGER,
PRIMARY KEY (device_pk, at, key)) WITHOUT ROWID"""
INSERT = "INSERT INTO readings VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
ALARMS = "CREATE TABLE IF NOT EXISTS alarms (device TEXT, body BLOB, PRIMARY KEY (device, body)) WITHOUT ROWID"
INSERT_ALARM = "INSERT INTO alarms VALUES (?,?) ON CONFLICT DO NOTHING"


class Reading(msgspec.Struct):
    """The payload; unknown fields are skipped."""

    id: str
    at: datetime
    balance: float | None
    unit: str
    overdraft: float = 0
    energy_kwh: float = 0
    purchases: int = 0
    relay: str = ""
    meter_alarm: int = 0


decode = msgspec.json.Decoder(Reading).decode


def row(message: mqtt.MQTTMessage) -> tuple[Any, ...]:
    """One message as a row; the meter's number is its key."""
    reading = decode(message.payload)
    meter = int(message.topic.split("/")[3][2:])
    key = int.from_bytes(hashlib.blake2b(reading.id.encode(), digest_size=8).digest(), "big", signed=True)
    at = int(reading.at.timestamp() * 1000)
    credit = None if reading.balance is None else round((reading.balance - reading.overdraft) * 100)
    relay = 1 if reading.relay == "closed" else 2
    return (
        meter,
        at,
        key,
        0,
        credit,
        0,
        round(reading.energy_kwh * 1000),
        reading.purchases,
        relay,
        reading.meter_alarm,
        0,
    )


def opened(path: str) -> sqlite3.Connection:
    """The database, kept as the hub keeps its own."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA wal_autocheckpoint=4000")
    database.execute("PRAGMA cache_size=-32768")
    database.execute(TABLE)
    database.execute(ALARMS)
    return database


def store(database: sqlite3.Connection, batch: list[mqtt.MQTTMessage]) -> list[str]:
    """One commit; the elevators whose alarms are stored now."""
    readings, alarms = [], []
    for message in batch:
        if message.topic.endswith("/alarm"):
            alarms.append((message.topic.split("/")[3], message.payload))
        else:
            readings.append(row(message))
    database.execute("BEGIN IMMEDIATE")
    database.executemany(INSERT, readings)
    database.executemany(INSERT_ALARM, alarms)
    database.execute("COMMIT")
    return [elevator for elevator, _ in alarms]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--mqtt", choices=["3.1.1", "5"], required=True)
    given = parser.parse_args()
    database = opened(given.database)
    inbox: collections.deque[mqtt.MQTTMessage] = collections.deque()
    filled = threading.Event()
    stopping = threading.Event()
    v5 = given.mqtt == "5"
    options: dict[str, Any] = {} if v5 else {"clean_session": False}
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id="bare-loop",
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
        **options,
    )
    client.username_pw_set(given.user, given.password)

    def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        inbox.append(message)
        filled.set()

    client.on_message = on_message
    client.on_connect = lambda c, *_: c.subscribe([("hub/v1/+/+/reading", 1), ("hub/v1/+/+/alarm", 1)])
    client.on_subscribe = lambda *_: print("ready", flush=True)
    connect: dict[str, Any] = {}
    if v5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 1000
        connect = {"clean_start": False, "properties": properties}
    client.connect("127.0.0.1", given.port, 60, **connect)
    client.loop_start()

    def stop(*_: Any) -> None:
        stopping.set()
        filled.set()

    signal.signal(signal.SIGTERM, stop)
    while not stopping.is_set():
        filled.wait(0.5)
        filled.clear()
        while inbox:
            batch = [inbox.popleft() for _ in range(min(BATCH, len(inbox)))]
            for elevator in store(database, batch):
                print(elevator, flush=True)
            for message in batch:
                client.ack(message.mid, message.qos)
    client.disconnect()
    client.loop_stop()
    database.close()


if __name__ == "__main__":
    main()
