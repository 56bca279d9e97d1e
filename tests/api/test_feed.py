"""The feed: every change once, in order, also for readers who were away, are slow, or have lost their sign-in."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from api import stream
from hub.store import accounts, schema
from hub.vocabulary.roles import Role


class Reader:
    """One SSE connection, read in a thread; `events` are (event, id, data)."""

    def __init__(self, hub, token: str, after: int | None = None, last_event_id: str | None = None) -> None:
        self.events: list[tuple[str, str | None, object]] = []
        self.over = threading.Event()
        self.hung_up: Exception | None = None  # with what, where the answer did not come to its end
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        self._connection.connect()
        self._socket = self._connection.sock
        self._connection.request(
            "GET", "/api/v1/feed/stream" + (f"?after={after}" if after is not None else ""), headers=headers
        )
        self.answer = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event, number, data = "message", None, []
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if not line:
                    if data:
                        self.events.append((event, number, json.loads("\n".join(data))))
                    event, number, data = "message", None, []
                    continue
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "id":
                    number = value
                elif name == "data":
                    data.append(value)
        except (OSError, ValueError, http.client.HTTPException) as error:  # hung up, by us or by the hub
            self.hung_up = error
        self.over.set()

    def named(self, name: str = "message") -> list[object]:
        return [data for event, _, data in self.events if event == name]

    def seqs(self) -> list[int]:
        return [data["seq"] for data in self.named()]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._connection.close()
        self._socket.close()


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    opened: list[Reader] = []
    yield opened
    for reader in opened:
        reader.close()


@pytest.fixture
def listen(hub, readers):
    hub.serve()
    token = hub.token(Role.CONTROL_ROOM)

    def start(**how) -> Reader:
        reader = Reader(hub, how.pop("token", token), **how)
        readers.append(reader)
        return reader

    return start


def test_pages_are_in_order_without_gaps_and_end_with_null(hub, client):
    for device in ("b1-e1", "b1-e2"):
        hub.ticket(device)
    whole = client.get("/api/v1/feed?after=0").json()
    assert [item["seq"] for item in whole["items"]] == [1, 2]
    assert whole["next"] is None
    assert whole["items"][0]["type"] == "ticket_opened"
    assert whole["items"][0]["body"]["subject"]["id"] == "b1-e1"
    part = client.get("/api/v1/feed?after=0&limit=1").json()
    assert (len(part["items"]), part["next"]) == (1, "1")
    assert [item["seq"] for item in client.get("/api/v1/feed?cursor=1").json()["items"]] == [2]


def test_the_table_gives_the_same_page_as_memory(hub, client):
    hub.ticket("b1-e1")
    hub.ticket("b1-e2")
    from_memory = client.get("/api/v1/feed?after=0").json()
    hub.feed._ring.clear()
    assert client.get("/api/v1/feed?after=0").json() == from_memory


def test_a_change_arrives_live_with_its_number(hub, listen, wait_until):
    reader = listen()
    wait_until(lambda: reader.named("hello"))
    ticket = hub.ticket()
    wait_until(reader.named)
    _, number, data = next(found for found in reader.events if found[0] == "message")
    assert (data["type"], data["body"]["id"], number) == ("ticket_opened", ticket, str(data["seq"]))


@pytest.mark.parametrize("memory", [True, False], ids=["from memory", "from the table"])
def test_a_reader_that_was_away_gets_what_it_missed_and_then_what_is_new(hub, listen, wait_until, memory):
    hub.ticket("b1-e1")
    seen = hub.feed.latest_seq
    hub.ticket("b1-e2")
    if not memory:
        hub.feed._ring.clear()
    reader = listen(last_event_id=str(seen))
    wait_until(lambda: reader.named("hello"))
    hub.ticket("b1-e1", "hilltop")
    wait_until(lambda: len(reader.seqs()) >= 2)
    assert reader.seqs() == [seen + 1, seen + 2]


def test_a_number_that_is_no_longer_kept_asks_for_a_resync(hub, listen, wait_until):
    for device in ("b1-e1", "b1-e2"):
        hub.ticket(device)
    with hub.store.write() as connection:
        connection.execute(schema.feed.delete().where(schema.feed.c.seq <= 2))
    hub.feed._ring.clear()
    reader = listen(after=0)
    assert wait_until(lambda: reader.named("resync")) == [{"seq": 2}]


def test_a_number_from_the_future_asks_for_a_resync(hub, listen, wait_until):
    hub.ticket()
    reader = listen(last_event_id="999999")
    assert wait_until(lambda: reader.named("resync")) == [{"seq": 1}]
    hub.ticket("b1-e2")
    assert wait_until(reader.seqs) == [2]


def test_a_caller_of_one_site_hears_of_that_site_alone(hub, listen, wait_until):
    reader = listen(token=hub.token(Role.CONTROL_ROOM, sites=["hilltop"]), after=0)
    hub.ticket("b1-e1", "lakeside")
    hub.ticket("b1-e1", "hilltop")
    wait_until(reader.named)
    assert [data["site"] for data in reader.named()] == ["hilltop"]


def test_the_heartbeat_says_how_the_hub_is(hub, listen, wait_until, monkeypatch):
    monkeypatch.setattr(stream, "LIVENESS_S", 0.1)
    reader = listen()
    beat = wait_until(lambda: reader.named("heartbeat"))[0]
    assert beat["health"]["ready"] is True
    assert beat["health"]["canary_age_ms"] == {"alarm": 1200, "telemetry": 3400}


def test_a_stream_ends_when_its_token_is_revoked(hub, listen, wait_until, monkeypatch):
    monkeypatch.setattr(stream, "LIVENESS_S", 0.1)
    token = hub.token(Role.CONTROL_ROOM, name="short-lived")
    reader = listen(token=token)
    wait_until(lambda: reader.named("hello"))
    accounts.revoke_token(hub.store, "short-lived", hub.now())
    wait_until(reader.over.is_set)
    assert reader.events[-1][0] == "signed_out"


def test_streams_end_when_the_hub_stops(hub, listen, wait_until):
    reader = listen()
    wait_until(lambda: reader.named("hello"))
    hub.stop_serving()
    wait_until(reader.over.is_set)
    assert reader.events[-1][0] == "bye"


def test_a_reader_that_does_not_keep_up_is_dropped_holds_nobody_up_and_misses_nothing(
    hub, listen, wait_until, monkeypatch
):
    monkeypatch.setattr(stream, "MAX_WAITING", 3)
    monkeypatch.setattr(stream.Subscription.__init__, "__defaults__", (3,))
    reader = listen()
    wait_until(lambda: reader.named("hello"))
    seen = hub.feed.latest_seq
    flood = [(("lakeside", hub.now(), "ticket_changed", {"n": n})) for n in range(10)]
    with hub.store.write() as connection:
        from hub.pipeline import feed

        rows = feed.append(connection, flood)
    hub.feed.publish(rows)
    wait_until(reader.over.is_set)
    assert reader.events[-1][0] == "resync"
    again = listen(last_event_id=str(seen))
    wait_until(lambda: len(again.seqs()) >= 10)
    assert again.seqs() == list(range(seen + 1, seen + 11))


def test_a_reader_that_leaves_leaves_nothing_behind(hub, listen, wait_until):
    reader = listen()
    wait_until(lambda: reader.named("hello"))
    assert len(hub.app.state.streams) == 1
    reader.close()
    wait_until(lambda: len(hub.app.state.streams) == 0)
    wait_until(lambda: not hub.feed._listeners)


def test_news_goes_before_readings_until_it_is_with_the_reader(hub, listen, wait_until, monkeypatch):
    news, moments = hub.services.store.way.news, []
    came, done, rows = news.came, news.done, stream.FeedStream._rows
    monkeypatch.setattr(news, "came", lambda: moments.append("came") or came())
    monkeypatch.setattr(news, "done", lambda: moments.append("done") or done())
    reader = listen()
    wait_until(lambda: reader.named("hello"))
    monkeypatch.setattr(stream.FeedStream, "_rows", lambda self, new: moments.append("frame") or rows(self, new))
    hub.ticket()
    wait_until(lambda: "done" in moments)
    assert moments[:3] == ["came", "frame", "done"]
    assert news.left_s() == 0.0
    wait_until(reader.seqs)


def test_a_reader_that_leaves_holds_nobody_up(hub, listen, wait_until, monkeypatch):
    monkeypatch.setattr(stream.Subscription, "told", lambda _: None)
    reader = listen()
    wait_until(lambda: reader.named("hello"))
    hub.ticket()
    wait_until(reader.seqs)
    news = hub.services.store.way.news
    assert news._held == 1
    reader.close()
    wait_until(lambda: news._held == 0)


def test_what_happens_while_a_reader_catches_up_comes_once(hub, listen, wait_until, monkeypatch):
    hub.ticket("b1-e1")
    real = hub.feed.since

    def since(seq):
        monkeypatch.setattr(hub.feed, "since", real)
        hub.ticket("b1-e2")  # is now in the history that is read and on its way live
        return real(seq)

    monkeypatch.setattr(hub.feed, "since", since)
    reader = listen(after=0)
    wait_until(lambda: reader.named("hello"))
    hub.ticket("b1-e1", "hilltop")
    wait_until(lambda: 3 in reader.seqs())
    assert reader.seqs() == [1, 2, 3]
