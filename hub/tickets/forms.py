"""The forms that people complete about a case, as data: who, which fields, which action a signature does. Pure.

What was saved is never edited: a correction is the next version. Each version carries a digest over itself and the one
before, so that a row that was changed, or taken out of the middle, is seen (TSG T5002 Art. 10: unalterable, queryable).
Sources: domain/procedures.md 1 (5, 6); domain/elevator.md 4.2 (OUT_OF_SERVICE), 4.3 (cause, closure).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.tickets.entrapment import ACCIDENT
from hub.tickets.refusals import FIELDS, MAX_TEXT, MISSING, Refused
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role

MAX_MEASURES: Final = 50
MAX_NAME: Final = 100
MAX_COURSE: Final = 12_000


class FormName(StrEnum):
    """Which form."""

    MAJOR_INCIDENT = "major_incident"  # 重大事故报告表
    EMERGENCY = "emergency"  # 紧急事件处理记录表
    RETURN_TO_SERVICE = "return_to_service"  # 电梯恢复运行签认单


class CauseKind(StrEnum):
    """Causes of entrapments as cities publish them (elevator.md 4.3)."""

    HUMAN = "human"  # rubbish in the door, a blow against it, an e-bike
    DOOR_SYSTEM = "door_system"
    EXTERNAL = "external"  # power, water
    CONTROL_SAFETY = "control_safety"
    MAINTENANCE = "maintenance"
    USE_MANAGEMENT = "use_management"


class Classification(StrEnum):
    """A person's word on an accident candidate; the hub only flags (SAMR Order 50 Art. 3)."""

    ACCIDENT = "accident"
    NO_ACCIDENT = "no_accident"


class FieldType(StrEnum):
    """`measures`: a list of {`measure`, `effect`, `by`, `on`}, of which the first two are needed."""

    TEXT = "text"
    CHOICE = "choice"
    MEASURES = "measures"


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `required` counts for a signature, not for a draft; `if_flagged`: only where the case has this flag."""

    name: str
    type: FieldType = FieldType.TEXT
    required: bool = True
    choices: tuple[str, ...] = ()
    if_flagged: str | None = None
    longest: int = MAX_TEXT  # characters


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is what a signature does to the ticket, in the signatory's name; `kinds` None: tickets of every kind."""

    name: FormName
    kinds: frozenset[TicketKind] | None
    writers: frozenset[Role]
    signatories: frozenset[Role]
    fields: tuple[FormField, ...]
    action: str


_MANAGERS: Final = frozenset({Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN})
REPORT_WRITERS: Final = _MANAGERS | {Role.DUTY_SUPERVISOR}
MEASURE_KEYS: Final = ("measure", "effect", "by", "on")


def _texts(*names: str, required: bool = True) -> tuple[FormField, ...]:
    return tuple(FormField(name=name, required=required) for name in names)


_LIFT: Final = _texts("register_code", "use_certificate", "firm", "safety_officer", required=False)
LIFT_FIELDS: Final = tuple(field.name for field in _LIFT)
"""What stays true of a lift: taken over from the last signed form about it."""

_COURSE: Final = FormField(name="course", longest=MAX_COURSE)
_AFTERMATH: Final = (
    *_texts("cause", "responsible", "remedy", "prevention"),
    FormField(name="measures", type=FieldType.MEASURES),
)

FORMS: Final[Mapping[str, Form]] = {
    form.name: form
    for form in (
        Form(
            name=FormName.MAJOR_INCIDENT,
            kinds=frozenset({TicketKind.ENTRAPMENT}),
            writers=REPORT_WRITERS,
            signatories=_MANAGERS,
            fields=(
                *_LIFT,
                *_texts("fault"),
                _COURSE,
                *_texts("injuries"),
                FormField(name="classification", type=FieldType.CHOICE, choices=tuple(Classification), if_flagged=ACCIDENT),
                FormField(name="cause_kind", type=FieldType.CHOICE, choices=tuple(CauseKind)),
                *_AFTERMATH,
            ),
            action="report",
        ),
        Form(
            name=FormName.EMERGENCY,
            kinds=None,
            writers=REPORT_WRITERS,
            signatories=_MANAGERS,
            fields=(*_texts("event"), _COURSE, *_AFTERMATH),
            action="note",
        ),
        Form(
            name=FormName.RETURN_TO_SERVICE,
            kinds=frozenset({TicketKind.ENTRAPMENT}),
            writers=REPORT_WRITERS,
            signatories=REPORT_WRITERS,  # the safety officer of the lift is one of the property's own people
            fields=(*_LIFT, *_texts("findings", "trial_run"), *_texts("restrictions", required=False)),
            action="back_in_service",
        ),
    )
}  # fmt: skip


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One saved version, as it is sealed. `record` is the case as it stood when it was signed."""

    ticket_id: int
    form: str
    version: int
    signed: bool
    at: UtcMs
    by: str
    signatory: str | None
    fields: Mapping[str, Any]
    record: Mapping[str, Any] | None


def checked(
    form: Form, given: Mapping[str, Any], flags: Mapping[str, Any], signatory: str | None, *, sign: bool
) -> dict[str, Any]:
    """The fields as they are kept, blanks left out. Raises Refused naming each that is wrong, or missing for a signature."""
    known = {field.name: field for field in form.fields}
    errors = [(name, f"unknown; allowed: {', '.join(known)}") for name in given if name not in known]
    kept: dict[str, Any] = {}
    for field in form.fields:
        value: Any = given.get(field.name)
        if isinstance(value, str):
            value = value.strip()
        if value in (None, "", []):
            asked = field.required and (field.if_flagged is None or bool(flags.get(field.if_flagged)))
            errors += [(field.name, MISSING)] if sign and asked else []
            continue
        problems = _problems(field, value)
        errors += problems
        if not problems:
            kept[field.name] = _measures(value) if field.type is FieldType.MEASURES else value
    if sign and not (signatory or "").strip():
        errors.append(("signatory", MISSING))
    if len(signatory or "") > MAX_NAME:
        errors.append(("signatory", f"must be at most {MAX_NAME} characters"))
    if errors:
        raise Refused("invalid", FIELDS, errors=tuple(errors))
    return kept


def _problems(field: FormField, value: Any) -> list[tuple[str, str]]:
    if field.type is FieldType.MEASURES:
        return _measure_problems(field.name, value)
    if not isinstance(value, str):
        return [(field.name, "must be text")]
    if field.type is FieldType.CHOICE and value not in field.choices:
        return [(field.name, f"must be one of: {', '.join(field.choices)}")]
    fine = len(value) <= field.longest and "\0" not in value
    return [] if fine else [(field.name, f"must be at most {field.longest} characters without NUL")]


def _measure_problems(name: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list) or len(value) > MAX_MEASURES:
        return [(name, f"must be a list of at most {MAX_MEASURES} measures")]
    errors = []
    for number, item in enumerate(value):
        place = f"{name}.{number}"
        if not isinstance(item, Mapping):
            errors.append((place, f"must be an object with: {', '.join(MEASURE_KEYS)}"))
            continue
        errors += [(f"{place}.{key}", "unknown") for key in item if key not in MEASURE_KEYS]
        errors += [(f"{place}.{key}", MISSING) for key in MEASURE_KEYS[:2] if not item.get(key)]
        errors += [
            (f"{place}.{key}", f"must be text of at most {MAX_TEXT} characters")
            for key in MEASURE_KEYS
            if item.get(key) and not _is_text(item[key])
        ]
    return errors


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value


def _measures(value: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{key: item[key] for key in MEASURE_KEYS if item.get(key)} for item in value]


def digest(version: Version, previous: str) -> str:
    """Hexadecimal SHA-256 over the version and the digest of the one before (empty: it is the first)."""
    content = msgspec.json.encode([previous, version], order="deterministic")
    return hashlib.sha256(content).hexdigest()


def first_broken(versions: Sequence[tuple[Version, str]]) -> int | None:
    """Number of the first version (they come in order, with the digest that was kept) that is not as it was saved."""
    previous = ""
    for number, (version, kept) in enumerate(versions, 1):
        if version.version != number or digest(version, previous) != kept:
            return number
        previous = kept
    return None
