"""Devices and meters over HTTP: what is known, how old it is, and never more than that."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hub.registry.device_queries import Quality, quality
from hub.store import schema
from hub.vocabulary.decisions import RaiseProblem, RaiseTicket, Severity, TicketKind
from hub.vocabulary.elevator import Doors
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS
from hub.vocabulary.units import BalanceUnit, Relay
from support.running import Why

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("heard_ago", "reachable", "gateway_down", "silent", "expected"),
    [
        (None, None, False, False, Quality.UNKNOWN),
        (1, True, True, False, Quality.UNKNOWN),
        (1, True, False, False, Quality.GOOD),
        (1, None, False, False, Quality.GOOD),
        (1_000, True, False, False, Quality.GOOD),
        (1_001, True, False, False, Quality.STALE),
        (1, False, False, False, Quality.STALE),
        (1, True, False, True, Quality.STALE),
    ],
)
def test_quality_is_never_guessed_upwards(heard_ago, reachable, gateway_down, silent, expected):
    now = 10_000
    heard_at = None if heard_ago is None else now - heard_ago
    assert quality(heard_at, reachable, gateway_down, silent, 1_000, now) == expected


def _flushed(hub, device, site="lakeside"):
    """The device's row once it is written (with the step that comes along, every two seconds)."""

    def row():
        hub.settled()
        with hub.store.read() as connection:
            statement = schema.device_state.select().where(schema.device_state.c.device_pk == hub.keys[(site, device)])
            return connection.execute(statement).one_or_none()

    return row


def test_a_device_shows_state_quality_profile_last_seen_and_problems(hub, client, wait_until):
    assert client.get("/api/v1/devices/b1-e2").json()["quality"] == "unknown"
    hub.state("b1-e2", doors=(Doors.CLOSED,), floor="12")
    wait_until(_flushed(hub, "b1-e2"))
    hub.evaluations.append({"rule": "entrapment", "reason": "empty_latched", "facts": {}})
    hub.alarm("b1-e2", detail="problem")
    hub.settled()
    found = client.get("/api/v1/devices/b1-e2").json()
    assert (found["quality"], found["profile"], found["kind"]) == ("good", "hub-json", "elevator")
    assert found["last_seen"].endswith("+08:00")
    assert found["state"]["floor"] == "12"
    assert found["state"]["doors"] == ["closed"]
    assert not {"site", "source_key", "received_at", "event"} & set(found["state"])
    assert found["problems"] == ["gateway_down"]
    assert found["problem_details"][0]["texts"]["zh-CN"]["what_to_do"]
    assert found["evaluations"] == [{"rule": "entrapment", "reason": "empty_latched", "facts": {}}]


def test_an_id_that_two_sites_have_has_to_be_told_apart(hub, client):
    answer = client.get("/api/v1/devices/b1-e1")
    assert answer.status_code == 409
    assert answer.json()["allowed"] == ["hilltop", "lakeside"]
    assert client.get("/api/v1/devices/b1-e1?site=hilltop").json()["name"] == "A座1号梯"
    assert client.get("/api/v1/devices/b1-e1?site=nowhere").status_code == 404


def test_devices_are_listed_by_kind_and_site_page_by_page(hub, client):
    def ids(**query):
        return [item["id"] for item in client.get("/api/v1/devices", params=query).json()["items"]]

    assert len(ids()) == 6
    assert ids(kind="meter") == ["m-0101", "m-0301"]
    assert ids(site="hilltop") == ["b1-e1", "m-0301"]
    seen, cursor = [], None
    while True:
        page = client.get("/api/v1/devices", params={"limit": 4} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 6


def test_behind_a_gateway_that_is_down_everything_is_unknown_and_a_silent_device_is_stale(hub, client, wait_until):
    hub.reading("m-0101", 500)
    hub.status("gate-1")
    wait_until(_flushed(hub, "m-0101"))
    wait_until(_flushed(hub, "gate-1"))
    assert client.get("/api/v1/devices/m-0101").json()["quality"] == "good"
    gateway = Subject("lakeside", SubjectType.GATEWAY, "meters-1")
    silent = RaiseTicket(
        kind=TicketKind.DEVICE_SILENT,
        subject=Subject("lakeside", SubjectType.DEVICE, "gate-1"),
        reason=Why.ODD,
        severity=Severity.MEDIUM,
        occurred_at=hub.now(),
    )
    hub.inbox.ask(lambda step: step.raise_problem(RaiseProblem(code="gateway_down", subject=gateway))).result(10)
    hub.inbox.ask(lambda step: step.raise_ticket(silent)).result(10)
    assert client.get("/api/v1/devices/m-0101").json()["quality"] == "unknown"
    assert client.get("/api/v1/devices/gate-1").json()["quality"] == "stale"
    assert client.get("/api/v1/meters/m-0101").json()["quality"] == "unknown"


def test_a_meter_shows_money_as_the_contract_writes_it_with_its_age(hub, client, wait_until):
    hub.reading("m-0101", 1_234, relay=Relay.CLOSED, purchases=7, energy_wh=1_500)
    wait_until(_flushed(hub, "m-0101"))
    found = client.get("/api/v1/meters/m-0101").json()
    assert found["balance"] == {"amount": "12.34", "currency": "CNY"}
    assert found["energy"] == {"amount": "1.500", "unit": "kWh"}
    assert (found["relay"], found["purchases"], found["quality"]) == ("closed", 7, "good")
    assert found["age_s"] >= 0
    assert found["days_left"] is None
    assert found["days_left_unknown"] == "too_few_days"


def test_energy_credit_is_kwh(hub, client):
    hub.reading("m-0301", -250, "hilltop", unit=BalanceUnit.KWH)
    hub.settled()
    assert client.get("/api/v1/meters/m-0301").json()["balance"] == {"amount": "-0.250", "unit": "kWh"}


def test_a_balance_that_cannot_be_read_any_more_is_the_last_one_and_stale_never_zero(hub, client, wait_until):
    hub.reading("m-0101", 1_234, occurred_at=hub.now() - 5_000)
    hub.reading("m-0101", None)
    wait_until(_flushed(hub, "m-0101"))
    found = client.get("/api/v1/meters/m-0101").json()
    assert found["balance"]["amount"] == "12.34"
    assert found["quality"] == "stale"
    assert found["age_s"] >= 5


def test_a_meter_that_was_never_heard_has_no_balance(hub, client):
    found = client.get("/api/v1/meters/m-0101").json()
    assert (found["balance"], found["quality"], found["age_s"]) == (None, "unknown", None)
    assert found["days_left_unknown"] == "no_balance"


def test_an_elevator_is_no_meter(hub, client):
    assert client.get("/api/v1/meters/b1-e2").status_code == 404
    assert client.get("/api/v1/meters/b1-e2/readings").status_code == 404


def test_raw_readings_come_in_order_and_page_by_page(hub, client):
    now = hub.now()
    for minutes in (3, 1, 2):
        hub.reading("m-0101", minutes * 100, occurred_at=now - minutes * MINUTE_MS)
    hub.settled()
    path = "/api/v1/meters/m-0101/readings"
    whole = client.get(path).json()["items"]
    assert [item["balance"]["amount"] for item in whole] == ["3.00", "2.00", "1.00"]
    assert [item["late"] for item in whole] == [False, True, False]
    seen, cursor = [], None
    for _ in range(3):
        page = client.get(path, params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["items"]
        cursor = page["next"]
    assert (seen, cursor) == (whole, None)


def test_a_span_is_from_inclusive_to_exclusive_and_takes_an_unescaped_plus(hub, client):
    noon = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp() * 1000)
    for hours in (0, 1, 2):
        hub.reading("m-0101", hours * 100, occurred_at=noon + hours * HOUR_MS)
    hub.settled()
    path = "/api/v1/meters/m-0101/readings"
    found = client.get(f"{path}?from=2026-11-01T20:00:00+08:00&to=2026-11-01T22:00:00%2B08:00").json()["items"]
    assert [item["at"] for item in found] == ["2026-11-01T20:00:00.000+08:00", "2026-11-01T21:00:00.000+08:00"]
    assert client.get(f"{path}?from=2026-11-01T20:00:00").status_code == 422
    assert client.get(f"{path}?step=week").status_code == 422


def _rollup(hub, table, start_at, **values):
    row = {"device_pk": hub.keys[("lakeside", "m-0101")], "start_at": start_at, "count": 24} | values
    with hub.store.write() as connection:
        connection.execute(table.insert().values(**row))


def test_hours_and_days_have_their_ends_and_their_use(hub, client):
    hub.reading("m-0101", 100)
    hub.settled()
    start = hub.now() // HOUR_MS * HOUR_MS - HOUR_MS
    values = {"credit_first": 500, "credit_last": 450, "credit_min": 450, "credit_max": 500, "used_wh": 800}
    _rollup(hub, schema.readings_hour, start, **values)
    [hour] = client.get("/api/v1/meters/m-0101/readings?step=hour").json()["items"]
    assert hour["step"] == "hour"
    assert hour["balance_first"] == {"amount": "5.00", "currency": "CNY"}
    assert hour["balance_last"]["amount"] == "4.50"
    assert hour["used"] == {"amount": "0.800", "unit": "kWh"}
    assert hour["count"] == 24


def test_days_left_are_the_balance_over_the_typical_day_of_the_sites_calendar(hub, client, wait_until):
    today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(1, 5):
        start = int((today - timedelta(days=back)).timestamp() * 1000)
        first = 1_000 + back * 250
        values = {"credit_first": first, "credit_last": first - 240, "credit_min": first - 240, "credit_max": first}
        _rollup(hub, schema.readings_day, start, **values)
    hub.reading("m-0101", 1_000)
    wait_until(_flushed(hub, "m-0101"))
    found = client.get("/api/v1/meters/m-0101").json()
    assert (found["days_left"], found["days_left_unknown"]) == (4.0, None)
