"""The chain of who read what: whatever is changed, taken out, made up or cut off is found, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from hub.cards import audit, forgetting
from hub.cards.audit import Action, Chain, Entry, Head
from hub.cards.secrecy import KeyRing
from hub.jobs import Jobs
from hub.store.database import Store, open_store
from hub.store.schema import audit as table
from hub.store.schema import events, meta
from hub.vocabulary.instants import DAY_MS
from support.rig import SmallWorld

NOW = 1_780_000_000_000
CHAIN = Chain("audit-1", b"k" * 32)
CHAINS = {CHAIN.key_id: CHAIN}


def entry(number: int, **other: object) -> Entry:
    values = {"by": "li", "roles": ["front_desk"], "action": Action.READ, "subject": f"cards/{number}"}
    return Entry(**(values | other))


def fill(connection: Connection, count: int = 5) -> Head:
    for number in range(1, count + 1):
        end = audit.append(connection, CHAIN, entry(number, reason="挂失", detail={"n": number}), NOW + number)
    return end


def problems(store: Store, expected: Head | None = None) -> list[tuple[int, str]]:
    with store.read() as connection:
        return [(each.seq, each.problem) for each in audit.verify(connection, CHAINS, expected)[1]]


def test_tampering_is_found_wherever_it_is(store: Store) -> None:
    """One after the other on one database: each is found, and found again after the next."""
    with store.write() as connection:
        end = fill(connection)
    assert problems(store) == []
    assert problems(store, end) == []
    rows = table.c
    with store.write() as connection:  # a reason is made nicer
        connection.execute(table.update().where(rows.seq == 2).values(reason="ok"))
    assert problems(store) == [(2, "was changed")]
    with store.write() as connection:  # with a plain hash of one's own
        connection.execute(table.update().where(rows.seq == 2).values(reason="挂失"))
        forged = Chain("audit-1", b"x" * 32).digest("", {"seq": 6})
        values = {"at": NOW, "by": "wang", "roles": "", "action": "read", "site": "", "subject": "", "reason": ""}
        made_up = {"detail_json": "{}", "key_id": "audit-1", "previous": end.digest, "digest": forged}
        connection.execute(table.insert().values(seq=6, **values, **made_up))
    assert problems(store) == [(6, "was changed"), (0, "the chain ends at row 6, the head says 5")]
    with store.write() as connection:  # a row is taken out of the middle
        connection.execute(table.delete().where(rows.seq.in_((3, 6))))
    assert problems(store) == [(3, "rows 3 to 3 are missing"), (4, "does not follow the row before it")]
    with store.write() as connection:  # and the end is cut off, with the head put right
        connection.execute(table.delete().where(rows.seq > 2))
        second = connection.execute(table.select().where(rows.seq == 2)).one()
        head = str(Head(2, second.digest))
        connection.execute(meta.update().where(meta.c.key == audit.HEAD).values(value=head))
    assert problems(store) == []  # nobody can know: this is what the printed end is for
    assert problems(store, end) == [(5, "is not the row that was the end of the chain then")]


def test_rows_of_a_key_that_is_gone_are_not_taken_for_good(store: Store) -> None:
    with store.write() as connection:
        fill(connection, 1)
        audit.append(connection, KeyRing.new().chain, entry(9), NOW)
    ((seq, problem),) = problems(store)
    assert (seq, "is not here" in problem) == (2, True)


@pytest.fixture
def sqlite_store(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "hub.db").write_bytes(migrated_sqlite.read_bytes())
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def test_reading_the_same_again_within_a_minute_is_one_read(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        audit.append(connection, CHAIN, entry(1), NOW)
        assert audit.read_lately(connection, entry(1), NOW + 59_000)
        assert not audit.read_lately(connection, entry(1), NOW + 61_000)
        assert not audit.read_lately(connection, entry(2), NOW)
        assert not audit.read_lately(connection, entry(1, by="wang"), NOW)
        assert not audit.read_lately(connection, entry(1, detail={"page": "2"}), NOW)


def test_retention_proves_that_no_door_event_is_older_than_180_days(sqlite_store: Store) -> None:
    def event(key: bytes, days: float, kind: str = "AccessEvent") -> dict[str, object]:
        at = NOW - int(days * DAY_MS)
        common = {"site": "", "kind": kind, "key": key, "late": False, "body_json": "{}"}
        return common | {"occurred_at": at, "received_at": at, "decided_at": at}

    with sqlite_store.write() as connection:
        connection.execute(events.insert(), [event(b"a", 181), event(b"b", 179), event(b"c", 500, "DoorEvent")])
    proof = forgetting.enforce(sqlite_store, CHAIN, NOW, 7)
    assert (proof.events_gone, proof.left, proof.kept_for_tickets) == (7, 2, 0)
    with sqlite_store.write() as connection:
        connection.execute(events.delete().where(events.c.key.in_((b"a", b"c"))))
    assert forgetting.enforce(sqlite_store, CHAIN, NOW, 2).left == 0
    with sqlite_store.read() as connection:
        rows = audit.page(connection, (), None, None, None, None, 9)
        assert audit.verify(connection, CHAINS)[1] == ()
    assert [row.action for row in rows] == ["retention", "retention"]
    assert '"left":0' in rows[0].detail_json


def test_the_nightly_job_deletes_and_proves_in_one_go(sqlite_store: Store) -> None:
    old = NOW - 200 * DAY_MS
    row = {"site": "", "kind": "AccessEvent", "key": b"a", "late": False, "body_json": "{}"}
    with sqlite_store.write() as connection:
        connection.execute(events.insert(), [row | {"occurred_at": old, "received_at": old, "decided_at": old}])
    jobs = Jobs(sqlite_store, SmallWorld([], [], {}), lambda: NOW, CHAIN)
    assert jobs.enforce_retention()["events"] == 1
    with sqlite_store.read() as connection:
        (proof,) = audit.page(connection, (), None, None, None, None, 9)
    assert '"events_gone":1' in proof.detail_json
    assert '"left":0' in proof.detail_json
