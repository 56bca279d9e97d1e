"""Registers become numbers as the profile says, or they become nothing at all."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.codecs.modbus_fields import Shape, parse_field
from connectors.codecs.modbus_values import Image, Segment, Unusable, value_of

NUMBER = Shape(kind="number", units=("1", "kWh", "CNY", "W", "kW"))


def read(registers, **spec):
    field = parse_field({"addr": 10, **spec}, "f", NUMBER, 3, "big")
    return value_of(field, Image([Segment(3, 10, tuple(registers))]))


@pytest.mark.parametrize(
    ("registers", "spec", "value"),
    [
        ([0xFFFF], {"type": "u16"}, "65535"),
        ([0xFFFF], {"type": "i16"}, "-1"),
        ([0x0001, 0x0000], {"type": "u32"}, "65536"),
        ([0x0000, 0x0001], {"type": "u32", "order": "little"}, "65536"),
        ([0xFFFF, 0xD8F0], {"type": "i32", "scale": 0.01}, "-100.00"),
        ([0xD8F0, 0xFFFF], {"type": "i32", "order": "little", "scale": "0.01"}, "-100.00"),
        ([0x0100, 0x0000], {"type": "u32", "byte_swap": True}, "65536"),
        ([0, 0, 0, 5], {"type": "u64"}, "5"),
        ([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], {"type": "i64"}, "-2"),
        ([0x4366, 0x8000], {"type": "f32"}, "230.5"),
        ([0x8000, 0x4366], {"type": "f32", "order": "little"}, "230.5"),
        ([0x1234, 0x5678], {"type": "bcd32", "scale": 0.01}, "123456.78"),
        ([0x9999], {"type": "bcd16"}, "9999"),
        ([0xE205], {"mask": 0xFF00}, "226"),
        ([0xE205], {"mask": 0x00FF}, "5"),
        ([0x00F0], {"type": "i16", "mask": 0x00F0}, "-1"),
        ([1150], {"scale": 0.001, "unit": "kW"}, "1150.000"),
    ],
)
def test_a_type_is_read_as_it_is_named(registers, spec, value):
    assert read(registers, **spec) == Decimal(value)


@pytest.mark.parametrize(
    ("registers", "spec"),
    [
        ([0x12A4], {"type": "bcd16"}),  # a nibble above 9 (domain/meters.md 7 no. 3)
        ([0xEEEE, 0xEEEE], {"type": "bcd32"}),
        ([0x7FC0, 0x0000], {"type": "f32"}),  # not a number
        ([0xFF80, 0x0000], {"type": "f32"}),  # minus infinity
        ([0xFFFF], {"invalid": [0xFFFF]}),
        ([301], {"plausible": [0, 300]}),
        ([0xFFFF], {"type": "i16", "plausible": [0, 300]}),
    ],
)
def test_what_cannot_be_is_unusable_and_says_why(registers, spec):
    assert isinstance(read(registers, **spec), Unusable)


def test_a_signed_balance_read_as_unsigned_is_caught_by_its_plausible_range():
    """Domain/meters.md 7 no. 2: −100.00 read as u32 would be 42,949,572.96."""
    registers, spec = [0xFFFF, 0xD8F0], {"type": "u32", "scale": 0.01, "unit": "CNY"}
    assert read(registers, **spec) == Decimal("42949572.96")
    assert isinstance(read(registers, **spec, plausible=[-100000, 1000000]), Unusable)


def test_what_was_not_read_is_none_and_never_zero():
    field = parse_field({"addr": 10, "type": "u32"}, "f", NUMBER, 3, "big")
    assert value_of(field, Image([])) is None
    assert value_of(field, Image([Segment(3, 10, (1,))])) is None
    assert value_of(field, Image([Segment(3, 10, (1,)), Segment(3, 11, (1,))])) is None, "two replies, two moments"
    assert value_of(field, Image([Segment(4, 10, (1, 2))])) is None, "another function code, another register"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_of_seven_digits_survives(number):
    registers = struct.unpack(">HH", struct.pack(">f", number))
    value = read(registers, type="f32")
    assert math.isclose(float(value), number, rel_tol=1e-6, abs_tol=1e-45)


@given(st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_word_order_is_only_an_order(number, little):
    words = struct.unpack(">HH", struct.pack(">i", number))
    order = "little" if little else "big"
    assert read(words[::-1] if little else words, type="i32", order=order) == number


@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4), st.sampled_from(["bcd64", "f64", "f32", "u64", "i32"]))
def test_any_registers_give_a_value_or_a_reason_and_never_an_error(registers, type_):
    found = read(registers, type=type_)
    assert found is None or isinstance(found, Decimal | Unusable)
