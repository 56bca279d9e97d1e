"""Door controllers of a `Rig` that obey, sleep and forget: they answer what the hub has sent, from a list of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, CommandResult, DeviceStatus
from support.rig import SITE, Rig

ROUNDS = 20


class Gates:
    """`away`: those that hear nothing. A list is card → doors."""

    def __init__(self, rig: Rig, names: Iterable[str]) -> None:
        self.rig = rig
        self.lists: dict[str, dict[tuple[str, str], list[str]]] = {name: {} for name in names}
        self.away: set[str] = set()
        self._number = 0

    def answer(self) -> None:
        """Deal with what was sent, and with what is sent because of the answers."""
        for _ in range(ROUNDS):
            sent, self.rig.sent[:] = list(self.rig.sent), []
            results = [self._obeyed(each) for each in sent if each.device not in self.away]
            if not results:
                return
            self.rig.take(*results)

    def _obeyed(self, command: Any) -> CommandResult:
        cards, listed = self.lists[command.device], None
        if command.name == "list_cards":
            listed = tuple({"format": f, "value": v, "doors": doors} for (f, v), doors in cards.items())
        elif command.name == "put_card":
            cards[command.args["format"], command.args["value"]] = list(command.args["doors"])
        else:
            cards.pop((command.args["format"], command.args["value"]), None)
        return CommandResult(**self._common(command.device), command_id=command.id, ok=True, cards=listed)

    def online(self, name: str) -> None:
        """It is there (again) and says so."""
        self.away.discard(name)
        self.rig.take(DeviceStatus(**self._common(name), online=True))
        self.answer()

    def swipe(self, name: str, door: str, card: CardNumber, *, granted: bool) -> None:
        """A card is presented."""
        result = AccessResult.GRANTED if granted else AccessResult.DENIED
        self.rig.take(AccessEvent(**self._common(name), door=door, card=card, result=result))

    def opens(self, value: str) -> list[str]:
        """Doors that would open for this number, by the controllers' own lists."""
        return sorted(
            door for cards in self.lists.values() for (_, v), doors in cards.items() if v == value for door in doors
        )

    def _common(self, name: str) -> dict[str, Any]:
        self._number += 1
        now = self.rig.now
        return {"site": SITE, "device": name, "source_key": f"g{self._number}", "occurred_at": now, "received_at": now}
