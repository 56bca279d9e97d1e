"""Lists come in pages: everything once, and the last page says that it is the last."""

import pytest

from api.requests import one_page
from hub.vocabulary.roles import Role
from support.notice_api import household, person

SUPPRESSION = {"what": "maintenance", "site": "lakeside", "minutes": 5, "reason": "test"}
PAGED = (
    "people",
    "households",
    "works",
    "drills",
    "suppressions",
    "cards",
    "rejected",
    "problems",
    "tickets",
    "devices",
    "audit",
)
DRILL = {"site": "lakeside", "scenario": "level"}
CARD = {"site": "lakeside", "kind": "staff", "holder": {"name": "李四"}}


class Row:
    """Of a list in the order of its ids."""

    def __init__(self, number: int) -> None:
        self.id = number


ROWS = [Row(9), Row(7), Row(4)]


@pytest.mark.parametrize(("limit", "shown", "following"), [(1, 1, "9"), (2, 2, "7"), (3, 3, None), (4, 3, None)])
def test_a_page_goes_on_after_the_last_one_shown_and_only_where_more_follows(limit, shown, following):
    rows = ROWS[: limit + 1]  # as they are asked for
    assert one_page(rows, limit) == (ROWS[:shown], following)


def test_an_empty_list_has_one_page():
    assert one_page([], 1) == ([], None)


def test_a_list_in_another_order_goes_on_after_that():
    assert one_page(["b", "a"], 1, ord) == (["b"], "98")


@pytest.fixture
def staffed(desk_hub, client_of):
    """Somebody who may do nearly everything, at a hub that has two of nearly everything."""
    client = client_of(desk_hub, Role.MANAGER, Role.FRONT_DESK, Role.DEPARTMENT_MANAGER, Role.INTEGRATOR)
    for number, unit in enumerate(("b1/0101", "b1/0102")):
        household(client, person(client, f"p{number}"), unit)
        for path, body in {
            "works": {"site": "lakeside", "unit": unit, "reference": f"ZX-{number}"},
            "drills": DRILL | {"device": f"b1-e{number + 1}"},
            "suppressions": SUPPRESSION | {"subject": {"id": f"b1-e{number + 1}"}},
            "cards": CARD | {"credential": {"format": "uid32", "value": f"{number:08X}"}},
        }.items():
            answer = client.post(f"/api/v1/{path}", json=body)
            assert answer.status_code == 201, (path, answer.text)
    for car in ("b1-e1", "b1-e2"):
        desk_hub.offer(payload=b"bad")
        desk_hub.alarm(car, detail="problem")
    desk_hub.settled()
    return client


def test_pages_of_one_hold_everything_once(staffed):
    for path in PAGED:
        whole = staffed.get(f"/api/v1/{path}", params={"limit": 500}).json()
        assert whole["next"] is None
        assert len(whole["items"]) >= 2, path
        seen, cursor = [], {}
        for _ in whole["items"]:
            page = staffed.get(f"/api/v1/{path}", params={"limit": 1} | cursor).json()
            seen += page["items"]
            cursor = {"cursor": page["next"]}
        assert (seen, page["next"]) == (whole["items"], None), path
