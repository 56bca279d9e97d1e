"""Before the first alarm: an entrapment is written as it will be, and taken back, so that the first real one finds everything ready.

The first time a statement is asked it is put together and compiled, 20 ms in all on the way of one alarm; after a rehearsal it
takes as long as the hundredth. Rule: nothing is committed, and so nothing in memory changes (see `Step`).
"""

from __future__ import annotations

from concurrent.futures import Future
from enum import StrEnum

from hub.pipeline.core import Core, Intakes
from hub.pipeline.inbox import Task
from hub.pipeline.step import Step
from hub.pipeline.world import device_subject
from hub.store.database import Store
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.facts import DeviceFacts, DeviceKind
from hub.vocabulary.instants import UtcMs


class _Why(StrEnum):
    REHEARSAL = "rehearsal"


class _TakenBackError(Exception):
    """Ends the transaction."""


def rehearse(store: Store, core: Core, now: UtcMs) -> bool:
    """Whether there is an elevator to rehearse with. Raises what the database raises."""
    elevator = _an_elevator(core)
    if elevator is None:
        return False
    raised = RaiseTicket(
        kind=TicketKind.ENTRAPMENT,
        subject=device_subject(elevator),
        severity=Severity.CRITICAL,
        reason=_Why.REHEARSAL,
        occurred_at=now,
    )
    try:
        with store.write() as connection:
            Step(connection, core, now).run(Intakes(tasks=[Task(lambda step: step.raise_ticket(raised), Future())]), [])
            raise _TakenBackError
    except _TakenBackError:
        return True


def _an_elevator(core: Core) -> DeviceFacts | None:
    every = (device for site in core.world.sites() for device in core.world.devices_of(site.id).values())
    return next((device for device in every if device.kind is DeviceKind.ELEVATOR), None)
