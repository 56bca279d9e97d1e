"""A card and its loss on two door boards, on real datagrams, through the whole hub, with a kill -9 and a board that is reset."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from simulators.boards import Board
from support.boards import SERIALS, ZONE, BoardWire
from support.brokers import TestBroker
from support.estate_files import site_file
from support.running_hub import RunningHub
from support.waiting import wait_until

NUMBER = 10058400  # FC 100, CN 58400


def boards() -> dict[str, Board]:
    return {
        name: Board(serial, local_now=lambda: datetime.now(ZONE).replace(tzinfo=None))
        for name, serial in SERIALS.items()
    }


def site(port: int) -> dict[str, Any]:
    return site_file(
        devices=[
            {"id": name, "kind": "access_controller", "profile": "uhppote", "place": "b1", "serial": serial,
             "host": f"127.0.0.{at}:{port}", "card_format": "wiegand26", "doors": [{"id": f"{name}-main", "number": 1}]}
            for at, (name, serial) in enumerate(SERIALS.items(), 1)
        ]
    )  # fmt: skip


@pytest.mark.slow
def test_a_card_lives_and_dies_on_real_datagrams(nats_broker: TestBroker, start_hub: Callable[..., RunningHub]) -> None:
    known = boards()
    with BoardWire(list(known.values()), host="0.0.0.0") as wire:
        hub = start_hub(nats_broker, [site(wire.port)])
        card = hub.api.post(
            "/cards",
            {"site": "lakeside", "kind": "owner", "unit": "b1/0101", "holder": {"name": "张三"},
             "credential": {"format": "wiegand26", "value": "100,58400"}},
        ).json()["id"]  # fmt: skip

        def doors() -> list[str]:
            return sorted(each["reported"] for each in hub.get(f"/cards/{card}/doors")["items"])

        def standing() -> dict[str, Any]:
            return {each["id"]: each for each in hub.get("/access-controllers")["items"]}

        wait_until(lambda: doors() == ["confirmed", "confirmed"], 20, lambda: str(doors()))
        assert wire.do(lambda: known["gate-1"].swipe(NUMBER))
        wire.do(lambda: [known["gate-2"].swipe(777) for _ in range(3)])
        wait_until(lambda: standing()["gate-2"]["last_index"] == 3, 20)

        hub.kill()
        wire.do(lambda: [known["gate-1"].swipe(777) for _ in range(3)])  # while nobody listens
        wire.do(known["gate-2"].reset)
        hub.start()
        hub.wait_ready()
        wait_until(lambda: known["gate-2"].card(NUMBER) is not None, 20)
        wait_until(lambda: doors() == ["confirmed", "confirmed"], 20, lambda: str(doors()))

        wait_until(lambda: standing()["gate-1"]["missed"] == 0 and standing()["gate-2"]["epoch"] == 2, 20)
        hub.api.post(f"/cards/{card}/loss", {"reporter": "张三", "verified": "phone"})
        wait_until(lambda: doors() == ["removed", "removed"], 10, lambda: str(doors()))  # the promise: within 10 s
        assert known["gate-1"].card(NUMBER) is None
        wire.do(lambda: known["gate-2"].swipe(NUMBER))
        wait_until(lambda: hub.tickets(kind="lost_card_used"), 20, lambda: _told(hub))


def _told(hub: RunningHub) -> str:
    """What the hub knows, for a failure's message."""
    return f"{hub.get('/devices/gate-2')} {hub.get('/access-controllers')} {hub.log_path.read_text()[-2000:]}"
