"""For how many days a credit lasts stands in the text where somebody can say so, found out when the text is written."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from hub.notices.letters import write_text
from hub.notices.text_book import TextBook

NOBODY_EDITED: Any = SimpleNamespace(execute=lambda *_: SimpleNamespace(all=list))


def order(template: str = "low_balance_1", subject: str = "m-0101", subject_type: str = "device") -> Any:
    params = {"place": "b1/0101", "credit": "25.00", "unit": "CNY", "threshold": "30.00", "level": 1}
    return SimpleNamespace(
        site="lakeside", template=template, subject_type=subject_type, subject_id=subject, params_json=json.dumps(params),
        ticket_id=None, drill=False,
    )  # fmt: skip


def book(days: dict[str, int | None]) -> TextBook:
    return TextBook(NOBODY_EDITED, forecasts={"lakeside": lambda _, meter: days.get(meter)})


def test_the_household_reads_for_how_long_it_lasts() -> None:
    text = write_text(book({"m-0101": 3}), [order()], "zh-CN")
    assert "预计还可使用 3 天" in text.body
    assert "about 3 days" in write_text(book({"m-0101": 3}), [order("low_balance_reminder")], "en").body


@pytest.mark.parametrize("days", [{"m-0101": None}, {"m-0102": 3}, {}])
def test_where_nobody_can_say_the_sentence_is_left_out(days: dict[str, int | None]) -> None:
    assert "天" not in write_text(book(days), [order()], "zh-CN").body
    assert "天" not in write_text(TextBook(NOBODY_EDITED), [order()], "zh-CN").body


def test_two_meters_of_one_owner_have_a_sentence_each() -> None:
    both = write_text(book({"m-0101": 3, "m-0102": 9}), [order(), order("low_balance_2", "m-0102")], "zh-CN")
    assert ("3 天" in both.body, "9 天" in both.body) == (True, True)


def test_a_registered_text_gets_no_parameter_that_its_provider_does_not_know() -> None:
    assert set(write_text(book({"m-0101": 3}), [order()], "zh-CN").params) == {
        "place", "credit", "unit", "threshold", "level",
    }  # fmt: skip
