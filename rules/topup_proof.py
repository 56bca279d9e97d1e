"""Which of the awaited top-ups a reading proves. Pure, oldest first; one purchase proves one top-up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from hub.vocabulary.events import TopUpProof
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.purchases import purchases_between


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A top-up that is awaited. `credit` (fen) and `purchases` are what the meter showed before it; None: not known."""

    reference: str
    amount_fen: int
    paid_at: UtcMs
    credit: int | None = None
    purchases: int | None = None
    heard: bool = False  # the meter was read since
    waiting: bool = False  # the deadline passed without a reading
    overdue: bool = False  # people were told that it is missing


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter shows: credit and newest recharge record in fen, None where it does not say or counts in kWh."""

    credit: int | None
    purchases: int | None
    last_purchase: int | None


def proven(
    awaited: Sequence[Pending], seen: Seen, shares: tuple[float, float]
) -> tuple[list[tuple[Pending, TopUpProof]], list[Pending]]:
    """Those that are on the meter, with the proof, and those that are not, measured from this reading on."""
    found = _by_count(awaited, seen)
    if not found:
        found = {each.reference: TopUpProof.BALANCE for each in _by_rise(awaited, seen, shares)}
    taken = [(each, found[each.reference]) for each in awaited if each.reference in found]
    return taken, [_measured_from(each, seen) for each in awaited if each.reference not in found]


def _by_count(awaited: Sequence[Pending], seen: Seen) -> dict[str, TopUpProof]:
    """Purchases counted back from now: the newest is number 1, and each is taken once, the oldest first."""
    found: dict[str, TopUpProof] = {}
    newest_free = 1
    if seen.last_purchase is not None:
        recorded = next(
            (each for each in awaited if each.amount_fen == seen.last_purchase and _since(each, seen)), None
        )
        newest_free = 2  # the record says whose it is: ours, or nobody's that we await
        if recorded is not None:
            found[recorded.reference] = TopUpProof.RECHARGE_RECORD
    oldest_free: int | None = None
    for each in awaited:
        if each.reference in found:
            continue
        number = _since(each, seen) if oldest_free is None else min(_since(each, seen), oldest_free)
        if number >= newest_free:
            found[each.reference] = TopUpProof.PURCHASE_COUNT
            oldest_free = number - 1
    return found


def _since(pending: Pending, seen: Seen) -> int:
    if pending.purchases is None or seen.purchases is None:
        return 0
    return purchases_between(pending.purchases, seen.purchases)


def _by_rise(awaited: Sequence[Pending], seen: Seen, shares: tuple[float, float]) -> Sequence[Pending]:
    """The first one whose amount the credit has risen by, or all of them together."""
    measured = [each for each in awaited if each.credit is not None]
    if seen.credit is None or not measured:
        return ()
    for each in measured:
        if _fits(seen.credit, each, each.amount_fen, shares):
            return (each,)
    total = sum(each.amount_fen for each in measured)
    return measured if _fits(seen.credit, measured[0], total, shares) else ()


def _fits(credit: int, pending: Pending, amount_fen: int, shares: tuple[float, float]) -> bool:
    least, most = (Decimal(str(share)) * amount_fen for share in shares)
    return pending.credit is not None and least <= credit - pending.credit <= most


def _measured_from(pending: Pending, seen: Seen) -> Pending:
    """Purchases and rises up to here were others'; a count that fell is another account, which is measured anew as well."""
    return replace(
        pending,
        credit=pending.credit if seen.credit is None else seen.credit,
        purchases=pending.purchases if seen.purchases is None else seen.purchases,
    )
