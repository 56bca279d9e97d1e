"""What alarms and lists ask is found by an index: what it takes does not grow with the years that lie behind.

SQLite takes the first plan that serves, whatever lies in the tables, so its plans are asked for; PostgreSQL looks at the rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event, insert, make_url, select
from sqlalchemy.exc import IntegrityError

from hub.cards import ledger
from hub.notices import letters
from hub.notices import queries as notice_queries
from hub.notices.orders import _ACTIVE_TICKET
from hub.pipeline import auditor, card_doors, problems
from hub.pipeline.link_desk import Answer, take_answer
from hub.store import schema
from hub.store.database import Store, open_store
from hub.store.migrate import create_at
from hub.store.prepared import Prepared
from hub.tickets import queries, rows
from hub.tickets.lifecycle import Refused

TICKET = {
    "kind": "entrapment",
    "site": "lakeside",
    "subject_type": "device",
    "subject_id": "lift-1",
    "subject_name": "1",
    "place": "b1",
    "state": "reported",
    "severity": "critical",
    "reason": "r",
    "title": "t",
    "occurred_at": 1,
    "opened_at": 1,
    "updated_at": 1,
    "count": 1,
    "fields_json": "{}",
    "drill": False,
    "revision": 1,
}
PROBLEM = {
    "site": "lakeside",
    "code": "c",
    "subject_type": "device",
    "subject_id": "lift-1",
    "severity": "warning",
    "since": 1,
    "last_at": 1,
    "count": 1,
    "detail_json": "{}",
}


COMMAND = {
    "id": "c-1",
    "site": "lakeside",
    "device": "gate-1",
    "name": card_doors.LIST,
    "args_json": "{}",
    "created_at": 2,
    "reply_by": 3,
    "state": "done",
}
ANSWER = Answer(channel="voice", ticket_number="lakeside-2026-00001", person="li", action="acknowledge")


def plan(store: Store, statement: Prepared, *lengths: int) -> str:
    text, names = statement._for_lengths(lengths)
    with store.read() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        return "; ".join(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {text}", [None] * len(names)))


@pytest.mark.parametrize("statement", [rows._ACTIVE, _ACTIVE_TICKET], ids=["ticket", "order"])
def test_the_active_ticket_of_a_subject_is_found_by_the_index_that_keeps_it_the_only_one(sqlite_store, statement):
    assert "uq_tickets_active (kind=? AND site=? AND subject_type=? AND subject_id=?)" in plan(sqlite_store, statement)


def test_so_is_the_active_problem(sqlite_store):
    found = plan(sqlite_store, Prepared(problems._FIND))
    assert "uq_problems_active (site=? AND code=? AND subject_type=? AND subject_id=?)" in found


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ("subject", "ix_tickets_subject_id_id (subject_id=?)"),
        ("subject before", "ix_tickets_subject_id_id (subject_id=? AND id<?)"),
        ("subject kind", "ix_tickets_subject_id_id (subject_id=?)"),
        ("subject closed", "ix_tickets_subject_id_id (subject_id=?)"),
        ("subject site", "ix_tickets_subject_id_id (subject_id=?)"),
        ("subject sites", "ix_tickets_subject_id_id (subject_id=?)"),
        ("subject sites closed", "ix_tickets_subject_id_id (subject_id=?)"),
        ("active", "ix_tickets_active_id"),
        ("active before", "ix_tickets_active_id (id<?)"),
        ("active kind", "uq_tickets_active (kind=?)"),
        ("active site", "ix_tickets_active_site_id (site=?)"),
        ("active site before", "ix_tickets_active_site_id (site=? AND id<?)"),
        ("active site kind", "ix_tickets_active_site_id (site=?)"),
        ("active sites", "ix_tickets_active_site_id (site=?)"),
        ("parent", "ix_tickets_parent_id (parent_id=?)"),
        ("parent before", "ix_tickets_parent_id (parent_id=? AND rowid<?)"),
        ("site", "ix_tickets_site_id (site=?)"),
        ("site closed", "ix_tickets_site_id (site=?)"),
    ],
)
def test_a_list_of_tickets_never_looks_through_all_that_has_ever_been(sqlite_store, conditions, index):
    names = frozenset(conditions.split())
    found = plan(sqlite_store, queries._page(names), *([2] if "sites" in names else []))
    assert index in found


def plans(store: Store, act: Callable[[Connection], object]) -> list[str]:
    """Of what is asked by `act`, as it is asked: its text and its values apart."""
    asked: list[tuple[str, Any]] = []
    with store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda _c, _k, text, values, *_: asked.append((text, values)))
        with contextlib.suppress(Refused):
            act(connection)
        return [
            row[3]
            for text, values in list(asked)
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        ]


def test_the_audit_of_deadlines_looks_at_clocks_that_run(sqlite_store):
    found = plans(sqlite_store, lambda connection: connection.execute(auditor._RUNNING))
    assert "SCAN ticket_clocks USING INDEX ix_ticket_clocks_running" in found
    assert "SEARCH tickets USING INTEGER PRIMARY KEY (rowid=?)" in found


def looked_through(store: Store, act: Callable[[Connection], object]) -> set[str]:
    """The tables that what is asked by `act` goes through from one end to the other."""
    found = plans(store, act)
    assert found
    scanned = {plan.split()[1] for plan in found if plan.startswith("SCAN") and " USING " not in plan}
    return scanned & schema.metadata.tables.keys()


@pytest.mark.parametrize(
    "act",
    [
        lambda connection: card_doors.asked_since(connection, "lakeside", 1),
        lambda connection: letters.orders_of(connection, 1, 1),
        lambda connection: notice_queries.page(connection, notice_queries.NoticeFilter(ticket=1), None, 100),
        lambda connection: ledger.replacement_of(connection, 1),
        lambda connection: take_answer(SimpleNamespace(connection=connection), ANSWER),
    ],
    ids=["rounds of doors", "a notice to be sent", "notices of a ticket", "a pass in place of another", "an answer"],
)
def test_what_is_asked_while_others_wait_looks_through_no_table(sqlite_store, act):
    assert looked_through(sqlite_store, act) == set()


def test_a_table_that_is_looked_through_is_noticed(sqlite_store):
    """So that the test above can fail."""
    everything = select(schema.tickets.c.title).where(schema.tickets.c.title == "t")
    assert looked_through(sqlite_store, lambda connection: connection.execute(everything).all()) == {"tickets"}


def test_a_database_in_use_gets_them_and_keeps_what_is_in_it(empty_database_url):
    engine = create_engine(make_url(empty_database_url))
    create_at(engine, "0009")
    with engine.begin() as connection:
        connection.execute(insert(schema.sites), {"id": "lakeside", "name": "l", "timezone": "UTC", "locale": "en"})
        for number, active in enumerate((False, False, True)):
            connection.execute(insert(schema.tickets), {**TICKET, "number": str(number), "active": active})
            connection.execute(insert(schema.problems), {**PROBLEM, "active": active})
        connection.execute(insert(schema.commands), COMMAND)
    engine.dispose()
    store = open_store(empty_database_url)
    try:
        with store.read() as connection:
            assert [row.active for row in connection.execute(select(schema.tickets.c.active))] == [False, False, True]
            assert [row.active for row in connection.execute(select(schema.problems.c.active))] == [False, False, True]
            assert card_doors.asked_since(connection, "lakeside", 1) == {"gate-1"}
        for again in (insert(schema.tickets).values(**TICKET, number="3"), insert(schema.problems).values(**PROBLEM)):
            with pytest.raises(IntegrityError), store.write() as connection:
                connection.execute(again.values(active=True))
            with store.write() as connection:
                connection.execute(again.values(active=False))
    finally:
        store.close()
