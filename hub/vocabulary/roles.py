"""Who may sign in as what (contract, HTTP API; domain/procedures.md 'Roles')."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Roles of people and machine clients."""

    CONTROL_ROOM = "control_room"
    DUTY_SUPERVISOR = "duty_supervisor"
    DEPARTMENT_MANAGER = "department_manager"
    TECHNICIAN = "technician"
    SECURITY = "security"
    FRONT_DESK = "front_desk"
    CARD_CUSTODIAN = "card_custodian"
    HOUSEKEEPER = "housekeeper"
    FINANCE = "finance"
    MANAGER = "manager"
    INTEGRATOR = "integrator"
    ADMIN = "admin"


EVERYONE: Final = frozenset(Role)
EMERGENCY_STAFF: Final = frozenset(
    {
        Role.CONTROL_ROOM,
        Role.DUTY_SUPERVISOR,
        Role.DEPARTMENT_MANAGER,
        Role.TECHNICIAN,
        Role.SECURITY,
        Role.MANAGER,
        Role.ADMIN,
    }
)
