"""Commands on their way to devices: each to the connector that speaks with its device.

Runs after the commit. Cards go with their bits in hex (`raw`) beside the text that was entered, because a controller that is
not taught our format has a spelling of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from hub.cards import numbers
from hub.pipeline.commands import Outgoing
from hub.vocabulary.ports import CommandSender

log = logging.getLogger(__name__)


class Dispatch:
    """`senders` by (site, device), for those that `usual` does not reach."""

    def __init__(self, usual: CommandSender, senders: Mapping[tuple[str, str], CommandSender]) -> None:
        self._usual = usual
        self._senders = senders

    def __call__(self, commands: Sequence[Outgoing]) -> None:
        """Hand them over; what cannot be handed over now is asked for again by whoever waits for its answer."""
        for each in commands:
            special = self._senders.get((each.site, each.device))
            args = each.args if special is None else with_raw(each.args)
            (special or self._usual).send(each.site, each.device, each.id, each.name, args, each.reply_by)


def with_raw(args: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card's bits beside its text; arguments without a card, or with a text that is no number, as they are."""
    if "format" not in args or "value" not in args:
        return args
    try:
        return {**args, "raw": numbers.read(args["format"], args["value"]).raw_hex}
    except numbers.NumberError as error:
        log.warning("a card that is no number is not sent as one: %s", error)
        return args
