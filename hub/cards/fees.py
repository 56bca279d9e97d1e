"""What a card costs, with the arithmetic in words that a clerk reads out to the person at the desk.

Pure. A free card is used up by being issued to the household, not by being in use: a returned card gives none back
(domain/access.md 7). A replacement of a lost card has its own price and uses no free card. Money in fen.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hub.cards.kinds import KINDS, CardKind, fee_of
from hub.vocabulary.card_rules import CardRules
from hub.vocabulary.units import BalanceUnit, credit_text


class IssueReason(StrEnum):
    """Why a card is issued."""

    NEW = "new"
    REPLACES_LOST = "replaces_lost"
    REPLACES_DEFECTIVE = "replaces_defective"


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A price. `fee_fen` None: not known to the hub. `counts`: the issue uses up one of the household's free cards."""

    fee_fen: int | None
    deposit_fen: int = 0
    counts: bool = False
    words_zh: str
    words_en: str

    @property
    def due_fen(self) -> int | None:
        """Fee and deposit."""
        return None if self.fee_fen is None else self.fee_fen + self.deposit_fen

    def words(self, locale: str) -> str:
        """The arithmetic in the site's language."""
        return self.words_zh if locale.startswith("zh") else self.words_en


def quote(kind: CardKind, reason: IssueReason, issued: int, rules: CardRules) -> Quote:
    """The price of the next card, after `issued` cards that counted for this household."""
    if reason is IssueReason.REPLACES_DEFECTIVE:
        return Quote(fee_fen=0, words_zh="坏卡更换，免费", words_en="Replacement of a defective card: free")
    if reason is IssueReason.REPLACES_LOST:
        return _replacement(rules)
    return _household(issued, rules) if KINDS[kind].household else _pass(kind, rules)


def yuan(fen: int) -> str:
    """Yuan as people write it: 5000 fen is '50', 550 is '5.50'."""
    text = credit_text(fen, BalanceUnit.CNY)
    return text.removesuffix(".00")


def _replacement(rules: CardRules) -> Quote:
    price = yuan(rules.replacement_fen)
    return Quote(
        fee_fen=rules.replacement_fen,
        words_zh=f"挂失补卡，不占免费名额，应收 {price} 元",
        words_en=f"Replacement of a lost card, uses no free card: {price} yuan due",
    )


def _household(issued: int, rules: CardRules) -> Quote:
    free, number = rules.free_cards, issued + 1
    fee = 0 if number <= free else rules.further_card_fen
    used = f"{min(issued, free)}/{free}"
    so_far_zh, so_far_en = f"已发 {issued} 张(免费 {used})", f"{issued} issued (free {used})"
    if fee == 0:
        return Quote(
            fee_fen=0,
            counts=True,
            words_zh=f"{so_far_zh}，第 {number} 张免费",
            words_en=f"{so_far_en}, card {number} is free",
        )
    return Quote(
        fee_fen=fee,
        counts=True,
        words_zh=f"{so_far_zh}，第 {number} 张应收 {yuan(fee)} 元",
        words_en=f"{so_far_en}, card {number}: {yuan(fee)} yuan due",
    )


def _pass(kind: CardKind, rules: CardRules) -> Quote:
    fee_fen, deposit_fen = fee_of(kind, rules)
    if fee_fen is None:
        return Quote(fee_fen=None, words_zh="按项目收费标准收取", words_en="Due as the project's price list says")
    if fee_fen + deposit_fen == 0:
        return Quote(fee_fen=0, words_zh="免费", words_en="Free")
    fee, deposit, both = yuan(fee_fen), yuan(deposit_fen), yuan(fee_fen + deposit_fen)
    return Quote(
        fee_fen=fee_fen,
        deposit_fen=deposit_fen,
        words_zh=f"押金 {deposit} 元 + 工本费 {fee} 元，应收 {both} 元",
        words_en=f"Deposit {deposit} yuan + fee {fee} yuan: {both} yuan due",
    )
