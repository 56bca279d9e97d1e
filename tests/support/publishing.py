"""A publisher on a real database with ways out that a test tells what to say: no network, one round at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from hub.pipeline import publications
from hub.pipeline.feed import FeedBoard, append
from hub.pipeline.publication_keys import WebhookKeys
from hub.pipeline.publication_plan import Verdict
from hub.pipeline.publications import Publication, Wanted
from hub.pipeline.publisher import Outlets, Publisher
from hub.store.database import Store
from hub.store.schema import feed
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import PublicChange, Sent
from hub.vocabulary.publications import Channel, Origin
from support.waiting import wait_until

NOW: UtcMs = 1_780_000_000_000


class Receiver:
    """A way out: `script` holds what it says next; afterwards it takes everything."""

    wants_case = False

    def __init__(self, *script: Any, connection_number: int | None = None) -> None:
        self.script = deque(script)
        self.got: list[PublicChange] = []
        self.asked: list[int] = []
        self.connection_number = connection_number

    def check(self) -> str:
        """Nothing can be wrong."""
        return "a test"

    def deliver(self, change: PublicChange) -> Verdict:
        """Take it, or say what the test has said."""
        self.asked.append(change.seq)
        said = self.script.popleft() if self.script else Sent(answer="taken")
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Sent):
            self.got.append(change)
        verdict: Verdict = said
        return verdict

    @property
    def seqs(self) -> list[int]:
        """Numbers of what it has taken."""
        return [change.seq for change in self.got]


def webhook(name: str = "crm", **other: Any) -> Wanted:
    """One that a file describes."""
    values: dict[str, Any] = {
        "site": "lakeside",
        "name": name,
        "channel": Channel.WEBHOOK,
        "origin": Origin.FILE,
        "url": "https://crm.example/",
        "format": "cloudevents",
    }
    return Wanted(**(values | other))


class PublishingRig:
    """The publisher with a clock that the test moves; `restart` is a new process on the same database."""

    def __init__(self, store: Store, wanted: Sequence[Wanted], **receivers: Any) -> None:
        self.store = store
        self.wanted = wanted
        self.receivers = receivers
        self.now = NOW
        self.keys = WebhookKeys(bytes(32))
        self.restart()

    def restart(self) -> None:
        """As after a kill: only what is in the database is known."""
        self.board = FeedBoard()
        with self.store.read() as connection:
            self.board.load(connection)
        outlets = Outlets(self.wanted, lambda each, keys: self.receivers.get(each.wanted.name), self.keys)
        self.publisher = Publisher(self.store, self.board, outlets, lambda site: UTC, lambda: self.now)
        self.publisher.prepare()
        self.board.subscribe(self.publisher._on_rows)

    def happen(self, *bodies: dict[str, Any], type_: str = "ticket_changed", site: str = "lakeside") -> list[int]:
        """Changes on the feed; their numbers."""
        with self.store.write() as connection:
            rows = append(connection, [(site, self.now, type_, {"id": 1, "active": True} | body) for body in bodies])
        self.board.publish(rows)
        return [row.seq for row in rows]

    def forget(self, up_to: int) -> None:
        """As retention does."""
        with self.store.write() as connection:
            connection.execute(feed.delete().where(feed.c.seq <= up_to))

    def round(self) -> None:
        """Send what is due, wait for it, write it down."""
        more = self.publisher.cycle()
        wait_until(self._finished, 5, "a run does not end")
        while self.publisher.cycle() or self.publisher._results:
            wait_until(self._finished, 5, "a run does not end")
        assert more in {True, False}

    def _finished(self) -> bool:
        running = [lane.publication.id for lane in self.publisher._lanes.values() if lane.run is not None]
        ended = [each[0] for each in list(self.publisher._results) if type(each[1]).__name__ == "_Finished"]
        return all(each in ended for each in running)

    def rounds(self, count: int, ms: int) -> None:
        """Several rounds, time passing between."""
        for _ in range(count):
            self.round()
            self.now += ms

    def row(self, name: str = "crm") -> Publication:
        """As it is in the database."""
        with self.store.read() as connection:
            found = publications.named(connection, "lakeside", name)
        assert found is not None
        return found

    def log(self, name: str = "crm") -> list[tuple[int, str]]:
        """Number and outcome of every attempt, oldest first."""
        with self.store.read() as connection:
            rows = publications.attempts(connection, self.row(name).id, None, 1_000)
        return [(row.seq, row.outcome) for row in reversed(rows)]

    def wrong(self) -> set[str]:
        """Codes of what the watch would tell now."""
        return {str(each.trouble) for each in self.publisher.conditions() if each.wrong}
