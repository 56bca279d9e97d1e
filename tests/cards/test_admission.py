"""Who is let in where the hub decides: everything has to speak for a card, and a lost one wins over everything."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from hub.cards.admission import Admission, Standing, admit
from hub.cards.ledger import CardState, EndReason, ObjectState
from hub.vocabulary.access import BACNET_EVENT, AccessReason

NOW = 1_780_000_000_000
DOOR = ("gate-7", "north")
GOOD = Standing(
    object=ObjectState.ASSIGNED,
    assignment=1,
    state=CardState.ACTIVE,
    valid_from=NOW - 1,
    valid_until=NOW + 1,
    doors=frozenset({DOOR}),
)


def but(**other: Any) -> Standing:
    return msgspec.structs.replace(GOOD, **other)


def test_a_card_for_which_everything_speaks_is_let_in() -> None:
    assert admit([GOOD], DOOR, NOW) == Admission(None, 1)
    assert admit([but(valid_until=None)], DOOR, NOW).granted


@pytest.mark.parametrize(
    ("card", "reason", "bacnet"),
    [
        (but(object=ObjectState.LOST), AccessReason.CREDENTIAL_LOST, 143),
        (but(state=CardState.SUSPENDED, reason=EndReason.LOST), AccessReason.CREDENTIAL_LOST, 143),
        (but(state=CardState.SUSPENDED, reason=EndReason.ARREARS), AccessReason.CREDENTIAL_DISABLED, 153),
        (but(state=CardState.SUSPENDED), AccessReason.CREDENTIAL_DISABLED, 153),
        (but(state=CardState.PENDING), AccessReason.CREDENTIAL_NOT_PROVISIONED, 150),
        (but(state=CardState.ENDED, reason=EndReason.EXPIRED), AccessReason.CREDENTIAL_EXPIRED, 152),
        (but(state=CardState.ENDED, reason=EndReason.RETURNED), AccessReason.CREDENTIAL_UNASSIGNED, 149),
        (but(state=None, object=ObjectState.IN_STOCK), AccessReason.CREDENTIAL_UNASSIGNED, 149),
        (but(object=ObjectState.CONFISCATED), AccessReason.CREDENTIAL_NOT_ENABLED, None),
        (but(valid_from=NOW + 1), AccessReason.CREDENTIAL_NOT_ACTIVE, 151),
        (but(valid_until=NOW), AccessReason.CREDENTIAL_EXPIRED, 152),
        (but(doors=frozenset({("gate-7", "south")})), AccessReason.UNAUTHORIZED, 134),
        (but(doors=frozenset({("gate-8", "north")})), AccessReason.UNAUTHORIZED, 134),
    ],
)
def test_each_reason_to_refuse_has_its_own_word(card: Standing, reason: AccessReason, bacnet: int | None) -> None:
    assert admit([card], DOOR, NOW).reason is reason
    assert BACNET_EVENT.get(reason) == bacnet


def test_an_unknown_number_stays_outside() -> None:
    assert admit([], DOOR, NOW) == Admission(AccessReason.CREDENTIAL_NOT_FOUND)


def test_where_the_reader_cannot_tell_a_lost_card_from_a_valid_one_nobody_comes_in() -> None:
    lost = but(object=ObjectState.LOST, assignment=2)
    for cards in itertools.permutations([GOOD, lost]):
        assert admit(cards, DOOR, NOW) == Admission(AccessReason.CREDENTIAL_LOST, 2)


def test_two_valid_cards_with_one_number_are_nobodys_passage_and_an_old_one_does_no_harm() -> None:
    assert admit([GOOD, but(assignment=2)], DOOR, NOW).reason is AccessReason.OTHER
    old = but(assignment=3, state=CardState.ENDED, reason=EndReason.RETURNED)
    assert admit([old, GOOD], DOOR, NOW) == Admission(None, 1)


def test_no_state_but_the_one_good_combination_opens() -> None:
    for object_, state in itertools.product(ObjectState, [None, *CardState]):
        good = object_ is ObjectState.ASSIGNED and state is CardState.ACTIVE
        assert admit([but(object=object_, state=state)], DOOR, NOW).granted is good
