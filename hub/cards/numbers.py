"""Card numbers: one canonical form (format, raw hex, bit length), and every spelling of it that a clerk may find on a card.

Pure. Each text has exactly one reading: the reader's own spelling where it is known, else the first of the format's
spellings that the text fits. Leading zeros are significant, so a number is text and never int outside these functions.
Source: domain/access.md section 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from hub.vocabulary.credentials import FORMATS, NumberProfile, Spelling

__all__ = ["FORMATS", "Number", "NumberError", "NumberProfile", "Spelling", "read", "read_as", "search_keys", "spell"]


class NumberError(ValueError):
    """The text is no number of this format; the message says what is allowed."""


_SEPARATORS: Final = re.compile(r"[\s:,/.-]+")
_FACILITY: Final = re.compile(r"([0-9]{3})[\s:,/-]?([0-9]{5})")
_FACILITY_37: Final = re.compile(r"([0-9]{1,5})[\s:,/-]([0-9]{1,6})")
CARD_BITS_26: Final = 16
CARD_BITS_37: Final = 19


class Number(msgspec.Struct, frozen=True):
    """A number in canonical form: raw bits as upper-case hex of full length."""

    format: str
    raw_hex: str
    bits: int

    @property
    def value(self) -> int:
        """The bits as an integer, for arithmetic only."""
        return int(self.raw_hex, 16)


def read(format: str, text: str, spelling: Spelling | None = None) -> Number:
    """The canonical form of a spelled number. `spelling`: the reader's own; None: the first that fits. Raises NumberError."""
    known = FORMATS.get(format)
    if known is None:
        raise NumberError(f"format {format!r} is not known; allowed: {', '.join(FORMATS)}")
    for each in known.spellings if spelling is None else (spelling,):
        value = _READERS[each](text.strip(), known.bits)
        if value is not None and value < 1 << known.bits:
            return _number(format, value, known.bits)
    allowed = spelling or " or ".join(known.spellings)
    raise NumberError(f"{text[:40]!r} is no {format} number: {known.bits} bits as {allowed}")


def read_as(profile: NumberProfile, text: str) -> Number:
    """What a reader with this profile means by its text. Raises NumberError."""
    return read(profile.format, text, profile.spelling)


def spell(number: Number, spelling: Spelling) -> str:
    """The number written that way, with all its leading zeros. Raises NumberError where the format has no such spelling."""
    value, bits = number.value, number.bits
    match spelling:
        case Spelling.HEX:
            return number.raw_hex
        case Spelling.HEX_REVERSED:
            return _reversed(number).to_bytes(_bytes(bits), "big").hex().upper()
        case Spelling.DECIMAL:
            return f"{value:0{_digits(bits)}d}"
        case Spelling.DECIMAL_REVERSED:
            return f"{_reversed(number):0{_digits(_bytes(bits) * 8)}d}"
        case Spelling.FACILITY if bits == FORMATS["wiegand26"].bits:
            return f"{value >> CARD_BITS_26:03d}{value & 0xFFFF:05d}"
        case Spelling.FACILITY_37 if number.format == "wiegand37_facility":
            return f"{value >> CARD_BITS_37:05d},{value & (1 << CARD_BITS_37) - 1:06d}"
    raise NumberError(f"{number.format} has no spelling {spelling}")


def three_plus_five(number: Number) -> tuple[str, ...]:
    """The '3+5' prints of a 32-bit UID: first 3 bytes forward, low 3 bytes reversed, low 3 bytes forward; incompatible."""
    if number.bits != FORMATS["uid32"].bits:
        return ()
    raw = bytes.fromhex(number.raw_hex)
    # The reversed one is what a reader sees that takes the bytes the other way round and keeps the low three.
    kept = (raw[:3], bytes(reversed(raw))[1:], raw[1:])
    return tuple(f"{part[0]:03d}{int.from_bytes(part[1:], 'big'):05d}" for part in kept)


def wiegand26_print(number: Number) -> str:
    """Facility × 100000 + card number, as UHPPOTE boards report a Wiegand 26 card: FC 100, CN 58400 is 10058400."""
    return str(int(spell(number, Spelling.FACILITY)))


def frame(number: Number) -> str:
    """The bits on the wire: even parity over the first half, the number, odd parity over the second half."""
    width = number.bits + number.bits % 2
    bits = f"{number.value:0{number.bits}b}"
    half = width // 2
    even = bits[:half].count("1") % 2
    odd = 1 - bits[-half:].count("1") % 2
    return f"{even}{bits}{odd}"


def search_keys(number: Number) -> frozenset[str]:
    """All spellings of a number as `search_key` writes them: what a clerk may read off a card, a reader or a list."""
    found = set(three_plus_five(number))
    for spelling in Spelling:
        try:
            found.add(spell(number, spelling))
        except NumberError:
            continue
    value = str(number.value)
    found |= {value, value.zfill(8), value.zfill(10), str(_reversed(number)), str(_reversed(number)).zfill(10)}
    if number.format == "wiegand26":
        found.add(wiegand26_print(number))
    return frozenset(search_key(each) for each in found)


def texts_of(number: Number) -> frozenset[str]:
    """Every text that a reader of this format would mean this number by."""
    found = set()
    for text in search_keys(number):
        try:
            if read(number.format, text) == number:
                found.add(text)
        except NumberError:
            continue
    return frozenset(found)


def search_key(text: str) -> str:
    """A spelling without its separators, in capitals; leading zeros stay."""
    return _SEPARATORS.sub("", text).upper()


# --- reading ----------------------------------------------------------------------------------------------


def _number(format: str, value: int, bits: int) -> Number:
    return Number(format, f"{value:0{-(-bits // 4)}X}", bits)


def _bytes(bits: int) -> int:
    return -(-bits // 8)


def _digits(bits: int) -> int:
    return len(str((1 << bits) - 1))


def _reversed(number: Number) -> int:
    return int.from_bytes(number.value.to_bytes(_bytes(number.bits), "big"), "little")


def _facility(text: str, bits: int) -> int | None:
    match = _FACILITY.fullmatch(text)
    if match is None or bits != FORMATS["wiegand26"].bits:
        return None
    facility, card = int(match[1]), int(match[2])
    return facility << CARD_BITS_26 | card if facility < 1 << 8 and card < 1 << CARD_BITS_26 else None


def _facility_37(text: str, bits: int) -> int | None:
    match = _FACILITY_37.fullmatch(text)
    if match is None or bits != FORMATS["wiegand37_facility"].bits:
        return None
    facility, card = int(match[1]), int(match[2])
    return facility << CARD_BITS_37 | card if facility < 1 << 16 and card < 1 << CARD_BITS_37 else None


def _decimal(text: str, bits: int) -> int | None:
    return int(text) if re.fullmatch(f"[0-9]{{1,{_digits(bits)}}}", text) else None


def _decimal_reversed(text: str, bits: int) -> int | None:
    value = _decimal(text, _bytes(bits) * 8)
    return None if value is None or value >= 1 << _bytes(bits) * 8 else _turned(value, bits)


def _hex(text: str, bits: int) -> int | None:
    bare = _SEPARATORS.sub("", text)
    return int(bare, 16) if re.fullmatch(f"[0-9A-Fa-f]{{{-(-bits // 4)}}}", bare) else None


def _hex_reversed(text: str, bits: int) -> int | None:
    value = _hex(text, _bytes(bits) * 8)
    return None if value is None else _turned(value, bits)


def _turned(value: int, bits: int) -> int:
    return int.from_bytes(value.to_bytes(_bytes(bits), "little"), "big")


_READERS: Final[Mapping[Spelling, Callable[[str, int], int | None]]] = {
    Spelling.FACILITY: _facility,
    Spelling.FACILITY_37: _facility_37,
    Spelling.DECIMAL: _decimal,
    Spelling.DECIMAL_REVERSED: _decimal_reversed,
    Spelling.HEX: _hex,
    Spelling.HEX_REVERSED: _hex_reversed,
}
