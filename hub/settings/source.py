"""YAML files as values that know their file and line.

Only the safe subset comes through: text, numbers, booleans, lists and mappings with text keys. A file is untrusted input
here (a typing slip, a merge gone wrong, an alias bomb): size, depth and the number of values are bounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent

from hub.settings.mistakes import Mistake

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 20
MAX_VALUES: Final = 1_000_000

Scalar: TypeAlias = "str | int | float | bool | None"
Value: TypeAlias = "Scalar | list[Located] | dict[str, Located]"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Located:
    """A value, where it stands, and for a mapping's entry where its key stands."""

    value: Value
    file: str
    line: int
    key_line: int = 0
    written: str = ""  # a scalar's own spelling: 0101 is not 65


class _TooMuchError(Exception):
    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def read_yaml(path: Path, shown: str, log: list[Mistake]) -> Located | None:
    """The document in `path`, or None with the reason in `log`. `shown` is the file's name in messages."""
    text = _read_text(path, shown, log)
    if text is None:
        return None
    try:
        _refuse_depth(text, shown)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        log.append(_syntax_mistake(text, shown, error))
        return None
    except yaml.YAMLError as error:  # an unprintable character; carries a position, but no mark
        line = text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        log.append(Mistake(shown, line, "", f"not YAML: {str(error).splitlines()[0]}", "printable UTF-8 text"))
        return None
    except _TooMuchError as error:
        log.append(error.mistake)
        return None
    if node is None:
        log.append(Mistake(shown, 1, "", "the file is empty", "a mapping of fields"))
        return None
    return _Conversion(shown, log).run(node)


def _read_text(path: Path, shown: str, log: list[Mistake]) -> str | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        log.append(Mistake(shown, 0, "", f"cannot be read: {error.strerror}"))
        return None
    if len(raw) > MAX_BYTES:
        log.append(Mistake(shown, 0, "", "the file is too large", f"at most {MAX_BYTES // 1024 // 1024} MiB"))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        log.append(Mistake(shown, line, "", "not UTF-8 text", "UTF-8"))
        return None


def _refuse_depth(text: str, shown: str) -> None:
    """The composer of libyaml recurses in C: 100,000 brackets would end the process, so the flat stream goes first."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH + 1:
                raise _TooMuchError(_too_deep(shown, event.start_mark.line + 1 if event.start_mark else 1))
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


def _too_deep(shown: str, line: int, field: str = "") -> Mistake:
    return Mistake(shown, line, field[:80], "nested too deeply", f"at most {MAX_DEPTH} levels")


def _syntax_mistake(text: str, shown: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    found = lines[line - 1] if line <= len(lines) else ""
    if "\t" in found[: len(found) - len(found.lstrip())]:
        return Mistake(shown, line, "", "a tab at the start of the line", "spaces")
    if "found another document" in str(error) or "single document" in str(error):
        return Mistake(shown, line, "", "a second document", "one document in a file")
    if "undefined alias" in str(error.problem):
        return Mistake(shown, line, "", f"not YAML: {error.problem}", "an anchor (&name) that stands further up")
    context = f" {error.context}" if error.context else ""
    return Mistake(shown, line, "", f"not YAML: {error.problem}{context}")


class _Conversion:
    """One walk over a composed document. Aliases come as the same node again, so the number of values is counted here."""

    def __init__(self, shown: str, log: list[Mistake]) -> None:
        self.shown = shown
        self.log = log
        self.left = MAX_VALUES

    def run(self, node: yaml.Node) -> Located | None:
        try:
            return self._convert(node, "", 0, 0)
        except _TooMuchError as error:
            self.log.append(error.mistake)
            return None

    def _convert(self, node: yaml.Node, field: str, depth: int, key_line: int) -> Located:
        line = node.start_mark.line + 1
        self.left -= 1
        if self.left < 0:
            problem = "too many values (an alias counts each time)"
            raise _TooMuchError(Mistake(self.shown, line, "", problem, f"at most {MAX_VALUES}"))
        if depth > MAX_DEPTH:  # an alias that stands within its own anchor
            raise _TooMuchError(_too_deep(self.shown, line, field))
        value: Value
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, field, depth)
        elif isinstance(node, yaml.SequenceNode):
            value = [self._convert(item, f"{field}[{i}]", depth + 1, 0) for i, item in enumerate(node.value)]
        else:
            value = self._scalar(node, field, line)
        written = node.value if isinstance(node, yaml.ScalarNode) else ""
        return Located(value, self.shown, line, key_line, written)

    def _mapping(self, node: yaml.MappingNode, field: str, depth: int) -> dict[str, Located]:
        found: dict[str, Located] = {}
        for key, entry in node.value:
            line = key.start_mark.line + 1
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if key.tag == "tag:yaml.org,2002:merge":
                self.log.append(Mistake(self.shown, line, f"{field}.<<".lstrip("."), "merge keys are not used here"))
            elif name is None or key.tag != "tag:yaml.org,2002:str":
                shown = "a list or mapping" if name is None else repr(name)
                self.log.append(Mistake(self.shown, line, field, f"{shown} as a key", "text; quote it if it is meant"))
            else:
                path = f"{field}.{name}" if field else name
                if name in found:
                    problem = f"stands twice (first in line {found[name].key_line})"
                    self.log.append(Mistake(self.shown, line, path, problem, "each field once"))
                    continue
                found[name] = self._convert(entry, path, depth + 1, line)
        return found

    def _scalar(self, node: yaml.Node, field: str, line: int) -> Scalar:
        tag, text = node.tag.removeprefix("tag:yaml.org,2002:"), str(node.value)
        match tag:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() in ("yes", "true", "on")
            case "int" if _DECIMAL.fullmatch(text):
                return int(text)
            case "float":
                return self._float(text, field, line)
            case "int" | "timestamp":
                # 0101 is 65, 1:30 is 90 and 2026-01-01 a date to YAML: as text they are what was written, as numbers nothing.
                return _Ambiguous(text)
        self.log.append(Mistake(self.shown, line, field, f"the tag {node.tag} is not used here", "plain values"))
        return None

    def _float(self, text: str, field: str, line: int) -> Scalar:
        try:
            number = float(text.replace("_", ""))
        except ValueError:  # .inf, .nan, 1:30.5
            number = math.nan
        if math.isfinite(number):
            return number
        self.log.append(Mistake(self.shown, line, field, f"{text} is not a number", "a finite number"))
        return None


class _Ambiguous(str):
    """Written without quotes, and not the number or text that it looks like."""

    __slots__ = ()


def is_ambiguous(value: object) -> bool:
    """Whether YAML would make something else of what was written (0101 → 65)."""
    return isinstance(value, _Ambiguous)


def plain(at: Located) -> object:
    """The bare value, for a further check that knows no positions."""
    if isinstance(at.value, dict):
        return {key: plain(entry) for key, entry in at.value.items()}
    if isinstance(at.value, list):
        return [plain(entry) for entry in at.value]
    return at.value


def names_of(value: Value) -> str:
    """What kind of value stands there, in words."""
    if is_ambiguous(value):
        return f"{value} without quotes, which YAML takes for another number or a date"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    words = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return words[type(value)]
