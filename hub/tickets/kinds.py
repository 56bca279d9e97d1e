"""The kinds of tickets as data: states, actions, triggers and clocks. Everything that moves a ticket stands in this file.

An action is what a person may do, a trigger what a rule reports, a clock 'from milestone A, milestone B within T'.
Milestones are facts with a time; they may come in any order, only actions with `once` come once.
Sources: contract.md 'HTTP API'; domain/elevator.md 4.2 for the entrapment's clocks; domain/procedures.md 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.roles import EMERGENCY_STAFF, EVERYONE, Role

ANY_STATE: Final = ("*",)


class Field(msgspec.Struct, frozen=True):
    """One field of an action: `type` is `text`, `count` (integer ≥ 0), `flag` or `device` (id of a device of the site)."""

    name: str
    type: str = "text"
    required: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What people may do: who, from which states, to which state (None: stays), and the milestone that it sets."""

    roles: frozenset[Role]
    from_states: tuple[str, ...]
    to_state: str | None = None
    milestone: str | None = None
    fields: tuple[Field, ...] = ()
    once: bool = False


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule may report on an active ticket."""

    from_states: tuple[str, ...] = ANY_STATE
    to_state: str | None = None
    milestone: str | None = None


class ClockSpec(msgspec.Struct, frozen=True, kw_only=True):
    """From milestone `start`, milestone `stop` within `within_s`."""

    start: str
    stop: str
    within_s: int


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of ticket. `on_repeat` says where a further signal moves it; `fields` is merged as it comes."""

    name: TicketKind
    title: Mapping[str, str]
    severity: Severity  # of tickets raised by hand
    initial: str
    states: tuple[str, ...]
    active_states: frozenset[str]
    actions: Mapping[str, Action]
    triggers: Mapping[str, Trigger]
    on_repeat: Mapping[str, str] = {}
    clocks: Mapping[str, ClockSpec] = {}


_TEXT_REQUIRED = (Field("text", required=True),)
_NOTE = (Field("note"),)

PLAIN_STATES: Final = ("open", "acknowledged", "resolved", "closed")
_AT_WORK: Final = ("open", "acknowledged")

PLAIN_ACTIONS: Final = {
    "acknowledge": Action(
        roles=EVERYONE, from_states=("open",), to_state="acknowledged", milestone="acknowledged", fields=_NOTE
    ),
    "assign": Action(roles=EVERYONE, from_states=_AT_WORK, fields=(Field("assignee", required=True), Field("note"))),
    "note": Action(roles=EVERYONE, from_states=ANY_STATE, fields=_TEXT_REQUIRED),
    "resolve": Action(roles=EVERYONE, from_states=_AT_WORK, to_state="resolved", milestone="resolved", fields=_NOTE),
    "close": Action(roles=EVERYONE, from_states=("resolved",), to_state="closed", milestone="closed", fields=_NOTE),
    "reopen": Action(
        roles=EVERYONE, from_states=("resolved", "closed"), to_state="open", milestone="reopened", fields=_NOTE
    ),
}

_TIMELINE_ONLY: Final = Trigger()


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
        clocks={"acknowledge": ClockSpec(start="opened", stop="acknowledged", within_s=1800)},
    )


_RECOVERED: Final = {"recovered": Trigger(from_states=_AT_WORK, to_state="resolved", milestone="recovered")}
_EPISODE_OVER: Final = {
    word: Trigger(from_states=_AT_WORK, to_state="closed", milestone=word)
    for word in ("recovered", "paid", "superseded")
}

_IN_CAR: Final = ("suspected", "confirmed", "release_pending")
_RESCUE: Final = (*_IN_CAR, "released")
_TOLD: Final = (Field("name"), Field("note"))


def _step(milestone: str, fields: tuple[Field, ...] = _NOTE, from_states: tuple[str, ...] = _RESCUE) -> Action:
    return Action(roles=EMERGENCY_STAFF, from_states=from_states, milestone=milestone, fields=fields)


_ENTRAPMENT_ACTIONS: Final = {
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
    "people": _step("people", (Field("inside", "count", required=True), Field("condition"), Field("note"))),
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
        fields=(Field("note"),),
    ),
    "welfare": _step("welfare", from_states=("released", "closed")),
    "report": _step("report", from_states=("released", "closed", "false_alarm")),
    "back_in_service": _step("back_in_service", from_states=("released", "closed", "false_alarm")),
    "rebind": Action(
        roles=EMERGENCY_STAFF, from_states=_RESCUE, fields=(Field("device", "device", required=True), Field("note"))
    ),
    "note": Action(roles=EVERYONE, from_states=ANY_STATE, fields=_TEXT_REQUIRED),
    "close": Action(
        roles=EMERGENCY_STAFF, from_states=("released",), to_state="closed", milestone="closed", fields=_NOTE
    ),
}

ENTRAPMENT: Final = Kind(
    name=TicketKind.ENTRAPMENT,
    title={"zh-CN": "电梯困人", "en": "Entrapment"},
    severity=Severity.CRITICAL,
    initial="suspected",
    states=("suspected", "confirmed", "release_pending", "released", "closed", "false_alarm"),
    active_states=frozenset(_RESCUE),
    actions=_ENTRAPMENT_ACTIONS,
    triggers={
        # A sensor going quiet is not the end of an alarm (EN 81-28 4.1.3): somebody has to say that nobody is inside.
        "sensor_clear": Trigger(
            from_states=("suspected", "confirmed"), to_state="release_pending", milestone="sensor_clear"
        ),
        **dict.fromkeys(
            ("telemetry_lost", "telemetry_back", "inspection_on", "power_lost", "power_back", "note"), _TIMELINE_ONLY
        ),
    },
    on_repeat={"release_pending": "suspected", "released": "suspected"},
    clocks={
        "acknowledge": ClockSpec(start="opened", stop="acknowledged", within_s=60),
        "voice_contact": ClockSpec(start="acknowledged", stop="voice_contact", within_s=120),
        "guard_on_site": ClockSpec(start="guard_sent", stop="guard_arrived", within_s=600),
        "firm_answer": ClockSpec(start="firm_told", stop="firm_answered", within_s=180),
        "technician_on_site": ClockSpec(start="firm_told", stop="technician_arrived", within_s=1800),
        "release": ClockSpec(start="opened", stop="released", within_s=7200),
        "report": ClockSpec(start="released", stop="report", within_s=86400),
    },
)

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
    )
}
