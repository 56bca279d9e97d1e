"""How a profile says where one field comes from: `from` (a name, a dotted path or JMESPath), `map`, `scale`, `range` …

Plain names and dotted paths are read from the dict directly; everything else is compiled by jmespath once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import jmespath
import jmespath.exceptions
import msgspec

from connectors.codecs.json_targets import Target
from connectors.codecs.json_values import Adjust
from connectors.codecs.profile_error import Problems
from connectors.codecs.refusal import Refusal
from hub.vocabulary.rejected import RejectReason

MISSING: Final = msgspec.UNSET
"""Not in the payload; JSON null is something else."""

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_FIELD_KEYS: Final = (
    "from",
    "const",
    "map",
    "otherwise",
    "scale",
    "range",
    "when",
    "required",
    "strip_zeros",
    "number_too",
)


class Source(msgspec.Struct, frozen=True):
    """Where in the payload. `keys` for plain names and dotted paths; `search` (JMESPath) where that is not enough."""

    text: str
    keys: tuple[str, ...]
    search: Callable[[Any], Any] | None

    def read(self, payload: dict[str, Any]) -> Any:
        """The value, or MISSING. JMESPath cannot tell null from missing: both are MISSING."""
        if self.search is None:
            value: Any = payload
            for key in self.keys:
                if type(value) is not dict or key not in value:
                    return MISSING
                value = value[key]
            return value
        try:
            found = self.search(payload)
        except jmespath.exceptions.JMESPathError as error:
            raise Refusal(RejectReason.WRONG_TYPE, str(error), self.text) from error
        return MISSING if found is None else found


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an event: a source or a constant, and what is done to the value."""

    source: Source | None
    const: Any
    when: Mapping[str, Any]
    adjust: Adjust
    required: bool


def parse_source(raw: Any, path: str, problems: Problems) -> Source | None:
    """Read a source of a profile; None (and a problem) where it is none."""
    if not isinstance(raw, str) or not raw:
        problems.add(path, "needed: a field of the payload, a dotted path or a JMESPath expression")
        return None
    if _PLAIN.fullmatch(raw):
        return Source(raw, tuple(raw.split(".")), None)
    try:
        return Source(raw, (), jmespath.compile(raw).search)
    except jmespath.exceptions.JMESPathError as error:
        problems.add(path, f"{raw!r} is no JMESPath expression: {str(error).splitlines()[0]}")
        return None


def parse_field(raw: Any, target: Target, path: str, problems: Problems) -> FieldSpec | None:
    """Read one field of a message; a bare text is short for `{from: text}`."""
    if isinstance(raw, str):
        raw = {"from": raw}
    if not isinstance(raw, Mapping):
        problems.add(path, f"a field's name or a mapping with {', '.join(_FIELD_KEYS)} is needed")
        return None
    problems.unknown_keys(raw, _FIELD_KEYS, path)
    if ("from" in raw) == ("const" in raw):
        problems.add(path, "exactly one of `from` and `const` is needed")
        return None
    when = raw.get("when", {})
    if not isinstance(when, Mapping):
        problems.add(f"{path}.when", "a mapping of the payload's fields to values is needed")
        when = {}
    low, high = _range(raw.get("range"), f"{path}.range", problems)
    adjust = Adjust(
        map=_map(raw.get("map"), target, f"{path}.map", problems),
        otherwise=_outcome(raw["otherwise"], target, f"{path}.otherwise", problems) if "otherwise" in raw else MISSING,
        scale=_decimal(raw.get("scale"), f"{path}.scale", problems),
        low=low,
        high=high,
        strip_zeros=raw.get("strip_zeros") is True,
        number_too=raw.get("number_too") is True,
    )
    return FieldSpec(
        source=parse_source(raw["from"], f"{path}.from", problems) if "from" in raw else None,
        const=_outcome(raw["const"], target, f"{path}.const", problems) if "const" in raw else None,
        when=dict(when),
        adjust=adjust,
        required=target.required or raw.get("required") is True,
    )


def _map(raw: Any, target: Target, path: str, problems: Problems) -> dict[Any, Any] | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or not raw:
        problems.add(path, "a mapping of the device's values to words is needed")
        return None
    if target.words is None and not target.truth:
        problems.add(path, "this field is no word and no truth value: a map is not allowed")
        return None
    kinds = {type(key) for key in raw}
    if not kinds <= {str, int, bool} or {int, bool} <= kinds:
        problems.add(path, "keys are text and whole numbers, or text and booleans; put text in quotes ('04')")
        return None
    return {key: _outcome(value, target, f"{path}.{key}", problems) for key, value in raw.items()}


def _outcome(value: Any, target: Target, path: str, problems: Problems) -> Any:
    """A value that a map or constant leads to, as the vocabulary's word. None: nothing is known by it."""
    if value is None and not (target.required and not target.nullable):
        return None
    if target.words is not None:
        try:
            return target.words(value)
        except ValueError:
            problems.add(path, f"{value!r}; allowed: {', '.join(target.words)}")
            return None
    if target.truth and not isinstance(value, bool):
        problems.add(path, f"{value!r}; allowed: true, false, null")
        return None
    return value


def _range(raw: Any, path: str, problems: Problems) -> tuple[Decimal | None, Decimal | None]:
    if raw is None:
        return None, None
    if not isinstance(raw, list) or len(raw) != 2:
        problems.add(path, "[lowest, highest] plausible value in the device's unit is needed")
        return None, None
    low, high = (_decimal(value, path, problems) for value in raw)
    if low is not None and high is not None and low > high:
        problems.add(path, f"{low} is more than {high}")
    return low, high


def _decimal(raw: Any, path: str, problems: Problems) -> Decimal | None:
    if raw is None:
        return None
    if isinstance(raw, int | float | str) and not isinstance(raw, bool):
        try:
            number = Decimal(str(raw))
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    problems.add(path, f"{raw!r} is no number")
    return None


def parse_credit(raw: Any, path: str, problems: Problems) -> tuple[Source, Source | None, int, int] | None:
    """`credit: {balance: field, overdraft: field, range: [yuan or kWh]}` → sources and plausible range."""
    if not isinstance(raw, Mapping) or "balance" not in raw:
        problems.add(path, "needed for MeterReading: {balance: field, overdraft: field, range: [low, high]}")
        return None
    problems.unknown_keys(raw, ("balance", "overdraft", "range"), path)
    balance = parse_source(raw["balance"], f"{path}.balance", problems)
    overdraft = parse_source(raw["overdraft"], f"{path}.overdraft", problems) if "overdraft" in raw else None
    low, high = _range(raw.get("range", [-1_000_000, 10_000_000]), f"{path}.range", problems)
    if balance is None or low is None or high is None:
        return None
    return balance, overdraft, int(low), int(high)
