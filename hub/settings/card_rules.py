"""The section `cards:` of a site file: the project's rules for cards, each set from its first day on, with its legal basis.

What is left out stays as the company has it. A price above its `cap` is a mistake here and not a dispute at the desk.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

from hub.settings.mistakes import Mistake
from hub.settings.section import Section
from hub.settings.source import names_of
from hub.vocabulary.card_rules import CARD_RULES, CardRules

DAY: Final = re.compile(r"20[2-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
DAY_ALLOWED: Final = 'a day in quotes: "2027-01-01"'
AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,4})(\.[0-9]{1,2})?")
AMOUNT_ALLOWED: Final = 'yuan: 50, or in quotes "12.50"'
PRICES: Final = {
    "further_card": "further_card_fen",
    "replacement": "replacement_fen",
    "pass_deposit": "pass_deposit_fen",
    "pass_fee": "pass_fee_fen",
    "lost_pass": "lost_pass_fen",
}
COUNTS: Final = {
    "free_cards": (0, 50),
    "pass_months": (1, 12),
    "temporary_pass_days": (1, 31),
    "parking_months": (1, 12),
    "reminder_days": (1, 30),
}


def read_card_rules(root: Section) -> tuple[CardRules, ...]:
    """Every set of rules; two from the same day are a mistake."""
    found: list[CardRules] = []
    for section in root.sections("cards"):
        rules = _read(section)
        if any(other.valid_from == rules.valid_from for other in found) and "valid_from" in section.fields:
            section.wrong("valid_from", f"{rules.valid_from} stands twice", "each day once")
        found.append(rules)
    return tuple(found)


def _read(section: Section) -> CardRules:
    values: dict[str, Any] = {"basis": section.text("basis", required=True)}
    first = section.text("valid_from", required=True, pattern=DAY, allowed=DAY_ALLOWED)
    if first:
        try:
            values["valid_from"] = date.fromisoformat(first)
        except ValueError:
            section.wrong("valid_from", f"there is no {first}", DAY_ALLOWED)
    for key, (low, high) in COUNTS.items():
        number = section.integer(key, low, high)
        if number is not None:
            values[key] = number
    for key, name in PRICES.items():
        fen = _amount(section, key)
        if fen is not None:
            values[name] = fen
    rules = msgspec.structs.replace(CARD_RULES, **values)
    _check_caps(section, rules)
    section.finish()
    return rules


def _check_caps(section: Section, rules: CardRules) -> None:
    caps = section.section("cap")
    if caps is None:
        return
    for key, name in PRICES.items():
        cap = _amount(caps, key)
        if cap is not None and getattr(rules, name) > cap:
            section.wrong(
                key if key in section.fields else "cap",
                f"{key} is {_yuan(getattr(rules, name))}, above its cap",
                f"at most {_yuan(cap)}",
            )
    caps.finish()


def _amount(section: Section, key: str) -> int | None:
    """In fen."""
    at = section.take(key, AMOUNT_ALLOWED)
    if at is None:
        return None
    text = at.written if isinstance(at.value, int) and not isinstance(at.value, bool) and at.written else str(at.value)
    if isinstance(at.value, bool | list | dict) or not AMOUNT.fullmatch(text):
        section.log.append(Mistake(at.file, at.line, section.path(key), _found(at.value), AMOUNT_ALLOWED))
        return None
    return int(Decimal(text) * 100)


def _found(value: Any) -> str:
    return f"{value[:40]!r} is no amount" if isinstance(value, str) else f"{names_of(value)} stands here"


def _yuan(fen: int) -> str:
    return f"{Decimal(fen) / 100:f}"
