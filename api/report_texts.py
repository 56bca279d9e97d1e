"""What a form about a case is filled in with before anybody has written in it: sentences made of the record, in one language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from api.console.catalogue import fill, text, ticket_title
from api.people_texts import facts, field_text
from hub.tickets.forms import MAX_COURSE, Form
from hub.tickets.occupants import KEPT
from hub.tickets.record_lines import Line, LineKind
from hub.tickets.records import Record
from hub.tickets.refusals import MAX_TEXT
from hub.vocabulary.instants import UtcMs


def prefilled(
    form: Form, record: Record, known_of_lift: Mapping[str, str], language: str, zone: tzinfo
) -> dict[str, Any]:
    """First words for the fields of this form that the case can say something about."""
    what = what_happened(record, language)
    words: dict[str, Any] = {
        **known_of_lift,
        "fault": what,
        "event": what,
        "course": course_text(record, language, zone)[:MAX_COURSE],
        "injuries": people_text(record, language)[:MAX_TEXT],
    }
    names = {field.name for field in form.fields}
    return {name: value for name, value in words.items() if name in names and value}


def what_happened(record: Record, language: str) -> str:
    """One sentence: what, where, at which floor, how many people."""
    row = record.ticket
    values = {**record.fields, "name": row.subject_name, "place": row.place}
    parts = [ticket_title(language, row.kind, row.reason, values)]
    if record.fields.get("floor"):
        parts.append(fill(text(language, "ui.floor"), {"floor": record.fields["floor"]}))
    if record.fields.get("code"):
        parts.append(fill(text(language, "record.code"), {"code": record.fields["code"]}))
    people = people_of(record.fields)
    if people is not None:
        parts.append(fill(text(language, "record.people_inside"), {"count": people}))
    return text(language, "record.comma").join(parts)


def people_text(record: Record, language: str) -> str:
    """Condition, injuries, refusals: as last told during the rescue, then as found after the release."""
    last: dict[str, Mapping[str, Any]] = {}
    for line in record.course:
        if line.kind is LineKind.ACTION and line.name in KEPT:
            last[line.name] = line.data
    told = [(name, text(language, "list.pause").join(facts(last[name], language))) for name in KEPT if name in last]
    return "\n".join(
        f"{text(language, f'milestone.{name}')}{text(language, 'title.joint')}{words}" for name, words in told if words
    )


def people_of(fields: Mapping[str, Any]) -> int | None:
    """How many were counted inside, else out; None: nobody counted."""
    inside = fields.get("people")
    counted = inside.get("inside") if isinstance(inside, Mapping) else fields.get("people_out")
    return counted if isinstance(counted, int) else None


def course_text(record: Record, language: str, zone: tzinfo) -> str:
    """The course in sentences: what happened first, then what people did, missed deadlines between them."""
    told = [
        line
        for line in record.course
        if line.kind in {LineKind.ACTION, LineKind.CLOCK}
        or (line.kind is LineKind.DECISION and line.state_from is None)
    ]
    return "\n".join(
        [
            f"{clock_time(record.ticket.occurred_at, zone)} {text(language, 'milestone.occurred')}",
            *(f"{clock_time(line.at, zone)} {line_text(line, language)}" for line in told),
        ]
    )


def clock_time(at: UtcMs, zone: tzinfo) -> str:
    """`2026-11-21 08:01:20` in the site's zone."""
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def line_text(line: Line, language: str) -> str:
    """One line of the course in words."""
    match line.kind:
        case LineKind.ACTION:
            what = text(language, f"action.{line.name}", line.name)
            given = [field_text(name, value, language) for name, value in line.data.items()]
            said = "; ".join(word for word in given if word)
            return f"{what} ({line.by}{': ' + said if said else ''})"
        case LineKind.CLOCK:
            return f"{text(language, f'clock.{line.name}', line.name)}: {text(language, f'moment.{line.reason}', line.reason)}"
        case LineKind.NOTICE:
            told = line.data.get("recipient") or text(
                language, f"audience.{line.data['audience']}", line.data["audience"]
            )
            receipt = line.data.get("receipt") or line.data["order"]
            return f"{told}: {text(language, f'receipt.{receipt}', receipt)}"
        case LineKind.SIGNAL:
            words = (line.data.get("type"), line.data.get("state"), line.data.get("code"))
            return " ".join(str(word) for word in words if word)
        case LineKind.REPORT:
            return f"{text(language, f'form.{line.name}', line.name)} {line.data['version']}"
        case _:
            why = text(language, f"reason.{line.reason}", text(language, f"action.{line.reason}", line.reason))
            return f"{why} ({who(line.by, language)})"


def who(name: str, language: str) -> str:
    """A person's name as it is; the hub itself where a rule or a clock acted."""
    by_hub = name.startswith("rule:") or name in {"clock", "hub", "desk"}
    return f"{text(language, 'record.hub')} {name.partition(':')[2]}".rstrip() if by_hub else name
