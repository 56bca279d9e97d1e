"""What a change of a case was, for ways out that report steps: its own words, and the milestones that stand."""

import shutil
from datetime import UTC
from enum import StrEnum

import msgspec
import pytest

from hub.pipeline.publication_case import with_case
from hub.store.database import open_store
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Actor
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.ports import PublicChange
from hub.vocabulary.roles import Role
from support.rig import SITE, START, Rig, device

LI = Actor("li", frozenset({Role.CONTROL_ROOM}))


class Why(StrEnum):
    TEST = "test"


@pytest.fixture
def rig(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [], [device("e1")])
    store.close()


def raised():
    return RaiseTicket(
        kind=TicketKind.ENTRAPMENT,
        subject=Subject(SITE, SubjectType.DEVICE, "e1"),
        reason=Why.TEST,
        severity=Severity.CRITICAL,
        occurred_at=START,
    )


def cases(rig):
    """Of every change of the ticket, as the publisher fills it in."""
    found = []
    for row in rig.fed:
        if row.type.startswith("ticket_"):
            body = msgspec.json.decode(row.body)
            change = PublicChange(seq=row.seq, site=row.site, at=row.at, type=row.type, body=body)
            found.append(with_case(rig.store, lambda site: UTC, change).case)
    return found


def test_each_change_has_its_own_words_and_all_milestones_that_stand(rig):
    rig.ask(lambda step: step.raise_ticket(raised()))
    for action, fields in (("confirm", {}), ("firm_told", {}), ("release", {"people_out": 1})):
        rig.now += 1_000
        rig.ask(lambda step, action=action, fields=fields: step.act(1, action, fields, LI, None))
    first, second, third, fourth = (each["words"] for each in cases(rig))
    assert first[:2] == ["raised", "state_suspected"]
    assert second == ["confirm", "state_confirmed"]
    assert third == ["firm_told"]
    assert fourth == ["release", "state_released"]
    milestones = {each["name"]: each for each in cases(rig)[0]["milestones"]}
    assert {"opened", "confirmed", "firm_told", "released"} <= milestones.keys()
    assert milestones["firm_told"]["by"] == "li"
    assert milestones["firm_told"]["at"].endswith("+00:00")


def test_a_clock_is_not_taken_for_an_action_of_the_same_name(rig):
    rig.ask(lambda step: step.raise_ticket(raised()))
    rig.advance(3 * 3_600_000, 60_000)
    words = {word for each in cases(rig)[1:] for word in each["words"]}
    assert any(word.startswith("clock_") for word in words)
    assert not words & set(KINDS["entrapment"].actions)


def test_a_repeat_is_one(rig):
    rig.ask(lambda step: step.raise_ticket(raised()))
    rig.now += 1_000
    rig.ask(lambda step: step.raise_ticket(raised()))
    assert cases(rig)[1]["words"][0] == "repeat"


def test_what_is_no_ticket_or_is_gone_stays_as_it_is(rig):
    problem = PublicChange(seq=1, site=SITE, at=0, type="problem_raised", body={})
    gone = PublicChange(seq=1, site=SITE, at=0, type="ticket_changed", body={"id": 99})
    for change in (problem, gone):
        assert with_case(rig.store, lambda site: UTC, change) is change
