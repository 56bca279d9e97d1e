"""What somebody reads on a meter's display, to be compared with what its registers say."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hub.vocabulary.units import BalanceUnit


class Displayed(msgspec.Struct, frozen=True, kw_only=True):
    """Of one meter; None: not looked at. `unit`: what stands beside the balance, where that was written down."""

    balance: Decimal | None = None
    unit: BalanceUnit | None = None
    total_kwh: Decimal | None = None
    serial: str | None = None
