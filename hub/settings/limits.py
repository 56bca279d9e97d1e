"""Checks the `rules:` parts of a site file against the rules' own Limits structs.

The structs are handed in (`hub` imports no rule). Values are checked one by one, so that every wrong one gets its line; what
concerns several values together is the struct's `__post_init__`, tried on the merged levels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hub.settings.mistakes import Mistake, listed, nearest
from hub.settings.model import RuleLimits
from hub.settings.section import Section
from hub.settings.source import Located, names_of, plain

LimitTypes = Mapping[str, type[msgspec.Struct]]

_AT: Final = re.compile(r" - at `\$(?P<path>.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")


def read_limits(owner: Section, types: LimitTypes, outer: RuleLimits) -> RuleLimits:
    """The limits that `owner` (a site, building or device) sets. `outer`: what the levels above it set, merged."""
    rules = owner.section("rules")
    if rules is None:
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for name, at in rules.fields.items():
        struct = types.get(name)
        field = rules.path(name)
        if struct is None:
            problem = f"unknown rule{nearest(name, types)}"
            owner.log.append(Mistake(at.file, at.key_line, field, problem, listed(types)))
            continue
        before = len(owner.log)
        values = _read_rule(Section(at, field, owner.log), struct)
        if len(owner.log) == before:
            _check_together(at, field, struct, {**outer.get(name, {}), **values}, owner.log)
        found[name] = values
    return found


def merged(outer: RuleLimits, inner: RuleLimits) -> RuleLimits:
    """Both levels; the inner one wins key by key."""
    if not inner:
        return outer
    return {name: {**outer.get(name, {}), **inner.get(name, {})} for name in {**outer, **inner}}


def resolve(struct: type[msgspec.Struct], values: Mapping[str, Any]) -> msgspec.Struct:
    """The rule's Limits with its defaults for what is not set. Raises msgspec.ValidationError."""
    return msgspec.convert(values, struct, strict=True)


def _read_rule(section: Section, struct: type[msgspec.Struct]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    known = {info.encode_name: info.type for info in msgspec.structs.fields(struct)}
    for key, at in section.fields.items():
        if key not in known:
            problem = f"unknown limit{nearest(key, known)}"
            section.log.append(Mistake(at.file, at.key_line, section.path(key), problem, listed(known)))
            continue
        value = plain(at)
        try:
            msgspec.convert(value, known[key], strict=True)
        except msgspec.ValidationError as error:
            section.log.append(_limit_mistake(at, section.path(key), error))
        else:
            values[key] = value
    return values


def _check_together(
    at: Located, field: str, struct: type[msgspec.Struct], values: Mapping[str, Any], log: list[Mistake]
) -> None:
    try:
        resolve(struct, values)
    except msgspec.ValidationError as error:
        log.append(_limit_mistake(at, field, error))


def _limit_mistake(at: Located, field: str, error: msgspec.ValidationError) -> Mistake:
    """What was expected, at the very element: the message ends in its path (`$[1]`)."""
    text = str(error)
    where = _AT.search(text)
    path = where["path"] if where else ""
    text = _AT.sub("", text)
    expected, found = _expected(text)
    for step in _STEP.finditer(path):
        inner: Located | None = None
        if isinstance(at.value, dict) and step["key"] is not None:
            inner = at.value.get(step["key"])
        elif isinstance(at.value, list) and step["index"] is not None and int(step["index"]) < len(at.value):
            inner = at.value[int(step["index"])]
        if inner is None:
            break
        at = inner
    problem = f"{names_of(at.value)} stands here" if found else text
    return Mistake(at.file, at.line, field + path, problem, expected)


def _expected(text: str) -> tuple[str, bool]:
    """What msgspec wanted, in our words, and whether its message was about the type alone."""
    match = re.fullmatch(r"Expected `(?P<wanted>[^`]+)`(?P<rest>.*)", text, re.DOTALL)
    if match is None:
        return "", False
    names = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list"}
    wanted = " or ".join(names.get(word.strip(), word.strip()) for word in match["wanted"].split("|"))
    return wanted + match["rest"].partition(", got")[0], ", got" in match["rest"]
