"""The entrapment as data: who does what from where, which clocks run, what happens when they run out, and who is told.

Guards, technician and managers move in parallel: milestones with clocks between them, not a line of states.
Every waiting has a clock that does something. Drawn in docs/entrapment.md, which a test keeps equal to this file.
Sources: domain/procedures.md 1; domain/elevator.md 1.2 (legal times) and 4.2 (clocks); reliability.md 2.4 (time-out of an
acknowledgement). Times to a guard being sent and the firm being told are this file's own (elevator.md gives none).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.tickets.drills import EVALUATE, EVALUATORS
from hub.tickets.kind import ANY_STATE, Action, ClockSpec, Escalation, Field, Kind, Tell, Trait, Trigger
from hub.tickets.occupants import PEOPLE, WELFARE
from hub.vocabulary.decisions import Audience, Severity, TicketKind
from hub.vocabulary.roles import EMERGENCY_STAFF, EVERYONE

MINUTE_S: Final = 60
HOUR_S: Final = 3_600

ACCIDENT: Final = "accident_candidate"
"""Passengers held for two hours: a general accident in law, if a person says so; the flag only says that it may be."""

_IN_CAR: Final = ("suspected", "confirmed", "release_pending")
_RESCUE: Final = (*_IN_CAR, "released")
_NOTE: Final = (Field("note"),)
_TOLD: Final = (Field("name"), Field("note"))


def _step(milestone: str, fields: tuple[Field, ...] = _NOTE, from_states: tuple[str, ...] = _RESCUE) -> Action:
    return Action(roles=EMERGENCY_STAFF, from_states=from_states, milestone=milestone, fields=fields)


_ACTIONS: Final = {
    "acknowledge": Action(
        roles=EMERGENCY_STAFF, from_states=_RESCUE, milestone="acknowledged", fields=_NOTE, once=True
    ),
    "voice_contact": _step("voice_contact"),
    "confirm": Action(
        roles=EMERGENCY_STAFF,
        from_states=("suspected", "release_pending"),
        to_state="confirmed",
        milestone="confirmed",
        fields=(Field("by_means"), Field("note")),
    ),
    "people": _step("people", PEOPLE),
    "guard_sent": _step("guard_sent", _TOLD),
    "guard_arrived": _step("guard_arrived", _TOLD),
    "firm_told": _step("firm_told", _TOLD),
    "firm_answered": _step("firm_answered", _TOLD),
    "technician_arrived": _step("technician_arrived", _TOLD),
    "fire_called": _step("fire_called"),
    "release": Action(
        roles=EMERGENCY_STAFF,
        from_states=_IN_CAR,
        to_state="released",
        milestone="released",
        fields=(Field("people_out", "count"), Field("note")),
    ),
    "false_alarm": Action(
        roles=EMERGENCY_STAFF,
        from_states=_IN_CAR,
        to_state="false_alarm",
        milestone="false_alarm",
        fields=(Field("note", required=True),),
    ),
    "welfare": _step("welfare", WELFARE, from_states=("released", "closed")),
    "report": _step("report", from_states=("released", "closed", "false_alarm")),
    "back_in_service": _step(
        "back_in_service", (Field("safety_officer"), *_NOTE), from_states=("released", "closed", "false_alarm")
    ),
    "rebind": Action(
        roles=EMERGENCY_STAFF,
        from_states=_RESCUE,
        milestone="rebound",
        fields=(Field("device", "device", required=True), Field("note")),
        never=frozenset({Trait.MASS}),
    ),
    "assign_round": Action(
        roles=EMERGENCY_STAFF,
        from_states=_RESCUE,
        milestone="round_assigned",
        fields=(
            Field("devices", "devices", required=True),
            Field("technician", required=True),
            Field("round", "count"),
            Field("note"),
        ),
        needs=Trait.MASS,
    ),
    "check_cars": Action(
        roles=EMERGENCY_STAFF,
        from_states=_RESCUE,
        milestone="cars_checked",
        fields=(Field("devices", "devices", required=True), Field("note")),
        needs=Trait.MASS,
    ),
    EVALUATE: Action(
        roles=EVALUATORS,
        from_states=("released", "closed", "false_alarm"),
        milestone="evaluated",
        fields=(Field("remarks", required=True), Field("score", "count"), Field("participants")),
        once=True,
        needs=Trait.DRILL,
    ),
    "note": Action(roles=EVERYONE, from_states=ANY_STATE, fields=(Field("text", required=True),)),
    "close": Action(
        roles=EMERGENCY_STAFF,
        from_states=("released",),
        to_state="closed",
        milestone="closed",
        fields=_NOTE,
        requires=("report",),
    ),
}


def _tell(template: str, *audiences: Audience, after: str | None = None, every: bool = False) -> tuple[Tell, ...]:
    return tuple(Tell(audience=each, template=template, after=after, every=every) for each in audiences)


_ROOM, _LEADER, _MANAGER = Audience.CONTROL_ROOM, Audience.DUTY_SUPERVISOR, Audience.DEPARTMENT_MANAGER
_GUARD, _TECHNICIAN = Audience.SECURITY, Audience.TECHNICIAN
_SEND_GUARD: Final = Tell(audience=_GUARD, template="entrapment_guard", once_as="guard")

_TELLS: Final[Mapping[str, tuple[Tell, ...]]] = {
    "opened": _tell("entrapment_opened", _LEADER, _MANAGER),
    "reopened": _tell("entrapment_opened", _LEADER, _MANAGER, every=True),
    "confirmed": (_SEND_GUARD,),
    "guard_sent": (_SEND_GUARD,),
    "firm_told": _tell("entrapment_technician", _TECHNICIAN),
    "round_assigned": _tell("entrapment_round", _TECHNICIAN, every=True),
    "medical_need": _tell("entrapment_fire", _ROOM, _LEADER),
    "released": _tell("entrapment_released", _LEADER, _MANAGER),
    "rebound": (
        *_tell("entrapment_rebound", _LEADER, _MANAGER, every=True),
        *_tell("entrapment_rebound", _TECHNICIAN, after="firm_told", every=True),
        *_tell("entrapment_rebound", _GUARD, after="guard_sent", every=True),
    ),
}

_CLOCKS: Final[Mapping[str, ClockSpec]] = {
    "acknowledge": ClockSpec(
        start="opened",
        stop="acknowledged",
        within_s=60,
        otherwise=Escalation(tell=_tell("entrapment_escalated", _ROOM, _LEADER)),
        every_s=5 * MINUTE_S,
        times=6,
    ),
    "voice_contact": ClockSpec(
        start="acknowledged",
        stop="voice_contact",
        within_s=120,
        otherwise=Escalation(tell=(*_tell("entrapment_no_contact", _LEADER), _SEND_GUARD), severity=Severity.CRITICAL),
    ),
    "guard_sent": ClockSpec(
        start="acknowledged",
        stop="guard_sent",
        within_s=5 * MINUTE_S,
        otherwise=Escalation(tell=_tell("entrapment_no_guard", _ROOM, _LEADER), unless_reached="guard_arrived"),
    ),
    "firm_told": ClockSpec(
        start="acknowledged",
        stop="firm_told",
        within_s=5 * MINUTE_S,
        otherwise=Escalation(tell=_tell("entrapment_no_firm", _ROOM, _LEADER), unless_reached="technician_arrived"),
    ),
    "guard_on_site": ClockSpec(
        start="guard_sent",
        stop="guard_arrived",
        within_s=10 * MINUTE_S,
        otherwise=Escalation(tell=_tell("entrapment_guard_late", _GUARD, _LEADER), unless_reached="released"),
    ),
    "firm_answer": ClockSpec(
        start="firm_told",
        stop="firm_answered",
        within_s=3 * MINUTE_S,
        otherwise=Escalation(
            tell=_tell("entrapment_firm_silent", _TECHNICIAN, _MANAGER), unless_reached="technician_arrived"
        ),
        every_s=3 * MINUTE_S,
        times=3,
    ),
    "technician_on_site": ClockSpec(  # runs on when the technician has answered: who answers may still never come
        start="firm_told",
        stop="technician_arrived",
        within_s=30 * MINUTE_S,
        warnings={
            minutes * MINUTE_S: Escalation(tell=_tell("entrapment_technician_late", _TECHNICIAN, _ROOM))
            for minutes in (15, 25)
        },
        otherwise=Escalation(
            tell=_tell("entrapment_technician_missing", _ROOM, _TECHNICIAN, _LEADER, _MANAGER),
            severity=Severity.CRITICAL,
            flag="arrival_late",
        ),
        every_s=10 * MINUTE_S,
        times=6,
        once=True,
    ),
    "work": ClockSpec(  # whoever works at the car for so long may not be able to free them (elevator.md 4.2, TECH_ON_SITE)
        start="technician_arrived",
        stop="released",
        within_s=20 * MINUTE_S,
        otherwise=Escalation(tell=_tell("entrapment_fire", _ROOM, _LEADER), unless_reached="fire_called"),
        once=True,
    ),
    "release": ClockSpec(
        start="opened",
        stop="released",
        within_s=2 * HOUR_S,
        warnings={
            45 * MINUTE_S: Escalation(tell=_tell("entrapment_fire", _ROOM, _LEADER), unless_reached="fire_called"),
            110 * MINUTE_S: Escalation(tell=_tell("entrapment_held", _LEADER, _MANAGER)),
        },
        otherwise=Escalation(
            tell=_tell("entrapment_accident", _LEADER, _MANAGER), severity=Severity.CRITICAL, flag=ACCIDENT
        ),
        from_occurrence=True,
    ),
    # P1: confirmed and held for more than half an hour (elevator.md 3.3). Nobody is told by it: other clocks do that.
    "held": ClockSpec(
        start="confirmed",
        stop="released",
        within_s=30 * MINUTE_S,
        otherwise=Escalation(severity=Severity.CRITICAL),
        from_occurrence=True,
    ),
    "progress": ClockSpec(
        start="opened",
        stop="released",
        within_s=30 * MINUTE_S,
        otherwise=Escalation(tell=_tell("entrapment_idle", _ROOM, _LEADER)),
        every_s=30 * MINUTE_S,
        times=48,
        restarts=True,
    ),
    "welfare": ClockSpec(
        start="released",
        stop="welfare",
        within_s=10 * MINUTE_S,
        otherwise=Escalation(tell=_tell("entrapment_welfare", _MANAGER)),
    ),
    "report": ClockSpec(
        start="released",
        stop="report",
        within_s=24 * HOUR_S,
        otherwise=Escalation(tell=_tell("entrapment_report", _LEADER, _MANAGER)),
        survives_end=True,
    ),
    "accident_report": ClockSpec(
        start=ACCIDENT,
        stop="report",
        within_s=HOUR_S,
        warnings={45 * MINUTE_S: Escalation(tell=_tell("entrapment_report", _MANAGER))},
        otherwise=Escalation(tell=_tell("entrapment_report", _LEADER, _MANAGER)),
        survives_end=True,
    ),
}

ENTRAPMENT: Final = Kind(
    name=TicketKind.ENTRAPMENT,
    title={"zh-CN": "电梯困人", "en": "Entrapment"},
    severity=Severity.CRITICAL,
    initial="suspected",
    states=("suspected", "confirmed", "release_pending", "released", "closed", "false_alarm"),
    active_states=frozenset(_RESCUE),
    actions=_ACTIONS,
    triggers={
        # A sensor going quiet is not the end of an alarm (EN 81-28 4.1.3): somebody has to say that nobody is inside.
        "sensor_clear": Trigger(
            from_states=("suspected", "confirmed"), to_state="release_pending", milestone="sensor_clear"
        ),
        **dict.fromkeys(
            ("telemetry_lost", "telemetry_back", "inspection_on", "power_lost", "power_back", "note"), Trigger()
        ),
    },
    on_repeat={"release_pending": "suspected", "released": "suspected"},
    done_states=frozenset({"released"}),
    clocks=_CLOCKS,
    tells=_TELLS,
)
