"""Acrel's pushed frames: uploads of the case folder, frames in pieces and in noise, and no input that breaks anything."""

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs.acrel_decoder import AcrelDecoder
from connectors.codecs.acrel_push import (
    HEARTBEAT,
    MAX_FRAME,
    UPLOAD,
    PushError,
    PushFrame,
    PushReader,
    build,
    crc16,
    one_by_one,
    parse_upload,
    serial_of,
)
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason
from support.acrel_wire import SERIAL, upload

FILES = sorted((Path(__file__).parents[2] / "cases" / "acrel-4g-push").glob("*.yaml"))
PROFILES = {name: each.acrel for name, each in profiles.load().items() if each.acrel is not None}


def entry(device, **options):
    return DeviceEntry(
        site="lakeside", device=device, kind="meter", profile="acrel-4g-push", timezone="Asia/Shanghai", bus="push",
        options=options,
    )  # fmt: skip


def decoded(payload, *devices, bus="push"):
    decoder = AcrelDecoder(PROFILES, devices or [entry("d1", sender=SERIAL)])
    return decoder.decode(
        RawMessage(channel="acrel", address=f"lakeside/{bus}", payload=payload, received_at=1_790_000_000_000)
    )


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
    assert (found.serial, found.parts[0].address) == (SERIAL, "12345678")
    [event] = decoded(frame.payload)
    assert (event.site, event.device, event.occurred_at) == ("lakeside", "d1", 1_790_000_000_000)
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
        for payload in one_by_one(frame.payload, ""):
            assert isinstance(decoded(payload), Rejected)
    with pytest.raises(PushError):
        parse_upload(noise.replace(b"[[", b"[("))


@given(st.binary(min_size=96, max_size=96))
def test_whatever_the_block_holds_is_a_reading_or_put_aside(block):
    found = decoded(upload(block))
    if isinstance(found, Rejected):
        assert found.reason is RejectReason.IMPLAUSIBLE
        return
    [event] = found
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
    found = decoded(upload(bytes(94)))
    assert (found.reason, found.device) == (RejectReason.SHORT_REPLY, "d1")
    assert found.detail == "47 registers; the block has 48"


def test_each_meter_behind_a_sender_is_handed_in_alone_with_the_serial_number_of_its_line():
    both = upload(bytes(96), b"1", serial=b"") + upload(bytes([1] * 96), b"2", serial=b"")
    first, second = one_by_one(both, SERIAL)
    assert [parse_upload(each).serial for each in (first, second)] == [SERIAL, SERIAL]
    assert parse_upload(first).parts + parse_upload(second).parts == parse_upload(both).parts
    assert one_by_one(b"nonsense", SERIAL) == [b"nonsense"], "what cannot be taken apart is kept whole"


def test_a_meter_is_known_by_sender_and_address_and_never_taken_for_another():
    two = [entry("a", sender=SERIAL, meter="1"), entry("b", sender=SERIAL, meter="2")]
    [event] = decoded(upload(bytes(96), b"2"), *two)
    assert event.device == "b"
    for payload, bus in ((upload(bytes(96), b"3"), "push"), (upload(bytes(96), b"1"), "other")):
        found = decoded(payload, *two, bus=bus)
        assert (found.reason, found.site, found.device) == (RejectReason.UNKNOWN_DEVICE, "lakeside", "")
    assert "sender: '20260101123456789012' (and meter: '3')" in decoded(upload(bytes(96), b"3"), *two).detail


def test_a_registration_names_its_sender_or_nobody():
    assert serial_of(SERIAL.encode() + b"more") == SERIAL
    assert serial_of(bytes(20)) is None


def test_a_start_without_an_end_is_given_up():
    reader = PushReader()
    assert reader.feed(b"\x7b\x7b" + bytes(MAX_FRAME + 10)) == []
    assert reader.feed(build(HEARTBEAT)) == [PushFrame(HEARTBEAT, b"")]
