"""Commands on their way to devices: each to the connector that speaks with its device, cards as its readers spell them.

Runs after the commit. A controller with a number profile is told its own representation of a card and never the text that
was entered at the desk; answers come back in it and are compared in it (hub.pipeline.card_doors.same_card). Makers' own
controllers get the bits in hex (`raw`) beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.cards import numbers
from hub.cards.collisions import told_as
from hub.pipeline.commands import Outgoing
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.ports import CommandSender

log = logging.getLogger(__name__)


class Dispatch:
    """`senders` by (site, device), for those that `usual` does not reach; `profile` of (site, device): how it spells."""

    def __init__(
        self,
        usual: CommandSender,
        senders: Mapping[tuple[str, str], CommandSender],
        profile: Callable[[str, str], NumberProfile | None] = lambda site, device: None,
    ) -> None:
        self._usual = usual
        self._senders = senders
        self._profile = profile

    def __call__(self, commands: Sequence[Outgoing]) -> None:
        """Hand them over; what cannot be handed over now is asked for again by whoever waits for its answer."""
        for each in commands:
            special = self._senders.get((each.site, each.device))
            args = as_spelled(each.args, self._profile(each.site, each.device))
            args = args if special is None else with_raw(args)
            (special or self._usual).send(each.site, each.device, each.id, each.name, args, each.reply_by)


def as_spelled(args: Mapping[str, Any], profile: NumberProfile | None) -> Mapping[str, Any]:
    """The card of a command in its reader's representation; other arguments as they are."""
    if profile is None or "format" not in args or "value" not in args:
        return args
    card = told_as(args["format"], args["value"], profile)
    return {**args, "format": card.format, "value": card.value}


def with_raw(args: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card's bits beside its text; arguments without a card, or with a text that is no number, as they are."""
    if "format" not in args or "value" not in args:
        return args
    try:
        return {**args, "raw": numbers.read(args["format"], args["value"]).raw_hex}
    except numbers.NumberError as error:
        log.warning("a card that is no number is not sent as one: %s", error)
        return args
