"""Many rows at once: Core statements, compiled once per dialect and handed to the driver with plain tuples.

The hot path's rows go through here; building a dict of bound parameters per row would cost more than the insert. SQLite is
called once for every statement and lets other threads in each time: there many rows go in with one statement.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite

from hub.store.prepared import as_usual, driver_of

SQLITE_ROWS = 32
"""Rows in one statement; so many times the widest table stays far below SQLite's limit of 32,766 parameters."""

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def _psycopg_dialect() -> Any:
    return postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


class _Compiled(ABC):
    """A statement's text per dialect, with positional parameters in the order of `columns`."""

    def __init__(self, table: Table, columns: tuple[str, ...]) -> None:
        self._table = table
        self._columns = columns
        self._texts: dict[str, str] = {}

    @abstractmethod
    def _statement(self, insert: Any) -> Any:
        """The whole statement, from the dialect's insert into the table."""

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Execute for all rows; the number of rows that were written."""
        if not rows:
            return 0
        name = connection.dialect.name
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = self._compile(name)
        if name != "sqlite":
            return connection.exec_driver_sql(text, list(rows)).rowcount
        together = len(rows) - len(rows) % SQLITE_ROWS
        written = 0
        for at in range(0, together, SQLITE_ROWS):
            values = tuple(chain.from_iterable(rows[at : at + SQLITE_ROWS]))
            written += _written(connection, self._together(text), [values])
        if together < len(rows):
            written += _written(connection, text, rows[together:])
        return written

    def _together(self, text: str) -> str:
        """The statement for `SQLITE_ROWS` rows at once."""
        found = self._texts.get("together")
        if found is None:
            row = f"({', '.join('?' * len(self._columns))})"
            assert text.count(row) == 1, text
            found = self._texts["together"] = text.replace(row, ", ".join([row] * SQLITE_ROWS))
        return found

    def _compile(self, name: str) -> str:
        dialect: Any = sqlite.dialect() if name == "sqlite" else _psycopg_dialect()
        compiled = self._statement(_INSERTS[name](self._table)).compile(
            dialect=dialect, column_keys=list(self._columns)
        )
        assert tuple(compiled.positiontup or ()) == self._columns, f"{compiled.positiontup} is not {self._columns}"
        return str(compiled)


def _written(connection: Connection, text: str, values: Sequence[tuple[Any, ...]]) -> int:
    """Execute on SQLite, once for each tuple; the number of rows that were written."""
    driver = driver_of(connection)
    if driver is None:
        return connection.exec_driver_sql(text, list(values)).rowcount
    try:
        return driver.executemany(text, values).rowcount
    except sqlite3.Error as error:
        raise as_usual(error, text, connection.dialect) from error


class Insert(_Compiled):
    """Plain insert."""

    def _statement(self, insert: Any) -> Any:
        return insert


class InsertNew(_Compiled):
    """Insert what is not there yet; `run` says how many were new."""

    def _statement(self, insert: Any) -> Any:
        return insert.on_conflict_do_nothing()


class Upsert(_Compiled):
    """Insert, or replace the other columns; `keep_if_null` columns keep their old value where the new one is null."""

    def __init__(
        self, table: Table, key: tuple[str, ...], columns: tuple[str, ...], keep_if_null: tuple[str, ...] = ()
    ) -> None:
        super().__init__(table, columns)
        self._key = key
        self._keep_if_null = keep_if_null

    def _statement(self, insert: Any) -> Any:
        changed = {
            name: func.coalesce(insert.excluded[name], self._table.c[name])
            if name in self._keep_if_null
            else insert.excluded[name]
            for name in self._columns
            if name not in self._key
        }
        return insert.on_conflict_do_update(index_elements=list(self._key), set_=changed)
