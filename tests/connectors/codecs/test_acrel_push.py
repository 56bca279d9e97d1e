"""Acrel's pushed frames: blocks of the case folder, frames in pieces and in noise, and no input that breaks anything."""

import contextlib
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors.codecs.acrel_push import (
    HEARTBEAT,
    MAX_FRAME,
    UPLOAD,
    PushError,
    PushFrame,
    PushReader,
    block_reading,
    build,
    crc16,
    parse_upload,
)
from connectors.codecs.modbus_events import Origin

FILES = sorted((Path(__file__).parents[2] / "cases" / "acrel-4g-block").glob("*.yaml"))
ORIGIN = Origin(site="lakeside", device="d1", source_key="k", received_at=1_790_000_000_000, balance_unit=None)


def upload(block, address=b"12345678", serial=b"20260101123456789012"):
    reply = bytes([1, 3, len(block)]) + block
    return serial + b"[[" + address + b"((" + reply + crc16(reply) + b"))]]"


def registers(block):
    return tuple(int.from_bytes(block[at : at + 2], "big") for at in range(0, len(block), 2))


def block_of(case):
    """Bytes of the block: the case names some by their offset, the others are 0."""
    block = bytearray(96)
    for at, text in case["bytes"].items():
        value = bytes.fromhex(text)
        block[at : at + len(value)] = value
    return bytes(block)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_block_gives_the_reading_of_its_case(path):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    [frame] = PushReader().feed(build(UPLOAD, upload(block_of(case))))
    found = parse_upload(frame.payload)
    assert (found.serial, found.parts[0].address) == ("20260101123456789012", "12345678")
    event = block_reading(found.parts[0].registers, ORIGIN)
    [expected] = case["events"]
    assert type(event).__name__ == expected.pop("event")
    assert {key: msgspec.json.decode(msgspec.json.encode(getattr(event, key))) for key in expected} == expected


def test_there_are_cases():
    assert len(FILES) >= 4


def test_the_checksum_is_that_of_modbus():
    """domain/meters.md 3.3: read 21 registers at 0x0300 from unit 25."""
    assert crc16(bytes.fromhex("190303000015")) == bytes.fromhex("8799")
    assert build(HEARTBEAT)[:3].hex() == "7b7b94"


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=200)), min_size=1, max_size=4), st.binary(max_size=30)
)
def test_frames_come_out_whole_however_the_bytes_are_cut(frames, junk):
    """Payloads may hold start and end marks; junk between frames may not look like a start."""
    junk = junk.replace(b"\x7b", b"\x00")
    stream = junk + junk.join(build(*frame) for frame in frames)
    reader = PushReader()
    found = [piece for byte in stream for piece in reader.feed(bytes([byte]))]
    assert found == PushReader().feed(stream)
    assert found[: len(frames)] == [PushFrame(*frame) for frame in frames]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(noise):
    reader = PushReader()
    for frame in reader.feed(noise) + reader.feed(build(UPLOAD, noise)):
        with contextlib.suppress(PushError):
            for part in parse_upload(frame.payload).parts:
                block_reading(part.registers, ORIGIN)
    with pytest.raises(PushError):
        parse_upload(noise.replace(b"[[", b"[("))


@given(st.binary(min_size=96, max_size=96))
def test_whatever_the_block_holds_is_a_reading(block):
    event = block_reading(registers(block), ORIGIN)
    assert event.credit is None or -10_000_000 <= event.credit <= 100_000_000
    assert event.meter_alarm in {None, 0, 1, 2}


@given(st.binary(min_size=96, max_size=96), st.data())
def test_a_changed_byte_is_not_believed(block, data):
    good = upload(block)
    reply_at = good.index(b"((") + 2
    at = data.draw(st.integers(reply_at + 3, len(good) - 5))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    with pytest.raises(PushError):
        parse_upload(good[:at] + bytes([new]) + good[at + 1 :])


def test_several_meters_behind_one_sender():
    first, second = bytes(96), bytes([1] * 96)
    found = parse_upload(upload(first, b"1") + upload(second, b"2", serial=b""))
    assert [(part.address, part.registers) for part in found.parts] == [
        ("1", registers(first)),
        ("2", registers(second)),
    ]


def test_a_sender_may_leave_its_serial_number_out():
    assert parse_upload(upload(bytes(96), serial=b"")).serial is None


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "serial number"),
        (b"20260101123456789012", "is needed"),
        (upload(bytes(96))[:-1], "ends with"),
        (upload(bytes(96)).replace(b"((\x01\x03", b"((\x01\x83"), "no reply to a read"),
        (b"\xff" * 20 + b"[[1(())]]", "is no text"),
        (b"[[1((\x01\x03\x60))]]", "7 of 101 bytes"),
    ],
)
def test_what_is_wrong_is_named(payload, said):
    with pytest.raises(PushError, match=said):
        parse_upload(payload)


def test_a_short_block_is_no_reading():
    with pytest.raises(PushError, match="47 registers; the block has 48"):
        block_reading((0,) * 47, ORIGIN)


def test_a_start_without_an_end_is_given_up():
    reader = PushReader()
    assert reader.feed(b"\x7b\x7b" + bytes(MAX_FRAME + 10)) == []
    assert reader.feed(build(HEARTBEAT)) == [PushFrame(HEARTBEAT, b"")]
