"""A declared test of the alarm button: for so long its presses are tests, recorded and told to nobody; outside it they are real.

What a maintainer must keep: a test is declared by a person for one elevator and ends by itself; it explains the button and
nothing else; it explains nothing once an incident is open, while the car stands between floors, or when the time of the
declaration is over. While it lasts a problem says so on the wall (domain/elevator.md 5 'Technician's test press').
"""

from __future__ import annotations

from hub.vocabulary.decisions import CancelTimer, ClearProblem, RaiseProblem, Severity
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.press_tests import PressTestDeclared
from rules.entrapment.car import Motion
from rules.entrapment.limits import ms
from rules.entrapment.step import Step

TEST_TIMER = "press_test"


def on_declared(step: Step, event: PressTestDeclared) -> None:
    """Somebody will try the button, or has finished."""
    until = min(event.until, step.at + ms(step.limits.press_test_s))
    if until <= step.at:
        step.add(CancelTimer(key=TEST_TIMER))
        on_over(step)
        return
    step.set(press_test_until=until)
    step.timer(TEST_TIMER, until)
    detail = {"by": event.by, "reason": event.reason, "until": until}
    step.add(RaiseProblem(code="press_test", subject=step.subject, severity=Severity.LOW, detail=detail))


def on_over(step: Step) -> None:
    """From now on every press is real."""
    if step.state.press_test_until is not None:
        step.set(press_test_until=None)
        step.add(ClearProblem(code="press_test", subject=step.subject))


def explains(step: Step) -> bool:
    """Whether a press now is a test."""
    until, state = step.state.press_test_until, step.state
    between_floors = step.car.zone is False and step.car.motion is not Motion.MOVING
    return until is not None and step.at < until and state.incident is None and not between_floors


def end(step: Step) -> UtcMs:
    """When the test is over; only while there is one."""
    assert step.state.press_test_until is not None
    return step.state.press_test_until
