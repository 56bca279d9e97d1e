"""The rules' limits in a demo world that runs faster than ours. Pure.

A limit is a duration where its name ends in `_s`; what a rule would refuse when shortened keeps its length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec


def limits_at(
    types: Mapping[str, type[msgspec.Struct]], limits: Mapping[str, Mapping[str, Any]], speed: float
) -> dict[str, dict[str, Any]]:
    """The limits for a world that runs `speed` times faster: every duration (a limit named `…_s`) is that much shorter.

    Defaults are durations too. What a rule would refuse when shortened keeps its length.
    """
    found = {name: dict(values) for name, values in limits.items() if name in types}
    if speed == 1:
        return found
    for name, struct in types.items():
        defaults = msgspec.to_builtins(struct())
        for info in msgspec.structs.fields(struct):
            key = info.encode_name
            if key.endswith("_s"):
                value = _scaled(found.get(name, {}).get(key, defaults[key]), speed, info.type)
                found.setdefault(name, {})[key] = value
    return found


def _scaled(value: Any, speed: float, kind: Any) -> Any:
    for candidate in (_divided(value, speed), _rounded(_divided(value, speed)), value):
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(candidate, kind, strict=True)
            return candidate
    return value


def _divided(value: Any, speed: float) -> Any:
    if isinstance(value, Mapping):
        return {key: _divided(entry, speed) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_divided(entry, speed) for entry in value]
    return value / speed if isinstance(value, int | float) and not isinstance(value, bool) else value


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return max(1, round(value)) if isinstance(value, float) else value
