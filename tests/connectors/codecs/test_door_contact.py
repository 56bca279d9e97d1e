"""A door's contact: what is let through, forced, left open and shut."""

from __future__ import annotations

from connectors.codecs.door_contact import THROUGH_MS, DoorContact
from hub.vocabulary.events import DoorState


def contact() -> DoorContact:
    made = DoorContact(held_ms=30_000, stale_after_ms=3_000)
    assert made.look(0, shut=True, unlocked=False, pressed=False) is DoorState.CLOSED
    return made


def see(made: DoorContact, now: int, *, shut: bool, unlocked: bool = False, pressed: bool = False) -> DoorState | None:
    return made.look(now, shut=shut, unlocked=unlocked, pressed=pressed)


def test_a_door_that_opens_while_or_just_after_it_was_unlocked_is_no_alarm() -> None:
    made = contact()
    see(made, 1_000, shut=True, unlocked=True)
    assert see(made, 2_000, shut=True) is None
    assert see(made, 3_000, shut=False) is DoorState.OPEN
    assert see(made, 4_000, shut=False) is None
    assert see(made, 5_000, shut=True) is DoorState.CLOSED


def test_a_door_that_opens_by_itself_is_forced() -> None:
    made = contact()
    assert see(made, 1_000, shut=False) is DoorState.FORCED_OPEN
    late = contact()
    see(late, 1_000, shut=True, unlocked=True)
    for at in range(2_000, 1_000 + THROUGH_MS + 1_000, 1_000):
        assert see(late, at, shut=True) is None
    assert see(late, 1_000 + THROUGH_MS + 1_000, shut=False) is DoorState.FORCED_OPEN


def test_who_leaves_by_the_button_forces_nothing() -> None:
    made = contact()
    see(made, 1_000, shut=True, pressed=True)
    assert see(made, 2_000, shut=False) is DoorState.OPEN


def test_a_door_that_stands_open_is_said_once() -> None:
    made = contact()
    see(made, 1_000, shut=False, unlocked=True)
    said = [see(made, at, shut=False) for at in range(2_000, 62_000, 1_000)]
    assert [(at, each) for at, each in enumerate(said, 2) if each] == [(31, DoorState.HELD_OPEN)]
    assert see(made, 62_000, shut=True) is DoorState.CLOSED


def test_what_happened_while_nobody_looked_was_not_forced_as_far_as_anybody_knows() -> None:
    made = contact()
    assert see(made, 10_000, shut=False) is DoorState.OPEN
    at_first = DoorContact(30_000, 3_000)
    assert see(at_first, 0, shut=False) is DoorState.OPEN
