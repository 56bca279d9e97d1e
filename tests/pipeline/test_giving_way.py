"""An alarm that comes in the middle of readings is decided first, and nothing of them is lost or done twice."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from hub.right_of_way import Claim
from hub.store import schema
from hub.store.database import open_store
from hub.vocabulary.events import ElevatorAlarm, MeterReading
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.ports import Lane
from support import trial_rule
from support.rig import Rig, device
from support.running import Trial
from support.waiting import wait_until


@pytest.fixture
def rig(database_url) -> Iterator[Rig]:
    store = open_store(database_url)
    found = Rig(store, [Trial()], [device("lift-1"), device("m-1", DeviceKind.METER)])
    found.engine.step([])  # the first step looks after everything else
    yield found
    store.close()


def alarm(rig: Rig) -> ElevatorAlarm:
    return trial_rule.alarm("a1", rig)


def reading(rig: Rig, number: int) -> MeterReading:
    return trial_rule.reading(f"r{number}", rig, number, occurred_at=rig.now - 60_000 + number)


def stored(rig: Rig) -> list[int]:
    with rig.store.read() as connection:
        return list(connection.execute(select(schema.readings.c.at).order_by(schema.readings.c.at)).scalars())


def run(rig: Rig, acknowledged: int) -> None:
    rig.run_until(lambda: len(rig.sink.acknowledged) == acknowledged)


def answered_within_its_question(rig: Rig) -> str:
    """What a person's wish is answered with by an engine that runs, while the request that brought it is under way."""
    rig.store.way.questions = Claim(60.0)
    rig.store.way.questions.came()
    answer = rig.inbox.ask(lambda step: "done")
    rig.engine.start()
    try:
        return answer.result(10)
    finally:
        rig.store.way.questions.done()
        rig.engine.stop()


def test_readings_that_are_being_decoded_are_left_for_it(rig: Rig) -> None:
    """The alarm comes while the third of ten is decoded."""
    came = rig.message(alarm(rig))
    messages = [rig.message(reading(rig, number), lane=Lane.TELEMETRY) for number in range(10)]
    decode, decoded = rig.passing.decode, []

    def decoding(message):
        decoded.append(message.address)
        if len(decoded) == 3:
            rig.inbox.offer(came)
        return decode(message)

    rig.passing.decode = decoding
    for message in messages:
        rig.inbox.offer(message)
    run(rig, 11)
    assert decoded[3] == came.address, "nothing is decoded between"
    assert rig.sink.acknowledged[0] == came.receipt.packet_id
    assert rig.sink.acknowledged[1:] == [message.receipt.packet_id for message in messages], "in their order, once each"
    assert stored(rig) == [rig.now - 60_000 + number for number in range(10)]


def test_readings_that_are_being_decided_on_are_left_for_it(rig: Rig, monkeypatch) -> None:
    """They are in the transaction already; it is taken back."""
    came = rig.message(alarm(rig))
    decide, decided = rig.rules.decide, []

    def deciding(event, overlay, now):
        decided.append(event.source_key)
        if decided == ["r0"]:
            rig.inbox.offer(came)
        return decide(event, overlay, now)

    monkeypatch.setattr(rig.rules, "decide", deciding)
    for number in range(5):
        rig.inbox.offer(rig.message(reading(rig, number), lane=Lane.TELEMETRY))
    run(rig, 6)
    mine = [key for key in decided if key[0] in "ar"]
    assert mine == ["r0", "a1", "r0", "r1", "r2", "r3", "r4"]
    assert rig.sink.acknowledged[0] == came.receipt.packet_id
    assert len(stored(rig)) == 5


def test_the_way_is_free_again_when_the_alarm_is_in_the_database(rig: Rig) -> None:
    rig.inbox.offer(rig.message(alarm(rig)))
    assert rig.inbox.way.alarms.left_s() > 0
    rig.engine.step(rig.inbox.take(10))
    assert rig.inbox.way.alarms.left_s() == 0.0


def test_the_way_is_free_again_when_an_alarm_had_to_be_put_aside(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr(rig.core.rules, "decide", lambda *_: 1 / 0)
    rig.inbox.offer(rig.message(alarm(rig)))
    run(rig, 1)
    assert rig.inbox.way.alarms.left_s() == 0.0


def test_who_reads_or_writes_beside_an_alarm_waits_for_it_and_hears_of_it(rig: Rig) -> None:
    """The engine itself does not."""
    rig.store.way.alarms = Claim(60.0)
    rig.inbox.offer(rig.message(alarm(rig)))
    found: list[int] = []

    def look() -> None:
        with rig.store.read() as connection:
            found.append(len(connection.execute(select(schema.tickets.c.id)).all()))

    def write() -> None:
        with rig.store.write() as connection:
            found.append(len(connection.execute(select(schema.tickets.c.id)).all()))

    threads = [threading.Thread(target=work) for work in (look, write)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(rig.store.way.alarms._free._cond._waiters) == 2, 5, "both wait")
    rig.engine.step(rig.inbox.take(10))
    for thread in threads:
        thread.join(10)
    assert found == [1, 1]


def test_readings_wait_at_the_door_for_alarms_and_questions(rig: Rig) -> None:
    rig.store.way.alarms, rig.store.way.questions = Claim(60.0), Claim(60.0)
    rig.inbox.offer(rig.message(alarm(rig)))
    rig.store.way.questions.came()
    bringing = threading.Thread(
        target=rig.inbox.offer, args=[rig.message(reading(rig, 1), lane=Lane.TELEMETRY)], daemon=True
    )
    bringing.start()
    wait_until(lambda: rig.store.way.alarms._free._cond._waiters, 5, "it waits for the alarm")
    rig.engine.step(rig.inbox.take(10))
    wait_until(lambda: rig.store.way.questions._free._cond._waiters, 5, "it waits for the question")
    assert rig.inbox.depth() == 0
    rig.store.way.questions.done()
    bringing.join(10)
    assert rig.inbox.depth() == 1


@pytest.mark.parametrize("whose", ["news", "questions"])
def test_readings_that_are_there_wait_until_people_have_their_answers(rig: Rig, whose: str) -> None:
    rig.inbox.offer(rig.message(reading(rig, 1), lane=Lane.TELEMETRY))
    claim = Claim(60.0)
    setattr(rig.store.way, whose, claim)
    claim.came()
    rig.engine.start()
    try:
        wait_until(lambda: claim._free._cond._waiters, 10, "the engine waits")
        assert rig.sink.acknowledged == []
        claim.done()
        wait_until(lambda: len(rig.sink.acknowledged) == 1, 10, "and goes on")
    finally:
        rig.engine.stop()


def test_the_hubs_own_errands_wait_until_people_have_their_answers(rig: Rig) -> None:
    claim = rig.store.way.questions = Claim(60.0)
    claim.came()
    answer = rig.inbox.errand(lambda step: "done")
    rig.engine.start()
    try:
        wait_until(lambda: claim._free._cond._waiters, 10, "the engine waits")
        assert not answer.done()
        claim.done()
        assert answer.result(10) == "done"
    finally:
        rig.engine.stop()


def test_an_errand_that_was_taken_lets_a_question_pass_that_comes_then(rig: Rig, monkeypatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(rig.inbox, "let_questions_pass", lambda: passed.append("passed"))
    rig.inbox.errand(lambda step: None)
    rig.engine.step(rig.inbox.take(10), gives_way=True)
    assert passed == ["passed"]
    rig.inbox.errand(lambda step: None)
    rig.inbox.ask(lambda step: None)
    rig.engine.step(rig.inbox.take(10), gives_way=True)
    assert passed == ["passed"], "somebody may be waiting for this one"


def test_readings_beside_what_a_question_has_asked_for_do_not_wait_for_it(rig: Rig) -> None:
    """They are in one batch, and the question is over only when that has been committed."""
    rig.inbox.offer(rig.message(reading(rig, 1), lane=Lane.TELEMETRY))
    assert answered_within_its_question(rig) == "done"
    assert len(stored(rig)) == 1


def test_what_a_question_has_asked_for_is_not_held_up_by_it(rig: Rig) -> None:
    """A person's action is part of a request: the engine must not wait for that request to end."""
    assert answered_within_its_question(rig) == "done"
