"""A hand-over note: the cases of that moment, what was counted, two signatures of two people, and nothing that changes."""

import pytest
from starlette.testclient import TestClient

from hub.store import accounts
from hub.store.schema import hand_over_signatures, hand_overs
from hub.vocabulary.roles import Role

URL = "/api/v1/hand-overs"
NOTE = {
    "site": "lakeside",
    "desk": "control_room",
    "shift": "夜班",
    "items": [{"name": "对讲机", "count": 3, "expected": 4, "note": "一台送修"}, {"name": "钥匙", "count": 12}],
    "instructions": "2号梯维保明早到\n注意地下室水泵",
}


@pytest.fixture
def zhang(small_hub, client_of):
    return client_of(small_hub, Role.CONTROL_ROOM)


@pytest.fixture
def li(small_hub, client_of):
    return client_of(small_hub, Role.CONTROL_ROOM)


def test_a_note_holds_the_cases_of_its_moment_and_both_names(small_hub, zhang, li):
    first = small_hub.ticket("b1-e1")
    given = zhang.post(URL, json=NOTE)
    assert given.status_code == 201, given.text
    note = given.json()
    assert given.headers["Location"] == f"{URL}/{note['id']}"
    assert [each["id"] for each in note["cases"]] == [first]
    assert (note["cases"][0]["kind"], note["cases"][0]["state"], note["cases_total"]) == ("entrapment", "suspected", 1)
    assert note["items"][0] == {"name": "对讲机", "count": 3, "expected": 4, "note": "一台送修"}
    assert ([each["part"] for each in note["signatures"]], note["complete"]) == (["given"], False)

    small_hub.ticket("b1-e2")  # what happens later is not in it
    taken = li.post(f"{URL}/{note['id']}/take-over", json={"remark": "钥匙少一把，已找到"})
    assert taken.status_code == 200, taken.text
    assert taken.json()["complete"]
    assert [each["id"] for each in taken.json()["cases"]] == [first]
    given_by, taken_by = taken.json()["signatures"]
    assert (given_by["part"], taken_by["part"]) == ("given", "taken")
    assert given_by["by"] != taken_by["by"]
    assert taken_by["remark"] == "钥匙少一把，已找到"
    assert zhang.get(f"{URL}/{note['id']}").json() == taken.json()


def test_nobody_takes_over_from_themselves_and_nobody_twice(small_hub, zhang, li, client_of):
    number = zhang.post(URL, json=NOTE).json()["id"]
    alone = zhang.post(f"{URL}/{number}/take-over", json={})
    assert (alone.status_code, "somebody else" in alone.json()["detail"]) == (409, True)
    assert li.post(f"{URL}/{number}/take-over", json={}).status_code == 200
    third = client_of(small_hub, Role.MANAGER).post(f"{URL}/{number}/take-over", json={})
    assert (third.status_code, "already" in third.json()["detail"]) == (409, True)
    with small_hub.store.read() as connection:
        assert len(connection.execute(hand_over_signatures.select()).all()) == 2


def test_a_repeated_request_writes_one_note(small_hub, zhang):
    for _ in range(2):
        assert zhang.post(URL, json=NOTE, headers={"Idempotency-Key": "n1"}).status_code == 201
    with small_hub.store.read() as connection:
        assert len(connection.execute(hand_overs.select()).all()) == 1


def test_there_is_no_way_to_change_a_note(zhang):
    number = zhang.post(URL, json=NOTE).json()["id"]
    for method in ("PUT", "PATCH", "DELETE"):
        assert zhang.request(method, f"{URL}/{number}", json=NOTE).status_code == 405


def test_notes_are_listed_by_desk_and_seen_by_their_site_only(small_hub, zhang, client_of):
    zhang.post(URL, json=NOTE)
    zhang.post(URL, json=NOTE | {"desk": "front_desk"})
    assert [each["id"] for each in zhang.get(URL).json()["items"]] == [2, 1]
    assert [each["id"] for each in zhang.get(URL, params={"desk": "front_desk"}).json()["items"]] == [2]
    page = zhang.get(URL, params={"limit": 1}).json()
    assert [each["id"] for each in zhang.get(URL, params={"limit": 1, "cursor": page["next"]}).json()["items"]] == [1]
    stranger = client_of(small_hub, Role.ADMIN, sites=("hilltop",))
    assert stranger.get(URL).json()["items"] == []
    assert stranger.get(f"{URL}/1").status_code == 404
    assert stranger.post(f"{URL}/1/take-over", json={}).status_code == 404
    assert stranger.post(URL, json=NOTE).status_code == 404


@pytest.mark.parametrize("change", [{"desk": "kitchen"}, {"items": [{"name": "x", "count": -1}]}, {"shift": ""}])
def test_what_cannot_be_is_refused(zhang, change):
    assert zhang.post(URL, json=NOTE | change).status_code == 422


def test_the_page_for_paper_shows_cases_items_instructions_and_both_signatures(small_hub, zhang, li):
    small_hub.ticket("b1-e1")
    number = zhang.post(URL, json=NOTE).json()["id"]
    accounts.add_user(small_hub.store, "wang", "long-enough", [Role.SECURITY], [], small_hub.now())
    reader = TestClient(small_hub.app, follow_redirects=False)
    assert reader.get(f"/hand-overs/{number}").status_code == 303  # to the sign-in page
    assert reader.post("/login", data={"name": "wang", "password": "long-enough"}).status_code == 303
    page = reader.get(f"/hand-overs/{number}")
    assert page.status_code == 200
    for words in ("交接班记录", "1栋1号梯", "对讲机", "一台送修", "注意地下室水泵", "中控室", "尚未签字"):
        assert words in page.text
    li.post(f"{URL}/{number}/take-over", json={"remark": "<b>无</b>"})
    signed = reader.get(f"/hand-overs/{number}?lang=en").text
    assert "Not signed yet" not in signed
    assert "&lt;b&gt;" in signed
