"""How meters without a unit id are known: the number of a DL/T 645 meter, the sender of a meter that reports by itself.

Two devices that one answer could belong to are a mistake: a household would be told of its neighbour's balance.
"""

from __future__ import annotations

import re
from typing import Final

from hub.settings.model import DeviceConfig
from hub.settings.once import Once
from hub.settings.section import Section

ADDRESS: Final = "address"
METER_WILDCARD: Final = "AAAAAAAAAAAA"
METER_ADDRESS: Final = re.compile(rf"[0-9]{{12}}|{METER_WILDCARD}")
METER_ADDRESS_ALLOWED: Final = (
    f'the 12 digits on the meter, quoted: "112233445566"; {METER_WILDCARD} for the only one on a bus'
)
SENDER, METER = "sender", "meter"
SENDER_NUMBER: Final = re.compile(r"[!-~]{1,20}")
SENDER_ALLOWED: Final = 'the serial number that the meter reports, quoted: "20260101123456789012"'
METER_ALLOWED: Final = "the meter's address inside of the sender's uploads, quoted; leave it out for the only one"

NO_UNIT_ID: Final = {
    "dlt645": ("a DL/T 645 meter has no unit id", "`address`: the 12 digits on the meter"),
    "acrel": ("a meter that reports by itself has no unit id", "`sender`: the serial number that it reports"),
}
"""Channel on a bus → what is wrong with a unit id there, and what is meant."""


def read_address(section: Section, channel: str) -> dict[str, str]:
    """What a device of this channel is known by, beside its bus."""
    if channel == "dlt645":
        return {ADDRESS: section.text(ADDRESS, required=True, pattern=METER_ADDRESS, allowed=METER_ADDRESS_ALLOWED)}
    if channel == "acrel":
        return {
            SENDER: section.text(SENDER, required=True, pattern=SENDER_NUMBER, allowed=SENDER_ALLOWED),
            METER: section.text(METER, pattern=SENDER_NUMBER, allowed=METER_ALLOWED),
        }
    return {}


class MeterAddresses:
    """All of one file, device by device; `finish` finds those that would be taken for each other."""

    def __init__(self) -> None:
        self._once = {ADDRESS: Once("address"), SENDER: Once("the sender's meter")}
        self._alone: list[tuple[Section, str, tuple[str | None, str]]] = []
        self._count: dict[tuple[str | None, str], int] = {}

    def take(self, section: Section, device: DeviceConfig) -> bool:
        """Whether the device is known by such an address."""
        options = device.options
        if address := options.get(ADDRESS):
            self._once[ADDRESS].new(section, ADDRESS, (address, device.bus))
            self._note(section, ADDRESS, (device.bus, ""), alone=address == METER_WILDCARD)
        elif sender := options.get(SENDER):
            self._once[SENDER].new(section, SENDER, (sender, options.get(METER, ""), device.bus))
            self._note(section, SENDER, (device.bus, sender), alone=METER not in options)
        else:
            return False
        return True

    def _note(self, section: Section, key: str, group: tuple[str | None, str], *, alone: bool) -> None:
        self._count[group] = self._count.get(group, 0) + 1
        if alone:
            self._alone.append((section, key, group))

    def finish(self) -> None:
        """Every meter feels meant by AAAAAAAAAAAA: two on one bus would answer at once. So with a sender's only meter."""
        for section, key, group in self._alone:
            others = self._count[group] - 1
            if others and key == ADDRESS:
                problem = f"{METER_WILDCARD} means every meter, and {others} more hang on {group[0]!r}"
                section.wrong(ADDRESS, problem, "the 12 digits on the meter")
            elif others:
                problem = f"{others} more meters have the sender {group[1]!r}, so this one is not its only one"
                section.wrong(SENDER, problem, f"`{METER}`: the meter's address inside of its uploads")
