"""Monthly figures over HTTP: JSON and a sheet say the same, other sites are not there, a sheet runs no formulas."""

import csv
import io

import pytest
from sqlalchemy import update

from api.shapes_statistics import EntrapmentFigures
from api.statistics import sheet
from hub.store.schema import tickets
from hub.tickets.metrics import figures
from hub.vocabulary.roles import Role

PATH = "/api/v1/statistics/entrapments"


@pytest.fixture
def client(small_hub, client_of):
    ticket = small_hub.ticket("b1-e1")
    client = client_of(small_hub, *Role)
    for action, fields in (
        ("acknowledge", {}),
        ("people", {"inside": 2}),
        ("firm_told", {}),
        ("technician_arrived", {}),
        ("release", {"people_out": 2}),
        ("report", {}),
        ("close", {}),
    ):
        assert client.post(f"/api/v1/tickets/{ticket}/actions/{action}", json=fields).status_code == 200
    drill = {"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e2"}, "drill": True}
    assert client.post("/api/v1/tickets", json=drill).status_code == 201
    return client


def test_a_site_its_lifts_and_its_drills_have_lines_of_their_own(client):
    items = client.get(PATH, params={"site": "lakeside"}).json()["items"]
    assert [(item["lift"], item["what"], item["figures"]["events"]) for item in items] == [
        (None, "events", 1),
        ("b1-e1", "events", 1),
        (None, "drills", 1),
    ]
    found = items[0]["figures"]
    assert (found["people"], found["arrived"]["n"], found["arrived_within_30_min_percent"]) == (2, 1, 100.0)
    assert found["voice_contact"] == {"n": 0, "mean_s": None, "max_s": None}
    assert (found["events_per_100_lifts"], items[1]["figures"]["events_per_100_lifts"]) == (50.0, None)
    assert (sum(found["by_hour"].values()), found["causes"]["not_known"], found["trapped"]) == (1, 1, 1)


def test_another_month_has_no_events_and_its_shares_are_unknown(client):
    (item,) = client.get(PATH, params={"site": "lakeside", "month": "2025-02"}).json()["items"]
    assert (item["month"], item["figures"]["events"]) == ("2025-02", 0)
    assert item["figures"]["false_alarm_percent"] is None


def test_the_sheet_says_the_same(client):
    answer = client.get(PATH, params={"site": "lakeside", "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["lift"], row["what"], row["events"]) for row in rows] == [
        ("", "events", "1"),
        ("b1-e1", "events", "1"),
        ("", "drills", "1"),
    ]
    assert (rows[0]["arrived_n"], rows[0]["voice_contact_mean_s"]) == ("1", "")
    assert (rows[0]["causes_not_known"], sum(int(rows[0][f"by_hour_{hour:02d}"]) for hour in range(24))) == ("1", 1)


def test_the_cause_is_that_of_the_newest_signed_report(small_hub, client):
    path = "/api/v1/tickets/1/reports/major_incident"
    texts = dict.fromkeys(("fault", "course", "injuries", "cause", "responsible", "remedy", "prevention"), "x")
    for cause, sign in (("human", True), ("door_system", True), ("external", False)):
        fields = texts | {
            "cause_kind": cause,
            "measures": [{"measure": "a", "effect": "b"}],
            "classification": "accident",
        }
        saved = client.post(path, json={"fields": fields, "sign": sign, "signatory": "陈"})
        assert saved.status_code == 201, saved.text
    figures = client.get(PATH, params={"site": "lakeside"}).json()["items"][0]["figures"]
    assert figures["accidents"] == 1
    causes = figures["causes"]
    assert {name: count for name, count in causes.items() if count} == {"door_system": 1}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_of_a_sheet_is_a_formula(start):
    line = EntrapmentFigures(
        site="lakeside", month="2026-11", lift=f"{start}cmd()", what="events", figures=figures([], [])
    )
    (row,) = csv.DictReader(io.StringIO(sheet((line,)), newline=""), delimiter=",")
    assert row["lift"] == f"'{start}cmd()"


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "26-11", "2026-1", "2019-01", "x"])
def test_a_month_that_is_none_is_refused(client, month):
    assert client.get(PATH, params={"month": month}).status_code == 422


def test_other_sites_are_not_there(small_hub, client, client_of):
    stranger = client_of(small_hub, *Role, sites=("hilltop",))
    assert {item["site"] for item in stranger.get(PATH).json()["items"]} == {"hilltop"}
    assert stranger.get(PATH, params={"site": "lakeside"}).json()["items"] == []
    assert stranger.get(PATH, params={"site": "nowhere", "format": "csv"}).status_code == 200


def test_a_case_counts_in_the_month_in_which_it_occurred(small_hub, client):
    with small_hub.store.write() as connection:
        connection.execute(update(tickets).values(occurred_at=1_769_875_200_000))  # 2026-02-01 00:00 in Shanghai
    events = [
        client.get(PATH, params={"site": "lakeside", "month": month}).json()["items"][0]["figures"]["events"]
        for month in ("2026-01", "2026-02")
    ]
    assert events == [0, 1]
