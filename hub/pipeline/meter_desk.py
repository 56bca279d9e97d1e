"""What people and vending systems report about meters, done within a step: row, event and the rules' answer in one
transaction. Everything that can be refused is refused before anything is written.
"""

from __future__ import annotations

import msgspec

from hub.meters import lives, readings, topups
from hub.meters.lives import Entry, Life
from hub.meters.topups import Change, TopUp
from hub.pipeline.step import Step
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import MeterReplaced, TopUpReported
from hub.vocabulary.instants import HOUR_MS, UtcMs

_CONFLICT = {
    Change.OTHER_METER: "This reference is a top-up of another meter.",
    Change.OTHER_AMOUNT: "This reference is a top-up of another amount.",
    Change.CONFIRMED_ALREADY: "This top-up is on the meter already: it cannot fail any more.",
}


class Meter(msgspec.Struct, frozen=True):
    """The meter that a report is about."""

    site: str
    id: str
    pk: int


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """One meter gives way to another. Energies in Wh, credit in fen or Wh; None: not known."""

    at: UtcMs
    old_serial: str | None
    new_serial: str | None
    end_energy_wh: int | None
    begin_energy_wh: int | None
    carried_credit: int | None
    note: str
    by: str


def report_topup(step: Step, meter: Meter, report: TopUp) -> tuple[int, bool]:
    """The row's id, and whether it is new. Raises Refused where the reference is known for something else."""
    connection = step.connection
    known = topups.by_reference(connection, report.site, report.reference)
    change = topups.change_of(known, report)
    if change in topups.CONFLICTS:
        raise Refused("conflict", _CONFLICT[change])
    if known is not None and change is Change.SAME:
        return known.id, False
    row = topups.write(connection, report, change, step.now)
    before, newest = topups.marks(connection, meter.pk, report.paid_at)
    step.happen(
        TopUpReported(
            site=meter.site,
            device=meter.id,
            source_key=f"{report.reference}/{report.state}",
            occurred_at=report.paid_at,
            received_at=step.now,
            reference=report.reference,
            amount_fen=report.amount_fen,
            state=report.state,
            before=before,
            newest=newest,
        )
    )
    return row, change is Change.NEW


def replace_meter(step: Step, meter: Meter, swap: Replacement) -> int:
    """Another meter hangs there now; the entry's id. Raises Refused where it contradicts what is written down."""
    connection = step.connection
    installed = lives.installed_serial(connection, meter.pk)
    if installed and swap.new_serial == installed:
        raise Refused("conflict", f"The meter {installed} is installed there already.")
    if installed and swap.old_serial and swap.old_serial != installed:
        raise Refused("conflict", f"The meter that is installed there is {installed}, not {swap.old_serial}.")
    if swap.at < lives.installed_since(connection, meter.pk):
        raise Refused("conflict", "A later replacement is written down already.")
    if installed is None and swap.old_serial:
        since = min(lives.first_read_at(connection, meter.pk) or swap.at, swap.at)
        first = Life(device_pk=meter.pk, entry=Entry.INSTALLED, at=since, serial=swap.old_serial, by=swap.by)
        lives.add(connection, first)
    row = lives.add(
        connection,
        Life(
            device_pk=meter.pk,
            entry=Entry.REPLACED,
            at=swap.at,
            serial=swap.new_serial,
            end_energy_wh=swap.end_energy_wh,
            begin_energy_wh=swap.begin_energy_wh,
            credit=swap.carried_credit,
            by=swap.by,
            note=swap.note,
        ),
    )
    # What has been rolled up already took the new counter for the old one.
    readings.mark_late(connection, [(meter.pk, swap.at - swap.at % HOUR_MS)])
    step.happen(
        MeterReplaced(
            site=meter.site,
            device=meter.id,
            source_key=f"life/{row}",
            occurred_at=swap.at,
            received_at=step.now,
            old_serial=swap.old_serial or installed,
            new_serial=swap.new_serial,
            end_energy_wh=swap.end_energy_wh,
            begin_energy_wh=swap.begin_energy_wh,
            carried_credit=swap.carried_credit,
            by=swap.by,
        )
    )
    return row


def hand_over(step: Step, life: Life) -> int:
    """Base readings at the hand-over of a unit are written down; the entry's id."""
    return lives.add(step.connection, life)
