"""Texts of notices: shipped per language as data, editable per site, rendered strictly.

Rule: a text that names an unknown parameter, or speaks of property fees where it is about power (Civil Code art. 944: the
supply must not be used to collect them), is refused when it is edited, not when it is sent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from hub.vocabulary.units import BalanceUnit

FOLDER: Final = Path(__file__).parent / "templates"
LOCALES: Final = ("zh-CN", "en")
LONGEST_TITLE: Final = 60
LONGEST_BODY: Final = 500

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_OPTIONAL: Final = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_STRAY: Final = re.compile(r"[{}]|\[\[|\]\]")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
_DRILL: Final[Mapping[str, str]] = {"zh-CN": "【演练】", "en": "[DRILL] "}
_JOINED: Final[Mapping[str, tuple[str, str]]] = {
    "zh-CN": ("、", "等{count}处"),
    "en": (", ", " and others, {count} in all"),
}
SHOWN_PLACES: Final = 3
UNIT_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    BalanceUnit.CNY: {"zh-CN": "元", "en": "yuan"},
    BalanceUnit.KWH: {"zh-CN": "度", "en": "kWh"},
}

PROPERTY_FEES: Final = (
    "物业费",
    "物管费",
    "物业管理费",
    "物业服务费",
    "物业公共服务费",
    "物业欠费",
    "管理费",
    "服务费",
    "property fee",
    "property management fee",
    "property charge",
    "management fee",
    "service charge",
    "service fee",
)


class TextError(ValueError):
    """A text cannot be used; the message says why."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the texts of one name may say."""

    power: bool
    params: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """All names."""
        return frozenset((*self.params, *self.optional))


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A title and a body, with parameters in braces."""

    title: str
    body: str


class Rendered(msgspec.Struct, frozen=True):
    """As it is sent; `params` are text already, for providers that take registered texts only."""

    title: str
    body: str
    params: Mapping[str, str]


@cache
def parameters() -> Mapping[str, Parameters]:
    """Every template's name and what it may say."""
    return msgspec.convert(_yaml(FOLDER / "parameters.yaml"), dict[str, Parameters])


def known_parameters(name: str) -> frozenset[str]:
    """What the texts of this name may say; nothing where there is no such template."""
    wanted = parameters().get(name)
    return frozenset() if wanted is None else wanted.known


@cache
def shipped(locale: str) -> Mapping[str, Text]:
    """The texts that come with the hub in one language."""
    return msgspec.convert(_yaml(FOLDER / f"{locale}.yaml"), dict[str, Text])


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def check(name: str, text: Text) -> None:
    """Raise TextError for a text that must not be stored under this name."""
    wanted = parameters().get(name)
    if wanted is None:
        raise TextError(f"there is no template {name!r}")
    for part, value, longest in (("title", text.title, LONGEST_TITLE), ("body", text.body, LONGEST_BODY)):
        if not value.strip() or len(value) > longest:
            raise TextError(f"{part}: 1 to {longest} characters")
        if _CONTROL.search(value):
            raise TextError(f"{part}: a control character")
        _check_parameters(part, value, wanted)
        if wanted.power and (word := _named_fee(value)):
            raise TextError(
                f"{part}: a notice about power must not speak of property fees ({word}): Civil Code art. 944"
            )


def _check_parameters(part: str, value: str, wanted: Parameters) -> None:
    named = _PLACEHOLDER.findall(value)
    for name in named:
        if name not in wanted.known:
            raise TextError(f"{part}: unknown parameter {{{name}}}; known: {', '.join(sorted(wanted.known))}")
    always = _PLACEHOLDER.findall(_OPTIONAL.sub("", value))
    for name in always:
        if name in wanted.optional:
            raise TextError(f"{part}: {{{name}}} may be missing: put its part into [[ … ]]")
    if _STRAY.search(_PLACEHOLDER.sub("", _OPTIONAL.sub(r"\1", value))):
        raise TextError(f"{part}: a brace or [[ that stands alone")


def _named_fee(text: str) -> str | None:
    """The word for property fees that the text uses, also with spaces, full-width letters or punctuation between."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = plain.replace("業", "业").replace("費", "费").replace("務", "务").replace("服務", "服务")
    squeezed = "".join(char for char in plain if char.isalnum())
    return next((word for word in PROPERTY_FEES if word.replace(" ", "") in squeezed), None)


NAMED_AFTER_PLACES: Final = frozenset({"elevator", "controller"})
"""Parameters that are names of devices, which often begin with their building's."""


def render(text: Text, params: Mapping[str, str]) -> Rendered:
    """Put the parameters in. Raises TextError where one is missing."""
    return Rendered(_fill(text.title, params), _fill(text.body, params), params)


def _fill(value: str, params: Mapping[str, str]) -> str:
    def optional(part: re.Match[str]) -> str:
        return part[1] if all(name in params for name in _PLACEHOLDER.findall(part[1])) else ""

    def one(found: re.Match[str]) -> str:
        if found[1] not in params:
            raise TextError(f"the parameter {{{found[1]}}} is missing")
        said = params[found[1]]
        return _beside(params.get("place", ""), said) if twice and found[1] in NAMED_AFTER_PLACES else said

    twice = "{place}" in value
    return _PLACEHOLDER.sub(one, _OPTIONAL.sub(optional, value))


def _beside(place: str, name: str) -> str:
    """A device's name in a text that says the place as well: 1栋2号梯, and not 1栋1栋2号梯."""
    return name.removeprefix(place).strip() or name


def as_params(values: Mapping[str, Any]) -> dict[str, str]:
    """A rule's parameters as text; what is unknown (None) is missing, never 'None' or 0."""
    return {name: _CONTROL.sub(" ", str(value))[:200] for name, value in values.items() if value is not None}


def unit_word(unit: str, locale: str) -> str:
    """What people call the unit of a balance; an unknown one stays."""
    return UNIT_WORDS.get(unit, {}).get(locale, unit)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One order's share of a text; the first of several is the worst."""

    template: str
    params: Mapping[str, str]
    text: Text


def compose(parts: Sequence[Part], locale: str, *, drill: bool = False) -> Rendered:
    """One text for several orders to one recipient: the worst one's title, every order's sentence.

    `params` are the worst one's, with all places, for registered texts: a drill's mark stands before the place, which is
    all that such a provider lets us say. Raises TextError.
    """
    rendered = [render(part.text, part.params) for part in parts]
    worst = rendered[0]
    mark = _DRILL.get(locale, _DRILL["en"]) if drill else ""
    places = list(dict.fromkeys(place for part in parts if (place := part.params.get("place"))))
    params = {**worst.params, **({"place": mark + _joined(places, locale)} if places else {})}
    return Rendered(mark + worst.title, mark + "\n".join(dict.fromkeys(each.body for each in rendered)), params)


def _joined(places: Sequence[str], locale: str) -> str:
    comma, rest = _JOINED.get(locale, _JOINED["en"])
    shown = comma.join(places[:SHOWN_PLACES])
    return shown if len(places) <= SHOWN_PLACES else shown + rest.format(count=len(places))
