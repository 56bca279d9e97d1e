"""Top-ups as vending systems report them: one row per reference, whose state only goes forward.

Functions of a connection, called within a step of the pipeline: row, event and what the rules make of it are one
transaction. A state that comes late (`paid` after `issued`) changes nothing and is no mistake: messages overtake each other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, or_, select

from hub.meters.lives import installed_since
from hub.meters.readings import UNITS
from hub.store.schema import devices, readings, topups
from hub.vocabulary.events import MeterMark, TopUpProof, TopUpSettled, TopUpState
from hub.vocabulary.instants import DAY_MS, UtcMs
from hub.vocabulary.units import BalanceUnit

ORDER: Final = (TopUpState.PAID, TopUpState.BOOKED, TopUpState.ISSUED, TopUpState.CONFIRMED)
CREDIT_USEFUL_MS: Final = DAY_MS
"""A credit read longer before the payment says little about how far it has risen since: too much was used meanwhile."""


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """A report, checked. `paid_at` is never in the future."""

    site: str
    device_pk: int
    reference: str
    amount_fen: int
    state: TopUpState
    paid_at: UtcMs


class Change(StrEnum):
    """What a report means beside what is known."""

    NEW = "new"
    ADVANCED = "advanced"
    SAME = "same"
    OTHER_METER = "other_meter"
    OTHER_AMOUNT = "other_amount"
    CONFIRMED_ALREADY = "confirmed_already"


CONFLICTS: Final = frozenset({Change.OTHER_METER, Change.OTHER_AMOUNT, Change.CONFIRMED_ALREADY})


def change_of(known: Row[Any] | None, report: TopUp) -> Change:
    """How a report stands to the row of the same reference (None: there is none). Pure."""
    if known is None:
        return Change.NEW
    if known.device_pk != report.device_pk:
        return Change.OTHER_METER
    if known.amount_fen != report.amount_fen:
        return Change.OTHER_AMOUNT
    state = TopUpState(known.state)
    if report.state is TopUpState.FAILED:
        if state is TopUpState.CONFIRMED:
            return Change.CONFIRMED_ALREADY
        return Change.SAME if state is TopUpState.FAILED else Change.ADVANCED
    if state is TopUpState.FAILED:  # called off, and yet it arrived: only the meter's side can still say something
        return Change.ADVANCED if report.state is TopUpState.CONFIRMED else Change.SAME
    return Change.ADVANCED if ORDER.index(report.state) > ORDER.index(state) else Change.SAME


def by_reference(connection: Connection, site: str, reference: str) -> Row[Any] | None:
    """The row of a vending system's own number."""
    statement = select(topups).where(topups.c.site == site, topups.c.reference == reference)
    return connection.execute(statement).one_or_none()


def write(connection: Connection, report: TopUp, change: Change, now: UtcMs) -> int:
    """Keep a report that is new or goes further; the row's id. A confirmation from outside has the platform's word as proof."""
    confirmed = report.state is TopUpState.CONFIRMED
    moved = {
        "state": str(report.state),
        "updated_at": now,
        "confirmed_at": now if confirmed else None,
        "proof": str(TopUpProof.PLATFORM) if confirmed else None,
    }
    if change is Change.ADVANCED:
        where = (topups.c.site == report.site, topups.c.reference == report.reference)
        statement = topups.update().where(*where).values(**moved).returning(topups.c.id)
        advanced: int = connection.execute(statement).scalar_one()
        return advanced
    first = {
        "site": report.site,
        "reference": report.reference,
        "device_pk": report.device_pk,
        "amount_fen": report.amount_fen,
        "paid_at": report.paid_at,
    }
    added: int = connection.execute(topups.insert().values(**first, **moved).returning(topups.c.id)).scalar_one()
    return added


def settle(connection: Connection, settled: TopUpSettled, now: UtcMs) -> None:
    """The meter has it: the row says so. Waited for in vain changes no row: it may still come."""
    if settled.proof is None:
        return
    where = (
        topups.c.site == settled.site,
        topups.c.reference == settled.reference,
        topups.c.state != str(TopUpState.CONFIRMED),
    )
    values = {
        "state": str(TopUpState.CONFIRMED),
        "updated_at": now,
        "confirmed_at": now,
        "proof": str(settled.proof),
    }
    connection.execute(topups.update().where(*where).values(**values))


# --- what the meter showed ------------------------------------------------------------------------------------


def marks(connection: Connection, device_pk: int, paid_at: UtcMs) -> tuple[MeterMark | None, MeterMark | None]:
    """What the meter that is installed now showed last before the payment, and what it shows now."""
    since = installed_since(connection, device_pk)
    newest_first = (
        select(readings)
        .where(readings.c.device_pk == device_pk, readings.c.at >= since)
        .where(or_(readings.c.credit.is_not(None), readings.c.purchases.is_not(None)))
        .order_by(readings.c.at.desc(), readings.c.key.desc())
        .limit(1)
    )
    before = connection.execute(newest_first.where(readings.c.at <= paid_at)).one_or_none()
    newest = connection.execute(newest_first).one_or_none()
    return _mark(before, paid_at), _mark(newest, paid_at)


def _mark(row: Row[Any] | None, paid_at: UtcMs) -> MeterMark | None:
    if row is None:
        return None
    comparable = UNITS[row.unit] is BalanceUnit.CNY and paid_at - row.at <= CREDIT_USEFUL_MS
    return MeterMark(at=row.at, credit=row.credit if comparable else None, purchases=row.purchases)


# --- reading them ---------------------------------------------------------------------------------------------


def one(connection: Connection, topup_id: int) -> Row[Any] | None:
    """A top-up with its meter's id."""
    return connection.execute(_with_meter().where(topups.c.id == topup_id)).one_or_none()


def page(
    connection: Connection,
    sites: Collection[str],
    site: str | None,
    meter: str | None,
    state: TopUpState | None,
    before: int | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Top-ups, newest first. `sites`: those that the caller may see; empty: all."""
    statement = _with_meter().order_by(topups.c.id.desc()).limit(limit)
    if sites:
        statement = statement.where(topups.c.site.in_(sorted(sites)))
    if site is not None:
        statement = statement.where(topups.c.site == site)
    if meter is not None:
        statement = statement.where(devices.c.id == meter)
    if state is not None:
        statement = statement.where(topups.c.state == str(state))
    if before is not None:
        statement = statement.where(topups.c.id < before)
    return connection.execute(statement).all()


def _with_meter() -> Select[Any]:
    meter = devices.c.id.label("meter")
    return select(topups, meter).join_from(topups, devices, topups.c.device_pk == devices.c.pk)
