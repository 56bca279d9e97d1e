"""What a rule can decide. Every decision carries its reason as one word that stands in test, timeline and API alike."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from hub.vocabulary.events import Event, Subject
from hub.vocabulary.instants import UtcMs


class Severity(StrEnum):
    """Severity of tickets and problems."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


SEVERITY_RANK = {Severity.CRITICAL: 0, Severity.HIGH: 1, Severity.MEDIUM: 2, Severity.LOW: 3}


class TicketKind(StrEnum):
    """Kinds of the core (contract, HTTP API)."""

    ENTRAPMENT = "entrapment"
    ELEVATOR_FAULT = "elevator_fault"
    LOW_BALANCE = "low_balance"
    TOPUP_MISSING = "topup_missing"
    LOST_CARD_USED = "lost_card_used"
    DOOR_ALARM = "door_alarm"
    DEVICE_SILENT = "device_silent"
    INTAKE_PROBLEM = "intake_problem"
    ALARM_FLOOD = "alarm_flood"  # gathers tickets of kinds that flood (hub.tickets.rollup); no rule raises it


class RaiseTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Open a ticket, or count a repeat on the one that is active for (kind, subject).

    Severity only rises on a repeat. `evidence` are the facts used ('why fired'), kept on the timeline;
    `fields` are merged into the ticket. Title: key `ticket.{kind}.{title or reason}` of the catalogue, with `fields`.
    """

    kind: TicketKind
    subject: Subject
    reason: StrEnum
    severity: Severity
    occurred_at: UtcMs
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
    count: bool = True  # False: a further signal of the same occurrence: timeline, but no repeat
    drill: bool = False


class MoveTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Apply a machine's trigger of the kind's table (`sensor_clear`, `recovered`, `telemetry_lost` …) to the active ticket.

    Nothing happens where none is active. Whether the state changes is the table's word, not the rule's.
    """

    kind: TicketKind
    subject: Subject
    trigger: str
    reason: StrEnum
    occurred_at: UtcMs
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)


class SetTimer(msgspec.Struct, frozen=True, kw_only=True):
    """Fire TimerFired(rule, subject, key) at `due_at`; an earlier one with the same key is replaced."""

    key: str
    due_at: UtcMs


class CancelTimer(msgspec.Struct, frozen=True, kw_only=True):
    """Forget the timer with this key."""

    key: str


class Derive(msgspec.Struct, frozen=True, kw_only=True):
    """Hand a further event to the rules, within the same step."""

    event: Event


class RaiseProblem(msgspec.Struct, frozen=True, kw_only=True):
    """The hub finds something wrong with its own inputs. Text and what to do: key `problem.{code}`."""

    code: str
    subject: Subject
    severity: Severity = Severity.MEDIUM
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


class ClearProblem(msgspec.Struct, frozen=True, kw_only=True):
    """The problem is over."""

    code: str
    subject: Subject


class SendCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a device for something that changes nothing in it (`report_state`)."""

    subject: Subject
    name: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)


class Audience(StrEnum):
    """Whom a notice is for; who that is, is found out when it is sent (the owner may have changed since)."""

    HOUSEHOLD = "household"  # the people of the unit at the subject's place
    HOUSEKEEPER = "housekeeper"  # of that zone
    CONTROL_ROOM = "control_room"
    DUTY_SUPERVISOR = "duty_supervisor"
    DEPARTMENT_MANAGER = "department_manager"
    TECHNICIAN = "technician"
    SECURITY = "security"
    FINANCE = "finance"
    MANAGER = "manager"


class Urgency(StrEnum):
    """Whether a notice may wait: quiet hours and rate limits hold back `routine`, never `critical`."""

    ROUTINE = "routine"
    URGENT = "urgent"
    CRITICAL = "critical"


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Tell people. `key` is unique per (rule, subject): ordered twice, it is sent once.

    `template` names a text of hub/notices/templates; `params` fill it. `merge` notices of one recipient may be sent as one.
    """

    key: str
    subject: Subject
    audience: Audience
    template: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    urgency: Urgency = Urgency.ROUTINE
    kind: TicketKind | None = None  # the active ticket of (kind, subject) that it belongs to
    merge: str | None = None
    expires_at: UtcMs | None = None
    drill: bool = False


class WithdrawNotices(msgspec.Struct, frozen=True, kw_only=True):
    """Notices with this prefix of their key that are not sent yet are no longer true."""

    key_prefix: str
    subject: Subject
    reason: StrEnum


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule saw and concluded when it decided nothing: the answer to 'why not?'."""

    reason: StrEnum
    facts: dict[str, Any] = msgspec.field(default_factory=dict)


Decision: TypeAlias = (
    RaiseTicket
    | MoveTicket
    | SetTimer
    | CancelTimer
    | Derive
    | RaiseProblem
    | ClearProblem
    | SendCommand
    | Notify
    | WithdrawNotices
    | Verdict
)
