"""Statements that go past SQLAlchemy do what they do through it: the same rows, the same errors, the same transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import IntegrityError, MultipleResultsFound, NoResultFound, OperationalError, StatementError

from hub.store.bulk import Insert
from hub.store.database import Store
from hub.store.prepared import Prepared, driver_of
from hub.store.schema import feed_head, ticket_numbers

YEAR = 2026
ADD = Prepared(
    ticket_numbers.insert().returning(ticket_numbers.c.year, ticket_numbers.c.last), given=("site", "year", "last")
)
BUMP = Prepared(
    ticket_numbers.update()
    .where(ticket_numbers.c.site == bindparam("_site"))
    .values(last=ticket_numbers.c.last + 1)
    .returning(ticket_numbers.c.last)
)
ONE = Prepared(
    select(ticket_numbers.c.last, ticket_numbers.c.site.label("whose")).where(
        ticket_numbers.c.site == bindparam("_site"), ticket_numbers.c.year == YEAR
    )
)
ALL = Prepared(select(ticket_numbers.c.last).order_by(ticket_numbers.c.last))
TRUTHS = Prepared(
    select((ticket_numbers.c.last > 7).label("high"), ticket_numbers.c.site).order_by(ticket_numbers.c.last)
)
IN_ORDER = select(ticket_numbers.c.site).order_by(ticket_numbers.c.last)
AMONG = Prepared(
    IN_ORDER.where(
        ticket_numbers.c.site.in_(bindparam("_sites", expanding=True)),
        ticket_numbers.c.last >= bindparam("_least"),
        ticket_numbers.c.year.in_([YEAR - 1, YEAR, YEAR + 1]),
    )
)
BESIDES = Prepared(
    IN_ORDER.where(
        ticket_numbers.c.site.not_in(bindparam("_sites", expanding=True)), ticket_numbers.c.site.not_in(["h"])
    )
)
MANY = Insert(ticket_numbers, ("site", "year", "last"))


def row(site: str, last: int | None) -> dict[str, Any]:
    return {"site": site, "year": YEAR, "last": last}


def add(store: Store, site: str, last: int) -> Any:
    with store.write() as connection:
        return ADD.one_or_none(connection, row(site, last))


def test_values_are_given_by_name_and_rows_have_their_columns_by_name(store: Store) -> None:
    added = add(store, "a", 7)
    assert (added.year, added.last) == (YEAR, 7)
    add(store, "b", 8)
    with store.read() as connection:
        found = ONE.one_or_none(connection, {"_site": "b"})
        assert (found.last, found.whose) == (8, "b")
        assert ONE.one_or_none(connection, {"_site": "c"}) is None
        assert ONE.scalar_one_or_none(connection, {"_site": "c"}) is None
        assert [each.last for each in ALL.all(connection)] == [7, 8]
        assert [each.high for each in TRUTHS.all(connection)] == [False, True]
        assert all(type(each.high) is bool for each in TRUTHS.all(connection)), "as the column's type says"
    with store.write() as connection:
        assert BUMP.scalar_one(connection, {"_site": "a"}) == 8
        assert BUMP.scalar_one_or_none(connection, {"_site": "c"}) is None


def test_what_cannot_be_answered_is_an_error_either_way(store: Store) -> None:
    add(store, "a", 7)
    add(store, "b", 8)
    with store.read() as connection:
        with pytest.raises(MultipleResultsFound):
            ALL.one_or_none(connection)
        with pytest.raises(NoResultFound):
            ONE.scalar_one(connection, {"_site": "c"})
        with pytest.raises((KeyError, StatementError), match="_site"):
            ONE.all(connection, {"site": "b"})


def test_what_the_database_refuses_is_raised_as_ever_and_nothing_of_the_transaction_stays(store: Store) -> None:
    add(store, "a", 7)
    for write in (
        lambda connection: ADD.all(connection, row("a", 9)),
        lambda connection: ADD.all(connection, row("c", None)),
        lambda connection: MANY.run(connection, [("c", YEAR, 1), ("a", YEAR, 9)]),
    ):
        with store.write() as connection:
            ADD.all(connection, row("b", 8))
            with pytest.raises(IntegrityError):
                write(connection)
            connection.rollback()
    with store.read() as connection:
        assert [each.last for each in ALL.all(connection)] == [7]


def test_a_full_disk_is_trouble_of_the_database(sqlite_store: Store) -> None:
    """The engine keeps its batch for an OperationalError, and puts an item aside for anything else."""
    for write in (
        lambda connection: ADD.all(connection, row("x" * 100_000, 1)),
        lambda connection: MANY.run(connection, [("y" * 100_000, YEAR, 1)]),
    ):
        with sqlite_store.write() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
            with pytest.raises(OperationalError, match="full"):
                write(connection)
            connection.rollback()


def test_a_look_sees_one_state_whatever_is_written_meanwhile(store: Store) -> None:
    add(store, "a", 7)
    with store.read() as connection:
        assert len(ALL.all(connection)) == 1
        add(store, "b", 8)
        assert len(ALL.all(connection)) == 1
        assert len(connection.execute(select(ticket_numbers)).all()) == 1
    with store.read() as connection:
        assert len(ALL.all(connection)) == 2


def test_the_driver_is_used_within_transactions_and_by_those_who_need_not_stand_last(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        assert isinstance(driver_of(connection), sqlite3.Connection)
    with sqlite_store.read() as connection:
        assert isinstance(driver_of(connection), sqlite3.Connection)
        connection.rollback()
        assert driver_of(connection) is None, "no transaction has begun"
        assert ALL.all(connection) == []


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 8])
def test_lists_of_any_length_find_what_is_in_them_and_what_is_not(store: Store, number: int) -> None:
    names = "abcdefgh"
    for last, name in enumerate(names):
        add(store, name, last)
    wanted, others = names[:number], [name for name in names[number:] if name != "h"]
    with store.read() as connection:
        assert [each.site for each in AMONG.all(connection, {"_sites": wanted, "_least": 1})] == list(wanted[1:])
        assert [each.site for each in BESIDES.all(connection, {"_sites": list(wanted)})] == others


def test_a_write_with_a_list_is_refused_when_it_is_made() -> None:
    touched = ticket_numbers.update().where(ticket_numbers.c.site.in_(["a", "b"])).values(last=0)
    with pytest.raises(ValueError, match="a write with a list"):
        Prepared(touched.returning(ticket_numbers.c.last))


def test_constants_of_a_statement_need_not_be_given(sqlite_store: Store) -> None:
    head = Prepared(select(feed_head.c.seq).where(feed_head.c.id == 1))
    with sqlite_store.read() as connection:
        assert head.scalar_one_or_none(connection) == 0
