"""Texts: the same names in both languages, strict parameters, never a word about property fees in a notice about power."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.notices import texts
from hub.notices.texts import Part, Text, TextError

FULL = {
    name: f"<{name}>"
    for name in (
        "place",
        "credit",
        "unit",
        "threshold",
        "level",
        "days_left",
        "amount",
        "reference",
        "paid_at",
        "as_of",
    )
}
POWER = [name for name, each in texts.parameters().items() if each.power]


def test_both_languages_have_every_text_and_no_other():
    for locale in texts.LOCALES:
        assert set(texts.shipped(locale)) == set(texts.parameters())


def test_what_the_meter_rules_order_is_there():
    wanted = {"low_balance_1", "low_balance_2", "low_balance_3", "low_balance_4", "low_balance_reminder"}
    assert wanted | {"low_balance_housekeeper", "topup_missing"} == set(POWER)
    for name in wanted | {"low_balance_housekeeper"}:
        known = {"place", "credit", "unit", "threshold", "level", "days_left", "as_of"}
        assert set(texts.parameters()[name].known) == known


@pytest.mark.parametrize("locale", texts.LOCALES)
@pytest.mark.parametrize("name", sorted(texts.parameters()))
def test_every_shipped_text_would_pass_an_edit_and_renders_with_and_without_what_may_be_missing(name, locale):
    text = texts.shipped(locale)[name]
    texts.check(name, text)
    wanted = texts.parameters()[name]
    for params in (dict.fromkeys(wanted.params, "1"), dict.fromkeys(wanted.known, "1")):
        rendered = texts.render(text, params)
        assert not set("{}[]") & set(rendered.title + rendered.body)


@pytest.mark.parametrize("name", POWER)
@pytest.mark.parametrize("locale", texts.LOCALES)
def test_no_shipped_notice_about_power_speaks_of_property_fees(name, locale):
    said = texts.render(texts.shipped(locale)[name], FULL)
    for word in ("物业", "管理费", "服务费", "property", "management fee", "service charge"):
        assert word not in (said.title + said.body).casefold()


@pytest.mark.parametrize(
    "phrase",
    [
        "物业费",
        "物 业 费",
        "物业管理费",
        "物業費",
        "管理费",
        "物业-服务费",
        "请结清物业欠费",
        "Property fee",
        "PROPERTY  FEE",
        "property-management fees",
        "ｐｒｏｐｅｒｔｙ ｆｅｅ",
        "service charge",
    ],
)
@pytest.mark.parametrize("name", POWER)
def test_such_an_edit_is_refused_in_title_and_body(name, phrase):
    with pytest.raises(TextError, match="944"):
        texts.check(name, Text("购电", f"{{place}} {phrase}"))
    with pytest.raises(TextError, match="944"):
        texts.check(name, Text(f"购电 {phrase}", "{place}"))


def test_other_notices_may_speak_of_them():
    texts.check("entrapment_opened", Text("报警", "{place} 物业服务费"))


def test_a_missing_parameter_is_an_error_and_never_an_empty_place():
    with pytest.raises(TextError, match="credit"):
        texts.render(texts.shipped("zh-CN")["low_balance_1"], {"place": "x", "unit": "元", "threshold": "1"})


def test_unknown_values_are_missing_and_not_the_word_none():
    assert texts.as_params({"a": None, "b": 0, "c": "x\ny"}) == {"b": "0", "c": "x\ny"}


def test_a_value_that_looks_like_a_parameter_is_left_as_it_is():
    rendered = texts.render(Text("t", "{place}[[ {days_left}]]"), {"place": "{credit}[[", "credit": "1"})
    assert rendered.body == "{credit}[["


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_passes_the_check_renders(title, body):
    text = Text(title, body)
    try:
        texts.check("low_balance_1", text)
    except TextError:
        return
    texts.render(text, dict.fromkeys(texts.parameters()["low_balance_1"].params, "1"))


def test_many_places_are_counted_and_not_all_named():
    parts = [Part(template="low_balance_1", params={"place": f"1栋{n}"}, text=Text("t", "{place}")) for n in range(10)]
    assert texts.compose(parts, "zh-CN").params["place"] == "1栋0、1栋1、1栋2等10处"
    assert texts.compose(parts[:2], "en").params["place"] == "1栋0, 1栋1"


@pytest.mark.parametrize(
    ("body", "elevator", "said"),
    [
        ("{place}[[{elevator}]]困人", "1栋2号梯", "1栋2号梯困人"),
        ("{place}[[{elevator}]]困人", "2号梯", "1栋2号梯困人"),
        ("{place}[[，{elevator}]]困人", "1栋", "1栋，1栋困人"),
        ("[[{elevator}]]困人", "1栋2号梯", "1栋2号梯困人"),
    ],
)
def test_a_building_is_said_once_and_never_not_at_all(body, elevator, said):
    assert texts.render(Text("t", body), {"place": "1栋", "elevator": elevator}).body == said
