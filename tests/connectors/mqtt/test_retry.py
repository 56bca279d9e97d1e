"""When and how to try again, without a network."""

import pytest

from connectors.mqtt_retry import FIRST_WAIT_S, TAKEN_WAIT_S, Cause, LinkEnd, RetryPolicy
from connectors.mqtt_settings import Protocol

AWAY = LinkEnd(Cause.UNREACHABLE)
LOST_SOON = LinkEnd(Cause.CONNECTION_LOST, connected=True, lived_s=0.5)
LOST_LATE = LinkEnd(Cause.CONNECTION_LOST, connected=True, lived_s=3600)


def waits(policy, ends, chance=1.0):
    return [policy.after(end, chance).wait_s for end in ends]


def test_waits_double_up_to_the_longest_and_start_afresh_after_a_long_life():
    policy = RetryPolicy(Protocol.V5, 4.0)
    assert waits(policy, [AWAY] * 7) == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert waits(policy, [LOST_LATE, AWAY]) == [0.25, 0.25]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_spreads_a_wait_over_its_second_half(chance):
    assert waits(RetryPolicy(Protocol.V5, 30.0), [AWAY], chance) == [FIRST_WAIT_S * (0.5 + chance / 2)]


def test_never_a_wait_of_nothing_but_for_the_first_change_of_version():
    policy = RetryPolicy(Protocol.AUTO, 30.0)
    refused = LinkEnd(Cause.PROTOCOL)
    assert policy.protocol is Protocol.V5
    assert policy.after(refused, 0.0).wait_s == 0.0
    assert policy.protocol is Protocol.V311
    assert policy.after(refused, 0.0).wait_s > 0.0
    assert policy.protocol is Protocol.V5


def test_a_version_that_was_asked_for_is_never_changed():
    policy = RetryPolicy(Protocol.V5, 30.0)
    assert policy.after(LinkEnd(Cause.PROTOCOL), 0.0).wait_s > 0
    assert policy.protocol is Protocol.V5


def test_a_version_that_worked_is_not_given_up_when_the_broker_hangs_up():
    policy = RetryPolicy(Protocol.AUTO, 30.0)
    policy.after(LOST_LATE, 0.5)
    for _ in range(4):
        policy.after(LinkEnd(Cause.CLOSED_AT_ONCE), 0.5)
        assert policy.protocol is Protocol.V5
    policy.after(LinkEnd(Cause.CLOSED_AT_ONCE), 0.5)
    assert policy.protocol is Protocol.V311


def test_three_short_lives_in_a_row_mean_that_somebody_uses_our_name():
    policy = RetryPolicy(Protocol.V5, 30.0)
    causes = [policy.after(LOST_SOON, 0.5).cause for _ in range(3)]
    assert causes == [Cause.CONNECTION_LOST, Cause.CONNECTION_LOST, Cause.CLIENT_ID_TAKEN]
    assert policy.after(LOST_SOON, 1.0).wait_s >= TAKEN_WAIT_S


def test_a_broker_that_restarts_is_not_taken_for_a_rival():
    policy = RetryPolicy(Protocol.V5, 30.0)
    causes = [policy.after(end, 0.5).cause for end in [LOST_SOON, AWAY, LOST_SOON, AWAY, LOST_SOON]]
    assert Cause.CLIENT_ID_TAKEN not in causes


def test_a_broker_that_says_so_is_believed_at_once():
    policy = RetryPolicy(Protocol.V5, 30.0)
    taken = LinkEnd(Cause.CLIENT_ID_TAKEN, connected=True, lived_s=100)
    then = policy.after(taken, 1.0)
    assert then.cause is Cause.CLIENT_ID_TAKEN
    assert then.wait_s == TAKEN_WAIT_S
