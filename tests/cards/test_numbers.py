"""Card numbers: the exact values of domain/access.md section 3, and round trips of every format and spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cards.numbers import (
    FORMATS,
    Number,
    NumberError,
    NumberProfile,
    Spelling,
    frame,
    read,
    read_as,
    search_key,
    search_keys,
    spell,
    three_plus_five,
    wiegand26_print,
)

UID = read("uid32", "56:30:F0:09")


def test_one_uid_has_all_the_spellings_that_the_trade_prints() -> None:
    assert (UID.raw_hex, UID.bits) == ("5630F009", 32)
    assert spell(UID, Spelling.HEX_REVERSED) == "09F03056"
    assert spell(UID, Spelling.DECIMAL) == "1446047753"
    assert spell(UID, Spelling.DECIMAL_REVERSED) == "0166735958"
    assert three_plus_five(UID) == ("08612528", "24012374", "04861449")


def test_the_third_way_of_three_plus_five_as_it_is_printed() -> None:
    assert three_plus_five(read("uid32", "0B3E3636"))[2] == "06213878"


def test_wiegand_26_as_uhppote_boards_show_it() -> None:
    number = read("wiegand26", "100,58400")
    assert (number.value, number.raw_hex) == (6612000, "64E420")
    assert wiegand26_print(number) == "10058400"
    assert read("wiegand26", "10058400") == number
    assert read("wiegand26", "6612000") == read("wiegand26", "0006612000"[2:], Spelling.DECIMAL) == number


@pytest.mark.parametrize(("facility", "card", "value"), [(21, 15890, 1392146), (1, 11572, 77108)])
def test_mismatches_that_were_reported_are_one_card(facility: int, card: int, value: int) -> None:
    assert read("wiegand26", f"{facility:03d}{card:05d}").value == value


def test_wiegand_34_carries_32_bits_between_two_parity_bits() -> None:
    number = read("wiegand34", "5630F009", Spelling.HEX)
    wire = frame(number)
    assert (len(wire), wire[0], wire[-1]) == (34, "0", "1")
    assert read("wiegand34", "388575490").value == 388575490


def test_which_reading_is_meant_is_configuration_of_the_reader_and_never_guessed() -> None:
    """10058400 is FC 100 CN 58400 to one reader and a plain number to another."""
    facility = read_as(NumberProfile("wiegand26", Spelling.FACILITY), "10058400")
    plain = read_as(NumberProfile("wiegand26", Spelling.DECIMAL), "10058400")
    assert (facility.value, plain.value) == (6612000, 10058400)
    with pytest.raises(NumberError):
        read_as(NumberProfile("wiegand26", Spelling.FACILITY), "99958400")


def test_leading_zeros_are_kept_and_a_missing_one_of_hex_is_refused() -> None:
    assert read("uid32", "00001234").raw_hex == "00001234"
    assert spell(read("wiegand26", "00112345"), Spelling.FACILITY) == "00112345"
    with pytest.raises(NumberError):
        read("uid32", "1234567A9")
    with pytest.raises(NumberError):
        read("uid56", "0123456789ABC", Spelling.HEX)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("wiegand26", ""),
        ("wiegand26", "99999999"),
        ("wiegand26", "16777216"[:-1] + "7x"),
        ("wiegand34", "4294967296"),
        ("uid32", "GGGGGGGG"),
        ("uid32", "١٢٣٤٥٦٧٨"),
        ("mifare", "1"),
        ("wiegand37_facility", "12345"),
    ],
)
def test_what_is_no_number_of_the_format_is_refused_and_says_what_is_allowed(format: str, text: str) -> None:
    with pytest.raises(NumberError, match=format):
        read(format, text)


def test_a_clerk_finds_a_card_by_whatever_is_printed_on_it() -> None:
    keys = search_keys(UID)
    for text in ("5630F009", "56-30-F0-09", "09f03056", "1446047753", "0166735958", "166735958", "240,12374"):
        assert search_key(text) in keys
    keys = search_keys(read("wiegand26", "100,58400"))
    assert {search_key(text) for text in ("0006612000", "100,58400", "6612000", "64E420")} <= keys


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    name = draw(st.sampled_from(sorted(FORMATS)))
    bits = FORMATS[name].bits
    value = draw(st.integers(0, (1 << bits) - 1))
    return Number(name, f"{value:0{-(-bits // 4)}X}", bits)


@given(numbers(), st.sampled_from(Spelling))
def test_what_is_spelled_is_read_back_as_it_was(number: Number, spelling: Spelling) -> None:
    try:
        text = spell(number, spelling)
    except NumberError:
        return
    assert read(number.format, text, spelling) == number


@given(numbers())
def test_every_format_reads_at_least_one_of_its_own_spellings_without_being_told_which(number: Number) -> None:
    first = FORMATS[number.format].spellings[0]
    assert read(number.format, spell(number, first)) == number
    assert search_key(spell(number, first)) in search_keys(number)


@given(numbers())
def test_the_parity_bits_are_even_in_the_first_half_and_odd_in_the_second(number: Number) -> None:
    wire = frame(number)
    assert len(wire) == number.bits + 2
    half = (number.bits + number.bits % 2) // 2
    assert wire[: half + 1].count("1") % 2 == 0
    assert wire[-half - 1 :].count("1") % 2 == 1
