"""The part `lift:` of an elevator in a site file: what a record of it has to name (domain/elevator.md 4.3, 'Lift').

Plain text throughout: registration codes begin with zeros, and firms are called what they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.settings.section import Section
from hub.vocabulary.facts import DeviceKind

LIFT_CARD: Final = (
    "register_code",
    "use_certificate",
    "internal_number",
    "maker",
    "model",
    "rescue_phone",
    "firm",
    "safety_officer",
)


def read_lift_card(section: Section, kind: DeviceKind | None) -> Mapping[str, str]:
    """What is said of the lift; what is wrong is in the log."""
    if kind is not None and kind is not DeviceKind.ELEVATOR:
        section.refuse("lift", "only elevators have a lift's papers", "leave it out")
        return {}
    card = section.section("lift")
    if card is None:
        return {}
    found = {key: card.text(key) for key in LIFT_CARD}
    card.finish()
    return {key: value for key, value in found.items() if value}
