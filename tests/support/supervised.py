"""Devices that speak or keep silent under the rule of silence, told in rounds and ticks of its supervision."""

from __future__ import annotations

from typing import Any

from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import ElevatorState, Event, GatewayChanged, Subject, SubjectType, SupervisionTick
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import SECOND_MS
from rules.device_silent import DeviceSilent
from support.meters import meter_facts
from support.timeline import SITE, T0, Timeline

SILENT = TicketKind.DEVICE_SILENT
TICK_S = 10


def gateway(name: str) -> Subject:
    return Subject(SITE.id, SubjectType.GATEWAY, name)


class Supervised(Timeline):
    """A timeline whose devices speak in rounds and whose supervision ticks."""

    def __init__(self, *devices: DeviceFacts, **limits: Any) -> None:
        super().__init__(DeviceSilent(), devices=devices, limits=limits, started_at=T0, restarts=True)

    def at(self, event_type: type[Event], **more: Any) -> Event:
        return event_type(site=SITE.id, occurred_at=self.now, received_at=self.now, **more)

    def hear(self, *names: str) -> Supervised:
        for name in names or self.devices:
            self.push(self.at(ElevatorState, device=name))
        return self

    def wait(self, seconds: float, *, heard: tuple[str, ...] = (), every_s: float = 60) -> Supervised:
        """Time passes, supervised; these devices go on speaking."""
        end, next_words = self.now + round(seconds * SECOND_MS), self.now + every_s * SECOND_MS
        while self.now < end:
            self.advance(min(TICK_S, (end - self.now) / SECOND_MS))
            if self.now >= next_words:
                for name in heard:
                    self.push(self.at(ElevatorState, device=name))
                next_words += every_s * SECOND_MS
            self.push(self.at(SupervisionTick))
        return self

    def bus(self, name: str, *, up: bool) -> Supervised:
        self.push(self.at(GatewayChanged, gateway=name, up=up, cause="refused"))
        return self


def cabinet(size: int = 36, bus: str = "meters-1") -> list[DeviceFacts]:
    return [meter_facts(f"m-{number:03}", pk=number, gateway=bus) for number in range(size)]


def names(devices: list[DeviceFacts]) -> tuple[str, ...]:
    return tuple(device.id for device in devices)


METER = meter_facts("m-1", gateway="meters-1")
