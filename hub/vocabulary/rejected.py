"""Input that cannot be used: why, as one word, and where exactly."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class RejectReason(StrEnum):
    """Why a message was put aside (each has a text with what to do in the catalogue: `rejected.{reason}`)."""

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_SITE = "unknown_site"
    UNKNOWN_DEVICE = "unknown_device"
    WRONG_PROFILE = "wrong_profile"  # the device is known, but speaks another profile than this topic
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    DUPLICATE_KEY = "duplicate_key"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    NOT_FINITE = "not_finite"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_VALUE = "unknown_value"  # not in the enum map
    IMPLAUSIBLE = "implausible"  # outside the profile's plausible range
    BAD_TIME = "bad_time"
    BAD_TEXT = "bad_text"  # NUL, lone surrogate, too long
    BAD_SNAPSHOT = "bad_snapshot"
    SHORT_REPLY = "short_reply"
    WRONG_REPLY = "wrong_reply"
    CODEC_FAILED = "codec_failed"  # our own defect: the message is kept and can be replayed after the fix


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was not understood. `site` and `device` as far as they are known."""

    reason: RejectReason
    detail: str  # what was wrong, where, what is allowed
    site: str = ""
    device: str = ""
