"""Rules for cards, readers' number profiles and keys in the configuration: what is wrong is named with what is allowed."""

from datetime import date

import pytest

from hub.settings import ConfigurationErrors
from hub.vocabulary.card_rules import CARD_RULES, CardRules, rules_on
from hub.vocabulary.credentials import Cut, NumberProfile, Spelling
from support.configuration import HUB_YAML, SITE_YAML, load_configuration, write_configuration

GATE = "doors: [{id: b1-main, number: 1}, {id: b1-back, number: 2}]"
KEYS = f"k1={'a' * 64}\naudit={'b' * 64}\n"
TWO_SETS = """\
cards:
  - {valid_from: "2020-01-01", basis: 物业合同, free_cards: 2, further_card: "25.50"}
  - valid_from: "2027-01-01"
    basis: 鲁价费发〔2026〕1号
    pass_deposit: 10
    pass_fee: 5
    lost_pass: 10
    temporary_pass_days: 5
    cap: {pass_deposit: 10, pass_fee: 5}
"""


def loaded(tmp_path, site=SITE_YAML, hub=HUB_YAML, environ=None):
    return load_configuration(write_configuration(tmp_path, hub=hub, site=site), environ or {})


def mistakes(tmp_path, **other):
    with pytest.raises(ConfigurationErrors) as error:
        loaded(tmp_path, **other)
    return [(each.field, each.problem) for each in error.value.mistakes]


def test_a_project_has_its_own_rules_each_from_its_day_on(tmp_path):
    (site,) = loaded(tmp_path, site=SITE_YAML + TWO_SETS).sites
    first, second = site.card_rules
    assert (first.free_cards, first.further_card_fen, first.pass_deposit_fen) == (2, 2550, 5000)
    assert (second.pass_deposit_fen, second.temporary_pass_days, second.valid_from) == (1000, 5, date(2027, 1, 1))
    assert rules_on(site.card_rules, date(2026, 12, 31)) is first
    assert rules_on(site.card_rules, date(2027, 1, 1)) is second
    assert rules_on((), date(2026, 1, 1)) is CARD_RULES
    assert rules_on((CardRules(valid_from=date(2030, 1, 1)),), date(2026, 1, 1)) is CARD_RULES


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ("pass_fee: 5\n", "pass_fee: 6\n", "cards[1].pass_fee", "above its cap"),
        ('"25.50"', '"25.505"', "cards[0].further_card", "is no amount"),
        ('"25.50"', "-1", "cards[0].further_card", "a number stands here"),
        ('"25.50"', "true", "cards[0].further_card", "boolean"),
        ('"2027-01-01"', '"2020-01-01"', "cards[1].valid_from", "stands twice"),
        ('"2027-01-01"', '"2027-02-30"', "cards[1].valid_from", "there is no 2027-02-30"),
        ('"2027-01-01"', "2027-01-01", "cards[1].valid_from", "without quotes"),
        ("basis: 物业合同, ", "", "cards[0].basis", "is missing"),
        ("free_cards: 2", "free_cards: 200", "cards[0].free_cards", "out of range"),
        ("free_cards: 2", "free_card: 2", "cards[0].free_card", "did you mean 'free_cards'"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path, old, new, field, problem):
    assert old in TWO_SETS
    found = mistakes(tmp_path, site=SITE_YAML + TWO_SETS.replace(old, new))
    assert [each for each in found if each[0] == field and problem in each[1]], found


def test_a_controllers_readers_spell_numbers_as_the_file_says(tmp_path):
    site = SITE_YAML.replace(GATE, f"{GATE}, numbers: {{format: wiegand26, spelling: decimal, cut: first}}")
    device = loaded(tmp_path, site=site).sites[0].devices[-1]
    assert device.numbers == NumberProfile("wiegand26", Spelling.DECIMAL, Cut.FIRST)
    plain = SITE_YAML.replace(GATE, f"{GATE}, numbers: {{format: uid32}}")
    assert loaded(tmp_path / "b", site=plain).sites[0].devices[-1].numbers == NumberProfile("uid32", Spelling.DECIMAL)


@pytest.mark.parametrize(
    ("numbers", "field", "problem"),
    [
        ("{format: wiegand27}", "numbers.format", "did you mean 'wiegand37'"),
        ("{spelling: hex}", "numbers.format", "is missing"),
        ("{format: wiegand34, spelling: facility}", "numbers.spelling", "is unknown"),
        ("{format: wiegand26, cut: middle}", "numbers.cut", "is unknown"),
        ("{format: wiegand26, bits: 26}", "numbers.bits", "unknown field"),
        ("wiegand26", "numbers", "text stands here"),
    ],
)
def test_a_wrong_number_profile_is_named(tmp_path, numbers, field, problem):
    found = mistakes(tmp_path, site=SITE_YAML.replace(GATE, f"{GATE}, numbers: {numbers}"))
    assert [each for each in found if each[0].endswith(field) and problem in each[1]], found


def test_only_a_controller_has_a_number_profile(tmp_path):
    site = SITE_YAML.replace("name: 1栋1号梯}", "name: 1栋1号梯, numbers: {format: uid32}}")
    assert mistakes(tmp_path, site=site) == [("devices[0].numbers", "only access controllers read cards")]


def test_keys_come_from_a_file_of_their_owner_or_from_a_variable(tmp_path):
    file = tmp_path / "hub.keys"
    file.write_text(KEYS)
    file.chmod(0o600)
    settings = loaded(tmp_path, hub=f"{HUB_YAML}keys: {{file: hub.keys}}\n")
    assert settings.keys.file == file
    assert (settings.keys.text.reveal(), "aaaa" in repr(settings)) == (KEYS, False)
    settings = loaded(tmp_path / "b", hub=f"{HUB_YAML}keys: {{env: MY_KEYS}}\n", environ={"MY_KEYS": KEYS})
    assert (settings.keys.file, settings.keys.text.reveal()) == (None, KEYS)
    assert loaded(tmp_path / "c").keys.text is None


@pytest.mark.parametrize(
    ("section", "content", "mode", "problem"),
    [
        ("{file: hub.keys}", KEYS, 0o640, "can be read by others"),
        ("{file: other.keys}", KEYS, 0o600, "there is no file"),
        ("{file: hub.keys}", f"k1={'a' * 63}", 0o600, "entry 1 is no key"),
        ("{file: hub.keys}", f"k1={'a' * 64}", 0o600, "there is no key `audit`"),
        ("{file: hub.keys}", KEYS + KEYS, 0o600, "'k1' stands twice"),
        ("{file: hub.keys}", f"audit={'b' * 64}", 0o600, "there is no key"),
        ("{env: MY_KEYS}", KEYS, 0o600, "MY_KEYS is not set"),
        ("{file: hub.keys, env: MY_KEYS}", KEYS, 0o600, "stands beside `env`"),
        ("{}", KEYS, 0o600, "is missing"),
    ],
)
def test_wrong_keys_are_named_and_never_shown(tmp_path, section, content, mode, problem):
    file = tmp_path / "hub.keys"
    file.write_text(content)
    file.chmod(mode)
    found = mistakes(tmp_path, hub=f"{HUB_YAML}keys: {section}\n")
    assert [each for each in found if problem in each[1]], found
    assert "aaaa" not in str(found)
