"""What the device itself announces: its trapped flag, faults, its supply, and whether it is heard at all.

A device that detects entrapment has timed it already: its flag is told at once and never vetoed by the rest of its state
(domain/elevator.md 2.7, 3.2 D). Nothing here ever closes a ticket.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.vocabulary.decisions import CancelTimer, Derive, Severity
from hub.vocabulary.elevator import AlarmState, Power, TrappedPlace
from hub.vocabulary.events import DeviceStatus, ElevatorAlarm, ElevatorState, Event, PowerBack, PowerLost
from rules.entrapment.limits import ms
from rules.entrapment.occupancy import Occupancy
from rules.entrapment.reasons import Move, Reason, SeverityReason, Source, Why
from rules.entrapment.situation import ROWS, Group, Outage, Situation
from rules.entrapment.state import Silence
from rules.entrapment.step import Finding, Step
from rules.standing import Standing, recent_adds

COMMS_TIMER = "comms"
WATCH_TIMER = "watch"


# --- the trapped flag -----------------------------------------------------------------------------------------


def on_trapped_message(step: Step, event: ElevatorAlarm) -> None:
    """`trapped` came or went."""
    if event.state is AlarmState.CLEAR:
        step.set(trapped=step.state.trapped.cleared(event.occurred_at), flag_told=step.state.trapped_bit is not None)
        clear_if_nothing_stands(step, Move.TRAPPED_FLAG_CLEARED)
        return
    step.set(trapped=step.state.trapped.added(event.occurred_at))
    _flag_up(step, event.trapped or TrappedPlace.UNKNOWN, floor=event.floor, code=event.code)
    if not step.state.trapped.stands:  # its clear came before it
        clear_if_nothing_stands(step, Move.TRAPPED_FLAG_CLEARED)


def on_trapped_bit(step: Step, event: ElevatorState) -> None:
    """The flag as a standing bit. A standing bit in a first poll is real, a missing one in a first poll ends nothing."""
    held = step.state.trapped_bit
    if event.trapped is not None:
        step.set(trapped_bit=event.trapped)
        if held is None or _gate_opened(step):
            _flag_up(step, event.trapped, code=event.code)
    elif held is not None and event.trapped_known:
        if not event.live:
            step.why_not(Why.BASELINE)
            return
        step.set(trapped_bit=None, flag_told=step.state.flag_told and step.state.trapped.stands)
        clear_if_nothing_stands(step, Move.TRAPPED_FLAG_CLEARED)
    elif step.state.trapped.stands and _gate_opened(step):
        _flag_up(step, TrappedPlace.UNKNOWN)


def _gate_opened(step: Step) -> bool:
    """A flag that came up in inspection is still up when the car is given back."""
    return step.gate is None and not step.state.flag_told


def _flag_up(step: Step, place: TrappedPlace, **told: Any) -> None:
    fields: dict[str, Any] = {
        "place": place.value,
        **{name: value for name, value in told.items() if value is not None},
    }
    adds = recent_adds(step.state.flag_adds, step.at, step.limits.chatter_count)
    step.set(flag_adds=adds)
    if len(adds) >= step.limits.chatter_count:
        fields["chatter"] = True
    if step.gate is not None:
        step.set(flag_told=step.state.flag_told and step.state.incident is not None)
        step.why_not(step.gate, **fields)
        step.move("note", Move.SIGNAL_DURING_GATED_MODE)
        return
    step.set(flag_told=True)
    step.suspect(
        Finding(
            reason=Reason.DEVICE_TRAPPED_FLAG,
            severity=Severity.HIGH,
            severity_reason=SeverityReason.P2_DEVICE_TIMED,
            source=Source.DEVICE_FLAG,
            fields=fields,
            evidence=dict(fields),
        )
    )


def clear_if_nothing_stands(step: Step, reason: Move) -> None:
    """Release pending once the last signal is gone; until then the others keep the incident suspected."""
    standing = standing_signals(step)
    if standing and step.state.incident is not None:
        step.why_not(Why.OTHER_SIGNAL_STANDS, standing=standing)
    elif not standing:
        step.sensors_clear(reason)


def standing_signals(step: Step) -> list[str]:
    """Names of what still says that somebody is trapped."""
    state = step.state
    watch = state.watch
    inferred = watch is not None and any(told is not Situation.OFF_LEVEL_EMPTY for told in watch.told)
    known = {
        "button": state.alarm.stands or state.button_told,
        "device_flag": state.trapped.stands or state.trapped_bit is not None,
        "inferred": inferred,
    }
    return [name for name, stands in known.items() if stands]


# --- faults ---------------------------------------------------------------------------------------------------


def on_fault_message(step: Step, event: ElevatorAlarm) -> None:
    """A fault is no entrapment, but explains shut doors, and makes an entrapment worse (elevator_fault has the ticket)."""
    word = "other" if event.fault is None else event.fault.value
    held = step.state.faults.get(word, Standing())
    came = event.state is AlarmState.ADD
    after = held.added(event.occurred_at) if came else held.cleared(event.occurred_at)
    step.set(faults={**step.state.faults, word: after})


# --- the supply -----------------------------------------------------------------------------------------------


def on_power_message(step: Step, event: ElevatorAlarm) -> None:
    """`power_lost` came or went."""
    supply = step.state.supply
    if event.state is AlarmState.CLEAR:
        step.set(supply=supply.cleared(event.occurred_at))
        power_back(step)
        return
    step.set(supply=supply.added(event.occurred_at))
    if not step.state.supply.stands or (event.late and step.car.power is Power.MAINS):
        step.why_not(Why.LATE_POWER_LOSS)  # it is known to be back
    else:
        power_lost(step)


def on_power_state(step: Step, event: ElevatorState) -> None:
    """The supply as the state shows it. Unknown is not 'back', but after the doors have opened an outage bit counts anew."""
    if event.power is Power.OUTAGE:
        power_lost(step)
    elif event.power is Power.MAINS and event.live:
        power_back(step)
    outage = step.state.outage
    if outage is None or not step.car.open_at_landing:
        return
    unsaid = event.power is Power.UNKNOWN and not step.state.supply.stands
    step.set(outage=None if unsaid else msgspec.structs.replace(outage, relieved=True))


def power_lost(step: Step) -> None:
    """Told to the site at once (outages are clustered there); this car waits for its automatic rescue device."""
    if step.state.outage is not None:
        return
    outage = Outage(since=step.at, was_moving=step.was_moving(step.at))
    step.set(outage=outage)
    step.add(Derive(event=_to_site(PowerLost, step, occupied=step.occupancy.answer, was_moving=outage.was_moving)))
    step.move("power_lost", Move.POWER_LOST)
    if step.occupancy is not Occupancy.EMPTY:
        step.why_not(Why.POWER_LOST_WAITING, was_moving=outage.was_moving, **step.car_evidence())


def power_back(step: Step) -> None:
    """Mains again; whether people are out is another question."""
    if step.state.outage is None:
        return
    step.set(outage=None)
    step.add(Derive(event=_to_site(PowerBack, step)))
    step.move("power_back", Move.POWER_BACK)


def _to_site(kind: type[Event], step: Step, **more: Any) -> Event:
    event = step.event
    return kind(
        site=event.site,
        device=event.device,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        late=event.late,
        **more,
    )


# --- whether it is heard --------------------------------------------------------------------------------------


def on_silence(step: Step, *, certain: bool) -> None:
    """The device says goodbye (`certain`), or did not answer once: the latter becomes silence after the grace."""
    silence = step.state.silence
    if silence is None:
        step.set(silence=Silence(since=step.at))
        step.timer(COMMS_TIMER, step.at + ms(step.limits.comms_grace_s))
    if certain:
        _tell_silence(step)


def on_comms_timer(step: Step) -> None:
    """Still nothing: on the timeline, and a car that ran with people in it is possibly trapped (row 14)."""
    silence = step.state.silence
    if silence is None:
        return
    _tell_silence(step)
    if step.state.incident is not None:
        return
    moving = step.was_moving(silence.since)
    if step.gate is not None or not moving or step.occupancy is not Occupancy.OCCUPIED:
        step.why_not(step.gate or Why.NOT_MOVING_WHEN_LOST, **step.car_evidence())
        return
    step.suspect(
        Finding(
            reason=Reason.COMMS_LOST_WHILE_MOVING,
            severity=Severity.MEDIUM,
            severity_reason=SeverityReason.ROW_14_UNKNOWN,
            source=Source.COMMS,
            occurred_at=silence.since,
            evidence={"silent_since": silence.since, "was_moving": moving},
        )
    )


def on_heard(step: Step) -> None:
    """Anything that is not a leftover in the broker proves that the line is back."""
    silence = step.state.silence
    if silence is None or not step.event.live:
        return
    step.set(silence=None)
    step.add(CancelTimer(key=COMMS_TIMER))
    watch = step.state.watch
    if watch is not None and not watch.told and ROWS[watch.situation].group is Group.LEVEL:
        step.set(watch=None)  # people may have walked out unseen: its clock starts anew
        step.add(CancelTimer(key=WATCH_TIMER))
    if silence.told:
        step.move("telemetry_back", Move.TELEMETRY_BACK, telemetry="back")


def on_status(step: Step, event: DeviceStatus) -> None:
    """Online, or gone. A retained 'gone' is true until something is heard."""
    if event.online:
        on_heard(step)
    elif not event.late:
        on_silence(step, certain=True)


def _tell_silence(step: Step) -> None:
    silence = step.state.silence
    if silence is not None and not silence.told:
        step.set(silence=msgspec.structs.replace(silence, told=True))
        step.move("telemetry_lost", Move.TELEMETRY_LOST, telemetry="lost")
