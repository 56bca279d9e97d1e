"""A gate whose reader decides nothing: a card opens it, is lost and dead at once, on real Modbus frames, through the whole hub."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from simulators.readers import InveoReader
from support.brokers import TestBroker
from support.estate_files import site_file
from support.readers import ReaderWire
from support.running_hub import RunningHub
from support.waiting import wait_until

HELD_S = 2.5
MINE, YOURS = bytes.fromhex("5630F009"), bytes.fromhex("11223344")


def site(port: int) -> dict[str, Any]:
    opens = {
        "fail_policy": "fail_secure",
        "hub_away": "stays_locked",
        "decide_within_ms": 5000,
        "open_ms": 1000,
        "allowed_by": ["王强", "李梅"],
    }
    gate = {
        "id": "gate-7",
        "kind": "access_controller",
        "profile": "inveo-rfid-ind",
        "place": "b1",
        "bus": "gate",
        "unit_id": 1,
        "numbers": {"format": "uid32", "spelling": "hex"},
        "doors": [{"id": "north", "number": 1, "opens": opens}],
    }
    return site_file(devices=[gate], buses=[{"id": "gate", "url": f"modbus+tcp://127.0.0.1:{port}"}])


@pytest.mark.slow
def test_a_card_opens_the_gate_until_it_is_lost(nats_broker: TestBroker, start_hub: Callable[..., RunningHub]) -> None:
    reader = InveoReader()
    with ReaderWire({1: reader}) as wire:
        hub = start_hub(nats_broker, [site(wire.server.port)])

        def issue(uid: bytes) -> int:
            wanted = {
                "site": "lakeside",
                "kind": "owner",
                "unit": "b1/0101",
                "holder": {"name": "张三"},
                "credential": {"format": "uid32", "value": uid.hex().upper()},
            }
            return int(hub.api.post("/cards", wanted).json()["id"])

        def log() -> list[tuple[str, str | None, int | None]]:
            return [(each["result"], each["reason"], each["card"]) for each in hub.get("/access-events")["items"]]

        def opened() -> int:
            return wire.do(lambda: reader.written.count((1000, 1)))  # type: ignore[no-any-return]

        mine, yours = issue(MINE), issue(YOURS)
        doors = hub.get(f"/cards/{mine}/doors")["items"]
        assert [(each["reported"], each["reason"]) for each in doors] == [("confirmed", "hub_decides")]
        wait_until(wire.settled(reader), 20)

        wire.do(lambda: reader.present(MINE))
        presented = time.monotonic()
        wait_until(lambda: log() == [("granted", None, mine)], 20, lambda: str(log()))
        assert opened() == 1
        [standing] = hub.get("/access-controllers")["items"]
        assert standing["hub_decides"][0]["allowed_by"] == ["王强", "李梅"]
        assert standing["hub_decides"][0]["fail_policy"] == "fail_secure"

        lost = hub.api.post(f"/cards/{mine}/loss", {"reporter": "张三", "verified": "phone"}).json()
        assert [each["reported"] for each in lost["doors"]] == ["removed"]  # at once: there is nothing to wait for
        assert lost["doors_summary"] == "已失效 1/1 扇门（由系统逐次判定、立即失效：north）"
        wait_until(lambda: time.monotonic() > presented + HELD_S, 10)  # sooner it would be the same card, still held
        wire.do(lambda: reader.present(MINE))
        wait_until(lambda: log()[0] == ("denied", "credential_lost", mine), 20, lambda: str(log()))
        wait_until(lambda: hub.tickets(kind="lost_card_used"), 20)
        assert opened() == 1

        hub.kill()
        wire.do(lambda: reader.present(YOURS))  # somebody stood there while nobody decided
        hub.start()
        hub.wait_ready()
        wait_until(lambda: log()[0] == ("denied", "other", yours), 20, lambda: str(log()))
        assert opened() == 1
        wire.do(lambda: reader.present(YOURS[:3] + b"\x45"))  # the next one, whoever it is, can be read
        wait_until(lambda: log()[0][1] == "credential_not_found", 20, lambda: str(log()))
