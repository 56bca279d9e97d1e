"""Commands to devices that change nothing in them: rows first, sent after the commit, answered by an event."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from sqlalchemy import Connection

from hub.store.schema import commands
from hub.vocabulary.decisions import SendCommand
from hub.vocabulary.events import CommandResult
from hub.vocabulary.instants import MINUTE_MS, UtcMs

REPLY_WITHIN_MS = MINUTE_MS


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

    def send(self, command: SendCommand) -> None:
        """To be sent once the step is committed."""
        self.to_send.append(
            Outgoing(
                id=secrets.token_hex(12),
                site=command.subject.site,
                device=command.subject.id,
                name=command.name,
                args=command.args,
                reply_by=self._now + REPLY_WITHIN_MS,
            )
        )

    def answered(self, result: CommandResult) -> None:
        """A device answered."""
        self._answers.append(result)

    def write(self, connection: Connection) -> None:
        """Part of the step's transaction."""
        for each in self.to_send:
            connection.execute(
                commands.insert().values(
                    id=each.id,
                    site=each.site,
                    device=each.device,
                    name=each.name,
                    args_json=msgspec.json.encode(each.args).decode(),
                    created_at=self._now,
                    reply_by=each.reply_by,
                    state="sent",
                )
            )
        for result in self._answers:
            connection.execute(
                commands.update()
                .where(
                    commands.c.id == result.command_id,
                    commands.c.site == result.site,
                    commands.c.device == result.device,
                )
                .values(state="done" if result.ok else "failed", detail=result.detail)
            )
