"""What a start rehearses leaves nothing behind: no row in any table, nothing due, nothing on the feed, nothing in memory."""

from sqlalchemy import event, func, select

from hub.pipeline.rehearsal import rehearse
from hub.store import schema
from hub.vocabulary.facts import DeviceKind
from support.rig import START, Rig, device


def rows(store):
    with store.read() as connection:
        tables = {name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                  for name, table in schema.metadata.tables.items()}  # fmt: skip
        head = connection.execute(select(schema.feed_head.c.seq)).scalar_one()
    return tables, head


def test_a_rehearsed_entrapment_leaves_nothing_behind(store):
    rig = Rig(store, [], [device("lift-1")])
    before = rows(store)
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_):
        asked.append(statement)

    event.listen(store.writer, "before_cursor_execute", note)
    assert rehearse(store, rig.core, START)
    event.remove(store.writer, "before_cursor_execute", note)
    written = {text.split()[2] for text in asked if text.startswith("INSERT INTO")}
    assert {"tickets", "ticket_timeline", "ticket_clocks", "notice_orders", "feed", "timers"} <= written, (
        "a dress rehearsal"
    )
    assert rows(store) == before
    assert rig.core.timers.next_due() is None
    assert rig.fed == []
    assert rig.rules.why("lakeside", "lift-1") == []
    assert rig.core.feed.latest_seq == before[1]


def test_where_there_is_no_elevator_nothing_is_rehearsed(store):
    assert not rehearse(store, Rig(store, [], [device("m-1", DeviceKind.METER)]).core, START)
