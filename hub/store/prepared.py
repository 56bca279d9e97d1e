"""Statements that are asked while an alarm waits: compiled once, and on SQLite handed to the driver itself.

SQLAlchemy's objects around a statement take ten times as long as SQLite takes to run it. They stay where there is something in
them: for PostgreSQL, for whoever listens between statements (readers that stand last), and where no transaction has begun.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Connection, Select
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


def as_usual(error: sqlite3.Error, text: str, connection: Connection) -> BaseException:
    """What the driver raised, as SQLAlchemy raises it: nobody need know which way a statement went."""
    return DBAPIError.instance(text, None, error, sqlite3.Error, dialect=connection.dialect)


class Prepared:
    """A select, or a write with RETURNING, without lists of values in it. Rows have their columns as attributes.

    A column `count` needs a label: SQLAlchemy's rows are tuples, and tuples count. `given`: columns that an insert gets.
    Raises ValueError for a statement that cannot be compiled once for all.
    """

    def __init__(
        self, statement: Select[Any] | ReturningInsert[Any] | ReturningUpdate[Any], given: Sequence[str] | None = None
    ) -> None:
        self._statement = statement
        dialect: Any = sqlite.dialect()
        compiled = statement.compile(dialect=dialect, column_keys=None if given is None else list(given))
        if compiled.post_compile_params:
            lists = ", ".join(str(bind.key) for bind in compiled.post_compile_params)
            raise ValueError(f"lists are spelled out with every execution: {lists}")
        self._text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        columns = list(statement.exported_columns)
        self._row: Any = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]  # noqa: PYI024
        converts = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._converts: list[tuple[int, Callable[[Any], Any]]] = [
            (at, convert) for at, convert in enumerate(converts) if convert is not None
        ]

    def all(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Sequence[Any]:
        """The rows. `values`: by the names of its parameters, as the driver takes them; raises KeyError for one that is missing."""
        driver = driver_of(connection)
        if driver is None:
            return connection.execute(self._statement, values).all()
        given = [values[name] if name in values else self._constants[name] for name in self._names]
        try:
            rows = driver.execute(self._text, given).fetchall()
        except sqlite3.Error as error:
            raise as_usual(error, self._text, connection) from error
        return [self._row._make(self._converted(row)) for row in rows]

    def _converted(self, row: tuple[Any, ...]) -> Sequence[Any]:
        if not self._converts:
            return row
        values = list(row)
        for at, convert in self._converts:
            values[at] = convert(values[at])
        return values

    def one_or_none(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Any:
        """The row, or None. Raises MultipleResultsFound."""
        rows = self.all(connection, values)
        if len(rows) > 1:
            raise MultipleResultsFound(f"{len(rows)} rows: {self._text}")
        return rows[0] if rows else None

    def scalar_one(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Any:
        """The only column of the row. Raises NoResultFound, MultipleResultsFound."""
        row = self.one_or_none(connection, values)
        if row is None:
            raise NoResultFound(f"no row: {self._text}")
        return row[0]

    def scalar_one_or_none(self, connection: Connection, values: Mapping[str, Any] = NO_VALUES) -> Any:
        """The only column of the row; None where there is no row. Raises MultipleResultsFound."""
        row = self.one_or_none(connection, values)
        return None if row is None else row[0]
