"""Decoder of channel `mqtt` for makers' door controllers; what is on none of their topics goes on to the JSON decoder.

Nothing that arrives may raise out of `decode`. Which device a message is of, the topic says, or its serial number where one
gateway speaks for many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connectors.codecs import dahua_vto, esp_rfid, uhppoted_mqtt
from connectors.codecs.door_profile import DoorProfile
from connectors.codecs.door_words import Origin
from connectors.codecs.json_decoder import JsonDecoder
from connectors.codecs.json_text import read_object
from connectors.codecs.refusal import Refusal, shown
from hub.vocabulary.events import Event
from hub.vocabulary.ports import DeviceEntry, Lane, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason

AVAILABILITY: Final = "avty"
_DIALECTS: Final = {
    "esp-rfid": esp_rfid.decode,
    "uhppoted-mqtt": uhppoted_mqtt.decode,
    "dahua-vto": dahua_vto.decode,
}


class DoorDecoder:
    """`profiles` by id; `rest` decodes everything else."""

    def __init__(self, profiles: Mapping[str, DoorProfile], devices: Sequence[DeviceEntry], rest: JsonDecoder) -> None:
        self._rest = rest
        self._profiles = profiles
        mine = [entry for entry in devices if entry.profile in profiles]
        self._by_name = {(entry.profile, entry.site, entry.device): entry for entry in mine}
        self._by_serial = {
            (entry.profile, entry.site, str(entry.options["serial"])): entry
            for entry in mine
            if "serial" in entry.options
        }
        self._used = {entry.profile for entry in mine}

    def subscriptions(self, *, own_sites_only: bool = False) -> list[tuple[str, Lane]]:
        """Topic filters, each with its session: those of makers that a device of ours is of, beside all others."""
        found = dict.fromkeys(self._rest.subscriptions(own_sites_only=own_sites_only))
        sites = sorted({site for _, site, _ in self._by_name}) if own_sites_only else [None]
        for name in sorted(self._used):
            for pattern in self._profiles[name].topics:
                for site in sites:
                    found[pattern.filter(site), Lane.ALARM] = None
        return list(found)

    def lane_of(self, topic: str) -> Lane:
        """Which session delivers this topic."""
        return Lane.ALARM if self._place(topic) is not None else self._rest.lane_of(topic)

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """Events, or Rejected with its reason. Never raises."""
        place = self._place(message.address)
        if place is None:
            return self._rest.decode(message)
        name, site, device = place
        entry = self._by_name.get((name, site, device)) if device else None
        try:
            plain = name == "esp-rfid" and message.address.endswith(f"/{AVAILABILITY}")
            payload = {} if plain else read_object(message.payload)
            entry = entry or self._behind_gateway(name, site, device, payload)
            origin = self._origin(entry, message)
            if plain:
                return esp_rfid.availability(message.payload, origin)
            return _DIALECTS[origin.profile.dialect](payload, origin)
        except Refusal as refusal:
            known = entry.device if entry is not None else ""
            return Rejected(reason=refusal.reason, detail=refusal.text, site=site, device=known)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the pipeline; the message is kept
            detail = f"{type(error).__name__}: {shown(str(error))}"
            return Rejected(reason=RejectReason.CODEC_FAILED, detail=detail, site=site, device=device)

    def _place(self, topic: str) -> tuple[str, str, str] | None:
        """(profile, site, device) of a topic of a maker that is in use; device empty where the payload says."""
        levels = topic.split("/")
        for name in self._used:
            for pattern in self._profiles[name].topics:
                found = pattern.match(levels)
                if found is not None:
                    return name, *found
        return None

    def _behind_gateway(self, name: str, site: str, device: str, payload: dict[str, Any]) -> DeviceEntry:
        if device:
            raise Refusal(RejectReason.UNKNOWN_DEVICE, f"{shown(device)} is no {name} of site {shown(site)}")
        serial = uhppoted_mqtt.serial_of(payload)
        entry = self._by_serial.get((name, site, serial))
        if entry is None:
            raise Refusal(RejectReason.UNKNOWN_DEVICE, f"no {name} of site {shown(site)} has serial {serial}")
        return entry

    def _origin(self, entry: DeviceEntry, message: RawMessage) -> Origin:
        return Origin(
            entry=entry,
            profile=self._profiles[entry.profile],
            doors={number: door for door, number in entry.options.get("doors", {}).items()},
            word=message.address.rpartition("/")[2],
            received_at=message.received_at,
            live=not message.retained,
        )
