"""What each door controller is to know of a card, and what it has proved to know: desired beside reported, per door.

Only a list that the controller itself gives proves anything: an acknowledged command means 'message read'
(domain/access.md 2.2, 4). Rows never say more than that; `judge` is the only way to confirmed and removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, Update, bindparam, select

from hub.store.schema import card_assignments, card_permissions, cards, device_state, devices
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS, DurationMs, UtcMs


class Desired(StrEnum):
    """What the ledger wants."""

    GRANTED = "granted"
    REVOKED = "revoked"


class Reported(StrEnum):
    """What is known of the controller (contract, 'Cards')."""

    PENDING = "pending"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    REMOVING = "removing"
    REMOVED = "removed"


class Why(StrEnum):
    """Reason beside a state that is not what is wanted."""

    NO_ANSWER = "no_answer"
    OFFLINE = "offline"
    REFUSED = "refused"
    NOT_ON_CONTROLLER = "not_on_controller"
    STILL_ON_CONTROLLER = "still_on_controller"
    HUB_DECIDES = "hub_decides"  # nothing is told to the door: the ledger itself decides at each card


Away = Collection[tuple[str, str]]
"""(site, controller) of those that are known to be away."""
WHY_ZH: Final[Mapping[str, str]] = {
    Why.NO_ANSWER: "无应答",
    Why.OFFLINE: "离线",
    Why.REFUSED: "控制器拒绝",
    Why.NOT_ON_CONTROLLER: "控制器名单里没有",
    Why.STILL_ON_CONTROLLER: "仍在控制器名单里",
    Why.HUB_DECIDES: "由系统逐次判定",
}
REPLY_WITHIN_MS: Final[DurationMs] = MINUTE_MS
OVERDUE_MS: Final[DurationMs] = MINUTE_MS
"""A revocation that is not proved by then is told as a problem (domain/access.md 4)."""
_FIRST_RETRY: Final = {Desired.REVOKED: 10 * SECOND_MS, Desired.GRANTED: MINUTE_MS}
_LONGEST_RETRY: Final = {Desired.REVOKED: MINUTE_MS, Desired.GRANTED: 60 * MINUTE_MS}


class Proof(msgspec.Struct, frozen=True):
    """What a controller's list says about one row; `again`: send the command once more, at once."""

    reported: Reported
    reason: Why | None = None
    again: bool = False


def judge(
    desired: Desired, reported: Reported, commanded_at: UtcMs | None, *, listed: bool, asked_at: UtcMs
) -> Proof | None:
    """What a list that was asked for at `asked_at` proves about a door that it names (`listed`) or not.

    None: nothing, because the command went out after the list was asked for, or has not gone out yet.
    """
    if commanded_at is None or commanded_at > asked_at:
        return None
    if desired is Desired.GRANTED:
        if listed:
            return Proof(Reported.CONFIRMED)
        return Proof(Reported.FAILED, Why.NOT_ON_CONTROLLER, again=reported is Reported.CONFIRMED)
    return Proof(Reported.REMOVING, Why.STILL_ON_CONTROLLER, again=True) if listed else Proof(Reported.REMOVED)


def retry_after(desired: Desired, tries: int) -> DurationMs:
    """How long to wait before the next attempt: doubled each time, revocations never longer than a minute."""
    return min(_FIRST_RETRY[desired] << min(max(tries - 1, 0), 10), _LONGEST_RETRY[desired])


def why_words(reason: str | None, locale: str) -> str:
    """A reason as people read it; what a controller said itself stays as it said it."""
    word, colon, said = (reason or "").partition(": ")
    if not locale.startswith("zh"):
        return word.replace("_", " ") + colon + said
    return f"{WHY_ZH.get(word, word)}{'：' if colon else ''}{said}"


def reason_of(row: Row[Any], offline: Away) -> str | None:
    """Why a door is not what is wanted; before any try has told, that its controller is known to be away."""
    reason: str | None = row.reason
    unproved = row.reported in {Reported.PENDING, Reported.SENT, Reported.REMOVING}
    return str(Why.OFFLINE) if reason is None and unproved and (row.site, row.controller) in offline else reason


def summary(rows: Sequence[Row[Any]], locale: str, offline: Away = ()) -> str:
    """The slip's sentence after a loss: on how many doors the card is dead, and which are not proved."""
    gone = [row for row in rows if row.reported == Reported.REMOVED]
    left = [
        f"{row.door}({why_words(reason, locale)})" if (reason := reason_of(row, offline)) else str(row.door)
        for row in rows
        if row not in gone
    ]
    at_once = [str(row.door) for row in gone if row.reason == Why.HUB_DECIDES]
    if locale.startswith("zh"):
        said = f"已失效 {len(gone)}/{len(rows)} 扇门"
        said += f"（由系统逐次判定、立即失效：{'、'.join(at_once)}）" if at_once else ""
        return said if not left else f"{said}，未确认：{'、'.join(left)}"
    said = f"Dead on {len(gone)} of {len(rows)} doors"
    said += f" (at once where the hub decides at each card: {', '.join(at_once)})" if at_once else ""
    return said if not left else f"{said}; not confirmed: {', '.join(left)}"


# --- writing ----------------------------------------------------------------------------------------------


def grant(connection: Connection, assignment: int, site: str, doors: Sequence[tuple[str, str]], now: UtcMs) -> None:
    """The card is to open these doors: rows that there were are wanted again."""
    mine = card_permissions.c.assignment_id == assignment
    again = _wanted(Desired.GRANTED, Reported.PENDING, now)
    known = {(row.controller, row.door) for row in of_card(connection, assignment)}
    connection.execute(card_permissions.update().where(mine).values(**again))
    fresh = [
        {"assignment_id": assignment, "site": site, "controller": controller, "door": door, **again}
        for controller, door in doors
        if (controller, door) not in known
    ]
    if fresh:
        connection.execute(card_permissions.insert(), fresh)


def revoke(connection: Connection, assignment: int, now: UtcMs) -> None:
    """The card is to open no door any more; what was wanted away before keeps its place."""
    mine = (card_permissions.c.assignment_id == assignment, card_permissions.c.desired == str(Desired.GRANTED))
    away = _wanted(Desired.REVOKED, Reported.REMOVING, now)
    connection.execute(card_permissions.update().where(*mine).values(**away))


def update(connection: Connection, rows: Collection[Row[Any]], **values: Any) -> None:
    """The same change for these rows."""
    if rows:
        statement = _update_of(tuple(sorted(values)))
        connection.execute(statement, [{"_id": row.id, **values} for row in rows])


@cache
def _update_of(names: tuple[str, ...]) -> Update:
    """Built once: a thousand doors that answer are a thousand of these."""
    mine = card_permissions.c.id == bindparam("_id")
    return card_permissions.update().where(mine).values({name: bindparam(name) for name in names})


def _wanted(desired: Desired, reported: Reported, now: UtcMs) -> dict[str, Any]:
    return {
        "desired": str(desired),
        "desired_at": now,
        "reported": str(reported),
        "since": now,
        "reason": None,
        "command_id": None,
        "commanded_at": None,
        "tries": 0,
        "next_try_at": now,
        "overdue": False,
    }


# --- reading ----------------------------------------------------------------------------------------------


def of_card(connection: Connection, assignment: int) -> Sequence[Row[Any]]:
    """A card's doors, in a stable order."""
    mine = card_permissions.c.assignment_id == assignment
    return connection.execute(select(card_permissions).where(mine).order_by(card_permissions.c.id)).all()


def of_cards(connection: Connection, assignments: Collection[int]) -> Sequence[Row[Any]]:
    """The doors of several cards."""
    mine = card_permissions.c.assignment_id.in_(sorted(assignments))
    return connection.execute(select(card_permissions).where(mine).order_by(card_permissions.c.id)).all()


def of_controller(connection: Connection, site: str, controller: str) -> Sequence[Row[Any]]:
    """Everything that a controller is to know or to forget, with the cards' numbers."""
    return connection.execute(_of_controller(), {"_site": site, "_controller": controller}).all()


@cache
def _of_controller() -> Select[Any]:
    here = (card_permissions.c.site == bindparam("_site"), card_permissions.c.controller == bindparam("_controller"))
    return _with_card().where(*here)


def by_command(connection: Connection, site: str, controller: str, command: str) -> Sequence[Row[Any]]:
    """The rows that a command was about."""
    mine = (
        card_permissions.c.site == site,
        card_permissions.c.controller == controller,
        card_permissions.c.command_id == command,
    )
    return connection.execute(select(card_permissions).where(*mine)).all()


def due(connection: Connection, site: str, now: UtcMs, limit: int) -> Sequence[Row[Any]]:
    """Rows that something has to be done about; revocations first."""
    ready = (card_permissions.c.site == site, card_permissions.c.next_try_at <= now)
    order = (card_permissions.c.desired.desc(), card_permissions.c.next_try_at, card_permissions.c.id)
    return connection.execute(_with_card().where(*ready).order_by(*order).limit(limit)).all()


def revoked_of(connection: Connection, assignment: int, now: UtcMs) -> Sequence[Row[Any]]:
    """Doors that this card is to be taken off now."""
    mine = (
        card_permissions.c.assignment_id == assignment,
        card_permissions.c.desired == str(Desired.REVOKED),
        card_permissions.c.next_try_at <= now,
    )
    return connection.execute(_with_card().where(*mine).order_by(card_permissions.c.id)).all()


def unproved_revocations(connection: Connection, site: str) -> Sequence[Row[Any]]:
    """Doors on which a revoked card may still be alive."""
    alive = (
        card_permissions.c.site == site,
        card_permissions.c.desired == str(Desired.REVOKED),
        card_permissions.c.reported != str(Reported.REMOVED),
    )
    return connection.execute(_with_card().where(*alive).order_by(card_permissions.c.id)).all()


def controllers(connection: Connection, site: str) -> Sequence[str]:
    """Controllers that any card is or was on."""
    statement = select(card_permissions.c.controller).where(card_permissions.c.site == site).distinct()
    return connection.execute(statement.order_by(card_permissions.c.controller)).scalars().all()


def offline(connection: Connection, sites: Collection[str]) -> Away:
    """Controllers of these sites that are known to be away."""
    away = (devices.c.site.in_(sorted(sites)), device_state.c.reachable.is_(False))
    statement = (
        select(devices.c.site, devices.c.id).join(device_state, device_state.c.device_pk == devices.c.pk).where(*away)
    )
    return frozenset((row.site, row.id) for row in connection.execute(statement))


def _with_card() -> Select[Any]:
    card = (
        cards.c.format,
        cards.c.value,
        cards.c.raw_hex,
        card_assignments.c.valid_from,
        card_assignments.c.valid_until,
    )
    return (
        select(card_permissions, *card, card_assignments.c.unit)
        .join(card_assignments, card_assignments.c.id == card_permissions.c.assignment_id)
        .join(cards, cards.c.id == card_assignments.c.card_id)
    )
