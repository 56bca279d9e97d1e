"""A project's own rules for cards: what is free, what the rest costs, how long passes last, with basis and first day.

Pure data. The amounts here are this company's (domain/procedures.md 3); a site file says others (hub.settings.card_rules).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec


class CardRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that hold from `valid_from` on. Money in fen; `pass_deposit_fen` 0: the project takes no deposit."""

    free_cards: int = 3
    further_card_fen: int = 5000
    replacement_fen: int = 5000
    pass_deposit_fen: int = 5000
    pass_fee_fen: int = 500
    lost_pass_fen: int = 5000  # taken from the deposit, never more than is held
    pass_months: int = 3
    temporary_pass_days: int = 3
    parking_months: int = 1
    reminder_days: int = 3
    basis: str = "业主卡管理规定"
    valid_from: date = date(2020, 1, 1)


CARD_RULES = CardRules()


def rules_on(rules: Iterable[CardRules], day: date) -> CardRules:
    """The newest rules that hold on this day; the company's own where the project has none yet."""
    holding = [each for each in rules if each.valid_from <= day]
    return max(holding, key=lambda each: each.valid_from, default=CARD_RULES)
