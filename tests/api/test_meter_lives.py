"""Meters that are replaced and handed over, and counters that break."""

import pytest

from hub.pipeline import problems
from hub.vocabulary.decisions import RaiseProblem
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS
from hub.vocabulary.roles import Role
from support.waiting import wait_until

SWAP = {"old_serial": "A1", "new_serial": "B2", "end_energy_kwh": "1234.56", "begin_energy_kwh": "0.1"}


@pytest.fixture
def worker(hub, client_of):
    """Who replaces meters."""
    return client_of(hub, Role.HOUSEKEEPER)


def post(client, what, body, **more):
    return client.post(f"/api/v1/meters/m-0101/{what}", json=body, **more)


def test_a_replacement_is_written_down_with_both_readings(worker):
    answer = post(worker, "replace", SWAP | {"carried_balance": "-3.50", "note": "burnt"})
    assert answer.status_code == 201
    shown = worker.get("/api/v1/meters/m-0101/lives").json()
    assert shown == answer.json()
    assert shown["installed_serial"] == "B2"
    assert [entry["entry"] for entry in shown["items"]] == ["replaced", "installed"]
    swap, first = shown["items"]
    assert first["serial"] == "A1"
    assert (swap["end_energy"], swap["begin_energy"], swap["balance"]) == (
        {"amount": "1234.560", "unit": "kWh"},
        {"amount": "0.100", "unit": "kWh"},
        {"amount": "-3.50", "currency": "CNY"},
    )
    assert (swap["serial"], swap["note"]) == ("B2", "burnt")
    assert swap["by"], "who wrote it down"


def test_what_contradicts_what_is_written_down_is_refused(worker):
    post(worker, "replace", SWAP)
    assert post(worker, "replace", SWAP).status_code == 409, "B2 is installed already"
    assert post(worker, "replace", {"old_serial": "A1", "new_serial": "C3"}).status_code == 409, (
        "B2 hangs there, not A1"
    )
    early = {"old_serial": "B2", "new_serial": "C3", "at": "2024-01-01T00:00:00Z"}
    assert post(worker, "replace", early).status_code == 409, "before the last one"
    assert post(worker, "replace", {"old_serial": "B2", "new_serial": "C3"}).status_code == 201
    assert [entry["serial"] for entry in worker.get("/api/v1/meters/m-0101/lives").json()["items"]] == [
        "C3",
        "B2",
        "A1",
    ]


def test_a_repeat_under_one_key_is_one_replacement(worker):
    key = {"Idempotency-Key": "swap-1"}
    first, again = post(worker, "replace", SWAP, headers=key), post(worker, "replace", SWAP, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert len(worker.get("/api/v1/meters/m-0101/lives").json()["items"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"end_energy_kwh": "-1"}, {"begin_energy_kwh": 5}, {"carried_balance": "1e3"}, {"new_serial": ""}, {"x": 1}],
)
def test_what_cannot_be_meant_is_refused(worker, wrong):
    assert post(worker, "replace", SWAP | wrong).status_code == 422
    assert worker.get("/api/v1/meters/m-0101/lives").json()["items"] == []


def test_base_readings_are_those_that_somebody_gives(worker):
    answer = post(worker, "handover", {"energy_kwh": "88.8", "balance": "20", "note": "keys given"})
    assert answer.status_code == 201
    (entry,) = answer.json()["items"]
    assert (entry["entry"], entry["begin_energy"]["amount"], entry["balance"]["amount"]) == (
        "handed_over",
        "88.800",
        "20.00",
    )


def test_base_readings_may_be_the_meters_own_if_they_are_of_now(hub, worker):
    assert post(worker, "handover", {}).status_code == 422
    hub.reading("m-0101", 1_234, energy_wh=5_500)
    hub.settled()
    (entry,) = post(worker, "handover", {}).json()["items"]
    assert (entry["begin_energy"]["amount"], entry["balance"]["amount"]) == ("5.500", "12.34")


def test_old_readings_are_no_base_readings(hub, worker):
    at = hub.now() - 2 * HOUR_MS
    hub.reading("m-0101", 1_234, energy_wh=5_500, occurred_at=at, received_at=at)
    hub.settled()
    assert post(worker, "handover", {}).status_code == 422


def test_a_counter_that_broke_is_shown_unless_a_replacement_explains_it(hub, worker):
    now = hub.now()
    for minutes, energy in ((60, 900_000), (45, 900_400), (30, 100), (15, 300)):
        at = now - minutes * MINUTE_MS
        hub.reading("m-0101", 5_000, energy_wh=energy, occurred_at=at, received_at=at, source_key=str(minutes))
    hub.settled()
    (found,) = worker.get("/api/v1/meters/m-0101/lives").json()["counter_breaks"]
    assert (found["step"], found["before"]["amount"], found["after"]["amount"]) == ("reset", "900.400", "0.100")
    stamp = worker.get("/api/v1/meters/m-0101/readings").json()["items"][1]["at"]
    assert post(worker, "replace", {"new_serial": "B2", "at": stamp}).status_code == 201
    assert worker.get("/api/v1/meters/m-0101/lives").json()["counter_breaks"] == []


def test_while_another_meter_answers_the_balance_is_not_believed(hub, worker):
    hub.reading("m-0101", 1_234)
    hub.settled()
    wait_until(lambda: worker.get("/api/v1/meters/m-0101").json()["quality"] == "good")
    subject = Subject("lakeside", SubjectType.DEVICE, "m-0101")
    with hub.store.write() as connection:
        problems.raise_problem(connection, RaiseProblem(code="meter_serial_mismatch", subject=subject), hub.now())
    shown = worker.get("/api/v1/meters/m-0101").json()
    assert (shown["quality"], shown["days_left_unknown"]) == ("unknown", "not_good")
