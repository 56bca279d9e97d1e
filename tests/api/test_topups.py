"""Top-ups over HTTP: what a vending system may send twice, late and wrong."""

from datetime import UTC, datetime

import pytest

from hub.vocabulary.roles import Role

TOPUP = {"meter": "m-0101", "amount": {"amount": "100.00", "currency": "CNY"}, "reference": "V-1", "site": "lakeside"}


@pytest.fixture
def vendor(hub, client_of):
    """A vending system."""
    return client_of(hub, Role.INTEGRATOR)


def test_a_top_up_is_kept_once_and_shown(vendor):
    told = vendor.post("/api/v1/topups", json=TOPUP)
    assert told.status_code == 201
    kept = told.json()
    assert told.headers["location"] == f"/api/v1/topups/{kept['id']}"
    assert {name: kept[name] for name in ("meter", "reference", "amount", "state", "confirmed_at", "proof")} == {
        "meter": "m-0101",
        "reference": "V-1",
        "amount": {"amount": "100.00", "currency": "CNY"},
        "state": "paid",
        "confirmed_at": None,
        "proof": None,
    }
    assert kept["paid_at"].endswith("+08:00")
    again = vendor.post("/api/v1/topups", json=TOPUP)
    assert (again.status_code, again.json()) == (200, kept)
    assert vendor.get(f"/api/v1/topups/{kept['id']}").json() == kept
    assert vendor.get("/api/v1/topups").json() == {"items": [kept], "next": None}


def test_states_go_forward_and_never_back(vendor):
    shown = []
    for state in ("paid", "issued", "booked", "paid", "confirmed", "issued"):
        answer = vendor.post("/api/v1/topups", json=TOPUP | {"state": state})
        assert answer.status_code in {200, 201}
        shown.append(answer.json()["state"])
    assert shown == ["paid", "issued", "issued", "issued", "confirmed", "confirmed"]
    kept = vendor.get("/api/v1/topups/1").json()
    assert kept["proof"] == "platform"
    assert kept["confirmed_at"] is not None


def test_what_is_on_the_meter_cannot_fail_and_what_failed_may_still_arrive(vendor):
    assert vendor.post("/api/v1/topups", json=TOPUP | {"state": "confirmed"}).status_code == 201
    refused = vendor.post("/api/v1/topups", json=TOPUP | {"state": "failed"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:hub:conflict")
    other = TOPUP | {"reference": "V-2"}
    states = ("paid", "failed", "issued", "confirmed")
    assert [vendor.post("/api/v1/topups", json=other | {"state": state}).json()["state"] for state in states] == [
        "paid",
        "failed",
        "failed",
        "confirmed",
    ]


@pytest.mark.parametrize(
    "other", [{"amount": {"amount": "100.01", "currency": "CNY"}}, {"meter": "m-0301", "site": "hilltop"}]
)
def test_a_reference_belongs_to_one_amount_and_one_site(vendor, other):
    vendor.post("/api/v1/topups", json=TOPUP)
    answer = vendor.post("/api/v1/topups", json=TOPUP | other)
    if "site" in other:
        assert answer.status_code == 201, "another site's vending system counts for itself"
    else:
        assert answer.status_code == 409
        assert vendor.get("/api/v1/topups/1").json()["amount"]["amount"] == "100.00"


def test_an_idempotency_key_answers_as_before(vendor):
    key = {"Idempotency-Key": "k1"}
    first = vendor.post("/api/v1/topups", json=TOPUP, headers=key)
    again = vendor.post("/api/v1/topups", json=TOPUP, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert vendor.post("/api/v1/topups", json=TOPUP | {"reference": "V-2"}, headers=key).status_code == 409


def test_nobody_pays_in_the_future(vendor):
    kept = vendor.post("/api/v1/topups", json=TOPUP | {"paid_at": "2090-01-01T00:00:00Z"}).json()
    assert datetime.fromisoformat(kept["paid_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": {"amount": "0.00", "currency": "CNY"}},
        {"amount": {"amount": "-5", "currency": "CNY"}},
        {"amount": {"amount": "1.234", "currency": "CNY"}},
        {"amount": {"amount": 100, "currency": "CNY"}},
        {"amount": {"amount": "100", "currency": "USD"}},
        {"amount": "100"},
        {"state": "refunded"},
        {"reference": ""},
        {"paid_at": "yesterday"},
        {"extra": 1},
    ],
)
def test_what_cannot_be_meant_is_refused_and_named(vendor, wrong):
    answer = vendor.post("/api/v1/topups", json=TOPUP | wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(next(iter(wrong)))
    assert vendor.get("/api/v1/topups").json()["items"] == []


def test_an_elevator_and_a_meter_that_there_is_not_are_not_found(vendor):
    for device in ("b1-e1", "m-9999"):
        assert vendor.post("/api/v1/topups", json=TOPUP | {"meter": device}).status_code == 404


def test_lists_filter_and_page(vendor):
    for number in range(5):
        state = "confirmed" if number % 2 else "paid"
        vendor.post("/api/v1/topups", json=TOPUP | {"reference": f"V-{number}", "state": state})
    assert len(vendor.get("/api/v1/topups?state=confirmed").json()["items"]) == 2
    assert len(vendor.get("/api/v1/topups?meter=m-0101&site=lakeside").json()["items"]) == 5
    assert vendor.get("/api/v1/topups?meter=m-0301").json()["items"] == []
    seen, cursor = [], ""
    while cursor is not None:
        page = vendor.get(f"/api/v1/topups?limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [item["reference"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ["V-4", "V-3", "V-2", "V-1", "V-0"]
