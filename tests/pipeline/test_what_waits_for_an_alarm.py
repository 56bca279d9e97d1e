"""Deadlines, what people want, supervision: each is left for an alarm, done once afterwards, and never put off for good."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from hub.pipeline import deadlines, settling
from hub.pipeline import step as steps
from hub.pipeline.deadlines import CLOCK, goes_before
from hub.pipeline.engine import LEFT_AT_MOST
from hub.pipeline.followers import FOLLOWERS
from hub.pipeline.timers import TimerKey
from hub.store import schema
from hub.store.database import open_store
from hub.tickets.suppression_rows import RULE as SUPPRESSION
from hub.vocabulary.decisions import RaiseProblem, Severity
from hub.vocabulary.events import ElevatorAlarm, ElevatorState, MeterReading, Subject, SubjectType, SupervisionTick
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.ports import Lane
from support import trial_rule
from support.rig import SITE, Rig, device
from support.running import Trial

CLOCKS_DUE_MS = 61_000
LIFTS = ("lift-1", "lift-2", "lift-3")


@pytest.fixture
def rig(database_url) -> Iterator[Rig]:
    store = open_store(database_url)
    found = Rig(store, [Trial()], [*map(device, LIFTS), device("m-1", DeviceKind.METER)])
    found.engine.step([])
    yield found
    store.close()


def alarm(rig: Rig, lift: str, key: str = "a1") -> ElevatorAlarm:
    return trial_rule.alarm(key, rig, device=lift)


def reading(rig: Rig, number: int = 0) -> MeterReading:
    return trial_rule.reading(f"r{number}", rig, occurred_at=rig.now + number)


def breached(rig: Rig) -> int:
    with rig.store.read() as connection:
        clocks = schema.ticket_clocks.c
        return connection.execute(select(func.count()).where(clocks.state == "breached")).scalar_one()


def test_an_alarm_that_is_alone_does_not_wait_for_clocks_that_have_run_out(rig: Rig) -> None:
    rig.take(alarm(rig, "lift-1"))
    rig.now += CLOCKS_DUE_MS
    for lift, expected in (("lift-2", 0), ("lift-3", 1)):
        rig.engine.step([rig.message(alarm(rig, lift))], gives_way=True)
        assert breached(rig) == expected, "they wait for one alarm, and not for the next"


def test_nor_does_it_wait_until_all_devices_have_been_looked_after(rig: Rig, monkeypatch) -> None:
    seen: list[str] = []
    decide = rig.rules.decide
    monkeypatch.setattr(
        rig.rules, "decide", lambda event, *more: seen.append(type(event).__name__) or decide(event, *more)
    )
    rig.now += 10_000
    rig.engine.step([rig.message(alarm(rig, "lift-1"))], gives_way=True)
    assert seen == [ElevatorAlarm.__name__]
    rig.engine.step([rig.message(alarm(rig, "lift-2"))], gives_way=True)
    assert seen.count(SupervisionTick.__name__) == 1


def test_supervision_that_was_left_for_an_alarm_is_made_up_for(rig: Rig, monkeypatch) -> None:
    rig.now += 10_000
    message, decode, decide, order = (
        rig.message(reading(rig), lane=Lane.TELEMETRY),
        rig.passing.decode,
        rig.rules.decide,
        [],
    )

    def decoding(found):
        if found is message and not order:
            order.append("left")
            rig.inbox.offer(rig.message(alarm(rig, "lift-1")))
        return decode(found)

    def deciding(event, overlay, now):
        if isinstance(event, ElevatorAlarm | SupervisionTick):
            order.append(type(event).__name__)
        return decide(event, overlay, now)

    rig.passing.decode = decoding
    monkeypatch.setattr(rig.rules, "decide", deciding)
    rig.inbox.offer(message)
    rig.run_until(lambda: len(rig.sink.acknowledged) == 2)
    assert order == ["left", ElevatorAlarm.__name__, SupervisionTick.__name__]


def test_supervision_makes_room_between_its_parts(rig: Rig, monkeypatch) -> None:
    order: list[str] = []

    def cards(_step, _event):
        order.append("cards")
        if order == ["cards"]:
            rig.inbox.offer(rig.message(alarm(rig, "lift-1")))

    monkeypatch.setitem(FOLLOWERS, SupervisionTick, (cards, lambda *_: order.append("doors")))
    monkeypatch.setitem(FOLLOWERS, ElevatorAlarm, (lambda *_: order.append("alarm"),))
    rig.now += 10_000
    rig.inbox.wake()
    rig.run_until(lambda: "doors" in order)
    assert order == ["cards", "alarm", "cards", "doors"]


def state(rig: Rig, lift: str) -> ElevatorState:
    return ElevatorState(site=SITE, device=lift, source_key="s1", occurred_at=rig.now, received_at=rig.now)


@pytest.mark.parametrize("number", [1, 2], ids=["the last one", "between two"])
@pytest.mark.parametrize("what", [reading, state], ids=["readings", "states"])
def test_what_is_being_decided_on_is_left_for_an_alarm(rig: Rig, monkeypatch, what, number) -> None:
    decide, decided = rig.rules.decide, []

    def deciding(event, overlay, now):
        decided.append(event.source_key)
        if len(decided) == 1:
            rig.inbox.offer(rig.message(alarm(rig, "lift-3")))
        return decide(event, overlay, now)

    rig.now += 1
    given = [reading(rig, each) if what is reading else state(rig, LIFTS[each]) for each in range(number)]
    for each in given:
        rig.inbox.offer(rig.message(each, lane=Lane.TELEMETRY))
    monkeypatch.setattr(rig.rules, "decide", deciding)
    rig.run_until(lambda: len(rig.sink.acknowledged) == number + 1)
    assert decided == [given[0].source_key, "a1", *(each.source_key for each in given)]


@pytest.mark.parametrize(
    ("rule", "subject", "before"),
    [
        ("trial", Subject(SITE, SubjectType.DEVICE, "lift-1"), True),
        ("trial", Subject(SITE, SubjectType.DEVICE, "lift-2"), False),
        ("trial", Subject(SITE, SubjectType.SITE, SITE), True),
        ("trial", Subject(SITE, SubjectType.BUILDING, "b1"), True),
        ("trial", Subject("hilltop", SubjectType.SITE, "hilltop"), False),
        ("trial", Subject("hilltop", SubjectType.DEVICE, "lift-1"), False),
        (SUPPRESSION, Subject(SITE, SubjectType.SITE, SITE), True),
        (CLOCK, Subject(SITE, SubjectType.SITE, SITE), False),
    ],
    ids=["same lift", "other lift", "site", "building", "other site", "its namesake", "end of quiet", "clock"],
)
def test_whatever_may_concern_the_same_device_goes_before(rig: Rig, rule, subject, before) -> None:
    assert goes_before(TimerKey(rule, subject, "k"), [alarm(rig, "lift-1")]) is before


def test_deadlines_under_way_are_left_for_an_alarm_and_fire_once(rig: Rig, monkeypatch) -> None:
    rig.take(alarm(rig, "lift-1"), alarm(rig, "lift-2"))
    rig.now += CLOCKS_DUE_MS
    came = rig.message(alarm(rig, "lift-3"))
    order: list[str] = []

    def firing(step, key, due_at):
        order.append(key.key)
        if len(order) == 1:
            rig.inbox.offer(came)
        return deadlines.fire(step, key, due_at)

    monkeypatch.setattr(steps, "fire", firing)
    apply = rig.rules.apply
    monkeypatch.setattr(rig.rules, "apply", lambda overlay: order.append("committed") or apply(overlay))
    rig.run_until(lambda: len(order) >= 5)
    assert order == ["1:acknowledge", "committed", "1:acknowledge", "2:acknowledge", "committed"]
    assert breached(rig) == 2
    assert rig.sink.acknowledged[-1] == came.receipt.packet_id


def problem(key: str) -> RaiseProblem:
    return RaiseProblem(
        code="rule_failed", subject=Subject(SITE, SubjectType.DEVICE, key), severity=Severity.LOW, detail={}
    )


def test_what_people_want_is_left_for_an_alarm_and_done_once(rig: Rig) -> None:
    order: list[str] = []

    def want(key: str):
        def act(step) -> str:
            order.append(key)
            step.raise_problem(problem(key))
            if order == ["one"]:
                rig.inbox.offer(rig.message(alarm(rig, "lift-1")))
            return key

        return act

    answers = [rig.inbox.ask(want(key)) for key in ("one", "two")]
    rig.engine.start()
    try:
        assert [answer.result(10) for answer in answers] == ["one", "two"]
    finally:
        rig.engine.stop()
    assert order == ["one", "one", "two"]
    assert len(rig.sink.acknowledged) == 1
    with rig.store.read() as connection:
        assert connection.execute(select(schema.problems.c.count)).scalars().all() == [1, 1]


def test_however_many_alarms_come_the_rest_gets_its_turn(rig: Rig) -> None:
    """Each time that the reading is decoded, another alarm comes."""
    mine, decode = rig.message(reading(rig), lane=Lane.TELEMETRY), rig.passing.decode
    tries: list[int] = []

    def decoding(message):
        if message is mine:
            tries.append(len(rig.sink.acknowledged))
            rig.inbox.offer(rig.message(alarm(rig, "lift-1", key=f"a{len(tries)}")))
        return decode(message)

    rig.passing.decode = decoding
    rig.inbox.offer(mine)
    rig.run_until(lambda: mine.receipt.packet_id in rig.sink.acknowledged)
    assert len(tries) == LEFT_AT_MOST + 1


def test_notices_are_closed_one_after_the_other_with_room_for_an_alarm_between(monkeypatch) -> None:
    order: list[object] = []
    monkeypatch.setattr(settling, "_settle_one", lambda _step, each: order.append(each) or True)
    assert settling.settle(SimpleNamespace(go_on=lambda: order.append("alarm?")), ["one", "two"]) == 2
    assert order == ["alarm?", "one", "alarm?", "two"]
