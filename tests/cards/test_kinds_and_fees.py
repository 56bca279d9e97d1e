"""What a card needs, costs and how long it lasts: the figures of domain/procedures.md 3."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from hub.cards.fees import IssueReason, quote
from hub.cards.kinds import CardKind, Document, Span, missing, span_of
from hub.vocabulary.card_rules import CARD_RULES, CardRules

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("issued", "fee", "zh", "en"),
    [
        (0, 0, "已发 0 张(免费 0/3)，第 1 张免费", "0 issued (free 0/3), card 1 is free"),
        (2, 0, "已发 2 张(免费 2/3)，第 3 张免费", "2 issued (free 2/3), card 3 is free"),
        (3, 5000, "已发 3 张(免费 3/3)，第 4 张应收 50 元", "3 issued (free 3/3), card 4: 50 yuan due"),
        (5, 5000, "已发 5 张(免费 3/3)，第 6 张应收 50 元", "5 issued (free 3/3), card 6: 50 yuan due"),
    ],
)
def test_three_cards_are_free_the_third_included_and_each_further_one_is_fifty(
    issued: int, fee: int, zh: str, en: str
) -> None:
    for kind in (CardKind.OWNER, CardKind.TENANT):
        priced = quote(kind, IssueReason.NEW, issued, CARD_RULES)
        assert (priced.due_fen, priced.words("zh-CN"), priced.words("en"), priced.counts) == (fee, zh, en, True)


def test_a_lost_card_costs_its_own_fifty_and_a_defective_one_nothing_and_neither_is_counted() -> None:
    lost = quote(CardKind.OWNER, IssueReason.REPLACES_LOST, 1, CARD_RULES)
    assert (lost.due_fen, lost.counts) == (5000, False)
    assert "不占免费名额" in lost.words("zh-CN")
    defective = quote(CardKind.OWNER, IssueReason.REPLACES_DEFECTIVE, 3, CARD_RULES)
    assert (defective.due_fen, defective.counts) == (0, False)


def test_another_projects_amounts_are_data() -> None:
    rules = CardRules(free_cards=2, further_card_fen=2550)
    assert quote(CardKind.OWNER, IssueReason.NEW, 2, rules).words("zh-CN") == (
        "已发 2 张(免费 2/2)，第 3 张应收 25.50 元"
    )


def test_a_workers_pass_costs_deposit_and_fee_which_stay_apart() -> None:
    priced = quote(CardKind.WORKER_PASS, IssueReason.NEW, 7, CARD_RULES)
    assert (priced.fee_fen, priced.deposit_fen, priced.due_fen, priced.counts) == (500, 5000, 5500, False)
    assert priced.words("zh-CN") == "押金 50 元 + 工本费 5 元，应收 55 元"


def test_a_parking_cards_price_is_not_invented() -> None:
    priced = quote(CardKind.PARKING, IssueReason.NEW, 0, CARD_RULES)
    assert priced.due_fen is None
    seen = frozenset({Document.VEHICLE_REGISTERED})
    assert missing(CardKind.PARKING, seen, None, 0, has_id_number=False) == ("payment",)
    assert missing(CardKind.PARKING, seen, None, 30_000, has_id_number=False) == ()


def test_what_is_missing_is_named_until_it_is_there() -> None:
    assert missing(CardKind.WORKER_PASS, frozenset(), 5500, 0, has_id_number=True) == ("renovation_permit", "payment")
    permit = frozenset({"renovation_permit"})
    assert missing(CardKind.WORKER_PASS, permit, 5500, 5499, has_id_number=True) == ("payment",)
    assert missing(CardKind.WORKER_PASS, permit, 5500, 5500, has_id_number=True) == ()
    assert missing(CardKind.STAFF, frozenset(), 0, 0, has_id_number=True) == (
        "department_head_signed",
        "manager_approved",
    )
    assert missing(CardKind.OWNER, frozenset(), 0, 0, has_id_number=False) == ()


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 8, 31), date(2026, 11, 30)),  # there is no 31 November
        (date(2026, 11, 30), date(2027, 2, 28)),
        (date(2027, 11, 29), date(2028, 2, 29)),
        (date(2026, 3, 15), date(2026, 6, 15)),
        (date(2026, 10, 1), date(2027, 1, 1)),
    ],
)
def test_three_months_end_on_the_same_day_or_on_the_last_of_a_shorter_month(first: date, last: date) -> None:
    assert Span(months=3).last_day(first) == last


def test_three_days_count_the_day_of_issue_and_end_at_midnight_at_the_site() -> None:
    span = span_of(CardKind.TEMPORARY_PASS, CARD_RULES)
    assert span is not None
    issued = int(datetime(2026, 11, 21, 23, 30, tzinfo=SHANGHAI).timestamp() * 1000)
    end = datetime.fromtimestamp(span.end(issued, SHANGHAI) / 1000, SHANGHAI)
    assert end == datetime(2026, 11, 24, 0, 0, tzinfo=SHANGHAI)
