"""A door controller of profile hub-json: its own list of cards, access events with an index, door states, commands.

The controller decides alone and from its own list, as real ones do: a card stays valid here until a command removes it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulators.site import Device
from simulators.uplink import Uplink

HELD_OPEN_AFTER_S = 30.0
PASS_S = 5.0
Action = Callable[..., None]


@dataclass(frozen=True)
class Permission:
    """A card on the controller: doors by id, times as the hub sent them (ISO 8601 or None)."""

    format: str
    value: str
    doors: tuple[str, ...]
    valid_from: str | None
    valid_until: str | None

    def refusal(self, door: str, now: datetime) -> str | None:
        """Why this card does not open this door now, None when it does."""
        if door not in self.doors:
            return "door_not_allowed"
        if self.valid_from is not None and now < datetime.fromisoformat(self.valid_from):
            return "not_yet_valid"
        if self.valid_until is not None and now > datetime.fromisoformat(self.valid_until):
            return "expired"
        return None


class DoorController:
    """One controller with its doors."""

    def __init__(self, device: Device, rng: random.Random, traffic: bool, uplink: Uplink) -> None:
        self.device, self.uplink = device, uplink
        self.cards: dict[tuple[str, str], Permission] = {}
        self._rng, self._traffic_on = rng, traffic
        self._index = 0
        self._to_pass_s = rng.expovariate(1 / 40)
        self._open_left_s: dict[str, float] = {}
        for _ in range(5):
            value = f"{rng.randrange(2**24):08d}"
            self._put({"format": "wiegand26", "value": value, "doors": [door.id for door in device.doors]})

    def actions(self) -> dict[str, Action]:
        """What a scenario can do here, by the word that it uses."""
        return {**self.uplink.actions(), "swipe": self.swipe, "door": self.set_door, "traffic": self.traffic}

    def traffic(self, enabled: bool) -> None:
        """Ordinary passes or none."""
        self._traffic_on = enabled

    def swipe(self, value: str | None = None, format: str = "wiegand26", door: str | None = None) -> None:
        """A card is held to a reader; without a value one of the controller's own cards."""
        if value is None:
            format, value = self._rng.choice(list(self.cards))
        door = door or self.device.doors[0].id
        card = self.cards.get((format, value))
        refusal = "unknown_card" if card is None else card.refusal(door, self.uplink.now())
        self._index += 1
        event = {"door": door, "card": {"format": format, "value": value}, "index": self._index, "direction": "in"}
        if refusal is not None:
            self.uplink.send("access", result="denied", reason=refusal, **event)
            return
        self.uplink.send("access", result="granted", **event)
        self.set_door("open", door)
        self._open_left_s[door] = PASS_S

    def set_door(self, state: str, door: str | None = None) -> None:
        """A door changes: closed, open, forced_open, held_open, tamper, normal."""
        self.uplink.send("door", door=door or self.device.doors[0].id, state=state)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass, answer commands."""
        self.uplink.advance(seconds)
        self.uplink.greet()
        for command in self.uplink.link.commands():
            self._answer(command)
        for door in tuple(self._open_left_s):
            self._open_left_s[door] -= seconds
            if self._open_left_s[door] <= 0:
                del self._open_left_s[door]
                self.set_door("closed", door)
        self._to_pass_s -= seconds
        if self._traffic_on and self._to_pass_s <= 0 and self.cards:
            self._to_pass_s = self._rng.expovariate(1 / 40)
            self.swipe(door=self._rng.choice(self.device.doors).id)

    def _answer(self, command: dict[str, Any]) -> None:
        commands = {
            "put_card": self._put,
            "delete_card": self._delete,
            "list_cards": self._list,
            "report_state": self._state,
        }
        act = commands.get(str(command.get("name")))
        try:
            extra = act(command.get("args") or {}) if act else None
        except (KeyError, TypeError, ValueError) as error:
            self.uplink.result(command, ok=False, detail=f"{type(error).__name__}: {error}")
            return
        if extra is None:
            self.uplink.result(command, ok=False, detail=f"unknown command {command.get('name')}")
        else:
            self.uplink.result(command, ok=True, detail="", **extra)

    def _put(self, args: dict[str, Any]) -> dict[str, Any]:
        for limit in ("from", "until"):
            if args.get(limit) is not None and datetime.fromisoformat(args[limit]).tzinfo is None:
                raise ValueError(f"{limit}: a time needs its offset")
        unknown = set(args["doors"]) - {door.id for door in self.device.doors}
        if unknown:
            raise ValueError(f"no such doors: {sorted(unknown)}")
        card = Permission(args["format"], args["value"], tuple(args["doors"]), args.get("from"), args.get("until"))
        self.cards[card.format, card.value] = card
        return {}

    def _delete(self, args: dict[str, Any]) -> dict[str, Any]:
        # Deleting what is not there succeeds: the end is what was asked for.
        self.cards.pop((args["format"], args["value"]), None)
        return {}

    def _list(self, _args: dict[str, Any]) -> dict[str, Any]:
        cards = [
            {"format": card.format, "value": card.value, "doors": list(card.doors)} for card in self.cards.values()
        ]
        return {"cards": cards}

    def _state(self, _args: dict[str, Any]) -> dict[str, Any]:
        for door in self.device.doors:
            self.set_door("open" if door.id in self._open_left_s else "closed", door.id)
        return {}
