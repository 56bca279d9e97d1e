"""Commands to devices: rows first, sent after the commit, answered by an event. Revocations go before everything else."""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam

from hub.store.schema import commands
from hub.vocabulary.decisions import SendCommand
from hub.vocabulary.events import CommandResult
from hub.vocabulary.instants import MINUTE_MS, UtcMs

REPLY_WITHIN_MS = MINUTE_MS
REVOKE = "delete_card"
GRANT = "put_card"


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A command on its way."""

    id: str
    site: str
    device: str
    name: str
    args: dict[str, Any]
    reply_by: UtcMs


class CommandLog:
    """Collects the commands and answers of one step."""

    def __init__(self, now: UtcMs) -> None:
        self._now = now
        self.to_send: list[Outgoing] = []
        self._answers: list[CommandResult] = []
        self._grants = 0

    def send(self, command: SendCommand) -> str:
        """To be sent once the step is committed; the command's id."""
        out = Outgoing(
            id=secrets.token_hex(12),
            site=command.subject.site,
            device=command.subject.id,
            name=command.name,
            args=command.args,
            reply_by=self._now + REPLY_WITHIN_MS,
        )
        self._grants += out.name == GRANT
        if out.name == REVOKE and self._grants:
            # It will overtake: a grant of the same card that was decided before it must not arrive after it.
            self.to_send = [each for each in self.to_send if not _granted_before(each, out)]
        self.to_send.append(out)
        return out.id

    def asked(self, site: str, device: str, name: str) -> bool:
        """Whether this step sends such a command."""
        return any((each.site, each.device, each.name) == (site, device, name) for each in self.to_send)

    def answered(self, result: CommandResult) -> None:
        """A device answered."""
        self._answers.append(result)

    def write(self, connection: Connection) -> None:
        """Part of the step's transaction."""
        self.to_send.sort(key=lambda each: each.name != REVOKE)
        rows = [
            {
                "id": each.id,
                "site": each.site,
                "device": each.device,
                "name": each.name,
                "args_json": msgspec.json.encode(each.args).decode(),
                "created_at": self._now,
                "reply_by": each.reply_by,
                "state": "sent",
            }
            for each in self.to_send
        ]
        if rows:
            connection.execute(commands.insert(), rows)
        answers: list[dict[str, str | None]] = [
            {
                "_id": each.command_id,
                "_site": each.site,
                "_device": each.device,
                "_state": "done" if each.ok else "failed",
                "_detail": each.detail,
            }
            for each in self._answers
        ]
        if answers:
            connection.execute(_ANSWER, answers)


_ANSWER: Final = (
    commands.update()
    .where(
        commands.c.id == bindparam("_id"),
        commands.c.site == bindparam("_site"),
        commands.c.device == bindparam("_device"),
    )
    .values(state=bindparam("_state"), detail=bindparam("_detail"))
)


def _granted_before(earlier: Outgoing, revoked: Outgoing) -> bool:
    same_place = (earlier.site, earlier.device, earlier.name) == (revoked.site, revoked.device, GRANT)
    return same_place and all(earlier.args.get(key) == revoked.args.get(key) for key in ("format", "value"))
