"""Many rows at once leave what they would leave one by one, and the count of those that were written is right."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select

from hub.store.bulk import SQLITE_ROWS, Insert, InsertNew, Upsert

TABLE = Table("things", MetaData(), Column("pk", Integer, primary_key=True), Column("a", Integer), Column("b", Integer))
COLUMNS = ("pk", "a", "b")
SIZES = [0, 1, SQLITE_ROWS - 1, SQLITE_ROWS, SQLITE_ROWS + 1, 3 * SQLITE_ROWS, 3 * SQLITE_ROWS + 5]


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    TABLE.metadata.create_all(engine)
    with engine.begin() as open_connection:
        yield open_connection
    engine.dispose()


def held(connection):
    return [tuple(row) for row in connection.execute(select(TABLE).order_by(TABLE.c.pk))]


@pytest.mark.parametrize("size", SIZES)
def test_plain_rows_are_all_there_and_counted(connection, size):
    rows = [(number, number * 2, None) for number in range(size)]
    assert Insert(TABLE, COLUMNS).run(connection, rows) == size
    assert held(connection) == rows


@pytest.mark.parametrize("size", SIZES)
def test_only_what_is_new_is_counted_and_what_was_there_stays(connection, size):
    """Known before, or twice in the same batch: wherever in it they stand."""
    connection.execute(insert(TABLE).values([(3, -1, -1), (70, -1, -1)]))
    rows = [(number - number % 5 // 4, number, 0) for number in range(size)]
    expected = {3: (3, -1, -1), 70: (70, -1, -1)}
    for row in rows:
        expected.setdefault(row[0], row)
    assert InsertNew(TABLE, COLUMNS).run(connection, rows) == len(expected) - 2
    assert held(connection) == sorted(expected.values())


@pytest.mark.parametrize("size", SIZES)
def test_of_rows_for_the_same_key_the_last_one_counts(connection, size):
    connection.execute(insert(TABLE).values([(1, -1, -1)]))
    rows = [(number % 40, number, None if number % 2 else number) for number in range(size)]
    expected = {1: (1, -1, -1)}
    for pk, a, b in rows:
        before = expected.get(pk, (pk, None, None))[2]
        expected[pk] = (pk, a, before if b is None else b)
    Upsert(TABLE, ("pk",), COLUMNS, keep_if_null=("b",)).run(connection, rows)
    assert held(connection) == sorted(expected.values())
