"""Small questions are answered on the event loop, with the alarm that is under way in the answer; others never hold it up."""

import asyncio
import contextlib
import threading

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from api.questions import answered, let_pass
from hub.right_of_way import Claim
from hub.store.database import set_meta
from hub.store.schema import meta
from hub.vocabulary.roles import Role
from support.waiting import wait_until

FOR_EVER_S = 60.0


def colour(connection):
    return connection.execute(select(meta.c.value).where(meta.c.key == "colour")).scalar_one_or_none()


def waiting(claim):
    """Somebody, on a loop or in a thread."""
    return bool(claim._told or claim._free._cond._waiters)


def on_the_loop(_connection):
    return asyncio._get_running_loop() is not None


@pytest.mark.parametrize("small", [True, False])
def test_only_what_is_small_and_waits_for_no_network_is_read_on_the_event_loop(store, small):
    assert asyncio.run(answered(store, on_the_loop, small=small)) == (small and store.is_sqlite)


@pytest.mark.parametrize("small", [True, False])
def test_an_alarm_that_is_under_way_is_in_the_answer(store, small):
    store.way.alarms = Claim(FOR_EVER_S)
    store.way.alarms.came()

    def alarm():
        with store.write(urgent=True) as connection:
            set_meta(connection, "colour", "red")
        store.way.alarms.done()

    async def ask():
        answer = asyncio.create_task(answered(store, colour, small=small))
        await asyncio.to_thread(wait_until, lambda: waiting(store.way.alarms), 5, "the loop serves others meanwhile")
        assert not answer.done()
        threading.Thread(target=alarm).start()
        return await asyncio.wait_for(answer, 10)

    assert asyncio.run(ask()) == "red"


def test_nobody_waits_for_longer_than_its_credit_or_without_an_alarm():
    async def ask():
        claim = Claim(0.02)
        await let_pass(claim)
        claim.came()
        await asyncio.wait_for(let_pass(claim), 10)
        assert claim.left_s() == 0.0
        await let_pass(claim)
        claim.done()

    asyncio.run(ask())


def test_an_alarm_is_done_though_the_loop_that_waited_for_it_is_closed():
    claim = Claim(FOR_EVER_S)
    claim.came()

    async def leave():
        waits = asyncio.create_task(let_pass(claim))
        await asyncio.to_thread(wait_until, lambda: waiting(claim), 5, "it waits")
        waits.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waits

    asyncio.run(leave())
    claim.done()
    assert claim.left_s() == 0.0


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"subject": "b1-e1", "limit": 1}, True),
        ({"subject": "b1-e1", "limit": 10}, True),
        ({"subject": "b1-e1", "limit": 11}, False),
        ({"subject": "b1-e1"}, False),
        ({"limit": 1}, False),
    ],
    ids=["one", "ten", "eleven", "as many as there are", "of all subjects"],
)
def test_a_list_is_small_where_an_index_finds_its_few(hub, client_of, monkeypatch, asked, expected):
    hub.alarm()
    seen = []
    before = hub.services.zone
    monkeypatch.setattr(
        type(hub.services), "zone", lambda _services, site: seen.append(on_the_loop(None)) or before(site)
    )
    answer = client_of(hub, Role.CONTROL_ROOM).get("/api/v1/tickets", params=asked)
    assert [item["subject"]["id"] for item in answer.json()["items"]] == ["b1-e1"]
    assert seen == [expected and hub.store.is_sqlite]


def test_a_question_by_http_waits_for_the_alarm_that_is_under_way(hub, client_of):
    client: TestClient = client_of(hub, Role.CONTROL_ROOM)
    hub.store.way.alarms = Claim(FOR_EVER_S)
    hub.store.way.alarms.came()
    answers = []
    asks = threading.Thread(target=lambda: answers.append(client.get("/api/v1/tickets?subject=b1-e1&limit=1").json()))
    asks.start()
    wait_until(lambda: waiting(hub.store.way.alarms), 5, "it waits")
    assert answers == []
    hub.alarm()
    hub.store.way.alarms.done()
    asks.join(10)
    assert [item["subject"]["id"] for item in answers[0]["items"]] == ["b1-e1"]
