"""The judging itself: what passes, what fails, and that surprises are failures."""

import pytest

from simulators.check import Outcome, Verdict, matching, unexpected
from simulators.scenario import Expectation, Script, Target


def expectation(**more) -> Expectation:
    facts = {
        "kind": "entrapment",
        "subjects": ("e1",),
        "count_min": 1,
        "count_max": 1,
        "active": None,
        "states": (),
        "repeats_min": 0,
        "from_s": 10.0,
        "by_s": 20.0,
        "hold": False,
    }
    return Expectation(**(facts | more))


def ticket(kind="entrapment", subject="e1", active=True, state="suspected", count=1):
    return {"id": "t", "kind": kind, "subject": {"id": subject}, "active": active, "state": state, "count": count}


def script(*expectations, allowed=()):
    targets = (Target("s", "e1", "e1"), Target("s", "e2", "e2"))
    return Script("x", "x", "x", (), expectations, frozenset(allowed), targets, 0, 100, None, {})


def outcomes(item, looks):
    """The outcome after each (second, tickets)."""
    verdict = Verdict(item)
    found = []
    for at_s, tickets in looks:
        verdict.look(tickets, at_s, at_s)
        found.append(verdict.outcome.value)
    verdict.close()
    return [*found, verdict.outcome.value]


def test_one_ticket_in_time_passes():
    assert outcomes(expectation(), [(5, []), (15, [ticket()])]) == ["waiting", "passed", "passed"]


def test_a_ticket_before_its_time_is_not_looked_at_yet():
    assert outcomes(expectation(), [(5, [ticket()])]) == ["waiting", "failed"]


def test_too_late_fails_even_if_it_comes_afterwards():
    assert outcomes(expectation(), [(15, []), (21, [ticket()])]) == ["waiting", "failed", "failed"]


def test_two_tickets_instead_of_one_do_not_pass():
    assert outcomes(expectation(), [(15, [ticket(), ticket()])]) == ["waiting", "failed"]


def test_none_must_hold_all_the_time():
    none = expectation(count_min=0, count_max=0, hold=True)
    assert outcomes(none, [(12, []), (15, [ticket()]), (18, [])]) == ["waiting", "failed", "failed", "failed"]
    assert outcomes(none, [(12, []), (19, []), (21, [ticket()])])[-1] == "passed"


def test_an_expectation_that_holds_fails_when_the_ticket_closes():
    held = expectation(active=True, hold=True)
    assert outcomes(held, [(12, [ticket()]), (15, [ticket(active=False)])])[-1] == "failed"


@pytest.mark.parametrize(
    ("restriction", "found"),
    [
        ({}, 1),
        ({"active": True}, 1),
        ({"active": False}, 0),
        ({"states": ("confirmed",)}, 0),
        ({"states": ("suspected", "open")}, 1),
        ({"repeats_min": 2}, 0),
        ({"kind": "elevator_fault"}, 0),
        ({"subjects": ("e2",)}, 0),
    ],
)
def test_only_tickets_that_fit_are_counted(restriction, found):
    assert len(matching(expectation(**restriction), [ticket()])) == found


def test_tickets_that_nothing_expects_are_named():
    surprise = ticket(kind="device_silent")
    assert unexpected(script(expectation()), [ticket(), surprise]) == [surprise]


def test_more_tickets_than_expected_are_named():
    assert len(unexpected(script(expectation()), [ticket(), ticket(), ticket()])) == 2


def test_expecting_none_makes_no_room_for_one():
    none = expectation(count_min=0, count_max=0, hold=True)
    assert unexpected(script(none), [ticket()]) == [ticket()]


def test_allowed_tickets_and_other_subjects_do_not_matter():
    allowed = {("elevator_fault", "e1")}
    others = [ticket(kind="elevator_fault"), ticket(subject="e9")]
    assert unexpected(script(expectation(), allowed=allowed), others) == []


def test_closing_decides_everything():
    assert outcomes(expectation(), [])[-1] == Outcome.FAILED
    assert outcomes(expectation(count_min=0, count_max=0, hold=True), [])[-1] == Outcome.PASSED
