"""Credit runs out: people from a sheet are told over a gateway of the site's own, once, also when the hub is killed meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from support.brokers import TestBroker
from support.estate_files import meter, site_file
from support.far_side import FarSide, far_side
from support.hub_json import ago, reading
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

__all__ = ["far_side"]

PEOPLE = """unit,code,name,phone,role,consent
b1/0101,C-1,王芳,13800000001,owner,yes
b1/0102,C-2,李雷,13800000002,owner,no
,S-1,张管家,13900000001,housekeeper,yes
"""


@pytest.fixture
def hub(
    nats_broker: TestBroker, database_url: str, start_hub: Callable[..., RunningHub], far_side: FarSide, tmp_path: Any
) -> RunningHub:
    """With one SMS gateway, which the far side plays; people are imported while it runs."""
    description = {
        "name": "test-gateway",
        "source": "tests",
        "url": far_side.url("sms"),
        "json": {"to": "{address}", "title": "{title}", "text": "{body}", "key": "{key}"},
        "success": {"path": "code", "equals": "OK"},
        "message_id": "id",
    }
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
    site = site_file(
        devices=[meter("m-0101", place="b1/0101"), meter("m-0102", place="b1/0102")],
        rules={"low_balance": {"CNY": [30, 10, 0], "confirm_gap_s": 10}},
    )
    site["notifiers"] = [{"id": "sms", "type": "http", "description": str(tmp_path / "gateway.yaml")}]
    site["notices"] = {"quiet_hours": False, "merge_window_s": 0}
    hub = start_hub(nats_broker, [site], database=database_url)
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    done = hub.command("import", str(tmp_path / "people.csv"))
    assert done.returncode == 0, done.stderr
    assert "3 people added, 0 people changed" in done.stdout
    return hub


def _low(device: MqttClient, meter_id: str) -> None:
    device.publish(*reading(meter_id, "r1", 24.6, purchases=3, at=ago(200)))
    device.publish(*reading(meter_id, "r2", 24.5, purchases=3, at=ago(100)))


def test_the_owner_is_told_once_and_the_ticket_knows_it(
    hub: RunningHub, far_side: FarSide, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    _low(device_on(hub.broker), "m-0101")
    ticket = hub.wait_for_ticket("low_balance", "m-0101")
    told = far_side.expect("sms", "1栋0101", "24.50 元", to="13800000001", timeout=30)
    query = f"/notices?ticket={ticket['id']}&state=sent"
    (notice,) = wait_until(lambda: hub.get(query)["items"], 15)
    assert (notice["recipient"], notice["channel"], notice["body"]) == ("王芳", "sms", told.body)
    hub.kill()
    hub.start()
    hub.wait_ready()
    _low(device_on(hub.broker), "m-0101")
    hub.get("/tickets")
    assert len(far_side.requests) == 1


def test_who_has_not_agreed_is_not_told_and_somebody_hears_of_it(
    hub: RunningHub, far_side: FarSide, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    _low(device_on(hub.broker), "m-0102")
    hub.wait_for_ticket("low_balance", "m-0102")
    wait_until(
        lambda: (
            [p for p in hub.get("/problems?active=true")["items"] if p["code"] == "nobody_reached"]
            or hub.get("/notices?subject=m-0102")["items"]
        ),
        30,
    )
    assert [request for request in far_side.requests if request.to == "13800000002"] == []
    while far_side._arrived:  # the housekeeper, who is told in their place
        far_side.expect("sms", to="13900000001")
