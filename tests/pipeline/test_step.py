"""A step is one transaction: everything that a batch causes, once, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from hub.pipeline import rejects, rulebook
from hub.store import schema
from hub.store.database import Store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.elevator import AlarmState
from hub.vocabulary.events import Canary, CommandResult, ElevatorState, GatewayChanged
from hub.vocabulary.roles import Role
from support.rig import SITE, START, Rig, device
from support.trial_rule import LIFT, Count, TrialRule, alarm, count, fresh, reading, ticket

OPERATOR = Actor("li", frozenset({Role.CONTROL_ROOM}))


@pytest.fixture
def rig(store: Store) -> Rig:
    return fresh(store)


def test_the_same_message_three_times_is_one_ticket_counted_once_and_all_are_acknowledged(rig: Rig) -> None:
    messages = [rig.message(alarm("a1", rig)) for _ in range(3)]
    rig.take(messages[0], messages[1])
    rig.take(messages[2])
    assert (ticket(rig)["count"], count(rig, schema.events)) == (1, 1)
    assert rig.sink.acknowledged == [1, 2, 3]


def test_a_further_alarm_is_counted_on_the_active_ticket_and_unites_its_sources(rig: Rig) -> None:
    rig.take(alarm("a1", rig), alarm("a2", rig))
    row = ticket(rig)
    assert (row["count"], row["state"], row["fields_json"]) == (2, "suspected", '{"sources":["pressed"]}')


def test_tickets_are_numbered_per_site_and_year_without_gaps(rig: Rig) -> None:
    rig.take(alarm("a1", rig), alarm("b1", rig, device="lift-2"))
    with rig.store.read() as connection:
        numbers = connection.execute(select(schema.tickets.c.number).order_by(schema.tickets.c.id)).scalars().all()
    assert numbers == ["LAKESIDE-2026-00001", "LAKESIDE-2026-00002"]


def test_a_failed_commit_leaves_no_trace_and_acknowledges_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    message = rig.message(alarm("a1", rig))

    def break_down(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(rulebook.RuleBook, "write", break_down)
        with pytest.raises(OperationalError):
            rig.engine.step([message])
    assert (rig.sink.acknowledged, count(rig, schema.tickets), rig.fed) == ([], 0, [])
    rig.engine.step([message])
    assert (rig.sink.acknowledged, count(rig, schema.tickets), ticket(rig)["count"]) == ([1], 1, 1)


def test_a_failed_commit_does_not_turn_a_reading_into_its_own_duplicate(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = rig.message(reading("r1", rig, credit=-1))
    with monkeypatch.context() as broken:
        broken.setattr(rulebook.RuleBook, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            rig.engine.step([message])
    rig.engine.step([message])
    assert (count(rig, schema.readings), count(rig, schema.tickets)) == (1, 1)


def test_a_rule_that_fails_costs_its_own_event_and_is_shown_as_a_problem(rig: Rig) -> None:
    rig.take(alarm("bad", rig, detail="fail"), alarm("good", rig))
    assert (count(rig, schema.tickets), count(rig, schema.events)) == (1, 2)
    with rig.store.read() as connection:
        problem = connection.execute(select(schema.problems)).mappings().one()
    assert (problem["code"], problem["active"]) == ("rule_failed", True)
    assert "ZeroDivisionError" in problem["detail_json"]


def test_a_rule_that_derives_without_end_is_stopped_and_shown(rig: Rig) -> None:
    rig.take(alarm("loop", rig, detail="endless"))
    assert count(rig, schema.problems, schema.problems.c.code == "rule_failed") == 1


def test_input_that_cannot_be_used_is_kept_once_counted_and_acknowledged(rig: Rig) -> None:
    bad = [msgspec.structs.replace(rig.message(payload=b"bad"), address="one/topic") for _ in range(3)]
    rig.take(*bad)
    rig.take(rig.message(payload=b"defect"), alarm("a1", rig))
    with rig.store.read() as connection:
        rows = connection.execute(select(schema.rejected).order_by(schema.rejected.c.id)).mappings().all()
    assert [(row["reason"], row["count"], bytes(row["payload"])) for row in rows] == [
        ("not_json", 3, b"bad"),
        ("codec_failed", 1, b"defect"),
    ]
    assert rig.sink.acknowledged == [1, 2, 3, 4, 5]
    assert count(rig, schema.tickets) == 1


def test_an_event_of_a_device_that_is_not_ours_is_rejected(rig: Rig) -> None:
    rig.take(alarm("a1", rig, device="lift-99"))
    with rig.store.read() as connection:
        row = connection.execute(select(schema.rejected)).mappings().one()
    assert (row["reason"], row["device"], count(rig, schema.events)) == ("unknown_device", "lift-99", 0)


def test_rejected_input_can_be_replayed_after_a_fix(rig: Rig) -> None:
    message = rig.message(alarm("a1", rig), payload=b"bad")
    rig.take(message)
    with rig.store.read() as connection:
        again = rejects.fetch(connection, 1)
    assert again is not None
    rig.engine.step([again])
    assert (count(rig, schema.rejected, schema.rejected.c.outcome == "not_json"), count(rig, schema.tickets)) == (1, 0)
    rig.engine.step([msgspec.structs.replace(again, payload=b"fixed")])
    assert (count(rig, schema.rejected, schema.rejected.c.outcome == "accepted"), count(rig, schema.tickets)) == (1, 1)


def test_a_deadline_survives_a_restart_and_fires_once(rig: Rig) -> None:
    rig.take(alarm("a1", rig, detail="later"))
    again = fresh(rig.store, now=START + 3_600_000)
    again.engine.step([])
    again.engine.step([])
    assert (ticket(again)["reason"], ticket(again)["count"]) == ("waited", 1)
    third = fresh(rig.store, now=START + 7_200_000)
    third.engine.step([])
    assert ticket(third)["count"] == 1


def test_deadlines_that_fell_due_fire_oldest_first(rig: Rig) -> None:
    rig.take(alarm("a1", rig, detail="later"))
    rig.now += 1_000
    rig.take(alarm("b1", rig, device="lift-2", detail="later"))
    rig.advance(120_000, tick_ms=120_000)
    with rig.store.read() as connection:
        order = connection.execute(select(schema.tickets.c.subject_id).order_by(schema.tickets.c.id)).scalars().all()
    assert order == ["lift-1", "lift-2"]


def test_the_state_of_a_rule_survives_a_restart_and_a_new_version_migrates_it(rig: Rig) -> None:
    rig.take(alarm("a1", rig), alarm("a2", rig))
    key = rulebook.StateKey("trial", LIFT)
    assert fresh(rig.store).rules.overlay().get(key, None) == Count(2)

    class Newer(TrialRule):
        version = 2

    newer = Rig(rig.store, [Newer()], [device("lift-1")])
    assert newer.rules.overlay().get(key, None) == Count(102)


def test_readings_are_stored_once_and_only_new_ones_reach_the_rules(rig: Rig) -> None:
    first = reading("r1", rig, credit=-1)
    rig.take(first, reading("r2", rig, credit=-2, occurred_at=rig.now + 1))
    rig.take(first, reading("r3", rig, credit=-3, occurred_at=rig.now + 2))
    assert (count(rig, schema.readings), ticket(rig)["count"]) == (3, 3)
    again = fresh(rig.store)
    again.take(first)
    assert (count(again, schema.readings), ticket(again)["count"]) == (3, 3)


def test_a_reading_sent_again_under_the_same_id_with_another_time_is_no_second_reading(rig: Rig) -> None:
    rig.take(reading("r1", rig))
    rig.now += 5_000
    rig.take(reading("r1", rig))
    assert count(rig, schema.readings) == 1


def test_older_data_than_what_is_known_is_marked_late_within_a_batch_and_after_a_restart(rig: Rig) -> None:
    rig.take(reading("r2", rig), reading("r1", rig, occurred_at=rig.now - 60_000))
    again = fresh(rig.store)
    again.take(reading("r0", again, occurred_at=again.now - 90_000))
    assert count(rig, schema.readings, schema.readings.c.late == 1) == 2
    assert count(rig, schema.rollup_due) >= 1


def test_the_feed_is_numbered_without_gaps_and_listeners_hear_after_the_commit(rig: Rig) -> None:
    rig.take(alarm("a1", rig))
    rig.take(alarm("a2", rig), alarm("b1", rig, device="lift-2"))
    assert [(row.seq, row.type) for row in rig.fed] == [
        (1, "ticket_opened"),
        (2, "ticket_changed"),
        (3, "ticket_opened"),
    ]
    with rig.store.read() as connection:
        stored = connection.execute(select(schema.feed.c.seq).order_by(schema.feed.c.seq)).scalars().all()
    assert stored == [1, 2, 3]
    assert rig.core.feed.since(1) == rig.fed[1:]


def test_a_canary_goes_round_and_leaves_nothing_behind(rig: Rig) -> None:
    rig.take(Canary(site="_hub", source_key="1", occurred_at=rig.now, received_at=rig.now, lane="alarm", number=7))
    assert [(row.seq, row.type, row.body) for row in rig.fed] == [(0, "canary", '{"lane":"alarm","number":7}')]
    assert (count(rig, schema.events), count(rig, schema.feed)) == (0, 0)


def test_people_are_answered_after_the_commit_and_two_at_once_get_one_effect(rig: Rig) -> None:
    rig.take(alarm("a1", rig))
    answers = [rig.inbox.ask(lambda step: step.act(1, "acknowledge", {}, OPERATOR, None)) for _ in range(2)]
    rig.engine.step(rig.inbox.take(10))
    assert answers[0].result(0).revision == 2
    with pytest.raises(Refused) as refused:
        answers[1].result(0)
    assert refused.value.status == "conflict"
    assert "release" in refused.value.allowed
    assert count(rig, schema.ticket_timeline) == 2


def test_an_edit_of_a_stale_revision_is_refused(rig: Rig) -> None:
    rig.take(alarm("a1", rig), alarm("a2", rig))
    with pytest.raises(Refused) as refused:
        rig.ask(lambda step: step.act(1, "acknowledge", {}, OPERATOR, 1))
    assert refused.value.status == "stale"


def test_a_sensor_going_quiet_is_not_the_end_of_an_entrapment(rig: Rig) -> None:
    rig.take(alarm("a1", rig))
    rig.take(alarm("c1", rig, state=AlarmState.CLEAR))
    assert (ticket(rig)["state"], ticket(rig)["active"]) == ("release_pending", True)
    rig.take(alarm("a2", rig))
    assert ticket(rig)["state"] == "suspected"


def test_a_clock_that_runs_out_is_breached_once_and_one_that_was_met_never(rig: Rig) -> None:
    rig.take(alarm("a1", rig), alarm("b1", rig, device="lift-2"))
    rig.ask(lambda step: step.act(2, "acknowledge", {}, OPERATOR, None))
    rig.advance(90_000)
    with rig.store.read() as connection:
        clocks = schema.ticket_clocks.c
        states = {
            (row.ticket_id, row.name): row.state
            for row in connection.execute(select(clocks.ticket_id, clocks.name, clocks.state))
        }
    assert states[(1, "acknowledge")] == "breached"
    assert states[(2, "acknowledge")] == "met"
    assert count(rig, schema.ticket_timeline, schema.ticket_timeline.c.entry == "clock") == 1


def test_a_lost_broker_session_is_a_problem_and_devices_are_asked_again(rig: Rig) -> None:
    lost = GatewayChanged(
        site=SITE,
        source_key="x",
        occurred_at=rig.now,
        received_at=rig.now,
        gateway="mqtt",
        up=True,
        cause="session_lost",
    )
    rig.engine.step([lost])
    assert count(rig, schema.problems, schema.problems.c.code == "possible_loss") == 1
    assert {(each.device, each.name) for each in rig.sent} == {
        (id_, "report_state") for id_ in ("lift-1", "lift-2", "m-1")
    }
    answer = CommandResult(
        site=SITE,
        device="lift-1",
        source_key="ok",
        occurred_at=rig.now,
        received_at=rig.now,
        command_id=rig.sent[0].id,
        ok=True,
    )
    rig.take(answer)
    assert count(rig, schema.commands, schema.commands.c.state == "done") == 1


def test_a_dead_gateway_leaves_an_open_rescue_open_and_says_that_it_is_blind(rig: Rig) -> None:
    rig.take(alarm("a1", rig))
    for up, cause in ((False, "connection_lost"), (True, "connected")):
        rig.now += 1_000
        rig.engine.step(
            [GatewayChanged(site=SITE, occurred_at=rig.now, received_at=rig.now, gateway="mqtt", up=up, cause=cause)]
        )
    row = ticket(rig)
    assert (row["state"], row["active"], row["count"]) == ("suspected", True, 1)
    timeline = schema.ticket_timeline.c
    with rig.store.read() as connection:
        names = connection.execute(select(timeline.name).order_by(timeline.id)).scalars().all()
    assert names == ["entrapment", "telemetry_lost", "telemetry_back"]
    assert count(rig, schema.problems, schema.problems.c.active) == 0


def test_why_not_is_remembered_with_how_often(rig: Rig) -> None:
    rig.take(reading("r1", rig), reading("r2", rig, occurred_at=rig.now + 1))
    why = rig.rules.why(SITE, "m-1")
    assert [(each["reason"], each["fired"], each["count"]) for each in why] == [("fine", False, 2)]


def test_of_a_step_that_came_to_nothing_no_conclusion_is_remembered(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr(rig.core.timers, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rig.take(reading("r1", rig))
    assert rig.rules.why(SITE, "m-1") == []


def test_a_device_that_left_the_site_file_is_retired_and_comes_back_as_the_same(rig: Rig) -> None:
    rig.take(alarm("a1", rig))
    less = Rig(rig.store, [TrialRule()], [device("lift-2")])
    assert less.alignment.retired == (f"{SITE}/lift-1", f"{SITE}/m-1")
    back = fresh(rig.store)
    assert f"{SITE}/lift-1" in back.alignment.returned
    known = back.world.device(SITE, "lift-1"), rig.world.device(SITE, "lift-1")
    assert known[0] == known[1]


def state(rig: Rig, occurred_at: int, id_: str) -> ElevatorState:
    return ElevatorState(
        site=SITE, device="lift-1", source_key=id_, occurred_at=occurred_at, received_at=rig.now, floor=id_
    )


def stored_states(rig: Rig) -> list[tuple[bool, str]]:
    events = schema.events.c
    with rig.store.read() as connection:
        rows = connection.execute(
            select(events.late, events.body_json).where(events.kind == "ElevatorState").order_by(events.seq)
        )
        return [(bool(late), msgspec.json.decode(body).get("clock", "device")) for late, body in rows]


def test_a_clock_that_was_set_back_is_found_out_by_its_pace_and_arrival_time_takes_its_place(rig: Rig) -> None:
    rig.take(state(rig, rig.now, "0"))
    for number in range(1, 6):
        rig.now += 3_000
        rig.take(state(rig, rig.now - 3_600_000, str(number)))
    assert stored_states(rig) == [(False, "device"), *[(True, "device")] * 2, *[(False, "skewed")] * 3]
    assert count(rig, schema.problems, schema.problems.c.code == "clock_set_back", schema.problems.c.active) == 1
    rig.now += 3_000
    rig.take(state(rig, rig.now, "6"))
    assert stored_states(rig)[-1] == (False, "device")
    assert count(rig, schema.problems, schema.problems.c.active) == 0


def test_what_a_device_has_kept_comes_in_a_burst_and_stays_late(rig: Rig) -> None:
    rig.take(state(rig, rig.now, "0"))
    for number in range(1, 30):
        rig.now += 300
        rig.take(state(rig, START - 3_600_000 + number * 3_000, str(number)))
    assert all(late for late, _ in stored_states(rig)[1:])
    assert count(rig, schema.problems) == 0
