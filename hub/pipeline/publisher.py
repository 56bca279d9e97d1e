"""The publisher: tells other systems what is on the feed, each in order, each at its own pace (hub.process.Part).

One thread looks, claims and writes down; a short-lived thread per publication sends, so that a slow receiver holds up itself
alone. The pipeline is never waited for and never waits: the feed is read like by any reader. At least once: what was sent
and not yet written down when the process dies is sent again under the same id.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

import msgspec

from hub.pipeline import publication_keys, publications
from hub.pipeline.feed import FeedBoard, FeedRow
from hub.pipeline.publication_keys import KeyRow, WebhookKeys
from hub.pipeline.publication_lane import Lane, Result, Run
from hub.pipeline.publication_plan import Outcome, Progress, Verdict
from hub.pipeline.publications import Attempt, Publication, Wanted
from hub.pipeline.watch import Condition
from hub.store.database import Store
from hub.store.rounds import Rounds
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import PublicChange, PutAside, Retry, Sent, WayOut
from hub.vocabulary.publications import Channel, Origin, PublicationState

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
SHORTEST_WAIT_S: Final = 0.02
STOP_WITHIN_S: Final = 5.0
RUN_S: Final = 2.0
"""So long one run sends before what came of it is written down."""

Keys = Callable[[], Sequence[bytes]]
MakeWay = Callable[[Publication, Keys], WayOut | None]
"""None: the publication names something that is not there (any more)."""


class _Finished(msgspec.Struct, frozen=True):
    """A run is over; `whole`: everything of it was told."""

    whole: bool


@dataclass(frozen=True)
class Outlets:
    """What the publisher works with, from the files and from wiring. `file_keys` by (site, name)."""

    wanted: Sequence[Wanted]
    make_way: MakeWay
    ring: WebhookKeys
    file_keys: Mapping[tuple[str, str], Sequence[bytes]] = field(default_factory=dict)
    case: Callable[[PublicChange], PublicChange] = lambda change: change
    """Adds the case to a change, for ways out that want it; called in the sending thread."""


class Publisher:
    """Thread-safe where it says so."""

    def __init__(
        self,
        store: Store,
        feed: FeedBoard,
        outlets: Outlets,
        zone: Callable[[str], tzinfo],
        clock: Callable[[], UtcMs],
    ) -> None:
        self._store = store
        self._feed = feed
        self._outlets = outlets
        self._zone = zone
        self._clock = clock
        self._lanes: dict[int, Lane] = {}
        self._results: deque[tuple[int, Result | _Finished]] = deque()
        self._fed: set[str] = set()  # sites of new rows
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._rounds = Rounds("publisher", "publications", self.cycle, self._wait_s, self._last_words, store.way)

    def start(self) -> None:
        """Begin; in line with the files first."""
        self.prepare()
        self._unsubscribe = self._feed.subscribe(self._on_rows)
        self._rounds.start()

    def prepare(self) -> None:
        """What `start` does before the thread."""
        with self._store.write() as connection:
            publications.align(connection, self._outlets.wanted, self._clock())
        self._load()

    def stop(self) -> None:
        """End; what is being sent just now gets a few seconds, and is sent again after the next start if that is not enough."""
        self._unsubscribe()
        self._rounds.stop(STOP_WITHIN_S)

    def changed(self) -> None:
        """Somebody has changed a publication. Thread-safe."""
        self._changed.set()
        self._rounds.wake()

    def _on_rows(self, rows: Sequence[FeedRow]) -> None:
        """In the engine's thread: remember and return."""
        sites = {row.site for row in rows if row.seq}
        if sites:
            with self._lock:
                self._fed |= sites
            self._rounds.wake()

    # --- a round ------------------------------------------------------------------------------------------

    def _last_words(self) -> None:
        deadline = time.monotonic() + STOP_WITHIN_S / 2
        while any(lane.run for lane in self._lanes.values()) and time.monotonic() < deadline:
            self._rounds.listen(0.05)
            if not self._rounds.attempt(self._write_down):
                return
        self._rounds.attempt(self._write_down)

    def _wait_s(self) -> float:
        now = self._clock()
        waits = [(lane.progress.next_try_at - now) / 1000 for lane in self._lanes.values() if lane.waits(now)]
        return max(SHORTEST_WAIT_S, min([LOOK_EVERY_S, *waits]))

    def cycle(self) -> bool:
        """One round: write down, look, begin to send; whether there is more to look through. Raises what the database raises."""
        self._write_down()
        if self._changed.is_set():
            self._changed.clear()
            self._load()
        with self._lock:
            fresh, self._fed = self._fed, set()
        now, more = self._clock(), False
        for lane in self._lanes.values():
            lane.behind = lane.behind or lane.site in fresh
            if lane.due(now):
                self._begin(lane, now)
                more = more or (lane.run is None and lane.behind and not lane.leaves_state)
            elif (kept := lane.keeps_place(now)) is not None:
                self._keep_place(lane, kept)
        return more

    def _load(self) -> None:
        """From the rows; what is under way goes on and is compared when it is written down."""
        with self._store.read() as connection:
            found = publications.every(connection)
            keys = {each.id: publication_keys.rows_of(connection, each.id) for each in found}
            told = {
                each.id: (
                    publications.last_of(connection, each.id, Outcome.SET_ASIDE),
                    publications.last_of(connection, each.id, Outcome.GAP),
                )
                for each in found
            }
        lanes: dict[int, Lane] = {}
        for each in found:
            lane = self._lanes.get(each.id)
            if lane is None or (lane.publication.revision != each.revision and lane.run is None):
                before = lane
                lane = Lane(each, self._way(each, keys[each.id]), each.progress.cursor, kept_place_at=self._clock())
                lane.set_aside_at, lane.gap_at = told[each.id]
                lane.left_on = before.left_on if before is not None else None
            lanes[each.id] = lane
        self._lanes = lanes

    def _way(self, publication: Publication, rows: Sequence[KeyRow]) -> WayOut | None:
        try:
            return self._outlets.make_way(publication, lambda: self._keys_of(publication, rows))
        except (ValueError, OSError, KeyError):
            log.exception("publication %s/%s has no way out", publication.wanted.site, publication.wanted.name)
            return None

    def _keys_of(self, publication: Publication, rows: Sequence[KeyRow]) -> Sequence[bytes]:
        """Keys that sign now, newest first."""
        wanted = publication.wanted
        if wanted.origin is Origin.FILE:
            return self._outlets.file_keys.get((wanted.site, wanted.name), ())
        return self._outlets.ring.in_use(rows, self._clock())

    # --- one publication ----------------------------------------------------------------------------------

    def _begin(self, lane: Lane, now: UtcMs) -> None:
        before = lane.read_to
        with self._store.read() as connection:
            run, lost = lane.next_run(connection, self._zone(lane.site), now)
        if lost:
            self._write_gap(lane, before, lost, now)
        if run is None:
            return
        lane.run = run
        name = f"publish-{lane.publication.wanted.name}"
        threading.Thread(target=self._send, args=(lane, run), name=name, daemon=True).start()

    def _send(self, lane: Lane, run: Run) -> None:
        """In a thread of its own: one after the other, until one is not taken."""
        until = time.monotonic() + RUN_S
        whole = True
        for i, change in enumerate(run.changes):
            verdict, took_ms = self._attempt(lane, change)
            self._results.append((lane.publication.id, Result(change, verdict, self._clock(), took_ms)))
            last = i + 1 == len(run.changes)
            if not isinstance(verdict, Sent | PutAside) or (not last and self._enough(until)):
                whole = False
                break
        self._results.append((lane.publication.id, _Finished(whole)))
        self._rounds.wake()

    def _enough(self, until: float) -> bool:
        return self._rounds.over or time.monotonic() > until

    def _attempt(self, lane: Lane, change: PublicChange) -> tuple[Verdict, int]:
        began = time.monotonic()
        try:
            assert lane.way is not None
            full = self._outlets.case(change) if lane.way.wants_case else change
            verdict: Verdict = lane.way.deliver(full)
        except Exception as error:  # a defect of a way out must not end in silence
            log.exception("publication %s/%s failed", lane.site, lane.publication.wanted.name)
            verdict = Retry(reason=f"defect: {type(error).__name__}: {error}"[:200])
        return verdict, round((time.monotonic() - began) * 1000)

    def _write_down(self) -> None:
        count = len(self._results)
        gathered: dict[int, tuple[list[Result], list[_Finished]]] = {}
        for publication_id, item in [self._results[i] for i in range(count)]:
            results, ends = gathered.setdefault(publication_id, ([], []))
            ends.append(item) if isinstance(item, _Finished) else results.append(item)
        if not gathered:
            return
        written = []
        with self._store.write() as connection:
            for publication_id, (results, ends) in gathered.items():
                lane = self._lanes[publication_id]
                whole = any(end.whole for end in ends)
                progress, lines = lane.judged(results, whole, random.random)
                publications.log_attempts(connection, publication_id, lines)
                unchanged = publications.put_if_unchanged(connection, lane.publication, progress)
                written.append((lane, progress, lines, bool(ends), unchanged))
        for lane, progress, lines, finished, unchanged in written:
            lane.written(progress, lines, finished)
            if not unchanged:
                self._changed.set()
        for _ in range(count):
            self._results.popleft()

    def _write_gap(self, lane: Lane, read_to: int, lost: int, now: UtcMs) -> None:
        """The feed is kept for thirty days: what this publication should have been told before is gone."""
        line = Attempt(
            seq=read_to, type="", at=now, took_ms=0, attempt=0, outcome=Outcome.GAP, answer=f"{lost} changes are gone"
        )
        progress = msgspec.structs.replace(lane.progress, cursor=max(lane.progress.cursor, read_to + lost))
        with self._store.write() as connection:
            publications.log_attempts(connection, lane.publication.id, [line])
            publications.put_if_unchanged(connection, lane.publication, progress)
        lane.progress = progress
        lane.gap_at, lane.gap = now, lost

    def _keep_place(self, lane: Lane, kept: Progress) -> None:
        with self._store.write() as connection:
            if publications.put_if_unchanged(connection, lane.publication, kept):
                lane.progress = kept

    # --- what others ask ----------------------------------------------------------------------------------

    def try_now(self, publication_id: int, change: PublicChange) -> Verdict | None:
        """Send something that is not on the feed, out of turn; None: there is no way out. Waits for the answer. Thread-safe."""
        with self._store.read() as connection:
            publication = publications.one(connection, publication_id)
            keys = publication_keys.rows_of(connection, publication_id)
        way = None if publication is None else self._way(publication, keys)
        if publication is None or way is None or publication.wanted.channel is not Channel.WEBHOOK:
            return None
        verdict, took_ms = self._attempt(Lane(publication, way), change)
        ok = isinstance(verdict, Sent)
        line = Attempt(
            seq=change.seq,
            type=change.type,
            at=self._clock(),
            took_ms=took_ms,
            attempt=1,
            outcome=Outcome.DELIVERED if ok else Outcome.RETRY,
            answer=(verdict.answer if isinstance(verdict, Sent) else verdict.reason)[:300],
        )
        with self._store.write() as connection:
            publications.log_attempts(connection, publication_id, [line])
        return verdict

    def conditions(self) -> list[Condition]:
        """For the watch. Thread-safe."""
        now = self._clock()
        return [each for lane in list(self._lanes.values()) for each in lane.conditions(now)]

    def figures(self) -> Mapping[str, float]:
        """For metrics. Thread-safe."""
        active = [lane for lane in list(self._lanes.values()) if lane.progress.state is PublicationState.ACTIVE]
        head = self._feed.latest_seq
        return {
            "publications_active": len(active),
            "publications_failing": sum(lane.progress.failing_since is not None for lane in active),
            "publications_furthest_behind": max((max(0, head - lane.read_to) for lane in active), default=0),
        }
