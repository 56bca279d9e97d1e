"""A report is signed in one transaction with what it does to its case; the record holds everything that happened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import select

from hub.pipeline import case_reports
from hub.pipeline.case_reports import Save
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets import forms, records
from hub.tickets.forms import FormName
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.record_lines import LineKind
from hub.vocabulary.decisions import MoveTicket, RaiseTicket, Severity, TicketKind
from hub.vocabulary.elevator import AlarmState, AlarmType
from hub.vocabulary.events import ElevatorAlarm, Subject, SubjectType
from hub.vocabulary.roles import Role
from support.rig import SITE, START, Rig, device

LIFT = Subject(SITE, SubjectType.DEVICE, "lift-1")
OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))
MANAGER = Actor("chen", frozenset({Role.DEPARTMENT_MANAGER}))
SUPERVISOR = Actor("zhou", frozenset({Role.DUTY_SUPERVISOR}))
ZONE = ZoneInfo("Asia/Shanghai")
MINUTE = 60_000
AFTERMATH = {
    "cause": "c", "responsible": "r", "remedy": "m", "prevention": "p",
    "measures": [{"measure": "a", "effect": "b"}],
}  # fmt: skip
MAJOR = {"fault": "f", "course": "…", "injuries": "none", "cause_kind": "external", **AFTERMATH}
RETURN = {"findings": "door gear replaced", "trial_run": "20 runs", "safety_officer": "李安全"}


class Why(StrEnum):
    TRAPPED = "trapped"


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'hub.db')}")
    yield opened
    opened.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, [], [device("lift-1"), device("lift-2")])


def alarm(rig: Rig, kind: TicketKind = TicketKind.ENTRAPMENT, subject: Subject = LIFT, **other: Any) -> int:
    raised = RaiseTicket(
        kind=kind, subject=subject, reason=Why.TRAPPED, severity=Severity.HIGH, occurred_at=rig.now, **other
    )
    return int(rig.ask(lambda step: step._desk.raise_ticket(raised, "rule:entrapment")).id)


def act(rig: Rig, action: str, by: Actor = OPERATOR, ticket: int = 1, **fields: Any) -> Any:
    return rig.ask(lambda step: step.act(ticket, action, fields, by, None))


def save(rig: Rig, form: str, by: Actor, fields: dict[str, Any] | None = None, **how: Any) -> int:
    signatory = how.pop("signatory", None)
    wish = Save(
        ticket_id=how.pop("ticket", 1), form=form, fields=fields or {}, sign=signatory is not None, signatory=signatory,
        by=by, zone=ZONE, **how,
    )  # fmt: skip
    return int(rig.ask(lambda step: case_reports.save(step, wish)))


def record(rig: Rig, ticket: int = 1) -> records.Record:
    with rig.store.read() as connection:
        found = records.record_of(connection, ticket, rig.now)
    assert found is not None
    return found


def milestones(rig: Rig) -> list[str]:
    table = schema.ticket_milestones.c
    with rig.store.read() as connection:
        return list(connection.execute(select(table.name).order_by(table.id)).scalars())


def refused(rig: Rig, *args: Any, **how: Any) -> Refused:
    with pytest.raises(Refused) as error:
        save(rig, *args, **how)
    return error.value


def test_signing_the_report_is_the_cases_report_and_lets_it_be_closed(rig: Rig) -> None:
    alarm(rig)
    act(rig, "release")
    assert save(rig, FormName.MAJOR_INCIDENT, MANAGER, {"fault": "f"}) == 1
    assert "report" not in milestones(rig)
    with pytest.raises(Refused, match="report"):
        act(rig, "close")
    rig.advance(1_000)
    assert save(rig, FormName.MAJOR_INCIDENT, MANAGER, MAJOR, signatory="陈经理", based_on=1) == 2
    assert milestones(rig)[-1] == "report"
    last = record(rig).course[-2:]
    assert [(line.kind, line.name, line.by) for line in last] == [
        (LineKind.ACTION, "report", "chen"),
        (LineKind.REPORT, "major_incident", "chen"),
    ]
    assert "陈经理" in last[0].data["note"]
    act(rig, "close")
    rig.advance(25 * 60 * MINUTE, 10 * MINUTE)
    assert [line.name for line in record(rig).course if line.kind is LineKind.CLOCK and line.name == "report"] == []


def test_the_action_by_hand_still_counts_as_the_report(rig: Rig) -> None:
    alarm(rig)
    act(rig, "release")
    act(rig, "report", MANAGER, note="on paper")
    assert act(rig, "close").state == "closed"


def test_a_clock_that_ended_with_the_case_was_not_met(rig: Rig) -> None:
    alarm(rig)
    for action in ("acknowledge", "firm_told", "release", "report", "close"):
        act(rig, action)
    became = {name: state for name, _, _, state in record(rig).clocks}
    assert (became["acknowledge"], became["release"]) == ("met", "met")
    assert (became["technician_on_site"], became["voice_contact"]) == ("ended", "ended")


def test_the_safety_officer_gives_the_lift_back_by_name(rig: Rig) -> None:
    alarm(rig)
    act(rig, "release")
    assert refused(rig, FormName.RETURN_TO_SERVICE, OPERATOR, RETURN, signatory="李安全").status == "not_allowed"
    save(rig, FormName.RETURN_TO_SERVICE, SUPERVISOR, RETURN, signatory="李安全")
    assert milestones(rig)[-1] == "back_in_service"
    given = next(line for line in record(rig).course if line.name == "back_in_service").data
    assert given["safety_officer"] == "李安全"


def test_a_report_cannot_be_signed_while_people_are_inside_and_then_nothing_is_saved(rig: Rig) -> None:
    alarm(rig)
    error = refused(rig, FormName.MAJOR_INCIDENT, MANAGER, MAJOR, signatory="陈")
    assert error.status == "conflict"
    assert "acknowledge" in error.allowed
    with rig.store.read() as connection:
        assert records.versions(connection, 1) == []
    assert save(rig, FormName.MAJOR_INCIDENT, MANAGER, {"fault": "f"}) == 1


def test_who_may_write_who_may_sign_and_what_there_is(rig: Rig) -> None:
    alarm(rig)
    fault = alarm(rig, TicketKind.ELEVATOR_FAULT)
    act(rig, "release")
    assert refused(rig, FormName.MAJOR_INCIDENT, OPERATOR).status == "not_allowed"
    assert save(rig, FormName.MAJOR_INCIDENT, SUPERVISOR) == 1
    assert refused(rig, FormName.MAJOR_INCIDENT, SUPERVISOR, MAJOR, signatory="周").status == "not_allowed"
    assert refused(rig, FormName.MAJOR_INCIDENT, MANAGER, ticket=fault).allowed == ("emergency",)
    assert refused(rig, "leave_request", MANAGER).status == "not_found"
    assert refused(rig, FormName.EMERGENCY, MANAGER, ticket=99).status == "not_found"
    signed = {"event": "e", "course": "c", **AFTERMATH}
    assert save(rig, FormName.EMERGENCY, MANAGER, signed, signatory="陈", ticket=fault) == 1
    assert [line.name for line in record(rig, fault).course if line.kind is LineKind.ACTION] == ["note"]


def test_two_who_write_at_once_do_not_overwrite_each_other(rig: Rig) -> None:
    alarm(rig)
    assert save(rig, FormName.EMERGENCY, MANAGER, {"event": "a"}, based_on=0) == 1
    assert refused(rig, FormName.EMERGENCY, SUPERVISOR, {"event": "b"}, based_on=0).status == "stale"
    assert save(rig, FormName.EMERGENCY, SUPERVISOR, {"event": "b"}, based_on=1) == 2
    with rig.store.read() as connection:
        saved = records.versions(connection, 1, FormName.EMERGENCY)
    assert [version.fields["event"] for version, _ in saved] == ["a", "b"]


def test_a_row_that_is_changed_in_the_database_is_seen(rig: Rig) -> None:
    alarm(rig)
    for _ in range(3):
        save(rig, FormName.EMERGENCY, MANAGER, {"event": "a"})
    with rig.store.read() as connection:
        assert forms.first_broken(records.versions(connection, 1, FormName.EMERGENCY)) is None
    table = schema.case_reports
    with rig.store.write() as connection:
        connection.execute(table.update().where(table.c.version == 2).values(fields_json='{"event":"b"}'))
    with rig.store.read() as connection:
        assert forms.first_broken(records.versions(connection, 1, FormName.EMERGENCY)) == 2


def test_a_signed_report_keeps_the_case_as_it_stood(rig: Rig) -> None:
    alarm(rig, fields={"floor": "7"})
    act(rig, "release")
    save(rig, FormName.MAJOR_INCIDENT, MANAGER, MAJOR, signatory="陈")
    act(rig, "welfare", note="二人离开，拒绝登记")
    with rig.store.read() as connection:
        ((version, _),) = records.versions(connection, 1)
    assert version.record is not None
    assert version.record["occurred_at"].endswith("+08:00")
    named = {point["name"]: point["at"] for point in version.record["times"]}
    assert named["report"] is not None
    assert named["welfare"] is None


def test_the_next_report_about_a_lift_knows_what_the_last_one_said_of_it(rig: Rig) -> None:
    alarm(rig)
    act(rig, "release")
    save(rig, FormName.RETURN_TO_SERVICE, SUPERVISOR, RETURN | {"firm": "甲公司", "register_code": "draft"})
    with rig.store.read() as connection:
        assert records.known_of_lift(connection, SITE, "lift-1") == {}
    save(rig, FormName.RETURN_TO_SERVICE, SUPERVISOR, RETURN | {"firm": "甲公司"}, signatory="李安全")
    with rig.store.read() as connection:
        assert records.known_of_lift(connection, SITE, "lift-1") == {"firm": "甲公司", "safety_officer": "李安全"}
        assert records.known_of_lift(connection, SITE, "lift-2") == {}


def press(rig: Rig, key: str) -> ElevatorAlarm:
    return ElevatorAlarm(
        site=SITE, device="lift-1", source_key=key, occurred_at=rig.now, received_at=rig.now,
        type=AlarmType.PASSENGER_ALARM, state=AlarmState.ADD,
    )  # fmt: skip


def test_the_record_holds_every_signal_decision_action_deadline_and_notice_in_order(rig: Rig) -> None:
    """Nothing is left out because it led to nothing."""
    rig.take(press(rig, "a"))
    rig.advance(5_000)
    alarm(rig)
    rig.advance(65_000)
    rig.take(press(rig, "b"))
    act(rig, "acknowledge")
    with rig.store.write() as connection:
        order = (
            connection.execute(select(schema.notice_orders.c.id).order_by(schema.notice_orders.c.id)).scalars().first()
        )
        for channel, state, answer in (("wecom", "failed", "no such user"), ("sms", "delivered", "ok")):
            notice = connection.execute(
                schema.notices.insert().values(
                    order_id=order, site=SITE, recipient="周主管", channel=channel, address="138", rank=1, title="t", body="b",
                    state=state, attempts=1, created_at=rig.now, sent_at=rig.now, outcome=answer,
                )
            ).inserted_primary_key[0]  # fmt: skip
            connection.execute(
                schema.notice_attempts.insert().values(
                    notice_id=notice, at=rig.now, ok=state != "failed", retry=False, answer=answer
                )
            )
    found = record(rig)
    course = found.course
    assert [line.at for line in course] == sorted(line.at for line in course)
    kinds = [line.kind for line in course]
    assert kinds.count(LineKind.SIGNAL) == 2
    assert [line.data["used"] for line in course if line.kind is LineKind.SIGNAL] == [False, False]
    decision = next(line for line in course if line.kind is LineKind.DECISION)
    assert (decision.reason, decision.by, decision.state_to) == ("trapped", "rule:entrapment", "suspected")
    assert [(line.name, line.reason) for line in course if line.kind is LineKind.CLOCK] == [("acknowledge", "breached")]
    assert [(line.name, line.by) for line in course if line.kind is LineKind.ACTION] == [("acknowledge", "wang")]
    told = [line for line in course if line.kind is LineKind.NOTICE]
    receipts = [(line.data["audience"], line.data.get("channel"), line.data.get("receipt")) for line in told]
    assert receipts[:3] == [
        ("duty_supervisor", "wecom", "failed"),
        ("duty_supervisor", "sms", "delivered"),
        ("department_manager", None, None),
    ]
    assert told[0].data["attempts"][0]["answer"] == "no such user"
    assert "138" not in msgspec.json.encode(records.record_view(found, ZONE, {})).decode()
    assert found.ticket.id == 1
    assert found.points[0].at == START + 5_000


def test_the_record_names_when_each_of_the_two_had_the_report_and_that_one_of_them_answered(rig: Rig) -> None:
    alarm(rig)
    with rig.store.write() as connection:
        person = {
            "site": SITE,
            "code": "p1",
            "name": "周主管",
            "locale": "zh-CN",
            "role": "duty_supervisor",
            "zone": "",
            "created_at": 0,
        }
        connection.execute(schema.people.insert().values(id=7, **person))
        order = (
            connection.execute(select(schema.notice_orders.c.id).order_by(schema.notice_orders.c.id)).scalars().first()
        )
        sent = {
            "order_id": order,
            "site": SITE,
            "person_id": 7,
            "recipient": "周主管",
            "rank": 1,
            "title": "t",
            "body": "b",
            "attempts": 1,
        }
        for channel, state, at in (("sms", "delivered", 20_000), ("wecom", "sent", 9_000), ("mail", "failed", 1_000)):
            times = {
                "created_at": START,
                "sent_at": START + at,
                "delivered_at": START + at if state == "delivered" else None,
            }
            connection.execute(
                schema.notices.insert().values(channel=channel, address=channel, state=state, **sent, **times)
            )
        use = {
            "signature": "x",
            "ticket_id": 1,
            "person_id": 7,
            "action": "acknowledge",
            "used_at": START + 30_000,
            "expires_at": 0,
        }
        connection.execute(schema.link_uses.insert().values(**use))
    found = record(rig)
    points = {point.name: (point.at, point.by) for point in found.points}
    assert points["supervisor_told"] == (START + 9_000, "周主管")
    assert points["manager_told"] == (None, "")
    told = [line.data for line in found.course if line.kind is LineKind.NOTICE and "recipient" in line.data]
    assert {each["answered_at"] for each in told} == {START + 30_000}


def test_power_that_goes_after_the_technician_has_come_is_power_that_was_isolated(rig: Rig) -> None:
    alarm(rig)

    def power_lost() -> None:
        lost = MoveTicket(
            kind=TicketKind.ENTRAPMENT, subject=LIFT, trigger="power_lost", reason=Why.TRAPPED, occurred_at=rig.now
        )
        rig.ask(lambda step: step._desk.move_ticket(lost, "rule:entrapment"))

    power_lost()
    assert {point.name: point.at for point in record(rig).points}["power_isolated"] is None
    rig.advance(MINUTE)
    act(rig, "technician_arrived")
    rig.advance(MINUTE)
    power_lost()
    assert {point.name: point.at for point in record(rig).points}["power_isolated"] == rig.now


def test_a_notice_that_was_ordered_when_the_case_was_over_is_on_its_record(rig: Rig) -> None:
    alarm(rig)
    act(rig, "release")
    rig.advance(25 * 60 * MINUTE, 30 * MINUTE)
    with rig.store.write() as connection:
        connection.execute(schema.notice_orders.update().values(ticket_id=None))
    assert "entrapment_report" in {line.name for line in record(rig).course if line.kind is LineKind.NOTICE}
