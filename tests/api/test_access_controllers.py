"""Access controllers over HTTP: what is on them that nobody has issued, for those who look after cards."""

from __future__ import annotations

from hub.cards import controllers
from hub.vocabulary.roles import Role


def test_foreign_cards_and_missed_events_are_listed(small_hub, client_of):
    with small_hub.store.write() as connection:
        controllers.ensure(connection, "lakeside", "gate-1", 1_780_000_000_000)
        foreign = controllers.foreign_json([{"format": "wiegand26", "value": "19999999", "doors": ["main"]}])
        controllers.change(connection, "lakeside", "gate-1", {"foreign_json": foreign, "missed": 3, "cards": 7})
    answer = client_of(small_hub, Role.CARD_CUSTODIAN).get("/api/v1/access-controllers")
    assert answer.status_code == 200
    [item] = answer.json()["items"]
    assert item["foreign"] == [{"format": "wiegand26", "value": "19999999", "doors": ["main"]}]
    assert (item["id"], item["cards"], item["missed"], item["capacity"], item["listed_at"]) == (
        "gate-1",
        7,
        3,
        None,
        None,
    )
    assert item["epoch_since"].endswith("+08:00")


def test_a_technician_does_not_see_whose_card_is_where(small_hub, client_of):
    assert client_of(small_hub, Role.TECHNICIAN).get("/api/v1/access-controllers").status_code == 403
