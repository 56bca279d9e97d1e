"""A drill is a full case, marked on everything that is said of it, and counts once somebody has evaluated and signed it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hub.notices import texts
from hub.pipeline import drill_desk
from hub.pipeline.door import KEPT_BY_THE_HUB, Door
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.roles import Role
from rules.drill_due import DrillDue
from support.desk import HOUR, MANAGER, MINUTE, OPERATOR, about, act, raise_ticket, rows_of, ticket, told
from support.rig import SITE, START, Rig, device

GUARD = Actor("sun", frozenset({Role.SECURITY}))
DAY = 24 * HOUR


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, [DrillDue()], [device("lift-1"), device("lift-2"), device("m-1", DeviceKind.METER)])


def start(rig: Rig, lift: str = "lift-1", by: Actor = OPERATOR) -> int:
    return rig.ask(lambda step: drill_desk.start(step, about(lift), "two people, one unwell", by))


def play(rig: Rig) -> None:
    """A drill in which the guard is late and everything else goes well."""
    for after_s, action, fields in (
        (20, "acknowledge", {}),
        (20, "voice_contact", {}),
        (20, "guard_sent", {}),
        (60, "firm_told", {}),
        (60, "firm_answered", {}),
        (720, "guard_arrived", {}),
        (10, "technician_arrived", {}),
        (10, "release", {}),
        (10, "welfare", {}),
        (10, "report", {}),
        (10, "close", {}),
    ):
        rig.advance(after_s * 1_000, 10_000)
        act(rig, 1, action, **fields)


def test_a_drill_runs_all_clocks_tells_everybody_and_every_order_says_that_it_is_one(rig: Rig) -> None:
    start(rig)
    assert (ticket(rig).drill, ticket(rig).state, ticket(rig).fields["scenario"]) == (
        True,
        "suspected",
        "two people, one unwell",
    )
    assert ticket(rig).title.startswith("【演练】")
    rig.advance(17 * MINUTE, 10_000)
    found = rows_of(rig, schema.notice_orders)
    assert [row.audience for row in found[:2]] == ["duty_supervisor", "department_manager"]
    assert len(found) > 6
    assert all(row.drill for row in found)


@pytest.mark.parametrize(("locale", "mark"), [("zh-CN", "【演练】"), ("en", "[DRILL] ")])
def test_the_mark_stands_before_title_and_text_once_and_before_the_place_of_registered_texts(
    locale: str, mark: str
) -> None:
    for name, text in texts.shipped(locale).items():
        if not name.startswith(("entrapment", "ticket")):
            continue
        params = dict.fromkeys(texts.parameters()[name].known, "x") | {"place": "b1"}
        sent = texts.compose([texts.Part(template=name, params=params, text=text)], locale, drill=True)
        assert (sent.title.count(mark), sent.body.count(mark)) == (1, 1)
        assert (sent.title.startswith(mark), sent.body.startswith(mark), sent.params["place"]) == (
            True,
            True,
            f"{mark}b1",
        )


def test_a_real_alarm_ends_the_drill_and_takes_the_mark_off_the_title(rig: Rig) -> None:
    start(rig)
    raise_ticket(rig, "entrapment", severity=Severity.HIGH)
    assert (ticket(rig).drill, "演练" in ticket(rig).title) == (False, False)
    assert [row.drill for row in rows_of(rig, schema.notice_orders)] == [True, True, False, False]


def test_no_drill_begins_where_a_case_is_active_or_by_those_who_do_not_lead(rig: Rig) -> None:
    raise_ticket(rig, "entrapment")
    with pytest.raises(Refused, match="A case is active at LIFT-1"):
        start(rig)
    with pytest.raises(Refused) as refused:
        start(rig, "lift-2", GUARD)
    assert refused.value.status == "not_allowed"
    for wrong in ("m-1", "lift-9"):
        with pytest.raises(Refused) as refused:
            start(rig, wrong)
        assert [name for name, _ in refused.value.errors] == ["device"]
    assert ticket(rig, 1).count == 1


def test_an_evaluation_says_which_clocks_were_met_and_who_signs(rig: Rig) -> None:
    start(rig)
    play(rig)
    with pytest.raises(Refused) as refused:
        act(rig, 1, "evaluate", OPERATOR, remarks="well done")
    assert refused.value.status == "not_allowed"
    with pytest.raises(Refused) as refused:
        act(rig, 1, "evaluate", MANAGER, remarks="x", score=101)
    assert refused.value.errors == (("score", "0 to 100"),)
    done = act(rig, 1, "evaluate", MANAGER, remarks="the guard took the wrong stairs", score=80, participants="li, sun")
    found = done.fields["evaluation"]
    assert found["clocks_breached"] == ["guard_on_site"]
    assert {"acknowledge", "firm_answer", "technician_on_site", "voice_contact", "release"} <= set(found["clocks_met"])
    assert found["met_percent"] == round(100 * len(found["clocks_met"]) / (len(found["clocks_met"]) + 1), 1)
    assert (found["signed_by"], found["signed_at"], found["score"]) == ("chen", rig.now, 80)
    with pytest.raises(Refused, match="done already"):
        act(rig, 1, "evaluate", MANAGER, remarks="again")


def test_a_real_case_is_not_evaluated_and_a_drill_not_before_its_end(rig: Rig) -> None:
    raise_ticket(rig, "entrapment", device="lift-2")
    act(rig, 1, "release")
    with pytest.raises(Refused, match="not a drill"):
        act(rig, 1, "evaluate", MANAGER, remarks="x")
    start(rig)
    with pytest.raises(Refused, match="while the ticket is suspected"):
        act(rig, 2, "evaluate", MANAGER, remarks="x")


def test_the_site_hears_when_the_next_one_is_due_also_after_a_restart(rig: Rig, store: Store) -> None:
    start(rig)
    play(rig)
    act(rig, 1, "evaluate", MANAGER, remarks="x")
    again = Rig(store, [DrillDue()], [device("lift-1")], now=START + 167 * DAY)
    again.advance(MINUTE, MINUTE)
    assert rows_of(again, schema.problems) == []
    again.now = START + 169 * DAY
    again.advance(MINUTE, MINUTE)
    (problem,) = rows_of(again, schema.problems)
    assert (problem.code, msgspec.json.decode(problem.detail_json)["basis"]) == ("drill_due", "drill_held")


@pytest.mark.parametrize("field", sorted(KEPT_BY_THE_HUB))
def test_nobody_signs_an_evaluation_or_assigns_a_round_on_the_way_of_raising_a_ticket(rig: Rig, field: str) -> None:
    door = Door(rig.inbox, rig.store, lambda: rig.now)
    subject = Subject(SITE, SubjectType.DEVICE, "lift-1")
    with pytest.raises(Refused) as refused:
        door.open_ticket("entrapment", subject, {field: {"signed_by": "chen"}}, None, MANAGER, drill=True)
    assert refused.value.errors == ((f"fields.{field}", "is kept by the hub"),)
    assert told(rig) == []
