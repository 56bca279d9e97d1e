"""DL/T 645-2007 frames against vectors of an independent encoder, in pieces, in noise, and through every kind of damage."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.codecs.dlt645 import (
    MAX_DATA,
    PREAMBLE,
    READ,
    READ_ADDRESS,
    WILDCARD,
    Damaged,
    ErrorBits,
    Frame,
    FrameReader,
    build,
    clock_of,
    digits_of,
    item_bytes,
    read_request,
    to_registers,
)

METER = "112233445566"
# domain/meters.md 3.3
READ_AMOUNT = bytes.fromhex("FE FE FE FE 68 66 55 44 33 22 11 68 11 04 33 35 C3 33 A8 16")
AMOUNT = bytes.fromhex("FE FE FE FE 68 66 55 44 33 22 11 68 91 08 33 35 C3 33 78 56 34 33 61 16")
READ_STATUS = bytes.fromhex("FE FE FE FE 68 66 55 44 33 22 11 68 11 04 36 38 33 37 22 16")
NO_DATA = bytes.fromhex("FE FE FE FE 68 66 55 44 33 22 11 68 D1 01 35 3C 16")

addresses = st.from_regex(r"[0-9]{12}", fullmatch=True)
frames = st.tuples(addresses, st.integers(0, 255), st.binary(max_size=MAX_DATA))


def test_the_vectors_of_the_notes():
    assert read_request(METER, 0x00900200) == READ_AMOUNT
    assert read_request(METER, 0x04000503) == READ_STATUS
    [answer] = FrameReader().feed(AMOUNT)
    assert answer == Frame(METER, 0x91, item_bytes(0x00900200) + bytes.fromhex("45230100"))
    assert (answer.reply, answer.failed, answer.more, answer.function) == (True, False, False, READ)
    assert digits_of(to_registers(answer.data[4:])) == "00012345"
    [refusal] = FrameReader().feed(NO_DATA)
    assert refusal.failed
    assert refusal.errors is ErrorBits.NO_SUCH_DATA
    [request] = FrameReader().feed(READ_AMOUNT)
    assert not request.reply


def test_more_follows_is_seen():
    [frame] = FrameReader().feed(build(METER, 0xB1, b"\x00\x00\x90\x00"))
    assert (frame.more, frame.failed, frame.function) == (True, False, READ)


def test_the_wildcard_asks_whoever_is_there():
    assert build(WILDCARD, READ_ADDRESS, preamble=b"").hex().startswith("68aaaaaaaaaaaa681300")


@given(frames)
def test_what_is_built_is_read_again(frame):
    address, control, data = frame
    assert FrameReader().feed(build(address, control, data)) == [Frame(address, control, data)]


@given(st.lists(frames, min_size=1, max_size=4), st.binary(max_size=20))
def test_frames_come_out_whole_however_the_bytes_are_cut(several, junk):
    """Byte by byte or at once, with junk that cannot be taken for a start in front, between and behind."""
    junk = junk.replace(b"\x68", b"\x00")
    stream = junk + junk.join(build(*frame) for frame in several) + junk
    whole = FrameReader().feed(stream)
    reader = FrameReader()
    assert [piece for byte in stream for piece in reader.feed(bytes([byte]))] == whole
    assert whole == [Frame(*frame) for frame in several]


@given(frames, st.data())
def test_no_changed_byte_is_believed(frame, data):
    """Any single byte that is not what was sent: the frame does not come out as it was, nor as another one of ours."""
    good = build(*frame, preamble=b"")
    at = data.draw(st.integers(0, len(good) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    reader = FrameReader()
    pieces = reader.feed(good[:at] + bytes([new]) + good[at + 1 :]) + reader.finish()
    assert all(piece.address != frame[0] for piece in pieces if isinstance(piece, Frame))


@given(st.binary(max_size=600))
def test_noise_breaks_nothing_and_is_not_hoarded(noise):
    reader = FrameReader()
    reader.feed(noise)
    assert len(reader._buffer) < 12 + MAX_DATA
    reader.finish()
    assert FrameReader().feed(AMOUNT) == reader.feed(AMOUNT)


def test_a_false_start_hides_a_frame_only_until_it_is_clear_that_nothing_more_comes():
    false_start = bytes.fromhex("68 01 02 03 04 05 06 68 91 C8")
    reader = FrameReader()
    assert reader.feed(false_start + AMOUNT) == []
    assert [piece.address for piece in reader.finish()] == [METER]


def test_a_wrong_checksum_and_a_wrong_end_are_damage():
    for broken in (AMOUNT[:-2] + b"\x62\x16", AMOUNT[:-1] + b"\x17"):
        assert FrameReader().feed(broken) == [Damaged(broken.removeprefix(PREAMBLE))]


@pytest.mark.parametrize("address", ["", "1", "11223344556A", "AAAAAAAAAAA1", "１12233445566", "1122334455667"])
def test_an_address_is_twelve_digits(address):
    with pytest.raises(ValueError, match="12 digits"):
        build(address, READ)


def test_more_than_two_hundred_bytes_are_no_frame():
    with pytest.raises(ValueError, match="at most 200"):
        build(METER, READ, bytes(201))


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        ("45230100", "00012345"),
        ("0700", "0007"),
        ("563412", "00123456"),
        ("EEEEEEEE", None),
        ("FFFFFFFF", None),
        ("4523010A", None),
        ("665544332211", "112233445566"),
    ],
)
def test_what_is_not_decimal_is_no_number(value, digits):
    assert digits_of(to_registers(bytes.fromhex(value))) == digits


def test_the_clock_is_a_moment_or_nothing():
    assert clock_of("26112106", "00235958") == dt.datetime(2026, 11, 21, 23, 59, 58)
    assert clock_of("00010106", "00000000") == dt.datetime(2000, 1, 1)
    for date, time in (("26023000", "000000"), ("261121", "00246000"), ("", "000000"), ("2611210x", "xx0000")):
        assert clock_of(date, time) is None
