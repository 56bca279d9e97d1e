"""The dead man is called while the proof is fresh, and by nothing else: every way to fail ends in his silence."""

from __future__ import annotations

import shutil
import threading
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.dead_man import DeadManCall
from hub.pipeline.auditor import AUDIT_EVERY_MS, PROVED_AT, WITHOUT, Auditor, audit
from hub.pipeline.dead_man import FRESH_MS, DeadMan, make_dead_man
from hub.settings.model import DeadManSettings, Secret
from hub.store.database import get_meta, open_store
from hub.store.schema import ticket_clocks, timers
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, SECOND_MS, iso
from support.rig import SITE, Rig, device
from support.waiting import wait_until


class Why(StrEnum):
    TRAPPED = "trapped"


class Calls:
    """Whoever is called: `answers` are what the next calls give."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.times = 0

    def __call__(self) -> str | None:
        self.times += 1
        return self.answers.pop(0) if self.answers else None


@pytest.fixture
def rig(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [], [device("lift-1")])
    store.close()


class Watched:
    """A rig with an auditor and a dead man of 5 minutes."""

    def __init__(self, rig: Rig, *answers: str | None) -> None:
        self.rig = rig
        self.calls = Calls(*answers)
        self.man = DeadMan(self.calls, 300, [SITE], lambda: rig.now)
        self.auditor = Auditor(rig.store, rig.inbox, [SITE], lambda: rig.now, self.man.proved)

    def minutes(self, count: float, *, engine: bool = True, audits: bool = True) -> int:
        """Time passes, ten seconds at a time; how often was called."""
        before = self.calls.times
        for _ in range(round(count * 6)):
            self.rig.now += 10 * SECOND_MS
            if audits:
                self.auditor.conditions()
            if engine:
                self.rig.engine.step(self.rig.inbox.take(10))
            self.man.look()
        return self.calls.times - before


def raise_case(rig: Rig, kind: TicketKind = TicketKind.ENTRAPMENT, severity: Severity = Severity.CRITICAL) -> None:
    raised = RaiseTicket(
        kind=kind,
        subject=Subject(SITE, SubjectType.DEVICE, "lift-1"),
        reason=Why.TRAPPED,
        severity=severity,
        occurred_at=rig.now,
    )
    rig.ask(lambda step: step.raise_ticket(raised))


def test_a_hub_that_works_calls_every_five_minutes_with_and_without_open_cases(rig):
    watched = Watched(rig)
    assert watched.minutes(16) == 4
    raise_case(rig)
    assert watched.minutes(20) == 4
    with rig.store.read() as connection:
        proved = get_meta(connection, PROVED_AT)
    assert proved is not None
    assert proved >= iso(rig.now - AUDIT_EVERY_MS)


def test_nothing_is_called_before_the_first_proof(rig):
    assert Watched(rig).minutes(0.9) == 0


def test_when_deadlines_do_not_fire_the_calls_stop(rig):
    raise_case(rig)
    watched = Watched(rig)
    watched.minutes(1)
    assert watched.minutes(12, engine=False) <= 1  # one that was proved before
    assert watched.minutes(12, engine=False) == 0


def test_when_a_deadline_is_lost_the_calls_stop_until_it_is_set_again(rig):
    raise_case(rig)
    watched = Watched(rig)
    watched.minutes(1)
    assert watched.calls.times == 1
    with rig.store.write() as connection:
        connection.execute(timers.delete().where(timers.c.key == "1:release"))
    watched.auditor._inbox = type(rig.inbox)()  # nobody sets it again
    assert watched.minutes(20, engine=False) == 0


def test_when_the_watch_hangs_and_nobody_audits_the_calls_stop(rig):
    watched = Watched(rig)
    watched.minutes(6)
    assert watched.minutes(12, audits=False) <= 1
    assert watched.minutes(12, audits=False) == 0


def test_when_the_engine_hangs_there_is_no_proof_even_with_no_case_open(rig):
    watched = Watched(rig)
    watched.minutes(2)
    assert watched.minutes(20, engine=False) == 0


def test_a_clock_that_jumps_back_does_not_keep_an_old_proof_alive(rig):
    watched = Watched(rig)
    watched.minutes(2)
    rig.now -= HOUR_MS
    assert not watched.man.look()
    assert FRESH_MS < HOUR_MS


def test_a_case_that_nobody_moves_for_days_never_runs_out_of_deadlines(rig):
    for kind, severity in ((TicketKind.ENTRAPMENT, Severity.HIGH), (TicketKind.DOOR_ALARM, Severity.CRITICAL)):
        raise_case(rig, kind, severity)
    watched = Watched(rig)
    for _ in range(5):  # the entrapment's clocks have done all they can after a day, the others after two
        rig.advance(12 * HOUR_MS, 30 * MINUTE_MS)
        watched.minutes(2)
    with rig.store.read() as connection:
        assert audit(connection, rig.now) == []
        assert {row.state for row in connection.execute(ticket_clocks.select())} == {"running", "breached"}


def test_a_case_without_any_deadline_is_found_and_watched_anew(rig):
    raise_case(rig)
    with rig.store.write() as connection:
        connection.execute(timers.delete())
        connection.execute(ticket_clocks.update().values(state="breached"))
    rig = Rig(rig.store, [], [device("lift-1")], now=rig.now)
    with rig.store.read() as connection:
        assert [(each.clock, each.ticket_id) for each in audit(connection, rig.now)] == [(WITHOUT, 1)]
    watched = Watched(rig)
    assert watched.minutes(1) == 0
    assert watched.minutes(2) == 1
    with rig.store.read() as connection:
        assert audit(connection, rig.now) == []


def test_an_address_that_is_not_reached_twice_is_a_problem_and_is_tried_again_soon(rig):
    watched = Watched(rig, "HTTP 503", "ConnectError")
    wrong = []
    for _ in range(12):
        watched.minutes(0.25)
        wrong += [(each.wrong, each.detail["why"]) for each in watched.man.conditions()]
    assert (False, "HTTP 503") in wrong
    assert (True, "ConnectError") in wrong
    assert wrong[-1] == (False, "")


# --- the call itself -----------------------------------------------------------------------------------------


class FarEnd:
    """A service on loopback that answers what it is told, and counts."""

    def __init__(self) -> None:
        self.status, self.headers, self.endless, self.hang = 200, {}, False, threading.Event()
        self.paths: list[str] = []
        far_end = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                far_end.paths.append(self.path)
                if far_end.status == 0:
                    far_end.hang.wait(20)
                    return
                self.send_response(far_end.status)
                for name, value in far_end.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    while far_end.endless and not far_end.hang.is_set():
                        self.wfile.write(b"x" * 1024)
                except OSError:
                    return

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/ping/secret"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def far_end():
    end = FarEnd()
    yield end
    end.close()


def test_a_call_that_is_taken_is_fine_and_every_other_says_why_without_the_address(far_end, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    call = DeadManCall(far_end.url)
    assert call() is None
    far_end.status, far_end.headers = 302, {"Location": far_end.url + "/elsewhere"}
    assert call() == "HTTP 302"
    far_end.status, far_end.headers = 500, {}
    assert call() == "HTTP 500"
    assert far_end.paths == ["/ping/secret"] * 3  # no redirect was followed
    far_end.status, far_end.endless = 200, True
    assert call() is None  # it was taken; how long the answer is does not matter
    far_end.close()
    why = call()
    assert why == "ConnectError"


def test_a_far_end_that_says_nothing_costs_no_more_than_the_time_limit(far_end):
    far_end.status = 0
    assert DeadManCall(far_end.url, timeout_s=0.2)() == "no answer within 0.2 s"


def test_the_part_calls_by_itself_and_ends(far_end, monkeypatch):
    monkeypatch.setattr("hub.pipeline.dead_man.LOOK_EVERY_S", 0.01)
    now = 1_780_000_000_000
    man = make_dead_man(DeadManSettings(url=Secret(far_end.url)), DeadManCall, [SITE], lambda: now)
    man.start()
    man.proved(now)
    wait_until(lambda: far_end.paths, 10, "no call")
    man.stop()
    assert not man._thread.is_alive()


def test_a_hub_without_an_address_calls_nobody_and_finds_nothing_wrong():
    man = make_dead_man(None, DeadManCall, [SITE], lambda: 1)
    man.start()
    man.proved(1)
    assert not man.look()
    assert [each.wrong for each in man.conditions()] == [False]
    man.stop()
