"""The part `escalation:` of a site file: which role is told when nobody of another could be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.settings.mistakes import Mistake, listed, nearest
from hub.settings.section import Section
from hub.vocabulary.decisions import Audience

ROLES: Final = tuple(
    str(audience) for audience in Audience if audience not in {Audience.HOUSEHOLD, Audience.HOUSEKEEPER}
)
"""Roles that a chain may name; households have the housekeeper, and the housekeeper's list is always there."""

DEFAULT: Final[Mapping[str, str]] = {
    Audience.TECHNICIAN: Audience.DUTY_SUPERVISOR,
    Audience.SECURITY: Audience.DUTY_SUPERVISOR,
    Audience.CONTROL_ROOM: Audience.DUTY_SUPERVISOR,
    Audience.DUTY_SUPERVISOR: Audience.DEPARTMENT_MANAGER,
    Audience.DEPARTMENT_MANAGER: Audience.MANAGER,
    Audience.MANAGER: Audience.CONTROL_ROOM,
}
"""Where the site file names none. It is a ring on purpose: whoever is not reachable, somebody else is tried."""

NO_CHAIN: Final[Mapping[str, str]] = {}


def read_escalation(root: Section) -> Mapping[str, str]:
    """Role → role. Absent: the default; what is named stands over it; `false`: nobody is told instead.

    A chain may lead back to itself: each role is told once.
    """
    at = root.fields.get("escalation")
    if at is None:
        return DEFAULT
    if at.value is False:
        root.flag("escalation")
        return NO_CHAIN
    section = root.section("escalation")
    if section is None:
        return NO_CHAIN
    found = dict(DEFAULT)
    for role, at in section.fields.items():
        if role not in ROLES:
            problem = f"unknown role{nearest(role, ROLES)}"
            section.log.append(Mistake(at.file, at.key_line, section.path(role), problem, listed(ROLES)))
            continue
        if at.value is False:
            section.flag(role)
            found.pop(role, None)
            continue
        after = section.choice(role, ROLES)
        if after == role:
            section.wrong(role, "leads to itself", "another role, or false")
        if after is not None:
            found[role] = after
    return found
