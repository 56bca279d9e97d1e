"""A case as the values that a city's rescue platform asks for by name: pure.

What is not known is null in JSON and empty elsewhere, never 0 and never a guess. Times are written as the platform wants
them, in its zone. Names of values: `elevator`, `case`, `step`, `key`, `state`, `severity`, `title`, `place`, `site`,
`elevator_name`, `floor`, `people`, `occurred_at`, `changed_at`, and for every milestone `at_…` and `by_…` (elevator.md 4.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final, Literal

import msgspec

from connectors.codecs.incidents import head_count
from hub.vocabulary.ports import PublicChange

VALUES: Final = frozenset(
    {
        "elevator",
        "case",
        "step",
        "key",
        "state",
        "severity",
        "title",
        "place",
        "site",
        "elevator_name",
        "floor",
        "people",
        "occurred_at",
        "changed_at",
    }
)
OF_MILESTONES: Final = re.compile(r"(at|by)_[a-z_]+")


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a platform writes times: `iso`, `epoch_s`, `epoch_ms`, or a pattern of strftime; in the site's zone or a named one."""

    format: str = "iso"
    zone: str = "site"


class FieldMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """A value in the platform's own words."""

    source: str
    map: dict[str, str]
    otherwise: str = ""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of the platform, sent when the case's change has one of the words `when`; what it adds to the rest."""

    name: str
    when: tuple[str, ...]
    path: str = ""
    method: Literal["POST", "PUT", "GET"] | None = None
    query: dict[str, str] = {}
    form: dict[str, str] = {}
    json: dict[str, Any] | None = None


def steps_of(steps: Sequence[Step], words: Iterable[str]) -> list[Step]:
    """The messages that a change calls for, in the description's order."""
    said = set(words)
    return [step for step in steps if said & set(step.when)]


def moment(text: str | None, times: Times, zone: tzinfo) -> str | int | None:
    """A time as the platform writes it; `text` ISO 8601 with offset."""
    if text is None:
        return None
    at = datetime.fromisoformat(text).astimezone(zone)
    if times.format == "epoch_s":
        return int(at.timestamp())
    if times.format == "epoch_ms":
        return round(at.timestamp() * 1000)
    return at.isoformat(timespec="seconds") if times.format == "iso" else at.strftime(times.format)


def values_of(
    change: PublicChange, step: str, elevator: str, times: Times, zone: tzinfo, maps: Mapping[str, FieldMap]
) -> dict[str, Any]:
    """Everything that a description may name, by name; None: not known."""
    ticket, case = change.body, change.case or {}
    fields = ticket.get("fields") or {}
    found: dict[str, Any] = {
        "elevator": elevator,
        "case": ticket["number"],
        "step": step,
        "key": f"{ticket['number']}-{step}-{change.seq}",
        "state": ticket["state"],
        "severity": ticket["severity"],
        "title": ticket["title"],
        "place": ticket["subject"].get("place"),
        "site": change.site,
        "elevator_name": ticket["subject"].get("name"),
        "floor": _text(fields.get("floor")),
        "people": head_count(ticket),
        "occurred_at": moment(ticket["occurred_at"], times, zone),
        "changed_at": moment(ticket["updated_at"], times, zone),
    }
    for milestone in case.get("milestones", ()):
        found[f"at_{milestone['name']}"] = moment(milestone["at"], times, zone)
        found[f"by_{milestone['name']}"] = milestone["by"]
    for name, each in maps.items():
        said = found.get(each.source)
        found[name] = each.map.get("" if said is None else str(said), each.otherwise)
    return found


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
