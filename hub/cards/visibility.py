"""Which role sees what of a card: one table, role × field, and how a value looks to somebody who sees only its shape.

Pure data. Whoever has several roles sees what the widest of them sees; full values behind a mask only by `reveal`, with a
reason and a row in the audit (domain/access.md 6, PIPL art. 51).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum, StrEnum
from typing import Final

from hub.vocabulary.roles import Role


class Sight(IntEnum):
    """How much of a field is seen."""

    HIDDEN = 0
    MASKED = 1
    FULL = 2


class Field(StrEnum):
    """What a card tells beside unit, kind, state and doors, which every role here sees."""

    NAME = "name"
    PHONE = "phone"
    ID_NUMBER = "id_number"
    CREDENTIAL = "credential"
    MONEY = "money"
    PAPERS = "papers"


_H, _M, _F = Sight.HIDDEN, Sight.MASKED, Sight.FULL
SIGHT: Final[Mapping[Role, Mapping[Field, Sight]]] = {
    role: dict(zip(Field, sights, strict=True))
    for role, sights in {
        #                    name phone id credential money papers
        Role.FRONT_DESK: (_M, _M, _M, _F, _F, _F),
        Role.CARD_CUSTODIAN: (_F, _F, _M, _F, _F, _F),
        Role.MANAGER: (_F, _M, _M, _F, _F, _F),
        Role.ADMIN: (_M, _M, _M, _F, _F, _F),
        Role.FINANCE: (_H, _H, _H, _H, _F, _H),
        Role.SECURITY: (_H, _H, _H, _H, _H, _H),
    }.items()
}
"""Roles that are not here see no card at all."""

REVEALS: Final = frozenset({Role.FRONT_DESK, Role.CARD_CUSTODIAN, Role.MANAGER})
"""Who may see a full value, with a reason."""
PERSONAL: Final = frozenset({Field.NAME, Field.PHONE, Field.ID_NUMBER})
STRICTER: Final = frozenset({Role.CARD_CUSTODIAN})
"""Who sees the name of a holder under 14 unmasked."""


def sight(roles: Collection[str], field: Field, *, minor: bool = False) -> Sight:
    """How much of a field these roles see."""
    seen = max((SIGHT[role][field] for role in SIGHT if role in roles), default=Sight.HIDDEN)
    if minor and field in PERSONAL and not STRICTER & {Role(role) for role in roles}:
        return min(seen, Sight.MASKED)
    return seen


def shown(value: str | None, field: Field, seen: Sight) -> str | None:
    """The value as it may be shown."""
    if value is None or seen is Sight.HIDDEN:
        return None
    if seen is Sight.FULL:
        return value
    return masked(value, field)


def masked(value: str, field: Field) -> str:
    """`张三` is 张*, `13800001234` is 138****1234, of an identity number the last four."""
    match field:
        case Field.NAME:
            return value[:1] + "*" * max(1, min(len(value) - 1, 3))
        case Field.PHONE if len(value) >= 8:
            return f"{value[:3]}****{value[-4:]}"
        case Field.ID_NUMBER:
            return f"***{value[-4:]}"
        case _:
            return "***"
