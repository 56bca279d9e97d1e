"""The kinds of tickets as data: states, actions, triggers and clocks. Everything that moves a ticket stands here and in entrapment.

An action is what a person may do, a trigger what a rule reports, a clock 'from milestone A, milestone B within T, else Z'.
Milestones are facts with a time; they may come in any order, only actions with `once` come once.
Sources: contract.md 'HTTP API'; reliability.md 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.tickets.entrapment import ENTRAPMENT
from hub.tickets.kind import ANY_STATE, Action, ClockSpec, Escalation, Field, Kind, Tell, Trait, Trigger
from hub.tickets.suppression import OPERATORS
from hub.vocabulary.decisions import Audience, Severity, TicketKind, Urgency
from hub.vocabulary.roles import EVERYONE

__all__ = ["ANY_STATE", "ENTRAPMENT", "KINDS", "Action", "ClockSpec", "Field", "Kind", "Trigger"]

_TEXT_REQUIRED = (Field("text", required=True),)
_NOTE = (Field("note"),)

PLAIN_STATES: Final = ("open", "acknowledged", "resolved", "closed")
_AT_WORK: Final = ("open", "acknowledged")

PLAIN_ACTIONS: Final = {
    "acknowledge": Action(
        roles=EVERYONE, from_states=("open",), to_state="acknowledged", milestone="acknowledged", fields=_NOTE
    ),
    "assign": Action(
        roles=EVERYONE,
        from_states=_AT_WORK,
        milestone="assigned",
        fields=(Field("assignee", required=True), Field("note")),
    ),
    "note": Action(roles=EVERYONE, from_states=ANY_STATE, fields=_TEXT_REQUIRED),
    "resolve": Action(roles=EVERYONE, from_states=_AT_WORK, to_state="resolved", milestone="resolved", fields=_NOTE),
    "close": Action(roles=EVERYONE, from_states=("resolved",), to_state="closed", milestone="closed", fields=_NOTE),
    "reopen": Action(
        roles=EVERYONE, from_states=("resolved", "closed"), to_state="open", milestone="reopened", fields=_NOTE
    ),
    "shelve": Action(
        roles=OPERATORS,
        from_states=_AT_WORK,
        fields=(Field("minutes", "count", required=True), Field("reason", required=True)),
        never=frozenset({Trait.CRITICAL, Trait.SHELVED}),
    ),
    "unshelve": Action(roles=OPERATORS, from_states=_AT_WORK, fields=_NOTE, needs=Trait.SHELVED),
}

_TIMELINE_ONLY: Final = Trigger()


# Written down for every ticket; only where alarms may be missed is it worth waking people.
def _told(template: str) -> tuple[Tell, ...]:
    return tuple(
        Tell(audience=audience, template=template, urgency=Urgency.URGENT)
        for audience in (Audience.CONTROL_ROOM, Audience.DUTY_SUPERVISOR)
    )


_UNACKNOWLEDGED: Final = Escalation(tell=_told("ticket_unacknowledged"), only_critical=True)

PLAIN_CLOCKS: Final = {
    "acknowledge": ClockSpec(start="opened", stop="acknowledged", within_s=1800, otherwise=_UNACKNOWLEDGED),
    # What is critical is asked for until somebody answers; what somebody answered and left lying, until it is resolved.
    "unanswered": ClockSpec(
        start="opened",
        stop="acknowledged",
        within_s=3600,
        otherwise=_UNACKNOWLEDGED,
        every_s=3600,
        times=48,
        at_least=Severity.CRITICAL,
    ),
    "progress": ClockSpec(
        start="acknowledged",
        stop="resolved",
        within_s=1800,  # reliability.md 2.4 F3: time-out of an acknowledgement
        otherwise=Escalation(tell=_told("ticket_idle")),
        every_s=1800,
        times=48,
        restarts=True,
        at_least=Severity.HIGH,
    ),
}


def _plain(name: TicketKind, zh: str, en: str, severity: Severity, triggers: Mapping[str, Trigger]) -> Kind:
    return Kind(
        name=name,
        title={"zh-CN": zh, "en": en},
        severity=severity,
        initial="open",
        states=PLAIN_STATES,
        active_states=frozenset(_AT_WORK),
        actions=PLAIN_ACTIONS,
        triggers={"note": _TIMELINE_ONLY, **triggers},
        clocks=PLAIN_CLOCKS,
    )


_RECOVERED: Final = {"recovered": Trigger(from_states=_AT_WORK, to_state="resolved", milestone="recovered")}
_EPISODE_OVER: Final = {
    word: Trigger(from_states=_AT_WORK, to_state="closed", milestone=word)
    for word in ("recovered", "paid", "superseded")
}

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        ENTRAPMENT,
        _plain(TicketKind.ELEVATOR_FAULT, "电梯故障", "Elevator fault", Severity.MEDIUM, _RECOVERED),
        _plain(TicketKind.LOW_BALANCE, "电费余额不足", "Low balance", Severity.LOW, _EPISODE_OVER),
        _plain(TicketKind.TOPUP_MISSING, "已缴费未到表", "Paid but not on the meter", Severity.MEDIUM, _RECOVERED),
        _plain(TicketKind.LOST_CARD_USED, "挂失卡被使用", "Lost card used", Severity.HIGH, _RECOVERED),
        _plain(TicketKind.DOOR_ALARM, "门禁报警", "Door alarm", Severity.HIGH, _RECOVERED),
        _plain(TicketKind.DEVICE_SILENT, "设备失联", "Device silent", Severity.MEDIUM, _RECOVERED),
        _plain(TicketKind.INTAKE_PROBLEM, "接收异常", "Intake problem", Severity.HIGH, _RECOVERED),
        _plain(TicketKind.ALARM_FLOOD, "告警集中", "Alarm flood", Severity.MEDIUM, _RECOVERED),
    )
}
