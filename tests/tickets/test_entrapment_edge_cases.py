"""Edge cases of domain/elevator.md section 5 that only show between rules, desk and people: real rules, real database, moved clock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import select

from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.elevator import Doors, ElevatorFault, Power
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import UtcMs, parse_iso
from hub.vocabulary.roles import Role
from rules import RULES
from support.cars import LIFT, at, boarded, cleared, offline, online, power_lost, press, state, trapped
from support.rig import SITE, Rig, device
from support.timeline import T0

OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
OFF = {"door_zone": False}


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'hub.db')}")
    yield opened
    opened.close()


class Story:
    """Elevators of one site over the real rules, with short words for what people do."""

    def __init__(self, store: Store, *lifts: str, now: UtcMs = T0 - MINUTE, timezone: str = "Asia/Shanghai") -> None:
        self.store = store
        self.lifts = [device(lift) for lift in lifts or (LIFT,)]
        self.sites = [SiteFacts(id=SITE, name="湖畔花园", timezone=timezone, locale="zh-CN")]
        self.rig = Rig(store, RULES, self.lifts, now=now, sites=self.sites)

    def hear(self, *events: Any) -> Story:
        """These arrive, each at its time; deadlines before them fire first."""
        for event in events:
            self.until(event.received_at)
            self.rig.take(event)
        return self

    def until(self, moment: UtcMs) -> Story:
        """Every deadline at its moment."""
        while (due := self.rig.core.timers.next_due()) is not None and due <= moment:
            self.rig.now = max(self.rig.now, due)
            self.rig.engine.step([])
        self.rig.now = max(self.rig.now, moment)
        return self

    def wait(self, ms: int) -> Story:
        return self.until(self.rig.now + ms)

    def act(self, action: str, ticket: int = 1, **fields: Any) -> Any:
        return self.rig.ask(lambda step: step.act(ticket, action, fields, OPERATOR, None))

    def rescue(self, *actions: str, ticket: int = 1) -> Story:
        for action in actions:
            self.act(action, ticket)
        return self

    def by_hand(self, lift: str = LIFT, **fields: Any) -> int:
        raised = RaiseTicket(
            kind=TicketKind.ENTRAPMENT, subject=Subject(SITE, SubjectType.DEVICE, lift), reason=next(iter(Severity)),
            severity=Severity.CRITICAL, occurred_at=self.rig.now, fields=fields,
        )  # fmt: skip
        return int(self.rig.ask(lambda step: step.open_by_hand(raised, OPERATOR)).id)

    def restart(self) -> Story:
        self.rig = Rig(self.store, RULES, self.lifts, now=self.rig.now, sites=self.sites)
        return self

    def cases(self) -> list[dict[str, Any]]:
        with self.store.read() as connection:
            rows = connection.execute(select(schema.tickets).order_by(schema.tickets.c.id)).all()
        found = [dict(row._mapping) | {"fields": msgspec.json.decode(row.fields_json)} for row in rows]
        return [row for row in found if row["kind"] == "entrapment"]

    def case(self) -> dict[str, Any]:
        (found,) = self.cases()
        return found

    def timeline(self, ticket: int = 1) -> list[Any]:
        line = schema.ticket_timeline.c
        with self.store.read() as connection:
            return list(
                connection.execute(
                    select(schema.ticket_timeline).where(line.ticket_id == ticket).order_by(line.id)
                ).all()
            )

    def clocks(self) -> list[tuple[str, str, UtcMs]]:
        """(clock, moment, when it fell due)."""
        return [(row.name, row.reason, row.occurred_at) for row in self.timeline() if row.entry == "clock"]


# --- several sources, several cars -----------------------------------------------------------------------------


def test_button_device_and_two_telephone_calls_are_one_case_with_every_source_and_every_call(store: Store) -> None:
    """'Repeated presses, several channels: one incident per lift, sources merged, each press logged'."""
    story = Story(store).hear(*boarded(), press(0, source_key="a"), trapped(2), press(9, source_key="b"))
    assert story.by_hand(sources=["phone"]) == story.by_hand(sources=["96333"]) == 1
    case = story.case()
    assert case["fields"]["sources"] == ["button", "device_flag", "phone", "96333"]
    assert (case["fields"]["presses"], case["count"]) == (2, 4)
    assert [(row.entry, row.by) for row in story.timeline()] == [
        ("raised", "rule:entrapment"),
        ("signal", "rule:entrapment"),
        ("repeat", "rule:entrapment"),
        ("repeat", "wang"),
        ("repeat", "wang"),
    ]


def test_each_deck_of_a_double_deck_car_is_counted_and_released_by_itself(store: Store) -> None:
    """'Double-deck, group object: head count per deck': a deck is a device of its own."""
    story = Story(store, "e1-upper", "e1-lower")
    story.hear(press(0, device="e1-upper"), press(1, device="e1-lower"))
    story.act("people", 1, inside=2)
    story.act("people", 2, inside=5)
    with pytest.raises(Refused, match="accounted"):
        story.act("release", 2, people_out=2)
    story.act("release", 1, people_out=2)
    assert [(case["subject_id"], case["state"]) for case in story.cases()] == [
        ("e1-upper", "released"),
        ("e1-lower", "suspected"),
    ]


def test_the_neighbouring_car_was_meant_and_its_own_alarm_is_not_swallowed(store: Store) -> None:
    """'Two cars in a bank, wrong car reported: operator can re-bind'; and the other car is watched on."""
    story = Story(store, "e1", "e2").hear(press(0, device="e1"))
    story.act("rebind", device="e2", note="door tag says e2")
    assert (story.case()["subject_id"], story.case()["fields"]["rebound_from"]) == ("e2", "e1")
    story.hear(press(60, device="e2", source_key="x"), press(65, device="e2", source_key="z"))
    assert (story.case()["count"], story.case()["fields"]["presses"]) == (2, 2)
    story.hear(press(70, device="e1", source_key="y"))
    assert [case["subject_id"] for case in story.cases()] == ["e2", "e1"]


# --- the rescue itself -----------------------------------------------------------------------------------------


def test_telemetry_lost_in_the_middle_changes_no_state_stops_no_clock_and_is_said(store: Store) -> None:
    story = Story(store).hear(*boarded(), press(0), offline(30)).wait(5 * MINUTE)
    story.rescue("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered")
    told_at = story.rig.now
    story.until(told_at + 31 * MINUTE)
    assert (story.case()["state"], story.case()["fields"]["telemetry"]) == ("suspected", "lost")
    assert ("technician_on_site", "breached", told_at + 30 * MINUTE) in story.clocks()
    story.hear(online((story.rig.now - T0) / SECOND), state((story.rig.now - T0) / SECOND + 1, **OFF, passenger=True))
    assert story.case()["state"] == "suspected"
    assert {"telemetry_lost", "telemetry_back"} <= {row.name for row in story.timeline()}


def test_the_rescuer_isolates_the_main_switch_and_the_case_stays_as_it_is(store: Store) -> None:
    """'Power isolated by rescuer: expected': it is a line with its time, and no second case."""
    story = Story(store).hear(*boarded(), press(0))
    story.rescue("acknowledge", "voice_contact", "guard_sent", "firm_told", "firm_answered", "guard_arrived")
    story.wait(12 * MINUTE).rescue("technician_arrived")
    now_s = (story.rig.now - T0) / SECOND
    story.hear(
        power_lost(now_s + 60), state(now_s + 61, **OFF, passenger=True, power=Power.OUTAGE), offline(now_s + 62)
    )
    story.wait(5 * MINUTE)
    assert story.case()["state"] == "suspected"
    (isolated,) = [row for row in story.timeline() if row.name == "power_lost"]
    assert isolated.occurred_at == at(now_s + 60)
    story.act("release", people_out=1)
    assert story.case()["state"] == "released"


def test_the_rescue_device_opens_the_doors_and_still_somebody_has_to_ask(store: Store) -> None:
    """'ARD moves car and opens: release pending; still ask'."""
    story = Story(store).hear(*boarded(), state(0, moving=True, passenger=True), press(3), power_lost(4))
    story.hear(state(60, open=True, passenger=False, power=Power.OUTAGE)).wait(2 * HOUR)
    assert story.case()["state"] == "release_pending"
    assert story.case()["active"]
    assert "release" in {name for name, moment, _ in story.clocks() if moment == "breached"}


def test_a_door_forced_open_between_floors_is_critical_and_the_lift_is_not_in_service_until_somebody_signs(
    store: Store,
) -> None:
    """'Self-rescue, forced door: P1, fall risk; lift stays out of service'."""
    story = Story(store).hear(*boarded(), state(0, **OFF, passenger=True), state(5, **OFF, doors=(Doors.OPEN,)))
    story.wait(10 * SECOND)
    assert story.case()["severity"] == "critical"
    assert story.case()["fields"]["severity_reason"] == "p1_fall_risk"
    story.act("release", people_out=0, note="climbed out by themselves")
    story.rescue("report", "close")
    names = {row.name for row in story.timeline()}
    assert "back_in_service" not in names
    story.act("back_in_service", note="李安全")
    assert "back_in_service" in {row.name for row in story.timeline()}


def test_passengers_who_leave_or_refuse_are_recorded_and_the_case_can_be_closed(store: Store) -> None:
    """'Passenger leaves before interview: allowed close with "left, refused"'."""
    story = Story(store).hear(press(0)).rescue("acknowledge", "release")
    story.act("welfare", note="二人离开，拒绝登记")
    story.rescue("report", "close")
    (welfare,) = [row for row in story.timeline() if row.name == "welfare"]
    assert "拒绝登记" in welfare.data_json
    assert story.case()["state"] == "closed"


def test_within_half_an_hour_of_its_end_a_new_alarm_is_linked_as_a_repeat(store: Store) -> None:
    """'Overlapping incident after restart: reopen if < 30 min, link as repeat', also when the hub died in between."""
    story = Story(store).hear(press(0)).rescue("acknowledge", "release", "report", "close")
    story.hear(cleared(press(0), 30)).wait(10 * MINUTE).restart()
    story.hear(press((story.rig.now - T0) / SECOND + 20, source_key="again"))
    first, second = story.cases()
    assert (first["state"], second["state"]) == ("closed", "suspected")
    assert second["fields"]["repeat_of_recent"] is True


def test_what_the_sensors_say_of_themselves_is_a_ticket_and_never_a_silent_pass(store: Store) -> None:
    """'Sensor self-fault, low battery: degrade rule, maintenance ticket'."""
    from support.cars import fault, left_empty

    story = Story(store).hear(*left_empty(), fault(-2, ElevatorFault.SENSOR), state(0, **OFF)).until(at(31))
    with store.read() as connection:
        kinds = list(connection.execute(select(schema.tickets.c.kind).order_by(schema.tickets.c.id)).scalars())
    assert kinds == ["elevator_fault", "entrapment"]
    assert story.case()["fields"]["occupancy_unknown"] is True


# --- clocks on the wall ------------------------------------------------------------------------------------------

NIGHTS = {
    "over midnight": ("Asia/Shanghai", "2026-06-30T23:50:00+08:00"),
    "over new year": ("Asia/Shanghai", "2026-12-31T23:45:00+08:00"),
    "an hour that comes twice": ("Europe/Berlin", "2026-10-25T02:40:00+02:00"),
    "an hour that never comes": ("Europe/Berlin", "2026-03-29T01:40:00+01:00"),
    "half an hour that comes twice": ("Australia/Lord_Howe", "2026-04-05T01:40:00+11:00"),
}


@pytest.mark.parametrize(("timezone", "begins"), NIGHTS.values(), ids=NIGHTS)
def test_thirty_minutes_are_thirty_minutes_in_every_night(store: Store, timezone: str, begins: str) -> None:
    """'Incident across midnight: UTC storage, local display, 30 min rule tested over the date change', and over summer time."""
    began = parse_iso(begins)
    story = Story(store, now=began, timezone=timezone)
    story.by_hand()
    story.rescue("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered")
    story.until(began + 3 * HOUR)
    mine = {
        moment: due for name, moment, due in story.clocks() if name == "technician_on_site" and moment == "breached"
    }
    assert mine == {"breached": began + 30 * MINUTE}
    assert ("release", "breached", began + 2 * HOUR) in story.clocks()
    dues = [due for _, _, due in story.clocks()]
    assert dues == sorted(dues)
    local = datetime.fromtimestamp(began / 1000, ZoneInfo(timezone))
    assert story.case()["number"] == f"LAKESIDE-{local.year}-00001"


# --- restarts ---------------------------------------------------------------------------------------------------


def played(story: Story, *, restarts: bool) -> tuple[list[tuple[str, str, UtcMs]], list[tuple[str, str, UtcMs]]]:
    """A rescue from the first press to the report that nobody writes; its deadlines, and who was told what when."""
    steps: tuple[tuple[int, str, dict[str, Any]], ...] = (
        (70, "acknowledge", {}),
        (200, "voice_contact", {}),
        (10, "people", {"inside": 1}),
        (400, "guard_sent", {}),
        (5, "confirm", {}),
        (700, "guard_arrived", {}),
        (1, "firm_told", {}),
        (600, "firm_answered", {}),
        (2_000, "technician_arrived", {}),
        (900, "release", {"people_out": 1}),
        (1_000, "welfare", {}),
        (90_000, "report", {}),
        (60, "close", {}),
    )
    story.hear(*boarded(), state(0, **OFF, passenger=True), press(3))
    for after_s, action, fields in steps:
        if restarts:
            story.restart()
        story.wait(after_s * SECOND)
        if restarts:
            story.restart()
        story.act(action, **fields)
    with story.store.read() as connection:
        order = schema.notice_orders.c
        told = connection.execute(select(order.template, order.audience, order.created_at).order_by(order.id)).all()
    return story.clocks(), [tuple(row) for row in told]  # type: ignore[misc]


def test_a_hub_that_is_restarted_before_and_after_every_step_tells_the_same_people_the_same_things_at_the_same_time(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    outcomes = []
    for restarts in (False, True):
        opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / f'{restarts}.db')}")
        outcomes.append(played(Story(opened), restarts=restarts))
        opened.close()
    lived_on, restarted = outcomes
    assert lived_on == restarted
    clocks, told = lived_on
    assert {name for name, _, _ in clocks} >= {
        "acknowledge",
        "voice_contact",
        "technician_on_site",
        "welfare",
        "report",
    }
    assert len(told) > 15
