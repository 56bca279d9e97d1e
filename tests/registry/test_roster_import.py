"""`hub import` of a roster: all or nothing, every wrong cell named, the same file twice changes nothing."""

from __future__ import annotations

import shutil

import openpyxl
import pytest

from hub.importing import import_sheet
from hub.registry import people
from hub.registry.household_import import SiteEntry
from hub.registry.people import PersonEdit
from hub.registry.roster_import import is_roster, understand
from hub.registry.rows import align_sites
from hub.registry.sheet import Sheet
from hub.store.database import open_store
from hub.store.schema import duty_assignments
from hub.vocabulary.facts import SiteFacts
from support.configuration import load_configuration, write_configuration

NOW = 1_780_000_000_000  # 2026-05-29 in Shanghai
SITES = {"lakeside": SiteEntry(buildings={"b1", "b2"}, units=(), notifiers=())}
GOOD = """工号,姓名,岗位,班次,星期,片区,起,止
S-1,王工,电梯工,全天,,b1 b2,2026-06-01,
S-2,李工,,A班,周一至周五,,2026/6/1,2026年12月31日
S-2,李工,,22:00-06:00,"6,7",,,
"""


@pytest.fixture
def store(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    site = SiteFacts(id="lakeside", name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
    with opened.write() as connection:
        align_sites(connection, [site], NOW)
        for code, name, role in (("S-1", "王工", "technician"), ("S-2", "李工", "front_desk"), ("R-1", "张三", None)):
            people.create(connection, "lakeside", PersonEdit(code=code, name=name, role=role), NOW)
    yield opened
    opened.close()


@pytest.fixture
def bring(store, tmp_path):
    settings = load_configuration(write_configuration(tmp_path))

    def run(text="", now=NOW, path=None, **options):
        if path is None:
            path = tmp_path / "roster.csv"
            path.write_text(text, encoding="utf-8")
        done = import_sheet(store, settings, path, now, **options)
        return [str(each) for each in done.problems], {str(word): n for word, n in done.counts.items() if n}

    return run


def rows(store, *, standing=True):
    with store.read() as connection:
        found = connection.execute(duty_assignments.select().order_by(duty_assignments.c.id)).all()
    return [
        (row.person_id, row.role, row.shift, row.weekdays, row.zone, row.valid_from, row.valid_until)
        for row in found
        if not standing or row.ended_at is None
    ]


def test_a_roster_in_the_desk_s_own_words_comes_in(store, bring):
    assert bring(GOOD) == ([], {"assignments added": 3})
    assert rows(store) == [
        (1, "technician", "round_the_clock", "", "b1 b2", "2026-06-01", None),
        (2, "front_desk", "A", "12345", "", "2026-06-01", "2026-12-31"),
        (2, "front_desk", "22:00-06:00", "67", "", "2026-05-29", None),
    ]


def test_the_same_file_a_week_later_changes_nothing(store, bring):
    bring(GOOD)
    before = rows(store, standing=False)
    assert bring(GOOD, now=NOW + 7 * 86_400_000) == ([], {"assignments unchanged": 3})
    assert rows(store, standing=False) == before


def test_another_last_day_ends_the_old_row_and_keeps_it(store, bring):
    bring(GOOD)
    assert bring(GOOD.replace("12月31日", "10月31日")) == ([], {"assignments unchanged": 2, "assignments changed": 1})
    assert [row[6] for row in rows(store) if row[3] == "12345"] == ["2026-10-31"]
    assert len(rows(store, standing=False)) == 4


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("X-9,,,A,,,,", "row 5, code: there is nobody with the code 'X-9': import the people first"),
        ("R-1,,,A,,,,", "row 5, code: 张三 is no staff: give them a role first"),
        ("S-1,李工,,A,,,,", "row 5, name: 'S-1' is 王工, not 李工"),
        ("S-1,,,C,,,,", "row 5, shift: 'C' is unknown; allowed: A, B, round_the_clock, or 22:00-06:00"),
    ],
)
def test_a_row_that_the_registry_knows_nothing_of_brings_nothing_in(store, bring, line, problem):
    assert bring(GOOD + line + "\n") == ([problem], {})
    assert rows(store, standing=False) == []


def test_a_dry_run_says_what_would_change_and_changes_nothing(store, bring):
    assert bring(GOOD, dry_run=True) == ([], {"assignments added": 3})
    assert rows(store, standing=False) == []


def test_an_xlsx_with_real_dates_is_read_as_well(store, bring, tmp_path):
    import datetime

    book = openpyxl.Workbook()
    book.active.append(["code", "shift", "weekdays", "from"])
    book.active.append(["S-1", "B", 135, datetime.date(2026, 6, 1)])
    book.save(tmp_path / "roster.xlsx")
    assert bring(path=tmp_path / "roster.xlsx") == ([], {"assignments added": 1})
    assert rows(store) == [(1, "technician", "B", "135", "", "2026-06-01", None)]


HEADERS = ("code", "role", "shift", "weekdays", "zone", "from", "until")


@pytest.mark.parametrize(
    ("cells", "column", "word"),
    [
        (("", "", "A", "", "", "", ""), "code", "missing"),
        (("S", "", "", "", "", "", ""), "shift", "missing"),
        (("S", "chef", "A", "", "", "", ""), "role", "unknown"),
        (("S", "", "A", "0", "", "", ""), "weekdays", "unknown"),
        (("S", "", "A", "5-1", "", "", ""), "weekdays", "unknown"),
        (("S", "", "A", "2026-05-01", "", "", ""), "weekdays", "as text"),
        (("S", "", "A", "", "b9", "", ""), "zone", "no building"),
        (("S", "", "A", "", "", "tomorrow", ""), "from", "no day"),
        (("S", "", "A", "", "", "", "2026-02-30"), "until", "no day"),
        (("S", "", "A", "", "", "2026-06-02", "2026-06-01"), "until", "before"),
    ],
)
def test_each_wrong_cell_is_named(cells, column, word):
    (problem,) = understand(Sheet(HEADERS, ((2, cells),), ()), SITES).problems
    assert (problem.row, problem.column) == (2, column)
    assert word in problem.reason


def test_the_same_assignment_twice_and_an_unknown_column_are_named():
    cells = ("S", "", "A", "", "", "", "")
    (double,) = understand(Sheet(HEADERS, ((2, cells), (3, cells)), ()), SITES).problems
    assert (double.row, "row 2" in double.reason) == (3, True)
    (unknown, *_) = understand(Sheet((*HEADERS, "colour"), ((2, (*cells, "")),), ()), SITES).problems
    assert (unknown.row, unknown.column) == (1, "colour")


def test_a_sheet_with_a_shift_is_a_roster_and_one_without_is_a_list_of_people():
    assert is_roster(Sheet(("工号", "班次"), (), ()))
    assert not is_roster(Sheet(("code", "name", "role"), (), ()))
