"""Top-ups: seen on the meter, or missing there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.vocabulary.decisions import Derive, TicketKind
from hub.vocabulary.events import MeterMark, TopUpState
from hub.vocabulary.units import BalanceUnit, to_credit
from rules.low_balance import LowBalance
from rules.topup import TopUp
from rules.topup_proof import Pending, Seen, proven
from support.meters import SUBJECT, meter_facts, reading, replaced, topup
from support.timeline import T0, Timeline

SHARES = (0.8, 1.05)


def mark(minute: float, balance: str | None, purchases: int | None) -> MeterMark:
    credit = None if balance is None else to_credit(balance, BalanceUnit.CNY)
    return MeterMark(at=T0 + round(minute * 60_000), credit=credit, purchases=purchases)


def story(**limits: Any) -> Timeline:
    return Timeline(TopUp(), devices=[meter_facts()], limits=limits, restarts=True)


def paid(reference: str = "T1", yuan: str = "100", minute: float = 0, **more: Any) -> Timeline:
    """Paid at `minute`; the meter stood at 25 yuan and three purchases before."""
    return story().push(topup(minute, reference, yuan, before=mark(-10, "25", 3), **more))


def outcomes(told: Timeline) -> list[tuple[str, str | None]]:
    """What was settled, in order: reference and proof."""
    derived = [decision.event for _, decision in told.log if isinstance(decision, Derive)]
    return [(event.reference, event.proof and event.proof.value) for event in derived]


# --- proof ------------------------------------------------------------------------------------------------------


def test_one_purchase_more_proves_it_and_nothing_is_due_any_more() -> None:
    told = paid().push(reading(10, "124", 4))
    assert outcomes(told) == [("T1", "purchase_count")]
    assert (told.timers, told.advance(90_000).tickets) == ({}, [])


def test_a_count_that_wraps_proves_it() -> None:
    told = story().push(topup(0, before=mark(-10, "25", 9_999)), reading(10, "124", 0))
    assert outcomes(told) == [("T1", "purchase_count")]


def test_the_recharge_record_with_this_amount_is_the_best_proof() -> None:
    assert outcomes(paid().push(reading(10, "124", 4, last_purchase="100"))) == [("T1", "recharge_record")]


def test_a_purchase_of_another_amount_is_somebody_elses() -> None:
    told = paid().push(reading(10, "74", 4, last_purchase="50"), reading(20, "173", 5, last_purchase="100"))
    assert outcomes(told) == [("T1", "recharge_record")]


@pytest.mark.parametrize(
    ("balance", "proof"),
    [("124", "balance"), ("107", "balance"), ("104", None), ("131", None), ("25", None), ("24", None)],
)
def test_without_a_count_the_rise_proves_it_less_what_was_used(balance: str, proof: str | None) -> None:
    told = story().push(topup(0, before=mark(-10, "25", None)), reading(10, balance))
    assert outcomes(told) == ([("T1", proof)] if proof else [])


def test_a_rise_is_measured_from_reading_to_reading() -> None:
    told = story().push(topup(0, before=mark(-10, "25", None)))
    told.push(*(reading(minute, str(25 - minute / 5)) for minute in (5, 10, 15)), reading(20, "118"))
    assert outcomes(told) == [("T1", "balance")]


def test_energy_says_nothing_about_money() -> None:
    told = Timeline(TopUp(), devices=[meter_facts(unit=BalanceUnit.KWH)])
    told.push(topup(0, yuan="10", before=mark(-10, None, None)), reading(10, "20", unit=BalanceUnit.KWH))
    told.push(reading(20, "21", unit=BalanceUnit.KWH))  # 1,000 Wh more, as 1,000 fen would be
    assert outcomes(told) == []


def test_one_purchase_proves_one_top_up_the_oldest() -> None:
    told = paid().push(topup(1, "T2", "50", before=mark(-10, "25", 3)), reading(10, "124", 4), reading(15, "123", 4))
    assert outcomes(told) == [("T1", "purchase_count")]
    told.push(reading(20, "173", 5))
    assert outcomes(told)[1:] == [("T2", "purchase_count")]


def test_two_purchases_at_once_prove_two() -> None:
    told = paid().push(topup(1, "T2", "50", before=mark(-10, "25", 3)), reading(10, "174", 5))
    assert outcomes(told) == [("T1", "purchase_count"), ("T2", "purchase_count")]


def test_the_rise_by_both_proves_both() -> None:
    told = story().push(topup(0, "T1", "100", before=mark(-10, "25", None)))
    told.push(topup(1, "T2", "50", before=mark(-10, "25", None)), reading(10, "174"))
    assert outcomes(told) == [("T1", "balance"), ("T2", "balance")]


def test_reported_when_the_meter_has_it_already_is_confirmed_at_once() -> None:
    told = story().push(topup(0, before=mark(-10, "25", 3), newest=mark(30, "124", 4)))
    assert outcomes(told) == [("T1", "purchase_count")]
    assert (told.timers, told.states) == ({}, {})


def test_without_any_reading_before_the_first_one_is_the_measure() -> None:
    told = story().push(topup(0), reading(10, "25", 3), reading(20, "124", 4))
    assert outcomes(told) == [("T1", "purchase_count")]


@pytest.mark.parametrize("how", [{"late": True}, {"live": False}])
def test_old_news_prove_nothing(how: dict[str, bool]) -> None:
    assert outcomes(paid().push(reading(10, "124", 4, **how))) == []


def test_an_unreadable_meter_proves_nothing_and_is_not_heard() -> None:
    told = paid().push(reading(10, None)).advance(40 * 60)
    assert (outcomes(told), told.tickets) == ([], [])


def test_another_meters_purchase_is_no_proof() -> None:
    told = story().push(reading(-20, "25", 3, serial="A1"), topup(0, before=mark(-10, "25", 3)))
    told.push(reading(10, "200", 4, serial="B2"), reading(20, "200", 4))
    assert outcomes(told) == []
    told.push(reading(30, "124", 4, serial="A1"))
    assert outcomes(told) == [("T1", "purchase_count")]


def test_a_new_meter_is_measured_anew() -> None:
    told = story().push(
        reading(-20, "25", 3, serial="A1"), topup(0, before=mark(-10, "25", 3)), replaced(5, "A1", "B2")
    )
    told.push(reading(10, "25", 0, serial="B2"))
    assert outcomes(told) == []
    told.push(reading(20, "124", 1, serial="B2"))
    assert outcomes(told) == [("T1", "purchase_count")]


# --- missing ----------------------------------------------------------------------------------------------------


def missing() -> Timeline:
    """Read twice since, and it is not there: 31 minutes after the payment."""
    return paid().push(reading(10, "24", 3), reading(25, "24", 3)).advance_to(T0 + 31 * 60_000)


def test_paid_but_not_on_the_meter_after_half_an_hour_is_a_ticket_for_finance_and_housekeeper() -> None:
    told = missing()
    ticket = told.one(TicketKind.TOPUP_MISSING, SUBJECT)
    assert (ticket.reason, ticket.fields) == (
        "not_on_meter", {"reference": "T1", "amount": "100.00", "place": "b1/0101"},
    )  # fmt: skip
    assert told.waiting() == ["2:T1/finance", "2:T1/housekeeper"]
    assert {(n.audience.value, n.template) for _, n in told.notices.values()} == {
        ("finance", "topup_missing"), ("housekeeper", "topup_missing"),
    }  # fmt: skip
    assert outcomes(told) == [("T1", None)]


def test_one_minute_before_there_is_none() -> None:
    assert paid().push(reading(10, "24", 3)).advance_to(T0 + 29 * 60_000).tickets == []


def test_confirmed_later_the_ticket_recovers_and_nothing_more_is_sent() -> None:
    told = missing().push(reading(40, "123", 4))
    assert told.tickets[0].moves == [("recovered", "seen_on_meter")]
    assert told.waiting() == []
    assert outcomes(told) == [("T1", None), ("T1", "purchase_count")]


def test_a_ticket_of_two_recovers_with_the_second() -> None:
    told = paid().push(topup(1, "T2", "50", before=mark(-10, "25", 3)), reading(20, "24", 3)).advance(60 * 60)
    assert told.one(TicketKind.TOPUP_MISSING).count == 2
    told.push(reading(90, "123", 4))
    assert len(told.active()) == 1
    told.push(reading(100, "172", 5))
    assert told.active() == []


def test_a_meter_that_nobody_could_read_is_waited_for() -> None:
    """Edge case 13: paid, waiting for the meter. Not known is not missing."""
    told = paid().advance(3 * 3600)
    assert (told.tickets, told.verdicts()) == ([], ["waiting_for_meter"])
    told.push(reading(200, "24", 3))
    told.advance(29 * 60)
    assert told.tickets == [], "it may come now that the meter is back"
    told.advance(2 * 60)
    assert told.one(TicketKind.TOPUP_MISSING).reason == "not_on_meter"


def test_a_meter_that_is_back_with_its_credit_needs_nobody() -> None:
    told = paid().advance(3 * 3600).push(reading(200, "124", 4)).advance(48 * 3600)
    assert (told.tickets, outcomes(told)) == ([], [("T1", "purchase_count")])


def test_a_day_without_reading_the_meter_is_a_ticket_of_its_own_reason() -> None:
    assert paid().advance(25 * 3600).one(TicketKind.TOPUP_MISSING).reason == "meter_not_read"


def test_a_restart_over_the_deadline_tells_it_once() -> None:
    told = paid().push(reading(10, "24", 3)).restart(3600).restart(3600)
    assert told.one(TicketKind.TOPUP_MISSING).count == 1


def test_what_people_have_settled_is_not_waited_for_any_more() -> None:
    told = missing().people("resolve", "resolved", TicketKind.TOPUP_MISSING, SUBJECT)
    assert told.state("topup", SUBJECT).pending == ()


# --- the vending system's own word ------------------------------------------------------------------------------


def test_later_states_of_one_top_up_are_no_further_top_ups() -> None:
    told = paid().push(topup(1, state=TopUpState.BOOKED), topup(2, state=TopUpState.ISSUED), topup(3))
    assert len(told.state("topup", SUBJECT).pending) == 1


@pytest.mark.parametrize(
    ("state", "reason"), [(TopUpState.FAILED, "topup_failed"), (TopUpState.CONFIRMED, "confirmed_by_platform")]
)
def test_its_end_ends_the_wait_and_the_ticket(state: TopUpState, reason: str) -> None:
    told = missing().push(topup(35, state=state))
    assert told.tickets[0].moves == [("recovered", reason)]
    assert (told.state("topup", SUBJECT).pending, told.waiting()) == ((), [])


def test_a_confirmed_or_failed_one_that_nobody_awaits_changes_nothing() -> None:
    told = story().push(topup(0, state=TopUpState.CONFIRMED), topup(1, "T2", state=TopUpState.FAILED))
    assert (told.log, told.writes) == ([], 0)


# --- beside the low balance -------------------------------------------------------------------------------------


def test_in_vain_the_household_is_told_again_after_half_an_hour() -> None:
    told = Timeline(LowBalance(), TopUp(), devices=[meter_facts()], restarts=True)
    told.push(reading(0, "25", 3), reading(15, "25", 3), topup(16, before=mark(15, "25", 3)))
    assert told.waiting() == []
    told.push(reading(30, "24", 3), reading(45, "24", 3))
    assert "e1/l1/r1" not in told.told()
    told.push(reading(60, "24", 3))
    assert "e1/l1/r1" in told.told()


def test_a_meter_for_which_nothing_is_awaited_writes_its_serial_number_once_and_says_nothing() -> None:
    told = story().push(*(reading(minute, "200", 7 + minute // 100, serial="A1") for minute in range(0, 600, 15)))
    assert (told.writes, told.log) == (1, [])


@given(
    st.lists(st.sampled_from([5_000, 10_000, 20_000]), min_size=1, max_size=4),
    st.integers(0, 6),
    st.sampled_from([0, 3, 9_997]),
    st.sampled_from([None, 5_000, 10_000, 12_345]),
)
def test_no_more_top_ups_are_proven_than_there_were_purchases(
    amounts: list[int], bought: int, before: int, recorded: int | None
) -> None:
    awaited = [
        Pending(reference=str(number), amount_fen=amount, paid_at=T0, purchases=before)
        for number, amount in enumerate(amounts)
    ]
    seen = Seen(credit=None, purchases=(before + bought) % 10_000, last_purchase=recorded if bought else None)
    found, left = proven(awaited, seen, SHARES)
    assert len(found) <= bought
    assert len(found) + len(left) == len(awaited)
    if recorded is None:
        assert [each.reference for each, _ in found] == [each.reference for each in awaited[:bought]], (
            "the oldest first"
        )
    again, _ = proven(left, seen, SHARES)
    assert again == [], "the same reading proves nothing twice"
