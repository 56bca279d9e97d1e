"""(c) kill -9 of the hub in the middle of the stream, again and again, and the ledger afterwards."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.ingest import MakeBroker
from support.lean_publisher import LeanPublisher
from support.load import Workload, estate, settle
from support.running_hub import RunningHub

METERS = 40
ALARMS = 10


@dataclass(frozen=True)
class Killed:
    """What became of everything."""

    broker: str
    kills: int
    sent: int
    acked: int
    stored: int
    tickets: int
    lost: int
    duplicated: int
    unexpected: int
    back_s: float  # from start to ready, the median
    load: float

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


def measure(folder: Path, make_broker: MakeBroker, kills: int, rate: float = 2_000, per_kill: int = 4_000) -> Killed:
    broker = make_broker(folder / "broker")
    broker.start()
    hub = RunningHub(folder / "hub", broker, [estate(METERS, ALARMS * kills)], forked=False)
    work, chance, back = Workload(METERS, seed=7), random.Random(7), []
    try:
        assert hub.token
        hub.start()
        hub.wait_ready()
        publisher = LeanPublisher(broker, "kills")
        publisher.connect()
        for kill in range(kills):
            publisher.add(work.messages(per_kill, range(ALARMS * kill, ALARMS * (kill + 1))))
            stream = threading.Thread(target=publisher.run, kwargs={"rate": rate}, daemon=True)
            stream.start()
            time.sleep(chance.uniform(0.1, per_kill / rate))
            hub.kill()
            began = time.monotonic()
            hub.start()
            hub.wait_ready()
            back.append(time.monotonic() - began)
            stream.join(60)
        result = settle(hub, publisher, work, 120)
        publisher.close()
    finally:
        hub.stop()
        broker.stop()
    return Killed(
        broker=broker.name,
        kills=kills,
        sent=result.sent,
        acked=result.acked,
        stored=result.stored,
        tickets=result.tickets,
        lost=len(result.lost),
        duplicated=len(result.duplicated),
        unexpected=len(result.unexpected),
        back_s=round(sorted(back)[len(back) // 2], 2),
        load=machine.load(),
    )
