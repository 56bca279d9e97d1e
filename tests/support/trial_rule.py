"""A rule that does one of each and fails on demand, over two elevators and a meter, for tests of the step itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import func, select

from hub.store import schema
from hub.store.database import Store
from hub.vocabulary.decisions import Derive, MoveTicket, RaiseTicket, SetTimer, Severity, TicketKind, Verdict
from hub.vocabulary.elevator import AlarmState, AlarmType
from hub.vocabulary.events import ElevatorAlarm, Event, MeterReading, Subject, SubjectType, TimerFired
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.rule import Outcome
from hub.vocabulary.units import BalanceUnit
from support.rig import SITE, START, Rig, device

LIFT = Subject(SITE, SubjectType.DEVICE, "lift-1")


class Why(StrEnum):
    PRESSED = "pressed"
    WAITED = "waited"
    LOW = "low"
    FINE = "fine"
    GONE = "gone"


class Count(msgspec.Struct, frozen=True):
    seen: int = 0


class Limits(msgspec.Struct, frozen=True):
    pass


class TrialRule:
    """A rule that does one of each: tickets, timers, derived events, verdicts, and a failure on demand."""

    name = "trial"
    version = 1
    wants: tuple[type[Event], ...] = (ElevatorAlarm, MeterReading)
    state_type: type[msgspec.Struct] = Count
    limits_type: type[msgspec.Struct] = Limits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        return event.subject()

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        return Count(seen=int(stored["seen"]) + 100)

    def decide(self, event: Event, state: Any, facts: Facts, now: int) -> Outcome:
        grown = Count(state.seen + 1)
        match event:
            case ElevatorAlarm(detail="fail"):
                raise ZeroDivisionError("the rule's own mistake")
            case ElevatorAlarm(detail="later"):
                return Outcome(grown, [SetTimer(key="wait", due_at=now + 30_000)])
            case ElevatorAlarm(detail="endless"):
                return Outcome(grown, [Derive(event=event)])
            case ElevatorAlarm(state=AlarmState.CLEAR):
                move = MoveTicket(
                    kind=TicketKind.ENTRAPMENT,
                    subject=event.subject(),
                    trigger="sensor_clear",
                    reason=Why.GONE,
                    occurred_at=now,
                )
                return Outcome(grown, [move])
            case ElevatorAlarm():
                return Outcome(grown, [self._raise(event, Why.PRESSED)])
            case TimerFired():
                return Outcome(grown, [self._raise(event, Why.WAITED)])
            case MeterReading(credit=credit) if credit is not None and credit < 0:
                return Outcome(grown, [self._raise(event, Why.LOW)])
        return Outcome(state, [Verdict(reason=Why.FINE)])

    def _raise(self, event: Event, why: Why) -> RaiseTicket:
        return RaiseTicket(
            kind=TicketKind.ENTRAPMENT,
            subject=event.subject(),
            reason=why,
            severity=Severity.HIGH,
            occurred_at=event.occurred_at,
            fields={"sources": [str(why)]},
        )


def fresh(store: Store, now: int = START) -> Rig:
    return Rig(store, [TrialRule()], [device("lift-1"), device("lift-2"), device("m-1", DeviceKind.METER)], now=now)


def alarm(id_: str, rig: Rig, **other: Any) -> ElevatorAlarm:
    values: dict[str, Any] = {
        "type": AlarmType.PASSENGER_ALARM,
        "state": AlarmState.ADD,
        "occurred_at": rig.now,
        "received_at": rig.now,
    }
    return ElevatorAlarm(**(values | {"site": SITE, "device": "lift-1", "source_key": id_} | other))


def reading(id_: str, rig: Rig, credit: int | None = 500, **other: Any) -> MeterReading:
    values: dict[str, Any] = {
        "site": SITE,
        "device": "m-1",
        "source_key": id_,
        "credit": credit,
        "unit": BalanceUnit.CNY,
    }
    return MeterReading(**(values | {"occurred_at": rig.now, "received_at": rig.now} | other))


def count(rig: Rig, table: Any, *where: Any) -> int:
    with rig.store.read() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def ticket(rig: Rig) -> Any:
    with rig.store.read() as connection:
        return connection.execute(select(schema.tickets)).mappings().one()
