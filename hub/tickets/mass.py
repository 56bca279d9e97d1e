"""The case of many cars (power cut, earthquake): who goes to which car in which round, which cars are known to be empty, when it may end.

Pure. What a maintainer must keep: each car with somebody inside, or possibly inside, keeps a full case of its own below this one; the
whole ends only when every car is accounted for by a person; power that is back accounts for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.tickets.refusals import WRONG, Refused, Said
from hub.tickets.ticket import Change, Entry, Ticket
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import LATEST_MS, UtcMs

IN_CAR: Final = frozenset({"suspected", "confirmed", "release_pending"})
"""States of a car's case in which somebody may still be inside."""
ENDS_RESCUE: Final = frozenset({"release", "false_alarm"})
OCCUPANCY_RANK: Final[Mapping[str, int]] = {"occupied": 0, "unknown": 1, "empty": 2}
LISTED: Final = 12


class MassReason(StrEnum):
    """Why a car's case is below another."""

    PART_OF_MASS = "part_of_mass"


class Car(msgspec.Struct, frozen=True, kw_only=True):
    """One car of the case, as a dispatcher needs it. `occupancy` is as latched, or as people have said since.

    `settled`: its case is released or over, or somebody has said that nobody is inside.
    """

    device: str
    name: str
    place: str
    rank: int
    occupancy: str
    was_moving: bool
    since: UtcMs
    back: bool
    technician: str | None = None
    round: int | None = None
    checked_by: str | None = None
    ticket: int | None = None
    ticket_number: str | None = None
    ticket_state: str | None = None
    settled: bool = False


def is_mass(ticket: Ticket) -> bool:
    """Whether it is the case of a whole site."""
    return ticket.kind == TicketKind.ENTRAPMENT and ticket.subject.type is SubjectType.SITE


def struck(ticket: Ticket) -> Mapping[str, Mapping[str, Any]]:
    """What the rule says of each car, by device."""
    return _table(ticket, "children")


def cars(mass: Ticket, cases: Iterable[Ticket]) -> list[Car]:
    """Every car, those with people first: occupied, unknown, empty, in the rule's order; what is settled comes last."""
    newest = {case.subject.id: case for case in cases}
    found = [_car(device, known, mass, newest.get(device)) for device, known in struck(mass).items()]
    ordered = sorted(found, key=lambda car: (car.settled, OCCUPANCY_RANK.get(car.occupancy, 1), car.rank, car.device))
    return [msgspec.structs.replace(car, rank=rank) for rank, car in enumerate(ordered, 1)]


def proposal(ordered: Sequence[Car], technicians: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Device → technician and round: the cars that are not settled, in order, one each a round."""
    waiting = [car for car in ordered if not car.settled]
    people = list(dict.fromkeys(technicians))
    if not people:
        return {}
    return {car.device: (people[at % len(people)], at // len(people) + 1) for at, car in enumerate(waiting)}


def assigned(ticket: Ticket, given: Mapping[str, Any], by: str, now: UtcMs) -> dict[str, Any]:
    """The fields with these cars given to a technician; without `round`, the one after the last. Raises Refused."""
    devices, technician = given["devices"], given["technician"]
    _demand_struck(ticket, devices)
    before = _table(ticket, "rounds")
    mine = [_whole(each.get("round"), 0) for each in before.values() if each.get("technician") == technician]
    number = given.get("round") or max(mine, default=0) + 1
    order = {"technician": technician, "round": number, "by": by, "at": now}
    names = [struck(ticket)[device].get("name", device) for device in devices]
    last = {"technician": technician, "round": number, "cars": "、".join(names)}
    return {**ticket.fields, "rounds": {**before, **dict.fromkeys(devices, order)}, "last_round": last}


def found_empty(ticket: Ticket, given: Mapping[str, Any], by: str, now: UtcMs) -> dict[str, Any]:
    """The fields with these cars said to be empty. Raises Refused."""
    _demand_struck(ticket, given["devices"])
    word = {"by": by, "at": now, "note": given.get("note")}
    return {**ticket.fields, "checked": {**_table(ticket, "checked"), **dict.fromkeys(given["devices"], word)}}


def demand(
    action: str, given: Mapping[str, Any], mass: Ticket, cases: Sequence[Ticket], allowed: tuple[str, ...]
) -> None:
    """Raises Refused where the cars do not let the case of the site go on."""
    ordered = cars(mass, cases)
    if action == "check_cars":
        own = {car.device: car for car in ordered if car.ticket_state in IN_CAR}
        wrong = [own[device] for device in given.get("devices") or () if device in own]
        if wrong:
            listed = _listed([car.name for car in wrong])
            english = f"These cars have cases of their own, which are released there: {listed}."
            raise Refused("conflict", Said("own_cases", english, cars=listed))
    if action in ENDS_RESCUE:
        inside = [case for case in cases if case.state in IN_CAR]  # also of a car that the case was re-bound to
        if inside:
            english = f"{action!r} is not possible before these cars are released: {_cases(inside)}."
            raise Refused("conflict", Said("cars_inside", english, action=action, cars=_cases(inside)), allowed)
        unsaid = [car for car in ordered if not car.settled and car.occupancy != "empty"]
        if unsaid:
            listed = _listed([car.name for car in unsaid])
            english = f"Nobody has said whether anybody is inside: {listed} (check_cars)."
            raise Refused("conflict", Said("cars_unsaid", english, action="check_cars", cars=listed), allowed)
    if action == "close":
        active = [case for case in cases if case.active]
        if active:
            english = f"'close' is not possible before the cars' cases are closed: {_cases(active)}."
            raise Refused("conflict", Said("cars_open", english, action=action, cars=_cases(active)), allowed)


def below(case: Ticket, mass: Ticket, now: UtcMs) -> Change:
    """The car's case belongs to the case of the site from now on; nothing else about it changes."""
    after = msgspec.structs.replace(case, parent_id=mass.id, updated_at=now, revision=case.revision + 1)
    entry = Entry(
        entry="signal",
        name="note",
        reason=MassReason.PART_OF_MASS,
        by="hub",
        occurred_at=now,
        state_from=case.state,
        state_to=case.state,
        data={"mass": mass.number},
    )
    return Change(ticket=after, entry=entry)


def _car(device: str, known: Mapping[str, Any], mass: Ticket, case: Ticket | None) -> Car:
    checked = _table(mass, "checked").get(device)
    order = _table(mass, "rounds").get(device, {})
    said = str(known.get("occupancy"))
    occupancy, settled = said if said in OCCUPANCY_RANK else "unknown", checked is not None
    if checked is not None:
        occupancy = "empty"
    if case is not None:
        people = case.fields.get("people")
        inside = people.get("inside") if isinstance(people, Mapping) else None
        occupancy = occupancy if inside is None else "occupied" if inside else "empty"
        settled = case.state not in IN_CAR
    return Car(
        device=device,
        name=str(known.get("name", device)),
        place=str(known.get("place", "")),
        rank=_whole(known.get("rank"), 0),
        occupancy=occupancy,
        was_moving=bool(known.get("was_moving")),
        since=_whole(known.get("since"), mass.occurred_at),
        back=bool(known.get("back")),
        technician=str(order["technician"]) if "technician" in order else None,
        round=_whole(order["round"], 1) if "round" in order else None,
        checked_by=None if checked is None else str(checked.get("by", "")),
        ticket=None if case is None else case.id,
        ticket_number=None if case is None else case.number,
        ticket_state=None if case is None else case.state,
        settled=settled,
    )


def _table(ticket: Ticket, name: str) -> Mapping[str, Mapping[str, Any]]:
    """A field that holds something by device; a ticket that was raised by hand may carry anything under the name."""
    found = ticket.fields.get(name)
    return {key: each for key, each in found.items() if isinstance(each, Mapping)} if isinstance(found, Mapping) else {}


def _whole(value: Any, otherwise: int) -> int:
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LATEST_MS
    return value if fine else otherwise


def _demand_struck(ticket: Ticket, devices: Sequence[str]) -> None:
    unknown = [device for device in devices if device not in struck(ticket)]
    if unknown:
        listed = ", ".join(unknown[:LISTED])
        problem = Said("not_of_case", f"not of this case: {listed}", cars=listed)
        raise Refused("invalid", WRONG, errors=(("devices", problem),))


def _cases(found: Sequence[Ticket]) -> str:
    return _listed([f"{case.subject_name} ({case.number})" for case in found])


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" if len(words) > LISTED else "")
