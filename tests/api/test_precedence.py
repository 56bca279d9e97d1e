"""Who waits for an answer goes before readings, until it is there, whatever it is."""

import asyncio

import pytest

from api.precedence import Precedence
from hub.right_of_way import RightOfWay


def passed(app, **scope) -> RightOfWay:
    """The way after a request to `app(way)`."""
    way = RightOfWay()
    asyncio.run(Precedence(app(way), way=way)({"type": "http", "path": "/api/v1/tickets"} | scope, None, None))
    return way


def test_the_way_is_claimed_while_an_answer_is_made(small_hub, client_of):
    seen = []
    small_hub.services.store.way.questions.came = lambda: seen.append("came")
    small_hub.services.store.way.questions.done = lambda: seen.append("done")
    assert client_of(small_hub).get("/api/v1/tickets").status_code == 401
    assert seen == ["came", "done"]


@pytest.mark.parametrize(
    ("scope", "claimed"),
    [({}, True), ({"path": "/api/v1/feed/stream"}, False), ({"type": "lifespan"}, False)],
    ids=["request", "stream", "lifespan"],
)
def test_a_stream_has_no_answer_to_wait_for(scope, claimed):
    held = []

    def app(way):
        async def answer(_scope, _receive, _send):
            held.append(way.questions.left_s() > 0)

        return answer

    assert passed(app, **scope).questions.left_s() == 0.0
    assert held == [claimed]


def test_a_request_that_fails_lets_go_of_it():
    way = RightOfWay()

    async def fails(_scope, _receive, _send):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(Precedence(fails, way=way)({"type": "http", "path": "/"}, None, None))
    assert way.questions.left_s() == 0.0
