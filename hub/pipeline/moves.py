"""People move in and out: the household's row and the word to the rules are one transaction, so that whoever was told
before is not told any more, and whoever comes is.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.pipeline import card_doors, card_ends
from hub.pipeline.step import Step
from hub.registry import households
from hub.registry.households import Member
from hub.registry.people import FieldError
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import OccupancyChanged


def move_in(step: Step, site: str, unit: str, members: Sequence[Member]) -> int:
    """A household moves into a vacant unit; its id. Raises Refused."""
    try:
        household = households.move_in(step.connection, site, unit, members, step.now)
    except FieldError as error:
        raise _refused(error) from error
    _tell_rules(step, site, unit, f"household/{household}/in", vacant=False)
    return household


def move_out(step: Step, site: str, unit: str, by: str = card_doors.BY_THE_HUB) -> int:
    """The household leaves, the unit is vacant, its cards open no door any more; its id. Raises Refused."""
    try:
        household = households.move_out(step.connection, site, unit, step.now)
    except FieldError as error:
        raise _refused(error) from error
    card_ends.household_left(step, site, unit, household, by)
    _tell_rules(step, site, unit, f"household/{household}/out", vacant=True)
    return household


def _refused(error: FieldError) -> Refused:
    if error.field == "unit":
        return Refused("conflict", error.problem)
    return Refused("invalid", "Some fields are wrong.", errors=((error.field, error.problem),))


def _tell_rules(step: Step, site: str, unit: str, source_key: str, *, vacant: bool) -> None:
    for device in step.devices_of(site).values():
        if device.place == unit:
            step.happen(
                OccupancyChanged(
                    site=site,
                    device=device.id,
                    source_key=source_key,
                    occurred_at=step.now,
                    received_at=step.now,
                    vacant=vacant,
                )
            )
