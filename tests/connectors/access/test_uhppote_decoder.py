"""Board events by code table: reasons after ONVIF and BACnet, pseudo cards never looked up, every code keeps its word."""

from __future__ import annotations

import msgspec
import pytest

from connectors import profiles
from connectors.access import board_words
from connectors.codecs.profile_error import ProfileError
from connectors.codecs.uhppote import UhppoteDecoder
from connectors.codecs.uhppote_profile import parse
from hub.vocabulary.access import BACNET_EVENT, AccessReason, Danger, DoorDanger
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, Clock, DeviceStatus, DoorEvent, DoorState
from hub.vocabulary.instants import parse_iso
from hub.vocabulary.ports import RawMessage
from hub.vocabulary.rejected import Rejected
from support.boards import ZONE, entries

NOW = parse_iso("2026-11-21T22:00:00+08:00")


def decode(card_format="wiegand26", **fields):
    event = {"epoch": 1, "index": 57, "type": 1, "granted": False, "door": 1, "direction": 1, "card": 10058400}
    event |= {"at": "2026-11-21T21:59:58", "reason": 18} | fields
    section = profiles.load()["uhppote"].uhppote
    assert section is not None
    decoder = UhppoteDecoder({"uhppote": section}, entries(60000, card_format=card_format))
    message = RawMessage(
        channel="uhppote", address="lakeside/gate-1", payload=msgspec.json.encode(event), received_at=NOW
    )
    return decoder.decode(message)


@pytest.mark.parametrize(
    ("code", "reason", "bacnet"),
    [
        (6, AccessReason.UNAUTHORIZED, 134),
        (7, AccessReason.INVALID_PIN, 132),
        (8, AccessReason.ANTI_PASSBACK, 138),
        (12, AccessReason.INTERLOCK, 164),
        (13, AccessReason.NOT_PERMITTED_AT_THIS_TIME, 136),
        (15, AccessReason.NOT_PERMITTED_AT_THIS_TIME, 136),
        (18, AccessReason.CREDENTIAL_NOT_FOUND, 129),
    ],
)
def test_denials_carry_the_word_of_onvif_and_the_number_of_bacnet(code, reason, bacnet):
    [event] = decode(reason=code)
    assert isinstance(event, AccessEvent)
    assert (event.result, event.reason) == (AccessResult.DENIED, reason)
    assert BACNET_EVENT[reason] == bacnet
    assert event.card == CardNumber("wiegand26", "10058400")
    assert (event.index, event.source_key, event.door, event.direction) == (57, "1/57", "main", "in")
    assert event.occurred_at == parse_iso("2026-11-21T21:59:58+08:00")


def test_an_event_happened_when_the_corrected_clock_says():
    [event] = decode(at="2026-11-21T21:59:38", offset_ms=-20_000)
    assert (event.occurred_at, event.clock) == (parse_iso("2026-11-21T21:59:58+08:00"), Clock.DEVICE)
    assert event.extra == {"clock_offset_ms": -20_000}
    [ahead] = decode(at="2026-11-21T22:05:00", offset_ms=302_000)
    assert (ahead.occurred_at, ahead.clock) == (parse_iso("2026-11-21T21:59:58+08:00"), Clock.DEVICE)


def test_what_the_lock_did_counts_and_not_the_reason():
    [event] = decode(reason=6, granted=True)
    assert event.result is AccessResult.GRANTED


def test_an_unknown_code_is_other_and_kept():
    [event] = decode(reason=77)
    assert (event.result, event.reason, event.extra) == (AccessResult.DENIED, "other", {"type": 1, "reason": 77})


def test_leading_zeros_of_both_formats_stay():
    assert decode(card=65001)[0].card == CardNumber("wiegand26", "00065001")
    assert decode("wiegand34", card=388575490)[0].card == CardNumber("wiegand34", "0388575490")


@pytest.mark.parametrize(
    ("code", "state"), [(23, "open"), (24, "closed"), (37, "held_open"), (38, "forced_open"), (41, "tamper")]
)
def test_doors_have_their_states_and_their_pseudo_card_is_none(code, state):
    [event] = decode(type=2, reason=code, card=8)
    assert isinstance(event, DoorEvent)
    assert event.state is DoorState(state)


def test_a_button_is_no_card_whatever_number_stands_there():
    [event] = decode(type=2, granted=True, reason=20, card=10)
    assert (event.card, event.result, event.reason) == (None, AccessResult.GRANTED, "exit_button")


@pytest.mark.parametrize("number", [0, 0xFFFFFFFF, 0x00FFFFFF])
def test_numbers_that_are_no_cards_are_none(number):
    assert decode(card=number)[0].card is None


@pytest.mark.parametrize(("code", "danger"), [(34, Danger.DURESS), (39, Danger.FIRE), (43, Danger.EMERGENCY)])
def test_dangers_are_told_as_such(code, danger):
    [event] = decode(type=3, reason=code)
    assert isinstance(event, DoorDanger)
    assert event.danger is danger


def test_power_on_is_a_boot():
    [event] = decode(type=3, reason=28)
    assert isinstance(event, DeviceStatus)
    assert event.boot_id == "1/57"


def test_a_clock_of_1970_or_ahead_is_not_believed():
    for at in ("1970-01-01T00:00:10", "2026-11-21T22:10:00"):
        [event] = decode(at=at)
        assert (event.clock, event.occurred_at) == (Clock.SKEWED, NOW)
        assert event.device_at is not None
    assert decode(at=None)[0].clock is Clock.ARRIVAL


def test_a_door_that_the_site_file_does_not_list_is_kept_by_its_number():
    assert decode(door=4)[0].door == "#4"


def test_what_is_no_event_is_rejected():
    assert isinstance(decode(card="x"), Rejected)


def test_a_wrong_table_is_said_with_what_is_allowed():
    raw = {"uhppote": {"doors": 5, "no_cards": [-1], "reasons": {1: "granted", 2: "denied", 3: "door ajar", 4: "gone"}}}
    with pytest.raises(ProfileError) as caught:
        parse(raw)
    said = "\n".join(caught.value.problems)
    assert all(each in said for each in ("reasons.2", "reasons.3", "reasons.4", "uhppote.doors", "uhppote.no_cards"))


# --- to the board ---------------------------------------------------------------------------------------------


def grant(**other):
    args = {"format": "wiegand26", "value": "10058400", "raw": "64E420", "doors": ["main"]}
    args |= {"from": "2026-11-21T09:00:00+08:00", "until": None} | other
    return board_words.grant(args, "wiegand26", {"main": 1, "back": 2}, ZONE)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("2026-11-24T00:00:00+08:00", "2026-11-23"),  # 24:00 of the 23rd: never a day more
        ("2026-11-24T00:00:01+08:00", "2026-11-24"),
        ("2026-11-23T17:00:00+00:00", "2026-11-24"),
        (None, "2099-12-31"),
    ],
)
def test_a_card_ends_on_the_day_of_its_last_moment(until, last):
    assert grant(until=until).last_day.isoformat() == last


def test_what_a_board_cannot_do_is_refused_in_words():
    for other, said in (
        ({"doors": ["roof"]}, "door 'roof' has no number"),
        ({"format": "wiegand34"}, "readers send wiegand26"),
        ({"until": "2026-11-20T00:00:00+08:00"}, "days are over"),
    ):
        with pytest.raises(board_words.NotForThisBoardError, match=said):
            grant(**other)


def test_wiegand_26_is_facility_times_100000_plus_number():
    assert grant().number == 10058400
    assert board_words.listed(10058400, (1, 0, 0, 0), "wiegand26", {"main": 1}) == {
        "format": "wiegand26",
        "value": "10058400",
        "doors": ["main"],
    }
