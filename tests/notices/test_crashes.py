"""What dies between claim, send, record and settle: told once, or twice under one key; never from two workers."""

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from hub.notices import post as post_module
from hub.notices.claims import claim_due, record, release_claims
from hub.store.database import open_store
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.instants import HOUR_MS, SECOND_MS
from support.notices import NoticeRig, gateway
from support.waiting import wait_until

pytestmark = pytest.mark.slow  # real processes or sockets with their own times


@pytest.fixture
def told(rig):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    return rig


def _claim(rig):
    with rig.store.write() as connection:
        return claim_due(connection, rig.sites, {}, (), 4, rig.now)


def test_a_crash_before_the_send_sends_it_once_after_the_start(told, far_side):
    told.order()
    with told.store.write() as connection:
        post_module.plan_due(connection, told.sites, told.now)
    assert len(_claim(told)) == 1  # claimed, and the process dies here
    told.post = told.new_post()
    with told.store.write() as connection:
        assert release_claims(connection, told.sites, told.now) == 1
    told.run()
    far_side.expect("sms")
    assert told.listener.heard == [("1", "sent")]


def test_a_crash_between_send_and_record_sends_it_again_under_the_same_key(told, far_side, monkeypatch):
    told.order()

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(post_module, "record", dies)
    with pytest.raises(KeyboardInterrupt):
        told.run()
    monkeypatch.undo()
    told.post = told.new_post()
    with told.store.write() as connection:
        release_claims(connection, told.sites, told.now)
    told.run()
    first, second = far_side.expect("sms"), far_side.expect("sms")
    assert first.key == second.key
    assert told.states() == [("sms", "sent")]


def test_a_restart_after_all_was_written_down_sends_nothing(told, far_side):
    told.order()
    told.run()
    far_side.expect("sms")
    for _ in range(3):
        told.post = told.new_post()
        with told.store.write() as connection:
            assert release_claims(connection, told.sites, told.now) == 0
        told.pass_time(HOUR_MS)
    assert told.listener.heard == [("1", "sent")]


def test_a_claim_is_won_by_one_worker(told, far_side):
    for number in range(8):
        told.order(str(number))
    other = told.new_post()
    first = told.post
    for _ in range(20):
        for each in (first, other):
            told.post = each
            each.cycle()
        wait_until(lambda: all(len(p._results) == len(p._sending) for p in (first, other)))
    for _ in range(8):
        far_side.expect("sms")
    assert len({request.key for request in far_side.requests}) == len(far_side.requests) == 8


def test_two_workers_that_look_in_the_same_moment_do_not_both_win(told, database_url):
    """The second one has its own connections; it looks while the first one's claim is not committed yet."""
    told.order()
    with told.store.write() as connection:
        post_module.plan_due(connection, told.sites, told.now)
    other = open_store(database_url)
    won: list[int] = []

    def second() -> None:
        with other.write() as connection:
            won.append(len(claim_due(connection, told.sites, {}, (), 4, told.now)))

    late = threading.Thread(target=second)
    try:
        with told.store.write() as connection:
            won.append(len(claim_due(connection, told.sites, {}, (), 4, told.now)))
            late.start()
            if not told.store.is_sqlite:
                wait_until(lambda: _somebody_waits(told.store))
        late.join(20)
    finally:
        other.close()
    assert won == [1, 0]


def _somebody_waits(store) -> bool:
    """Whether a transaction of PostgreSQL waits for another's row."""
    with store.read() as connection:
        return bool(connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_a_claim_whose_worker_is_gone_is_taken_over_when_its_lease_is_over(told, far_side):
    told.order()
    with told.store.write() as connection:
        post_module.plan_due(connection, told.sites, told.now)
    assert len(_claim(told)) == 1
    told.pass_time(59 * SECOND_MS)
    far_side.nothing_else()
    told.pass_time(SECOND_MS)
    far_side.expect("sms")


def test_the_rule_hears_once_when_the_pipeline_dies_before_or_after_its_commit(told, far_side, monkeypatch):
    told.order()
    settled = []

    def lost(over):
        settled.append(over)
        answer = told.rig.inbox.ask(lambda step: None)
        told.rig.inbox.take(10)  # never run: the process died
        answer.set_exception(RuntimeError("died"))
        return answer

    monkeypatch.setattr(told.post, "_settle", lost)
    told.post.cycle()
    wait_until(lambda: told.post._results)
    told.post.cycle()
    assert settled
    assert told.listener.heard == []
    told.post = told.new_post()
    told.run()
    assert told.listener.heard == [("1", "sent")]
    told._settle(settled[0])  # once more, as if the answer had been lost after the commit
    assert told.listener.heard == [("1", "sent")]
    far_side.expect("sms")


def test_what_a_sender_said_is_kept_while_the_database_takes_no_writes(told, far_side, monkeypatch):
    told.order()
    told.post.cycle()
    wait_until(lambda: told.post._results)
    far_side.expect("sms")

    def full(*_):
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(post_module, "record", full)
    for _ in range(3):
        with pytest.raises(OperationalError):
            told.post.cycle()
    monkeypatch.undo()
    told.pass_time(HOUR_MS)
    assert told.states() == [("sms", "sent")]
    assert len(far_side.requests) == 1, "its lease was over, but this worker knew that it had been sent"


def test_a_result_for_a_claim_that_somebody_else_has_finished_changes_nothing(told, far_side):
    told.order()
    with told.store.write() as connection:
        post_module.plan_due(connection, told.sites, told.now)
    (mine,) = _claim(told)
    verdict = told.senders["sms"].send(mine.outgoing)
    far_side.expect("sms")
    for result in (
        post_module.Result(mine, verdict, told.now),
        post_module.Result(mine, post_module.Retry(reason="late"), 1),
    ):
        with told.store.write() as connection:
            record(connection, told.sites, [result])
    assert told.states() == [("sms", "sent")]


_CHILD = textwrap.dedent(
    """
    import sys, time
    sys.path[:0] = {paths!r}
    from support.notices import NoticeRig, gateway
    from hub.store.database import open_store

    class FarAway:
        def url(self, channel):
            return "http://127.0.0.1:{port}/gateway/" + channel

    store = open_store({url!r})
    rig = NoticeRig(store, {{"sms": gateway(FarAway(), "sms")}})
    rig.post = type(rig.post)(store, rig.sites, {{("lakeside", "sms"): rig.senders["sms"]}}, rig._settle, lambda: time.time_ns() // 1_000_000)
    rig.post.start()
    print("started", flush=True)
    time.sleep(60)
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", range(1, 9))
def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path, far_side, kill_after):
    """A real process is killed when the n-th notice arrives; the next one goes on. The far side drops repeats by key."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    store = open_store(url)
    rig = NoticeRig(store, {"sms": gateway(far_side, "sms")})
    rig.household("b1/0101", *[rig.person(f"人{n}", f"sms:1380000{n:04}") for n in range(20)])
    rig.order(urgency=Urgency.CRITICAL, expires_at=4_000_000_000_000)
    store.close()
    root = Path(__file__).parents[2]
    code = _CHILD.format(paths=[str(root), str(root / "tests")], port=far_side.port, url=url)
    for _round in range(2):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        try:
            wanted = kill_after if _round == 0 else 20
            wait_until(lambda: len({r.key for r in far_side.requests}) >= wanted, 30)  # noqa: B023
            if _round:
                wait_until(lambda: _all_sent(url), 30)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
    keys = [request.key for request in far_side.requests]
    assert len(set(keys)) == 20, "nothing lost, nothing invented"
    assert len({request.to for request in far_side.requests}) == 20
    while far_side._arrived:
        far_side.expect("sms")


def _all_sent(url):
    store = open_store(url)
    try:
        rig_states = store.read()
        with rig_states as connection:
            rows = connection.exec_driver_sql("SELECT state FROM notices").scalars().all()
            orders = connection.exec_driver_sql("SELECT state FROM notice_orders").scalars().all()
    finally:
        store.close()
    return len(rows) == 20 and set(rows) == {"sent"} and orders == ["sent"]
