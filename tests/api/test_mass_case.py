"""The cars of a whole site's case over HTTP: in the order of rescue, with a proposal of rounds, whatever a hand-made ticket says."""

import re

import pytest

from hub.vocabulary.roles import Role

CHILDREN = {
    "b1-e1": {"rank": 2, "name": "1栋1号梯", "place": "b1", "occupancy": "unknown", "since": 1_780_000_000_000},
    "b1-e2": {"rank": 1, "name": "1栋2号梯", "place": "b1", "occupancy": "occupied", "was_moving": True},
}


def mass_case(client, children):
    body = {"kind": "entrapment", "site": "lakeside", "subject": {"type": "site", "id": "lakeside"}}
    made = client.post("/api/v1/tickets", json=body | {"fields": {"children": children}})
    assert made.status_code == 201
    return made.json()["id"]


@pytest.fixture
def operator(small_hub, client_of):
    return client_of(small_hub, Role.CONTROL_ROOM)


def test_cars_come_in_the_order_of_rescue_with_a_proposal_and_what_was_assigned(small_hub, operator, client_of):
    ticket = mass_case(operator, CHILDREN)
    cars = f"/api/v1/tickets/{ticket}/cars"
    found = operator.get(cars, params={"technician": ["zhao", "liu"]}).json()["items"]
    assert [(car["device"], car["rank"], car["proposed_technician"], car["proposed_round"]) for car in found] == [
        ("b1-e2", 1, "zhao", 1),
        ("b1-e1", 2, "liu", 1),
    ]
    order = {"devices": ["b1-e2"], "technician": "zhao"}
    assert operator.post(f"/api/v1/tickets/{ticket}/actions/assign_round", json=order).status_code == 200
    checked = operator.post(f"/api/v1/tickets/{ticket}/actions/check_cars", json={"devices": ["b1-e1"]})
    assert checked.status_code == 200
    first, last = operator.get(cars).json()["items"]
    assert (first["device"], first["technician"], first["round"], first["settled"]) == ("b1-e2", "zhao", 1, False)
    assert (last["device"], last["occupancy"], last["settled"], bool(last["checked_by"])) == (
        "b1-e1",
        "empty",
        True,
        True,
    )
    assert client_of(small_hub, Role.CONTROL_ROOM, sites=("hilltop",)).get(cars).status_code == 404


@pytest.mark.parametrize("children", [5, {"b1-e1": 7}, {"b1-e1": {"rank": "x", "since": -1, "occupancy": 9}}, []])
def test_a_case_with_odd_fields_is_answered_all_the_same(operator, children):
    ticket = mass_case(operator, children)
    assert operator.get(f"/api/v1/tickets/{ticket}/cars").status_code == 200
    assert operator.post(f"/api/v1/tickets/{ticket}/actions/release", json={}).status_code in {200, 409}


@pytest.mark.parametrize(
    "fields", [{"people": 5}, {"people": {"condition": 7}}, {"people": {"inside": "x"}, "welfare": [1], "floor": {}}]
)
def test_pages_of_a_hand_made_case_with_odd_fields_are_drawn_all_the_same(operator, fields):
    body = {"kind": "entrapment", "site": "lakeside", "subject": {"id": "b1-e2"}, "fields": fields}
    ticket = operator.post("/api/v1/tickets", json=body).json()["id"]
    for page in ("", "/record", "/reports/major_incident"):
        assert operator.get(f"/tickets/{ticket}{page}").status_code == 200, page


def test_the_page_of_a_sites_case_lists_its_cars_and_gives_them_to_technicians(operator):
    ticket = mass_case(operator, CHILDREN)
    page = operator.get(f"/tickets/{ticket}").text
    assert page.index("1栋2号梯") < page.index("1栋1号梯")
    boxes = re.findall(r'name="devices" value="([^"]+)"', page)
    assert sorted(set(boxes)) == ["b1-e1", "b1-e2"]
    given = {"devices": ["b1-e2"], "technician": "赵电", "round": "1"}
    assert operator.post(f"/tickets/{ticket}/actions/assign_round", data=given).status_code == 303
    assert operator.post(f"/tickets/{ticket}/actions/check_cars", data={"devices": ["b1-e1"]}).status_code == 303
    text = operator.get(f"/tickets/{ticket}").text
    assert "赵电 第 1 轮" in text
    assert "已确认无人" in text


def test_a_single_cars_case_has_no_list_of_cars_and_no_rounds(small_hub, operator):
    ticket = small_hub.ticket("b1-e1")
    assert operator.get(f"/api/v1/tickets/{ticket}/cars").status_code == 404
    assert "assign_round" not in operator.get(f"/api/v1/tickets/{ticket}").json()["actions"]
