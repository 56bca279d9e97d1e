"""uhppoted-mqtt: the gateway's events and replies → events, commands → its requests. Pure.

One gateway speaks for many boards, told apart by serial number. It prints an ambiguous zone behind each time (CST): the
controller's zone is used instead. It retains events and publishes some twice: the board's own number says what is new.
Source: domain/access.md 2.1; uhppoted-mqtt documentation/commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from connectors.codecs.access_words import Sort
from connectors.codecs.door_words import Origin, Presented, event_of, need
from connectors.codecs.refusal import Refusal
from connectors.codecs.uhppote import FACILITY, SWIPE, card_number
from hub.vocabulary.events import CommandResult, Event
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry
from hub.vocabulary.rejected import RejectReason

CLIENT: Final = "hub"
LAST_DAY: Final = date(2099, 12, 31)
METHODS: Final = {
    "put_card": "device/card:put",
    "delete_card": "device/card:delete",
    "get_card": "device/card:get",
    "list_cards": "device/cards:get",
}


def serial_of(payload: dict[str, Any]) -> str:
    """Which board an event or a reply is about. Raises Refusal."""
    message = need(payload, "message", dict)
    for kind, inner in (("event", "event"), ("reply", "response"), ("error", "error")):
        if kind in message:
            body = need(message, kind, dict, "message")
            about = body if inner == kind else need(body, inner, dict, f"message.{kind}")
            serial = about.get("device-id")
            if type(serial) is int:
                return str(serial)
            raise Refusal(RejectReason.MISSING_FIELD, "names no board", f"message.{kind}.device-id")
    raise Refusal(RejectReason.MISSING_FIELD, "event or reply is needed", "message")


def decode(payload: dict[str, Any], origin: Origin) -> Sequence[Event]:
    """What one message says. Raises Refusal."""
    message = need(payload, "message", dict)
    if "event" in message:
        event = _event(need(message, "event", dict, "message"), origin)
        return () if event is None else (event,)
    return (_reply(need(message, "reply", dict, "message"), origin),)


def _event(said: dict[str, Any], origin: Origin) -> Event | None:
    index = need(said, "event-id", int, "message.event")
    common = origin.common(f"1/{index}", _at(said, origin))
    common["source_key"] = f"1/{index}"  # the board's own number, whatever its clock shows
    number = said.get("card-number")
    swiped = said.get("event-type") == SWIPE
    card = None
    if type(number) is int and number not in origin.profile.no_cards and swiped:
        card = card_number(number, str(origin.entry.options["card_format"]))
    presented = Presented(
        granted=need(said, "access-granted", bool, "message.event"),
        card=card,
        direction=said.get("direction-text") if said.get("direction-text") in {"in", "out"} else None,
        index=index,
        code=str(said.get("event-reason")),
    )
    door = origin.door(need(said, "door-id", int, "message.event"))
    meaning = origin.meaning(presented.code)
    if swiped and meaning is not None and meaning.sort not in {Sort.GRANTED, Sort.DENIED}:
        meaning = None  # what the lock did is never passed over
    return event_of(meaning, common, door, presented)


def _at(said: dict[str, Any], origin: Origin) -> UtcMs | None:
    text = said.get("timestamp")
    if not isinstance(text, str) or not text:
        return None
    try:
        local = datetime.fromisoformat(text[:19])
    except ValueError as error:
        raise Refusal(RejectReason.BAD_TIME, f"{text!r}", "message.event.timestamp") from error
    return round(local.replace(tzinfo=ZoneInfo(origin.entry.timezone)).timestamp() * 1000)


def _reply(said: dict[str, Any], origin: Origin) -> Event:
    request = need(said, "request-id", str, "message.reply")
    response = need(said, "response", dict, "message.reply")
    cards: tuple[dict[str, Any], ...] | None = None
    match said.get("method"):
        case "get-card":
            card = response.get("card")
            cards = (_card(card, origin),) if isinstance(card, dict) and card.get("card-number") else ()
        case "get-cards":
            # Numbers alone: which doors they open, only get-card says.
            numbers = need(response, "cards", list, "message.reply.response")
            cards = tuple(_card({"card-number": each}, origin) for each in numbers)
    return CommandResult(
        **origin.common(f"reply/{request}/{origin.received_at}", None), command_id=request, ok=True, cards=cards
    )


def _card(card: dict[str, Any], origin: Origin) -> dict[str, Any]:
    number = card_number(need(card, "card-number", int), str(origin.entry.options["card_format"]))
    opened = card.get("doors")
    doors = None
    if isinstance(opened, dict):
        doors = [origin.door(int(at)) for at, value in opened.items() if at.isdigit() and value != 0]
    return {"format": number.format, "value": number.value, "doors": doors}


def encode(
    entry: DeviceEntry, root: str, command_id: str, name: str, args: Mapping[str, Any]
) -> list[tuple[str, bytes]]:
    """(topic, payload) of a command. Raises ValueError with what people are told."""
    if name not in METHODS:
        raise ValueError(f"uhppoted-mqtt has no {name}")
    request: dict[str, Any] = {
        "client-id": CLIENT,
        "request-id": command_id,
        "reply-to": f"{root}/replies",
        "device-id": int(entry.options["serial"]),
    }
    if name == "put_card":
        request["card"] = _put(entry, args)
    elif name != "list_cards":
        request["card-number"] = _number(entry, args)
    body = msgspec.json.encode({"message": {"request": request}})
    return [(f"{root}/requests/{METHODS[name]}", body)]


def _put(entry: DeviceEntry, args: Mapping[str, Any]) -> dict[str, Any]:
    zone = ZoneInfo(entry.timezone)
    until = args.get("until")
    last = LAST_DAY
    if until is not None:  # dates only, both ends inclusive: never a day more
        last = (datetime.fromisoformat(until) - timedelta(milliseconds=1)).astimezone(zone).date()
    numbers = entry.options.get("doors", {})
    opened = {numbers.get(door) for door in args["doors"]}
    if not opened <= {1, 2, 3, 4}:
        raise ValueError("a door has no number from 1 to 4 in the site file")
    return {
        "card-number": _number(entry, args),
        "start-date": datetime.fromisoformat(args["from"]).astimezone(zone).date().isoformat(),
        "end-date": last.isoformat(),
        "doors": {str(at): at in opened for at in (1, 2, 3, 4)},
    }


def _number(entry: DeviceEntry, args: Mapping[str, Any]) -> int:
    wanted = entry.options["card_format"]
    if args.get("format") != wanted or "raw" not in args:
        raise ValueError(f"this board's readers send {wanted}, the card is {args.get('format')}")
    raw = int(str(args["raw"]), 16)
    return (raw >> 16) * FACILITY + (raw & 0xFFFF) if wanted == "wiegand26" else raw
