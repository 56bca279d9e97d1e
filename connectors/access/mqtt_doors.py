"""Commands to makers' door controllers on the broker: the hub's command → their messages. Implements CommandSender.

A maker whose acknowledgement says nothing is answered for here: once its message is handed over, a proof may be asked for.
What its controller cannot do is answered at once, with the reason, so that it stands beside the card.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from connectors.codecs import esp_rfid, uhppoted_mqtt
from connectors.codecs.door_profile import DoorProfile
from hub.vocabulary.events import Clock, CommandResult
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry, Intake

log = logging.getLogger(__name__)


class Publisher(Protocol):
    """The broker connection."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """False where there is no connection now."""


class MqttDoors:
    """`devices` of other profiles are ignored."""

    def __init__(
        self,
        profiles: Mapping[str, DoorProfile],
        devices: Sequence[DeviceEntry],
        publisher: Publisher,
        intake: Intake,
        clock: Callable[[], UtcMs],
    ) -> None:
        self._devices = {(each.site, each.device): each for each in devices if each.profile in profiles}
        self._profiles, self._publisher, self._intake, self._clock = profiles, publisher, intake, clock

    @property
    def reaches(self) -> Collection[tuple[str, str]]:
        """(site, device) of those that commands go to through here."""
        return self._devices.keys()

    def send(
        self, site: str, device: str, command_id: str, name: str, args: Mapping[str, Any], reply_by: UtcMs
    ) -> bool:
        """CommandSender."""
        entry = self._devices[site, device]
        dialect = self._profiles[entry.profile].dialect
        try:
            messages = _messages(dialect, entry, command_id, name, args)
        except (KeyError, ValueError) as error:
            self._answer(entry, command_id, ok=False, detail=str(error))
            return True
        sent = all(self._publisher.publish(topic, payload) for topic, payload in messages)
        if sent and dialect == "esp-rfid" and name != "list_cards":
            self._answer(entry, command_id, ok=True)
        return sent

    def _answer(self, entry: DeviceEntry, command_id: str, *, ok: bool, detail: str | None = None) -> None:
        now = self._clock()
        self._intake.report(
            CommandResult(
                site=entry.site, device=entry.device, occurred_at=now, received_at=now, clock=Clock.ARRIVAL,
                command_id=command_id, ok=ok, detail=detail,
            )
        )  # fmt: skip


def _messages(
    dialect: str, entry: DeviceEntry, command_id: str, name: str, args: Mapping[str, Any]
) -> list[tuple[str, bytes]]:
    if dialect == "esp-rfid":
        return esp_rfid.encode(entry, f"esp-rfid/{entry.site}/{entry.device}/cmd", name, args)
    if dialect == "uhppoted-mqtt":
        return uhppoted_mqtt.encode(entry, f"uhppoted/{entry.site}", command_id, name, args)
    raise ValueError(f"{entry.profile} takes no commands")
