"""Reading what is about people leaves a row in the audit first; where the row cannot be written, nothing is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.services import Services
from hub.cards import audit
from hub.cards.audit import Action, Entry
from hub.cards.visibility import PERSONAL, Sight, sight
from hub.store.accounts import Principal


def sees_people(principal: Principal) -> bool:
    """Whether anything of a holder is shown to them, masked or not."""
    return any(sight(principal.roles, field) > Sight.HIDDEN for field in PERSONAL)


def record(
    services: Services,
    principal: Principal,
    action: Action,
    subject: str,
    *,
    site: str = "",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write the row, and return after its commit. Raises Refused: then nothing may be shown.

    Plain reads of the same thing within a minute are one; what shows more than a mask is a row each time.
    """
    entry = Entry(
        by=principal.name,
        roles=principal.roles,
        action=action,
        site=site,
        subject=subject,
        reason=reason,
        detail=detail or {},
    )
    if action in {Action.READ, Action.LIST}:
        with services.store.read() as connection:
            if audit.read_lately(connection, entry, services.now()):
                return
    services.door.ask(lambda step: audit.append(step.connection, services.keys.chain, entry, step.now))
