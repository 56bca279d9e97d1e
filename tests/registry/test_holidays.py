"""Long holidays as the calendar has them."""

import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from hub.registry.estate import Estate
from hub.registry.holidays import long_holidays, this_year
from support.configuration import RULES, SITE_YAML, load_configuration, write_configuration

SHANGHAI = ZoneInfo("Asia/Shanghai")


def days(zone: str, year: int) -> list[tuple[str, int]]:
    """First day and length, of one year."""
    found = [
        (datetime.fromtimestamp(s / 1000, ZoneInfo(zone)), (e - s) // 86_400_000) for s, e in long_holidays(zone, year)
    ]
    return [(start.strftime("%m-%d"), length) for start, length in found if start.year == year]


def test_the_long_holidays_of_2026_with_their_weekends_and_make_up_days() -> None:
    """As announced: Spring Festival nine days from February 15th, Labour Day five, National Day seven."""
    assert days("Asia/Shanghai", 2026) == [("02-15", 9), ("05-01", 5), ("10-01", 7)]


def test_a_year_that_is_not_announced_has_the_statutory_ones() -> None:
    starts = [start for start, _ in days("Asia/Urumqi", 2027)]
    assert "10-01" in starts
    assert any(start.startswith("02") for start in starts)


def test_spans_begin_at_midnight_of_the_site_and_never_overlap() -> None:
    spans = long_holidays("Asia/Shanghai", 2026)
    assert all(datetime.fromtimestamp(at / 1000, SHANGHAI).hour == 0 for span in spans for at in span)
    assert all(start < end for start, end in spans)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("zone", ["UTC", "Antarctica/Troll"])
def test_a_zone_of_no_known_country_has_none(zone: str) -> None:
    assert long_holidays(zone, 2026) == ()


def test_sites_carry_them_as_facts(tmp_path) -> None:
    """What rules are handed is filled in."""
    estate = Estate(load_configuration(write_configuration(tmp_path, lakeside=SITE_YAML)), RULES)
    assert estate.sites["lakeside"].holidays == long_holidays("Asia/Shanghai", this_year())


def test_the_calendars_of_all_countries_do_not_stay_in_memory() -> None:
    """Nor does anything else of the hub bring them in."""
    program = (
        "import sys, hub.wiring; from hub.registry.holidays import long_holidays; "
        "print(len(long_holidays('Asia/Shanghai', 2026)), 'holidays' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    spans, stays = told.stdout.split()
    assert int(spans) >= 3
    assert stays == "False"
