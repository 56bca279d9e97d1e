"""Statements that are asked while an alarm waits: compiled once, and on SQLite handed to the driver itself.

SQLAlchemy's objects around a statement take ten times as long as SQLite takes to run it. They stay where there is something in
them: for PostgreSQL, for whoever listens between statements (readers that stand last), and where no transaction has begun.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

NO_VALUES: Final[Mapping[str, Any]] = {}


def driver_of(connection: Connection) -> sqlite3.Connection | None:
    """SQLite's own connection, in the transaction that has begun; None where statements have to go by SQLAlchemy."""
    heard = connection._has_events or connection.engine._has_events  # noqa: SLF001  as SQLAlchemy asks itself
    if connection.dialect.name != "sqlite" or heard or not connection.in_transaction():
        return None
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def as_usual(error: sqlite3.Error, text: str, dialect: Dialect) -> BaseException:
    """What the driver raised, as SQLAlchemy raises it: nobody need know which way a statement went."""
    return DBAPIError.instance(text, None, error, sqlite3.Error, dialect=dialect)


class _Spelled(NamedTuple):
    """The statement as the driver takes it, for lists of certain lengths: its text, and the parameters' names in order."""

    text: str
    names: Sequence[str]


class Prepared:
    """A select, or a write with RETURNING. Rows have their columns as attributes.

    A column `count` needs a label: SQLAlchemy's rows are tuples, and tuples count. `given`: columns that an insert gets.
    A select may ask for lists (`expanding`); they are spelled out once for each length, and lengths are powers of two.
    Raises ValueError for a write with a list, which cannot be spelled out beforehand.
    """

    def __init__(
        self, statement: Select[Any] | ReturningInsert[Any] | ReturningUpdate[Any], given: Sequence[str] | None = None
    ) -> None:
        self._statement = statement
        self._dialect: Any = sqlite.dialect()
        compiled = statement.compile(dialect=self._dialect, column_keys=None if given is None else list(given))
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._lists = {compiled.bind_names[bind]: bind.key for bind in compiled.post_compile_params}
        if self._lists and not isinstance(statement, Select):
            raise ValueError(f"a write with a list: {', '.join(self._lists)}")
        self._required = [name for name, bind in compiled.binds.items() if bind.required]
        self._spelled: dict[tuple[int, ...], _Spelled] = {}
        if not self._lists:
            self._spelled[()] = _Spelled(str(compiled), tuple(compiled.positiontup or ()))
        columns = list(statement.exported_columns)
        self._row: Any = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]  # noqa: PYI024
        converts = [column.type.dialect_impl(self._dialect).result_processor(self._dialect, None) for column in columns]
        self._converts: list[tuple[int, Callable[[Any], Any]]] = [
            (at, convert) for at, convert in enumerate(converts) if convert is not None
        ]

    def all(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Sequence[Any]:
        """The rows. `values`: by the names of its parameters, as the driver takes them; raises KeyError for one that is missing."""
        driver = driver_of(connection)
        if driver is None:
            return connection.execute(self._statement, values).all()
        return self._rows_of(driver, values)

    def _rows_of(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        values = {**self._constants, **values}
        lists = [_to_a_power_of_two(values[name]) for name in self._lists]
        text, names = self._for_lengths(tuple(map(len, lists)))
        for name, list_ in zip(self._lists, lists, strict=True):
            values.update((f"{name}_{at}", value) for at, value in enumerate(list_, 1))
        try:
            rows = driver.execute(text, [values[name] for name in names]).fetchall()
        except sqlite3.Error as error:
            raise as_usual(error, text, self._dialect) from error
        return [self._row._make(self._converted(row)) for row in rows]

    def _for_lengths(self, lengths: tuple[int, ...]) -> _Spelled:
        if lengths not in self._spelled:
            statement = cast("Select[Any]", self._statement)
            nothing = dict.fromkeys(self._required)  # lists are spelled out only where all the rest is given, too
            lists = {key: [None] * length for key, length in zip(self._lists.values(), lengths, strict=True)}
            compiled = statement.params({**nothing, **lists}).compile(
                dialect=self._dialect, compile_kwargs={"render_postcompile": True}
            )
            self._spelled[lengths] = _Spelled(str(compiled), tuple(compiled.positiontup or ()))
        return self._spelled[lengths]

    def _converted(self, row: tuple[Any, ...]) -> Sequence[Any]:
        if not self._converts:
            return row
        values = list(row)
        for at, convert in self._converts:
            values[at] = convert(values[at])
        return values

    def one_or_none(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Any:
        """The row, or None. Raises MultipleResultsFound."""
        return self._only(self.all(connection, values))

    def row_of(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> Any:
        """The same of SQLite's own connection, in a transaction or in none."""
        return self._only(self._rows_of(driver, values))

    def _only(self, rows: Sequence[Any]) -> Any:
        if len(rows) > 1:
            raise MultipleResultsFound(f"{len(rows)} rows: {self._statement}")
        return rows[0] if rows else None

    def scalar_one(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Any:
        """The only column of the row. Raises NoResultFound, MultipleResultsFound."""
        row = self.one_or_none(connection, values)
        if row is None:
            raise NoResultFound(f"no row: {self._statement}")
        return row[0]

    def scalar_one_or_none(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Any:
        """The only column of the row; None where there is no row. Raises MultipleResultsFound."""
        row = self.one_or_none(connection, values)
        return None if row is None else row[0]


def _to_a_power_of_two(values: Collection[Any]) -> Sequence[Any]:
    """The last one again and again, which changes no list that is looked through; so there are few lengths. An empty one stays so."""
    list_ = list(values)
    room = 1 << (len(list_) - 1).bit_length()
    return list_ + list_[-1:] * (room - len(list_))
