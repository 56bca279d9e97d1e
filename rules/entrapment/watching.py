"""Timing what the state shows: which situation holds, since when, and acting on it once it has lasted.

The clock of a situation runs through changes within its group (occupancy may become known) and starts anew when the
condition broke, or when somebody gives the car back from inspection. There is no polling: one timer, re-judged when it fires.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.vocabulary.decisions import CancelTimer, Derive
from hub.vocabulary.elevator import ElevatorFault
from hub.vocabulary.events import InferredFault
from rules.entrapment.limits import ms
from rules.entrapment.reasons import Move, Why
from rules.entrapment.signals import WATCH_TIMER
from rules.entrapment.situation import EXPLAINING_FAULTS, ROWS, Group, Situation, due_at, situation
from rules.entrapment.state import Watch
from rules.entrapment.step import Finding, Step


def reassess(step: Step) -> None:
    """Follow the situation, and act when it is due. Called after everything else that an event changed."""
    state = step.state
    explained = bool(EXPLAINING_FAULTS & state.standing_faults)
    found = situation(state.car, step.occupancy, explained=explained, outage=state.outage)
    if found is None:
        _over(step)
        return
    _follow(step, found)
    watch = step.state.watch
    assert watch is not None
    if watch.due_at is not None and step.at >= watch.due_at and found not in watch.told:
        _act(step, watch)


def _over(step: Step) -> None:
    watch = step.state.watch
    if watch is None:
        return
    step.set(watch=None)
    _untell_fault(step, watch)
    if watch.due_at is not None:
        step.add(CancelTimer(key=WATCH_TIMER))
    if not watch.told:
        step.why_not(Why.CONDITION_ENDED, situation=watch.situation, lasted_ms=step.at - watch.since)


def _follow(step: Step, found: Situation) -> None:
    """Bring the watch in line with the situation; says 'not yet' once per change."""
    old = step.state.watch
    gated = step.gate is not None and not ROWS[found].any_mode
    kept = old is not None and ROWS[old.situation].group is ROWS[found].group
    given_back = old is not None and old.due_at is None and not gated
    if old is not None and not kept:
        _untell_fault(step, old)
    if old is None or not kept or given_back:
        told = old.told if old is not None and kept else ()
        watch = Watch(situation=found, since=step.at, occurred_at=step.event.occurred_at, told=told)
    else:
        watch = old
    due = None if gated else due_at(found, watch.since, step.car, step.state.outage, step.limits)
    watch = msgspec.structs.replace(watch, situation=found, due_at=due)
    if watch == old:
        return
    step.set(watch=watch)
    if found in watch.told:
        return
    if due is None:
        if old is not None and old.due_at is not None:
            step.add(CancelTimer(key=WATCH_TIMER))
        step.why_not(step.gate or Why.BELOW_DURATION, situation=found, **step.car_evidence())
    elif due > step.at:
        step.timer(WATCH_TIMER, due)
        reason = Why.EMPTY_LATCHED if found is Situation.OFF_LEVEL_EMPTY else Why.BELOW_DURATION
        step.why_not(reason, situation=found, due_at=due, **step.car_evidence())


def _act(step: Step, watch: Watch) -> None:
    row = ROWS[watch.situation]
    if row.group is Group.LEVEL and step.state.silence is not None:
        # People may have walked out unseen. Off level they cannot have.
        step.why_not(Why.TELEMETRY_LOST, situation=watch.situation)
        return
    better_seen = any(told is not Situation.OFF_LEVEL_EMPTY for told in watch.told)
    step.set(watch=msgspec.structs.replace(watch, told=(*watch.told, watch.situation)))
    evidence: dict[str, Any] = {
        "situation": watch.situation.value,
        "since": watch.since,
        "waited_ms": step.at - watch.since,
    }
    if watch.situation is Situation.OFF_LEVEL_EMPTY:
        _infer_fault(step, present=True, evidence=evidence)
        return
    step.suspect(
        Finding(
            reason=row.reason,
            severity=row.severity,
            severity_reason=row.severity_reason,
            source=row.source,
            occurred_at=watch.occurred_at,
            evidence=evidence,
            counts=not better_seen,
        )
    )


def _untell_fault(step: Step, watch: Watch) -> None:
    if Situation.OFF_LEVEL_EMPTY in watch.told:
        _infer_fault(step, present=False, evidence={"situation": watch.situation.value})


def _infer_fault(step: Step, *, present: bool, evidence: dict[str, Any]) -> None:
    """Row 3: an empty car between floors is the technician's business; the elevator_fault rule keeps that ticket."""
    event = step.event
    step.add(
        Derive(
            event=InferredFault(
                site=event.site,
                device=step.subject.id,
                occurred_at=event.occurred_at,
                received_at=event.received_at,
                fault=ElevatorFault.STOPPED_OUTSIDE_ZONE,
                present=present,
                facts=step.car_evidence() | evidence,
            )
        )
    )


def on_doors_at_landing(step: Step) -> None:
    """Row 15: doors open at a landing and nobody seen inside: release pending, whatever began the incident."""
    state = step.state
    incident = state.incident
    if incident is None or incident.cleared or not step.car.open_at_landing:
        return
    if not step.event.live:
        step.why_not(Why.BASELINE)
    elif state.trapped_bit is not None or state.trapped.stands:
        step.why_not(Why.OTHER_SIGNAL_STANDS, standing=["device_flag"])
    elif step.car.person:
        step.why_not(Why.STILL_OCCUPIED)
    else:
        step.sensors_clear(Move.DOORS_OPEN_AT_LANDING)


def postponed(step: Step, key: str, due_at: int) -> bool:
    """A deadline from before a restart waits a moment: what the broker kept meanwhile may say that it is over."""
    ready_at = step.facts.started_at + ms(step.limits.restart_grace_s)
    if due_at >= step.facts.started_at or step.at >= ready_at:
        return False
    step.timer(key, ready_at)
    step.why_not(Why.AFTER_RESTART, timer=key)
    return True
