"""`hub import`: all or nothing, every wrong cell named, the same file twice changes nothing, nothing is computed."""

import zipfile

import openpyxl
import pytest
from typer.testing import CliRunner

from hub import cli
from hub.importing import import_sheet
from hub.registry.household_import import SiteEntry, understand
from hub.registry.sheet import LARGEST_FILE, Sheet, SheetError, read_sheet
from hub.settings import NotifierTypes, load
from hub.store.schema import household_members, households, people, person_channels
from hub.vocabulary.facts import NotifierFacts
from support.configuration import HUB_YAML, PROFILES, RULES, SITE_YAML, write_configuration

NOW = 1_780_000_000_000
NOTIFIERS = "notifiers: [{id: sms, type: fake, key_env: K}, {id: wecom, type: fake, key_env: K}]\n"
HEADER = "unit,code,name,phone,role,channels,consent"
GOOD = f"""{HEADER}
b1/0101,C-1,王芳,138 0000 0001,owner,wecom:wang,yes
b1/0101,C-2,李雷,13800000002,tenant,,no
b1/0102,C-1,王芳,138 0000 0001,owner,wecom:wang,yes
,S-1,张管家,13900000001,housekeeper,,yes
"""


@pytest.fixture
def settings(tmp_path):
    path = write_configuration(tmp_path, HUB_YAML, lakeside=SITE_YAML + NOTIFIERS)
    types = NotifierTypes({"fake": NotifierFacts(secrets=("key",))})
    return load(path, {"K": "secret"}, PROFILES, RULES, types)


@pytest.fixture
def bring(store, settings, tmp_path):
    """`bring(text)` imports a CSV file, `bring(path=…)` any other."""

    def run(text="", path=None, **options):
        if path is None:
            path = tmp_path / "people.csv"
            path.write_text(text, encoding="utf-8")
        return import_sheet(store, settings, path, NOW, **options)

    return run


def _rows(store, table):
    with store.read() as connection:
        return list(connection.execute(table.select().order_by(*table.primary_key.columns)))


def _everything(store):
    return [_rows(store, table) for table in (people, person_channels, households, household_members)]


def test_people_households_and_channels_come_in(store, bring):
    done = bring(GOOD)
    assert done.problems == ()
    assert {str(word): count for word, count in done.counts.items()} == {
        "people added": 3,
        "people changed": 0,
        "people unchanged": 0,
        "households added": 2,
        "members added or changed": 1,
    }
    assert [(p.code, p.name, p.role) for p in _rows(store, people)] == [
        ("C-1", "王芳", None),
        ("C-2", "李雷", None),
        ("S-1", "张管家", "housekeeper"),
    ]
    assert [(c.channel, c.address, c.rank, c.consent_at is not None) for c in _rows(store, person_channels)] == [
        ("wecom", "wang", 1, True),
        ("sms", "13800000001", 2, True),
        ("sms", "13800000002", 1, False),
        ("sms", "13900000001", 1, True),
    ]
    assert [h.unit for h in _rows(store, households)] == ["b1/0101", "b1/0102"]


def test_the_same_file_twice_changes_nothing(store, bring):
    bring(GOOD)
    before = _everything(store)
    again = bring(GOOD)
    assert {str(word): n for word, n in again.counts.items() if n} == {"people unchanged": 3}
    assert _everything(store) == before


def test_a_person_is_recognised_by_their_code_whatever_else_changes(store, bring):
    bring(GOOD)
    bring(f"{HEADER}\nb1/0101,C-1,王芳芳,13811111111,owner,,no\n")
    (wang, *_) = _rows(store, people)
    assert (wang.code, wang.name) == ("C-1", "王芳芳")
    mine = [c for c in _rows(store, person_channels) if c.person_id == wang.id]
    assert [(c.channel, c.address, c.consent_at) for c in mine] == [("sms", "13811111111", None)]


@pytest.mark.parametrize(
    ("row", "column", "word"),
    [
        ("b1/9999,C,王,13800000001,owner,,yes", "unit", "no unit"),
        (",C,王,13800000001,owner,,yes", "unit", "missing"),
        ("b1/0101,,王,,owner,,yes", "code", "recognise"),
        ("b1/0101,C,,13800000001,owner,,yes", "name", "characters"),
        ("b1/0101,C,王,call me,owner,,yes", "phone", "telephone"),
        ("b1/0101,C,王,13800000001,king,,yes", "role", "allowed"),
        ("b1/0101,C,王,13800000001,owner,pigeon:1,yes", "channels", "wecom"),
        ("b1/0101,C,王,13800000001,owner,wecom,yes", "channels", "address"),
        ("b1/0101,C,王,13800000001,owner,,maybe", "consent", "neither"),
        ("b1/0101,C,王,13800000001,housekeeper,,yes", "unit", "staff"),
        ('b1/0101,C,"=HYPERLINK(""x"")",13800000001,owner,,yes', "name", "formula"),
        ("b1/0101,C,@SUM(A1),13800000001,owner,,yes", "name", "formula"),
        ("b1/0101,C,-cmd|x,13800000001,owner,,yes", "name", "formula"),
        (f"b1/0101,C,{'x' * 1001},13800000001,owner,,yes", "name", "longer"),
        ("b1/0101,C,王,13800000001,owner,,yes,more", "column 8", "without a name"),
    ],
)
def test_a_wrong_cell_is_named_and_nothing_at_all_is_written(store, bring, row, column, word):
    done = bring(f"{GOOD}{row}\n")
    assert [(p.row, p.column) for p in done.problems] == [(6, column)]
    assert word in done.problems[0].reason
    assert _everything(store) == [[], [], [], []]


def test_every_wrong_row_is_named_at_once(bring):
    done = bring(f"{HEADER}\nb1/9,A,王,1,owner,,yes\nb1/0101,B,,2,owner,,x\nb1/0101,C,好,13800000001,owner,,yes\n")
    assert [p.row for p in done.problems] == [2, 3]


@pytest.mark.parametrize(
    ("header", "word"),
    [("unit,name,role,shoe size", "unknown column"), ("unit,name", "missing"), ("role,name,身份", "twice")],
)
def test_a_wrong_header_is_named(bring, header, word):
    done = bring(f"{header}\nb1/0101,王,owner,1\n")
    assert word in done.problems[0].reason
    assert done.problems[0].row == 1


def test_one_code_is_one_person(bring):
    done = bring(f"{HEADER}\nb1/0101,C,王,13800000001,owner,,yes\nb1/0102,C,李,13800000001,owner,,yes\n")
    assert [(p.row, p.column) for p in done.problems] == [(3, "code")]


def test_a_unit_where_others_live_is_refused_until_they_have_moved_out(store, bring):
    bring(GOOD)
    before = _everything(store)
    done = bring(f"{HEADER}\nb1/0101,NEW,新业主,13800000009,owner,,yes\n")
    assert [(p.row, p.column) for p in done.problems] == [(2, "unit")]
    assert _everything(store) == before
    with store.write() as connection:
        connection.execute(households.update().where(households.c.unit == "b1/0101").values(until=NOW))
    assert bring(f"{HEADER}\nb1/0101,NEW,新业主,13800000009,owner,,yes\n").problems == ()


def test_a_dry_run_says_what_would_change_and_changes_nothing(store, bring):
    done = bring(GOOD, dry_run=True)
    assert sum(done.counts.values()) == 6
    assert _everything(store) == [[], [], [], []]


def test_chinese_headers_words_and_encoding_of_an_office_program(store, bring, tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes("房号;编号;姓名;电话;身份;同意\r\nb1/0101;C-1;王芳;13800000001;业主;是\r\n".encode("gb18030"))
    assert bring(path=path).problems == ()
    assert [(p.name, p.code) for p in _rows(store, people)] == [("王芳", "C-1")]


def test_xlsx_with_numbers_as_office_programs_store_them(store, bring, tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["unit", "code", "name", "phone", "role", "consent"])
    book.active.append(["b1/0101", 1001, "王芳", 13800000001.0, "owner", True])
    book.save(tmp_path / "people.xlsx")
    assert bring(path=tmp_path / "people.xlsx").problems == ()
    assert [(p.code, c.address) for p, c in zip(_rows(store, people), _rows(store, person_channels), strict=True)] == [
        ("1001", "13800000001")
    ]


def test_a_formula_cell_is_refused_and_not_computed(bring, tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["unit", "code", "name", "phone", "role"])
    book.active.append(["b1/0101", "C", '=WEBSERVICE("http://127.0.0.1/")', "13800000001", "owner"])
    book.save(tmp_path / "people.xlsx")
    done = bring(path=tmp_path / "people.xlsx")
    assert [(p.row, p.column) for p in done.problems] == [(2, "name")]
    assert "formula" in done.problems[0].reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("picture.csv", b"\xff\xd8\xff\xe0\x80\xff\xff"),
        ("old.xls", b"\xd0\xcf\x11\xe0"),
        ("no.xlsx", b"not a zip"),
        ("quote.csv", b'unit,name,role\n"b1/0101,x'),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SheetError):
        read_sheet(tmp_path / name)


def test_a_huge_file_is_not_opened(tmp_path):
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(SheetError, match="larger"):
        read_sheet(tmp_path / "big.csv")


def test_a_file_that_unpacks_to_more_than_it_may_is_not_unpacked(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member,
    ):
        for _ in range(260):
            member.write(b"\0" * 1024 * 1024)
    with pytest.raises(SheetError, match="unpacks"):
        read_sheet(tmp_path / "bomb.xlsx")


def test_too_many_rows_are_refused(tmp_path):
    (tmp_path / "many.csv").write_text("name\n" + "x\n" * 50_001, encoding="utf-8")
    with pytest.raises(SheetError, match="rows"):
        read_sheet(tmp_path / "many.csv")


def test_a_site_has_to_be_named_where_there_are_several():
    sites = {name: SiteEntry(buildings={"b1"}, units={"b1/0101"}, notifiers=()) for name in ("a", "b")}
    sheet = Sheet(("name", "role", "unit", "phone"), ((2, ("王", "owner", "b1/0101", "13800000001")),), ())
    assert [p.column for p in understand(sheet, sites).problems] == ["site"]


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`hub import …` in a folder with a configuration."""
    write_configuration(tmp_path, "mqtt: {embedded: true}\nsites: [sites/*.yaml]\n", lakeside=SMALL_SITE)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, ["import", *words])


SMALL_SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai}
buildings: [{id: b1, name: 1栋, units: ["0101", "0102"]}]
"""
SMALL = "unit,name,phone,role,consent\nb1/0101,王芳,13800000001,owner,yes\n"


def test_the_command_says_what_it_did_and_the_second_time_that_nothing_changed(command, tmp_path):
    (tmp_path / "people.csv").write_text(SMALL, encoding="utf-8")
    preview = command("people.csv", "--dry-run")
    assert (preview.exit_code, preview.stdout.startswith("Would be: 1 people added")) == (0, True)
    first = command("people.csv")
    assert (first.exit_code, first.stdout.startswith("Done: 1 people added")) == (0, True)
    assert "1 people unchanged" in command("people.csv").stdout


def test_the_command_names_every_wrong_row_and_fails(command, tmp_path):
    (tmp_path / "people.csv").write_text(
        SMALL + "b1/9,李雷,1,owner,x\n,,,,\nb1/0102,,13800000003,owner,\n", encoding="utf-8"
    )
    done = command("people.csv")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "people.csv: row 3, phone:" in done.stderr
    assert "people.csv: row 5, name:" in done.stderr
    assert "2 problems in people.csv; nothing was changed." in done.stderr


@pytest.mark.parametrize("name", ["missing.csv", "old.xls"])
def test_the_command_ends_in_one_sentence_for_a_file_that_cannot_be_read(command, tmp_path, name):
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf")
    done = command(name)
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
