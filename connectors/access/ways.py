"""Every way to door controllers in one part: makers' messages on the broker, boards on the network, readers on a bus.

Which controller is reached how follows from its profile alone; what no way here reaches goes the usual one (profile `hub-json`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.access.board import Resume
from connectors.access.mqtt_doors import MqttDoors, Publisher
from connectors.access.readers import ReaderConnector
from connectors.access.uhppote import UhppoteConnector
from connectors.modbus.poller import BusStatus
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, CommandSender, DeviceEntry, Intake

Resumes = Mapping[tuple[str, str], tuple[int, int | None, str | None]]
"""(site, device) → epoch, index of the newest event that is stored, serial number."""


class DoorWays:
    """`sections`: a transport's word → profile id → its section."""

    def __init__(
        self,
        devices: Sequence[DeviceEntry],
        sections: Callable[[str], Mapping[str, Any]],
        publisher: Publisher,
        buses: Sequence[BusEntry],
        resumes: Resumes,
        intake: Intake,
        clock: Callable[[], UtcMs],
    ) -> None:
        known = {key: Resume(epoch=row[0], last_index=row[1], serial=row[2]) for key, row in resumes.items()}
        self._messages = MqttDoors(sections("doors"), devices, publisher, intake, clock)
        self._boards = UhppoteConnector(devices, sections("uhppote"), known, intake, clock=clock)
        self._readers = ReaderConnector(buses, devices, sections("reader"), intake, clock=clock)

    def start(self) -> None:
        """Returns when all tasks run; nothing needs to be reachable."""
        self._boards.start()
        self._readers.start()

    def stop(self) -> None:
        """End all threads."""
        self._boards.stop()
        self._readers.stop()

    def alive(self) -> bool:
        """Whether every thread that is needed runs."""
        return self._boards.alive() and self._readers.alive()

    def status(self) -> list[BusStatus]:
        """Each bus of readers as it stands."""
        return self._readers.status()

    def senders(self) -> dict[tuple[str, str], CommandSender]:
        """(site, device) → what carries its commands."""
        return {
            **dict.fromkeys(self._messages.reaches, self._messages),
            **dict.fromkeys(self._boards.reaches, self._boards),
            **dict.fromkeys(self._readers.reaches, self._readers),
        }
