"""Every word that can reach a screen has a text, in every language."""

import ast
import enum
import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

import rules
from api.console.catalogue import LANGUAGES, catalogue, fill, ticket_title
from hub.pipeline.watch import Trouble
from hub.tickets.kinds import KINDS
from hub.vocabulary.decisions import Severity
from hub.vocabulary.elevator import ElevatorFault
from hub.vocabulary.rejected import RejectReason

ROOT = Path(__file__).resolve().parents[2]
PLACE = re.compile(r"\{(\w+)\}")


def _words_of_rules() -> set[str]:
    found = set()
    for module in pkgutil.walk_packages(rules.__path__, "rules."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and issubclass(thing, enum.StrEnum) and thing.__module__.startswith("rules."):
                found |= {str(member) for member in thing}
    return found


def _problem_codes() -> set[str]:
    """Every code that the source raises: texts as they stand, and constants of the same file."""
    codes = {str(trouble) for trouble in Trouble}
    for folder in ("hub", "rules", "connectors"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            constants = {
                target.id: node.value.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RaiseProblem":
                    value = next(word.value for word in node.keywords if word.arg == "code")
                    if isinstance(value, ast.Constant):
                        codes.add(value.value)
                    elif isinstance(value, ast.Name) and value.id in constants:
                        codes.add(constants[value.id])
    return codes


def _needed() -> dict[str, set[str]]:
    kinds = KINDS.values()
    actions = [(name, action) for kind in kinds for name, action in kind.actions.items()]
    triggers = [trigger for kind in kinds for trigger in kind.triggers.values()]
    return {
        "reason": _words_of_rules() | {str(fault) for fault in ElevatorFault} | {str(word) for word in Trouble},
        "rejected": {str(reason) for reason in RejectReason},
        "problem": _problem_codes() | {f"{code}.do" for code in _problem_codes()},
        "ticket": set(KINDS),
        "state": {state for kind in kinds for state in kind.states},
        "action": {name for name, _ in actions},
        "milestone": {"opened"}
        | {action.milestone for _, action in actions if action.milestone}
        | {trigger.milestone for trigger in triggers if trigger.milestone},
        "clock": {clock for kind in kinds for clock in kind.clocks},
        "severity": {str(severity) for severity in Severity},
        "entry": {"raised", "repeat", "signal", "action", "clock", "quiet"},
        "quality": {"good", "stale", "unknown"},
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_rules_kinds_problems_and_rejects_has_a_text(language):
    texts = catalogue(language)
    missing = [
        f"{group}.{word}"
        for group, words in _needed().items()
        for word in sorted(words)
        if f"{group}.{word}" not in texts
    ]
    assert missing == []


def test_the_words_that_are_looked_for_are_found():
    """The search itself works: it finds words that are known to be there."""
    assert {"button_held", "two_readings", "not_heard"} <= _words_of_rules()
    assert {"gateway_down", "rule_failed", "meter_unit_mismatch", "canary_missing"} <= _problem_codes()


def test_all_languages_have_the_same_keys_with_the_same_places():
    first, *others = (catalogue(language) for language in LANGUAGES)
    for other in others:
        assert set(first) == set(other)
        assert {key for key in first if set(PLACE.findall(first[key])) != set(PLACE.findall(other[key]))} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_doubled_in_the_file(language):
    text = (ROOT / "api/console/locales" / f"{language}.json").read_text("utf-8")
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    assert len(keys) == len(set(keys))
    assert all(value.strip() for value in catalogue(language).values())


def test_every_text_that_the_pages_and_modules_ask_for_is_there():
    asked = set()
    for path in (ROOT / "api/console").rglob("*"):
        if path.suffix in {".html", ".js", ".py"}:
            asked |= set(
                re.findall(r"""\bt(?:ext)?\((?:language, )?["'](ui\.[\w.]+\w|unit\.\w+)["']""", path.read_text("utf-8"))
            )
    assert len(asked) > 20
    assert asked <= set(catalogue("en"))


def test_what_is_not_known_is_a_dash_and_never_a_placeholder():
    assert fill("floor {floor}, {car}", {"floor": None}) == "floor —, —"
    assert fill("{a}", {"a": {"b": 1}}) == "—"
    assert ticket_title("en", "low_balance", "two_readings", {}) == "Meter credit below — —, now —"


def test_a_reason_without_a_title_of_its_own_is_still_said():
    assert ticket_title("zh-CN", "door_alarm", "unreachable", {}) == "门禁报警：不应答"
    assert ticket_title("en", "door_alarm", "something_new", {}) == "Door alarm"
