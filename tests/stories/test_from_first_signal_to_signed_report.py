"""An entrapment from the first signal to the signed report: who is told what, what is kept, who signs. Anybody else told fails it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from hub.pipeline import case_reports
from hub.pipeline.case_reports import Save
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets import forms, metrics, records
from hub.tickets.forms import FormName
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.record_lines import LineKind
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS
from hub.vocabulary.roles import Role
from support.cars import at, boarded, press, state
from support.rescues import Story
from support.rig import SITE
from support.timeline import T0

ZONE = ZoneInfo("Asia/Shanghai")
MANAGER = Actor("chen", frozenset({Role.DEPARTMENT_MANAGER}))
SUPERVISOR = Actor("zhou", frozenset({Role.DUTY_SUPERVISOR}))
RESCUE: tuple[tuple[float, str, dict[str, Any]], ...] = (  # minutes after the press
    (0.5, "acknowledge", {}),
    (1.0, "voice_contact", {"note": "二人，平静"}),
    (1.1, "people", {"inside": 2, "condition": "elderly"}),
    (1.5, "guard_sent", {"name": "李保安"}),
    (2.0, "firm_told", {"name": "甲维保"}),
    (4.0, "firm_answered", {"name": "赵工"}),
    (6.0, "guard_arrived", {"name": "李保安"}),
    (14.0, "technician_arrived", {"name": "赵工"}),
)
REPORT = {
    "fault": "层门联锁断开",
    "course": "…",
    "injuries": "无",
    "cause_kind": "door_system",
    "cause": "门锁触点氧化",
    "responsible": "甲维保",
    "remedy": "更换触点",
    "prevention": "每月检查触点",
    "measures": [{"measure": "检查全部触点", "effect": "12 层已完成", "by": "赵工", "on": "2026-01-03"}],
    "safety_officer": "李安全",
}


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'hub.db')}")
    yield opened
    opened.close()


def save(story: Story, form: str, by: Actor, fields: dict[str, Any], signatory: str | None) -> int:
    wish = Save(
        ticket_id=1, form=form, fields=fields, sign=signatory is not None, signatory=signatory, by=by, zone=ZONE
    )
    return int(story.rig.ask(lambda step: case_reports.save(step, wish)))


def told(store: Store) -> list[tuple[float, str, str]]:
    order = schema.notice_orders.c
    with store.read() as connection:
        rows = connection.execute(select(order.created_at, order.template, order.audience).order_by(order.id)).all()
    return [(round((row[0] - T0) / MINUTE_MS, 2), row[1].removeprefix("entrapment_"), row[2]) for row in rows]


def test_a_rescue_that_goes_well_is_told_to_the_right_people_kept_whole_signed_and_counted(store: Store) -> None:
    story = Story(store).hear(*boarded(), state(-5, door_zone=False, passenger=True), press(0))
    for minutes, action, fields in RESCUE:
        story.until(T0 + round(minutes * MINUTE_MS)).act(action, **fields)
    story.hear(state(17 * 60, open=True, passenger=True), state(17 * 60 + 9, open=True))
    assert story.case()["state"] == "release_pending"
    with pytest.raises(Refused, match="accounted"):
        story.act("release", people_out=1)
    story.until(T0 + 18 * MINUTE_MS).act("release", people_out=2)
    story.wait(5 * MINUTE_MS).act(
        "welfare", note="二人无不适", refused=["details"], refused_by="张女士", refused_why="拒绝登记"
    )
    with pytest.raises(Refused):
        story.act("close")

    save(story, FormName.MAJOR_INCIDENT, SUPERVISOR, {"fault": "层门联锁断开"}, None)
    with pytest.raises(Refused, match="not signed"):
        save(story, FormName.MAJOR_INCIDENT, SUPERVISOR, REPORT, "周主管")
    story.wait(30 * MINUTE_MS)
    assert save(story, FormName.MAJOR_INCIDENT, MANAGER, REPORT, "陈经理") == 2
    findings = {"findings": "触点已更换", "trial_run": "20 次正常", "safety_officer": "李安全"}
    save(story, FormName.RETURN_TO_SERVICE, SUPERVISOR, findings, "李安全")
    story.act("close")
    story.wait(48 * 60 * MINUTE_MS)

    assert told(store) == [
        (0.0, "opened", "duty_supervisor"),
        (0.0, "opened", "department_manager"),
        (1.5, "guard", "security"),
        (2.0, "technician", "technician"),
        (18.0, "released", "duty_supervisor"),
        (18.0, "released", "department_manager"),
    ]
    with store.read() as connection:
        record = records.record_of(connection, 1, story.rig.now)
        saved = records.versions(connection, 1, FormName.MAJOR_INCIDENT)
        (case,) = metrics.cases(connection, SITE, T0 - MINUTE_MS, T0 + MINUTE_MS)
    assert record is not None
    assert {name: state for name, _, _, state in record.clocks if state != "met"} == {}
    named = {point.name: point for point in record.points}
    assert {name for name in records.TIMES if named[name].at is None} == {
        "confirmed",  # nobody had to: the press and the voice said so
        "fire_called",
        "power_isolated",
        "supervisor_told",  # ordered; no provider was there to give a receipt
        "manager_told",
    }
    assert (named["occurred"].at, named["released"].at) == (at(0), T0 + 18 * MINUTE_MS)
    assert [
        line.data["signatory"] for line in record.course if line.kind is LineKind.REPORT and line.reason == "signed"
    ] == [
        "陈经理",
        "李安全",
    ]
    assert forms.first_broken(saved) is None
    found = metrics.figures([case], [], ZONE, 1)
    assert (found.arrived.mean_s, found.released.mean_s, found.people, found.causes["door_system"]) == (720, 1080, 2, 1)
    assert (found.arrived_within_30_min_percent, found.reported.mean_s) == (100.0, 35 * 60)


def test_after_a_false_alarm_there_is_nothing_to_report_but_it_may_be_and_the_figures_say_false(store: Store) -> None:
    story = Story(store).hear(press(0))
    story.wait(20 * SECOND_MS).act("acknowledge")
    story.act("false_alarm", note="儿童按着玩")
    story.wait(26 * 60 * MINUTE_MS)
    assert [each for each in told(store) if each[1] == "report"] == []
    assert save(story, FormName.MAJOR_INCIDENT, MANAGER, REPORT, "陈经理") == 1
    with store.read() as connection:
        (case,) = metrics.cases(connection, SITE, T0 - MINUTE_MS, T0 + MINUTE_MS)
    found = metrics.figures([case], [])
    assert (found.false_alarms, found.not_trapped, sum(found.causes.values())) == (1, 1, 0)
