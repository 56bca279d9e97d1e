"""The post: one thread that plans, claims and records, and short-lived threads that send (hub.process.Part).

A slow or dead provider holds up its own few places and nobody else's. Nothing is in memory that is not in the database:
whatever dies, the next start goes on under the same keys.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from sqlalchemy import func, select

from hub.notices import orders as order_states
from hub.notices.claims import Claimed, Lane, Result, any_under_way, claim_due, receive, record, release_claims
from hub.notices.letters import Sites
from hub.notices.plan import NoticeState
from hub.notices.planning import any_due, plan_due
from hub.notices.settled import Settled, ended
from hub.store.database import Store
from hub.store.rounds import Rounds
from hub.store.schema import notice_orders, notices
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import GiveUp, NoticeSender, Retry, Sent

log = logging.getLogger(__name__)

PLACES_PER_LANE: Final = 4
LOOK_EVERY_S: Final = 5.0
SHORTEST_WAIT_S: Final = 0.05
STOP_WITHIN_S: Final = 5.0

Settle = Callable[[Sequence[Settled]], "Future[Any]"]
"""Has the pipeline close these orders and tell the rules; the future ends after the commit."""


class Post:
    """Sends what was ordered. `senders` per (site, channel)."""

    def __init__(
        self,
        store: Store,
        sites: Sites,
        senders: Mapping[Lane, NoticeSender],
        settle: Settle,
        clock: Callable[[], UtcMs],
    ) -> None:
        self._store = store
        self._sites = sites
        self._senders = senders
        self._settle = settle
        self._clock = clock
        self._results: deque[Result] = deque()
        self._sending: dict[int, Lane] = {}
        self._settling: set[int] = set()
        self._lock = threading.Lock()
        self._backlog: tuple[int, UtcMs | None] = (0, None)
        self._rounds = Rounds("post", "notices", self.cycle, self._wait_s, self._last_words, store.way)

    def start(self) -> None:
        """Begin; what the process before had claimed is taken up at once."""
        with self._store.write() as connection:
            left = release_claims(connection, self._sites, self._clock())
        if left:
            log.warning("notices: %d were being sent when the hub stopped; they go out again under the same keys", left)
        self._rounds.start()

    def wake(self) -> None:
        """There is something new. Thread-safe."""
        self._rounds.wake()

    def stop(self) -> None:
        """End; sends under way get a few seconds, what they say later is asked anew after the next start."""
        self._rounds.stop(STOP_WITHIN_S)

    @property
    def waiting(self) -> int:
        """How many notices are being sent in this moment."""
        with self._lock:
            return len(self._sending)

    def figures(self) -> Mapping[str, float]:
        """For metrics, a few seconds old at most: notices that are not out yet, and how old the oldest of them is."""
        count, oldest = self._backlog
        age_s = 0.0 if oldest is None else max(0.0, (self._clock() - oldest) / 1000)
        return {"notices_waiting": count, "notices_oldest_waiting_seconds": age_s}

    def receipt(self, site: str, channel: str, provider_id: str, detail: str | None) -> bool:
        """A provider tells what came of a notice (`detail` None: delivered); False where it is not known. Thread-safe."""
        if site not in self._sites:
            return False
        with self._store.write() as connection:
            known = receive(connection, self._sites, (site, channel), provider_id, detail, self._clock())
        self.wake()
        return known

    # --- a round ------------------------------------------------------------------------------------------

    def cycle(self) -> bool:
        """One round: write down, plan, claim and send, tell what is over; whether there may be more to do at once.

        Raises what the database raises.
        """
        now = self._clock()
        self._write_down()
        planned = self._plan(now)
        claimed = self._claim(now)  # a transaction of its own: an alarm may go between
        for each in claimed:
            self._send(each)
        self._tell(now)
        return bool(planned or claimed)

    def _plan(self, now: UtcMs) -> int:
        with self._store.read() as connection:
            if not any_due(connection, self._sites, now):
                return 0
        with self._store.write() as connection:
            return plan_due(connection, self._sites, now)

    def _claim(self, now: UtcMs) -> list[Claimed]:
        with self._store.read() as connection:
            if not any_under_way(connection):
                return []
        with self._store.write() as connection:
            return claim_due(connection, self._sites, self._lanes(), self._busy(), PLACES_PER_LANE, now)

    def _write_down(self) -> None:
        taken = [self._results[i] for i in range(len(self._results))]
        if not taken:
            return
        with self._store.write() as connection:
            record(connection, self._sites, taken)
        with self._lock:  # only now: until then nobody may claim them again
            for result in taken:
                self._results.popleft()
                self._sending.pop(result.claimed.id, None)

    def _busy(self) -> list[int]:
        with self._lock:
            return list(self._sending)

    def _lanes(self) -> Counter[Lane]:
        with self._lock:
            return Counter(self._sending.values())

    def _send(self, claimed: Claimed) -> None:
        lane = (claimed.site, claimed.channel)
        with self._lock:
            self._sending[claimed.id] = lane
        sender = self._senders.get(lane)
        threading.Thread(
            target=self._send_one, args=(claimed, sender), name=f"send-{claimed.channel}", daemon=True
        ).start()

    def _send_one(self, claimed: Claimed, sender: NoticeSender | None) -> None:
        verdict: Sent | Retry | GiveUp
        try:
            verdict = sender.send(claimed.outgoing) if sender else GiveUp(reason="there is no such notifier (any more)")
        except Exception as error:  # a sender's own defect must not leave the notice unanswered
            log.exception("notifier %s/%s failed", claimed.site, claimed.channel)
            verdict = Retry(reason=f"defect: {type(error).__name__}")
        self._results.append(Result(claimed, verdict, self._clock()))
        self.wake()

    def _tell(self, now: UtcMs) -> None:
        with self._lock:
            busy = sorted(self._settling)
        with self._store.read() as connection:
            over = ended(connection, self._sites, busy, now)
        if not over:
            return
        orders = {each.order_id for each in over}
        with self._lock:
            self._settling |= orders
        handed_on = any(each.then for each in over)
        self._settle(over).add_done_callback(lambda answer: self._told(orders, answer, handed_on=handed_on))

    def _told(self, orders: set[int], answer: Future[Any], *, handed_on: bool) -> None:
        """Written down, or to be tried again in the next round; what was handed on to the next role is new."""
        with self._lock:
            self._settling -= orders
        if handed_on:
            self.wake()
        if not answer.cancelled() and answer.exception() is not None:
            log.warning("notices: what came of %d orders could not be written down yet", len(orders))

    def _wait_s(self) -> float:
        """Until the next order or notice falls due, at most a few seconds. What is due and was not taken waits for a
        place, and whoever leaves one wakes us.
        """
        now = self._clock()
        waiting = (notice_orders.c.state == order_states.WAITING) & (notice_orders.c.not_before > now)
        queued = notices.c.state.in_([NoticeState.QUEUED, NoticeState.SENDING]) & (notices.c.next_try_at > now)
        with self._store.read() as connection:
            under_way = notices.c.state.in_([NoticeState.QUEUED, NoticeState.SENDING])
            behind = select(func.count(), func.min(notices.c.created_at)).where(under_way)
            count, oldest = connection.execute(behind).one()
            self._backlog = (count, oldest)
            first = [
                connection.execute(select(func.min(notice_orders.c.not_before)).where(waiting)).scalar_one(),
                connection.execute(select(func.min(notices.c.next_try_at)).where(queued)).scalar_one(),
            ]
        waits = (max(SHORTEST_WAIT_S, float(at - now) / 1000) for at in first if at is not None)
        return min([LOOK_EVERY_S, *waits])

    def _last_words(self) -> None:
        """What the senders have said already is written down; the rest is sent again after the next start."""
        self._rounds.attempt(self._write_down)
