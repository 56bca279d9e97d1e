"""The section `opens` of a door whose reader decides nothing: how it fails, how long a decision may take, who allowed it.

A door that the hub opens is a write that nobody confirms each time: its permission stands in the file, by two people, or the
hub does not start. There is no default for what happens when the hub is away.
"""

from __future__ import annotations

from typing import Final

from hub.settings.mistakes import listed
from hub.settings.model import DeviceConfig, DoorConfig
from hub.settings.once import Once
from hub.settings.section import TEXT, TEXT_ALLOWED, Section
from hub.vocabulary.facts import AccessFacts, ProfileFacts
from hub.vocabulary.readers import DoorOpening, FailPolicy, HubAway, RelayRef

DECIDE_MS: Final = (200, 10_000)
OPEN_MS: Final = (500, 60_000)
USUAL_OPEN_MS: Final = 5_000
HELD_S: Final = (5, 3_600)
USUAL_HELD_S: Final = 30
PEOPLE: Final = 2
NEEDED: Final = (
    "opens: {fail_policy: fail_secure or fail_safe, hub_away: stays_locked or opens, decide_within_ms: 200 to 10000, "
    "allowed_by: [two people]}"
)
MAX_RELAY: Final = 65_535


def read_opening(door: Section, profile: ProfileFacts | None) -> DoorOpening | None:
    """None: the controller decides by itself, or something is wrong."""
    access = profile.access if profile is not None else None
    if access is None or not access.hub_decides:
        if profile is not None:
            door.refuse("opens", "this controller decides by itself whom it lets in", "leave it out")
        return None
    opens = door.section("opens")
    if opens is None:
        if "opens" not in door.fields:
            door.wrong("opens", "is missing: at this door the hub decides, so the file says how it fails", NEEDED)
        return None
    policy = opens.choice("fail_policy", FailPolicy, required=True)
    away = opens.choice("hub_away", HubAway, required=True)
    decide = opens.integer("decide_within_ms", *DECIDE_MS, required=True)
    open_ms = opens.integer("open_ms", *OPEN_MS, default=USUAL_OPEN_MS)
    people = _people(opens)
    relay = _relay(opens, access)
    contact, exit_button = _input(opens, "contact", access), _input(opens, "exit_button", access)
    held_s = opens.integer("held_s", *HELD_S, default=USUAL_HELD_S)
    opens.finish()
    if contact is not None and contact == exit_button:
        opens.wrong("exit_button", f"input {contact} is the door's contact", "another input")
    if policy is FailPolicy.FAIL_SECURE and away is HubAway.OPENS:
        opens.wrong("hub_away", "a door that opens when the hub is away is not fail_secure", str(HubAway.STAYS_LOCKED))
    if policy is None or away is None or decide is None or open_ms is None or len(people) != PEOPLE:
        return None
    return DoorOpening(
        fail_policy=policy,
        hub_away=away,
        decide_within_ms=decide,
        open_ms=open_ms,
        allowed_by=tuple(people),
        relay=relay,
        contact=contact,
        exit_button=exit_button,
        held_s=held_s or USUAL_HELD_S,
    )


def in_words(device: DeviceConfig) -> list[str]:
    """Of each door of a device that the hub opens: how it fails and who allowed it, for `hub check`."""
    found = []
    for door in device.doors:
        if (opening := door.opening) is None:
            continue
        secure = opening.fail_policy is FailPolicy.FAIL_SECURE
        found.append(
            f"door {door.id} ({device.id}): the hub decides; {opening.fail_policy}: without power "
            f"{'locked' if secure else 'open'}, hub or bus away: {opening.hub_away}, no decision within "
            f"{opening.decide_within_ms} ms: {'stays locked' if secure else 'opens for any card'}; open for "
            f"{opening.open_ms} ms; allowed by {' and '.join(opening.allowed_by)}"
        )
    return found


def _people(opens: Section) -> list[str]:
    allowed = "the names of two different people who answer for it: [王强, 李梅]"
    if "allowed_by" not in opens.fields:
        opens.take("allowed_by", allowed, required=True)
        return []
    people = [name for name in opens.texts("allowed_by", TEXT, TEXT_ALLOWED) if name]
    if len(people) != PEOPLE:
        opens.wrong("allowed_by", f"{len(people)} people stand here", allowed)
    return people


def _input(opens: Section, key: str, access: AccessFacts) -> int | None:
    """An input of the reader, where its map has any."""
    if not access.inputs:
        opens.refuse(key, "this reader's map has no inputs", "leave it out")
        return None
    return opens.integer(key, 1, access.inputs)


def _relay(opens: Section, access: AccessFacts) -> RelayRef | None:
    relay = opens.section("relay")
    if relay is None:
        if not access.relays and "relay" not in opens.fields:
            opens.wrong(
                "relay", "is missing: this reader has no relay of its own", "{device: a relay module, number: 1}"
            )
        return None
    device = relay.id("device")
    number = relay.integer("number", 1, MAX_RELAY, required=True)
    relay.finish()
    return None if not device or number is None else RelayRef(device, number)


class Openings:
    """What can only be said of all doors of a file together: relays that there are, one door a relay, buses of their own."""

    def __init__(self) -> None:
        self._known: list[tuple[Section, DeviceConfig, ProfileFacts]] = []

    def take(self, section: Section, device: DeviceConfig, profile: ProfileFacts | None) -> None:
        """One device, in the file's order."""
        if profile is not None:
            self._known.append((section, device, profile))

    def finish(self) -> None:
        """Say what is wrong."""
        relays = {device.id: profile.access.relays for _, device, profile in self._known if profile.access is not None}
        once = Once("the relay")
        for section, device, profile in self._known:
            if profile.access is None or not profile.access.hub_decides:
                continue
            doors = section.sections("doors")
            if len(doors) != 1:
                section.wrong("doors", f"{len(doors)} doors stand here; a reader stands at one", "one door")
            elif device.doors:
                self._relay_of(doors[0], device, device.doors[0], relays, once)
        self._buses()

    @staticmethod
    def _relay_of(section: Section, device: DeviceConfig, door: DoorConfig, relays: dict[str, int], once: Once) -> None:
        if door.opening is None:
            return
        own = door.opening.relay is None
        ref = door.opening.relay or RelayRef(device.id, door.number)
        key = "number" if own else "opens"
        if not relays.get(ref.device):
            with_relays = [name for name, number in relays.items() if number]
            section.wrong(key, f"{ref.device!r} is no device with relays", listed(with_relays) or "none is listed")
        elif not 1 <= ref.number <= relays[ref.device]:
            section.wrong(key, f"{ref.device!r} has no relay {ref.number}", f"1 to {relays[ref.device]}")
        else:
            once.new(section, key, f"{ref.device} {ref.number}")

    def _buses(self) -> None:
        """Whoever stands at a door must not wait for a cabinet of meters, and a serial line has one master."""
        reading = {device.bus for _, device, profile in self._known if _at_doors(profile)}
        for section, device, profile in self._known:
            if device.bus in reading and device.bus is not None and not _at_doors(profile):
                section.wrong("bus", f"bus {device.bus!r} serves doors, and nothing else may hang on it", "another bus")


def _at_doors(profile: ProfileFacts) -> bool:
    return profile.access is not None and (profile.access.hub_decides or profile.access.relays > 0)
