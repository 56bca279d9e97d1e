"""Reading a table from CSV or XLSX as text, within limits: what an office program has made, and what an attacker may have.

Rule: nothing is computed. A formula is refused, not evaluated and not stored (it would run in the next office program), a
file that unpacks to more than it may is not unpacked.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

Entry = TypeVar("Entry")

LARGEST_FILE: Final = 20 * 1024 * 1024
LARGEST_UNPACKED: Final = 200 * 1024 * 1024
MOST_ROWS: Final = 50_000
MOST_COLUMNS: Final = 50
LONGEST_CELL: Final = 1_000
ENCODINGS: Final = ("utf-8-sig", "gb18030")
_FORMULA: Final = re.compile(r"[=@\t\r]|[+-](?![0-9])")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class SheetError(Exception):
    """The file cannot be read at all; one sentence."""


class CellProblem(msgspec.Struct, frozen=True, order=True):
    """One cell that cannot be used. Rows are numbered as the office program shows them."""

    row: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, {self.column}: {self.reason}" if self.column else f"row {self.row}: {self.reason}"


class RowError(Exception):
    """One wrong cell of a row, found while it is understood."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class Sheet(msgspec.Struct, frozen=True):
    """Headers, and per row its number and its cells as text (without spaces around them)."""

    headers: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    problems: tuple[CellProblem, ...]


def read_sheet(path: Path) -> Sheet:
    """The first sheet of an XLSX file, or a CSV file. Raises SheetError, OSError."""
    if path.stat().st_size > LARGEST_FILE:
        raise SheetError(f"{path} is larger than {LARGEST_FILE // 1024 // 1024} MB.")
    ending = path.suffix.lower()
    if ending == ".csv":
        return _sheet(_csv_rows(path))
    if ending == ".xlsx":
        return _sheet(_xlsx_rows(path))
    raise SheetError(f"{path} is neither .csv nor .xlsx (.xls and .xlsm are not read: save as .xlsx).")


def _places(
    headers: Sequence[str], columns: Mapping[str, Sequence[str]], required: Sequence[str], problems: list[CellProblem]
) -> dict[str, int]:
    """Column → its place, by any of its names; unknown, double and missing columns are problems of row 1. Pure."""
    known = {alias.casefold(): name for name, aliases in columns.items() for alias in aliases}
    places: dict[str, int] = {}
    for place, header in enumerate(headers):
        name = known.get(header.casefold())
        if header and name is None:
            problems.append(CellProblem(1, header, f"unknown column; known: {', '.join(columns)}"))
        elif name is not None and name in places:
            problems.append(CellProblem(1, header, "this column stands twice"))
        elif name is not None:
            places[name] = place
    problems += [CellProblem(1, name, "the column is missing") for name in required if name not in places]
    return places


def understood(
    sheet: Sheet,
    columns: Mapping[str, Sequence[str]],
    required: Sequence[str],
    entry: Callable[[int, Mapping[str, str]], Entry],
    problems: Sequence[CellProblem] = (),
) -> tuple[list[Entry], list[CellProblem]]:
    """The rows as entries, and every wrong cell. Pure.

    `entry` makes one of a row's number and its cells by column, or raises RowError. `problems` are those known before; where
    one of row 1 is among all of them, no row is read: what stands in which column is not known.
    """
    found = [*sheet.problems, *problems]
    places = _places(sheet.headers, columns, required, found)
    broken = {problem.row for problem in sheet.problems}
    entries: list[Entry] = []
    for number, cells in sheet.rows if not any(problem.row == 1 for problem in found) else ():
        try:
            made = entry(number, {name: cells[place] for name, place in places.items()})
        except RowError as error:
            if not any((problem.row, problem.column) == (number, error.column) for problem in sheet.problems):
                found.append(CellProblem(number, error.column, error.reason))
            continue
        if number not in broken:
            entries.append(made)
    return entries, found


def _sheet(rows: Iterator[tuple[int, list[Any]]]) -> Sheet:
    first = next(rows, None)
    if first is None:
        raise SheetError("The file is empty: the first row has to name the columns.")
    problems: list[CellProblem] = []
    headers = tuple(_text(value) for value in first[1])
    if len(headers) > MOST_COLUMNS:
        raise SheetError(f"More than {MOST_COLUMNS} columns.")
    found = []
    for number, values in rows:
        cells = _cells(number, values, headers, problems)
        if any(cells):
            found.append((number, cells))
        if len(found) > MOST_ROWS:
            raise SheetError(f"More than {MOST_ROWS} rows: split the file.")
    return Sheet(headers, tuple(found), tuple(problems))


def _cells(
    number: int, values: Iterable[Any], headers: tuple[str, ...], problems: list[CellProblem]
) -> tuple[str, ...]:
    cells = []
    for place, value in enumerate(values):
        text = _text(value)
        header = headers[place] if place < len(headers) else ""
        name = header or f"column {place + 1}"
        if isinstance(value, _Formula) or (isinstance(value, str) and _FORMULA.match(value)):
            problems.append(CellProblem(number, name, "a formula: put the value itself here"))
        elif len(text) > LONGEST_CELL or _CONTROL.search(text):
            problems.append(CellProblem(number, name, f"longer than {LONGEST_CELL} characters, or control characters"))
        elif text and not header:
            problems.append(CellProblem(number, name, "a value in a column without a name"))
        cells.append(text)
    return tuple(cells[: len(headers)]) + ("",) * (len(headers) - len(cells))


class _Formula(str):
    """The text of a formula cell."""

    __slots__ = ()


def _text(value: Any) -> str:
    """As a person reads it: 13800000001 is no 13800000001.0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    return str(value).strip()


def _csv_rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    text = _decoded(path.read_bytes(), path)
    head = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for values in reader:
            yield reader.line_num, list(values)
    except csv.Error as error:
        raise SheetError(f"{path}, line {reader.line_num}: no CSV ({error}).") from error


def _decoded(payload: bytes, path: Path) -> str:
    for encoding in ENCODINGS:
        try:
            return payload.decode(encoding)
        except UnicodeDecodeError:
            continue  # the next one; the user is told when none of them fits
    raise SheetError(f"{path} is neither UTF-8 nor GB 18030 text.")


def _xlsx_rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    import openpyxl  # noqa: PLC0415  180 ms that only an import of XLSX needs

    _check_archive(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=False, keep_links=False)
        sheet = book.worksheets[0]
    except (ValueError, KeyError, IndexError, OSError, zipfile.BadZipFile, SyntaxError) as error:
        raise SheetError(f"{path} is no XLSX file that can be read ({type(error).__name__}).") from error
    try:
        for number, row in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1, max_row=MOST_ROWS + 2), 1):
            values = [_Formula(cell.value) if cell.data_type == "f" else cell.value for cell in row]
            while values and values[-1] is None:
                values.pop()
            yield number, values
    except (ValueError, KeyError, SyntaxError, zipfile.BadZipFile) as error:
        raise SheetError(f"{path} is damaged ({type(error).__name__}).") from error
    finally:
        book.close()


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise SheetError(f"{path} is no XLSX file.") from error
    if unpacked > LARGEST_UNPACKED:
        raise SheetError(f"{path} unpacks to more than {LARGEST_UNPACKED // 1024 // 1024} MB.")
