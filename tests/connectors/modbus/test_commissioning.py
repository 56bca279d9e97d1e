"""What displays show beside what registers say: each way in which a meter is set up wrongly is found and named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_fields import Number
from connectors.codecs.modbus_poll import Poll, encode_poll
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Image, Segment
from connectors.modbus.commissioning import Judgement, Live, compare, unit_trouble
from hub.vocabulary.displays import Displayed
from hub.vocabulary.events import MeterReading
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.units import BalanceUnit
from support.modbus_estate import SHIPPED, words

CNY, KWH = BalanceUnit.CNY, BalanceUnit.KWH
A, B, C = (("lakeside", name) for name in ("m-a", "m-b", "m-c"))
PROFILE = SHIPPED["acrel-adf400l-1p"]
RIGHT = {"balance": "123.45", "total": "1234.56"}


def live(
    balance: str = "123.45", total: str = "1234.56", serial: str | None = None, unit: BalanceUnit = CNY, **field: Any
) -> Live:
    """A user of the cabinet, whose profile is right but for these keys of its balance."""
    profile = PROFILE
    if field:
        wrong = msgspec.structs.replace(PROFILE.fields["balance"], **field)
        profile = msgspec.structs.replace(PROFILE, fields={**PROFILE.fields, "balance": wrong})
    registers = [0] * 21
    registers[6:8] = words(round(Decimal(total) * 100))
    registers[10:12] = words(round(Decimal(balance) * 100))
    reading = read(profile, [Segment(3, 0x0300, tuple(registers))], unit)
    return Live(
        msgspec.structs.replace(reading, serial=serial), Image([Segment(3, 0x0300, tuple(registers))]), profile, unit
    )


def read(profile: ModbusProfile, segments: list[Segment], unit: BalanceUnit | None) -> MeterReading:
    device = DeviceEntry(
        site="lakeside",
        device="m",
        kind="meter",
        profile="p",
        timezone="UTC",
        balance_unit=None if unit is None else str(unit),
    )
    payload = encode_poll(Poll(profile="p", segments=tuple(segments)))
    message = RawMessage(channel="modbus", address="lakeside/m", payload=payload, received_at=1_790_000_000_000)
    decoded = ModbusDecoder({"p": profile}, [device]).decode(message)
    assert isinstance(decoded, list), decoded
    (reading,) = decoded
    assert isinstance(reading, MeterReading)
    return reading


def shown(balance: str | None = None, total: str | None = None, **more: Any) -> Displayed:
    numbers = (None if each is None else Decimal(each) for each in (balance, total))
    return Displayed(balance=next(numbers), total_kwh=next(numbers), **more)


def judged(displayed: Displayed, meter: Live) -> Judgement:
    (found,) = compare({A: displayed}, {A: meter})
    return found


def test_a_meter_that_is_right_agrees_and_both_values_stand_side_by_side() -> None:
    assert judged(shown("123.40", "1234.5", unit=CNY), live()) == (
        True, A, "agrees", "balance: display 123.40 CNY, read 123.45 CNY; total: display 1234.5 kWh, read 1234.560 kWh: agrees",
    )  # fmt: skip


def test_what_was_used_since_the_look_at_the_display_is_no_difference() -> None:
    assert judged(shown("124.6"), live()).cause == "agrees"
    assert judged(shown("130"), live()).cause == "differs"


def test_near_nothing_no_scale_is_proved() -> None:
    found = judged(shown("0.30"), live("0.30"))
    assert (found.ok, found.cause) == (True, "scale_not_proved")


def test_another_unit_on_the_display_is_named() -> None:
    assert judged(shown("123.45", unit=KWH), live()).cause == "wrong_unit"
    assert judged(shown("123.45", unit=KWH), live(unit=KWH)).cause == "agrees"
    assert judged(shown("123.45"), live()).cause == "agrees", "not written down, nothing is known"


@pytest.mark.parametrize(("scale", "factor"), [("0.1", "10"), ("1", "100"), ("0.001", "0.1"), ("0.0001", "0.01")])
def test_a_wrong_scale_is_named_with_its_factor(scale: str, factor: str) -> None:
    found = judged(shown("123.45"), live(scale=Decimal(scale)))
    assert (found.ok, found.cause) == (False, "wrong_scale")
    assert f"off by a factor of {factor}:" in found.text


def test_a_wrong_word_order_is_named_with_what_to_write() -> None:
    found = judged(shown("123.45"), live(order="little", low=None, high=None))
    assert (found.cause, "with order: big" in found.text) == ("wrong_word_order", True)
    found = judged(shown("123.45"), live(byte_swap=True, low=None, high=None))
    assert (found.cause, "with byte_swap: false" in found.text) == ("wrong_word_order", True)
    found = judged(shown("123.45"), live(order="little", byte_swap=True, low=None, high=None))
    assert (found.cause, "with order: big and byte_swap: false" in found.text) == ("wrong_word_order", True)


def test_a_value_that_is_not_believed_is_explained_as_well() -> None:
    """Its plausible range caught it: the balance is unknown, and the registers still say why (meters.md 7 no. 2)."""
    mine = live(order="little")
    assert mine.reading.credit is None
    assert judged(shown("123.45"), mine).cause == "wrong_word_order"
    mine = live("-100", type="u32")
    assert mine.reading.credit is None
    assert judged(shown("-100"), live("-100", type="u32", low=Decimal(0))).cause == "wrong_sign", "nor does its range"
    found = judged(shown("-100"), mine)
    assert (found.cause, "as i32" in found.text, "read unknown" in found.text) == ("wrong_sign", True, True)


def test_two_swapped_meters_are_named_both() -> None:
    found = compare({A: shown("20"), B: shown("300")}, {A: live("300"), B: live("20")})
    assert [(each.meter, each.ok, each.cause) for each in found] == [(A, False, "swapped"), (B, False, "swapped")]
    assert "what m-b answers" in found[0].text
    assert "what m-a answers" in found[1].text


def test_a_meter_of_another_place_is_found_where_only_one_was_looked_at() -> None:
    (found,) = compare({A: shown("20.5", "777")}, {A: live("300", "5"), B: live("20.5", "777"), C: live("20.5", "5")})
    assert (found.cause, "what m-b answers" in found.text) == ("swapped", True)
    elsewhere = ("hillside", "m-z")
    (found,) = compare({A: shown("20.5", "777")}, {A: live("300", "5"), elsewhere: live("20.5", "777")})
    assert "what hillside/m-z answers" in found.text


def test_another_meters_number_is_a_swap_or_a_stranger() -> None:
    displays = {A: shown("300", serial="2026-0001")}
    assert compare(displays, {A: live("300", serial="000020260001")})[0].cause == "agrees", "as it is printed"
    assert compare(displays, {A: live("300", serial="20260007")})[0].cause == "other_meter"
    both = {A: live("300", serial="20260007"), B: live("300", serial="20260001")}
    assert compare(displays, both)[0].cause == "swapped"
    assert compare(displays, {A: live("300")})[0].cause == "agrees", "a serial that is not read proves nothing"
    assert compare({A: shown("300", serial="1")}, {A: live("300", serial="20260001")})[0].cause == "other_meter"


def test_two_meters_that_hold_each_others_values_are_swapped_even_where_a_scale_would_explain_it() -> None:
    found = compare({A: shown("30"), B: shown("300")}, {A: live("300"), B: live("30")})
    assert [each.cause for each in found] == ["swapped", "swapped"]


def test_a_right_scale_is_not_blamed_on_a_neighbour_who_happens_to_fit() -> None:
    (found,) = compare({A: shown("123.45")}, {A: live(scale=Decimal("0.1")), B: live("123.45")})
    assert found.cause == "wrong_scale"


def test_a_transformers_ratio_that_is_multiplied_once_too_often_is_named() -> None:
    profile = SHIPPED["acrel-dtsy1352"]
    prepaid = [0] * 28
    prepaid[9:11] = words(5000)
    segments = [Segment(3, 0, (*words(100_000), *[0] * 8)), Segment(3, 0x38, (40,)), Segment(3, 0x46, tuple(prepaid))]
    mine = Live(read(profile, segments, None), Image(segments), profile, None)
    assert mine.reading.energy_wh == 40_000_000
    assert judged(shown(total="40000"), mine).cause == "agrees"
    found = judged(shown(total="1000"), mine)
    assert (found.cause, "ratio 40" in found.text) == ("wrong_ratio", True)


def test_a_meter_that_was_not_read_is_no_agreement() -> None:
    (found,) = compare({A: shown("1")}, {})
    assert (found.ok, found.cause) == (False, "not_read")


def test_a_small_number_is_explained_by_nothing_that_fits_by_chance() -> None:
    """A thousandth of 259.72 is 0.26: within a yuan of 1.20, as of everything else near nothing."""
    assert judged(shown("1.20"), live("259.72")).cause == "differs"
    assert judged(shown("0.26"), live("259.72")).cause == "wrong_scale"
    (found,) = compare({A: shown("1.20")}, {A: live("777"), B: live("0.40")})
    assert found.cause == "differs"


def test_nothing_that_explains_it_is_said_as_such() -> None:
    found = judged(shown("87.65", "4321"), live())
    assert (found.ok, found.cause) == (False, "differs")


def test_a_meter_that_says_its_unit_itself_is_believed() -> None:
    assert unit_trouble(live()) is None
    said = msgspec.structs.replace(live(), site_unit=KWH)
    assert unit_trouble(said) == "the meter counts in CNY, balance_unit in the site file says kWh"
    assert unit_trouble(msgspec.structs.replace(live(), site_unit=None)) is None


def test_every_shipped_number_can_be_taken_in_other_ways() -> None:
    """Whatever type a profile gives its balance and total: looking for an explanation never fails."""
    for name, profile in SHIPPED.items():
        for field in (profile.fields.get("balance"), profile.fields.get("energy")):
            if profile.kind != "meter" or not isinstance(field, Number):
                continue
            segments = [Segment(field.span.fc, field.span.addr, (0x1234,) * field.span.count)]
            plain = msgspec.structs.replace(profile, valid_when=())
            nobody = MeterReading(site="s", device=name, occurred_at=0, received_at=0, credit=None, unit=CNY)
            mine = Live(nobody, Image(segments), plain, CNY)
            assert judged(shown("99999999", "99999999"), mine).ok is False
