"""What is past its time goes; what a ticket refers to stays as long as the ticket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from hub.meters import readings
from hub.store import retention, schema
from hub.store.database import Store, open_store
from hub.vocabulary.events import MeterReading
from hub.vocabulary.instants import DAY_MS
from hub.vocabulary.units import BalanceUnit

NOW = 1_780_000_000_000


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    with opened.write() as connection:
        connection.execute(schema.sites.insert().values(id="s", name="s", timezone="Asia/Shanghai", locale="zh-CN"))
        facts = {"site": "s", "profile": "hub-json", "place": "b1", "name": "x", "gateway": "mqtt", "created_at": 0}
        connection.execute(schema.devices.insert().values(pk=1, id="m-1", kind="meter", **facts))
        connection.execute(schema.devices.insert().values(pk=2, id="m-2", kind="meter", **facts))
    yield opened
    opened.close()


def put_reading(store: Store, pk: int, days_ago: float) -> None:
    at = NOW - round(days_ago * DAY_MS)
    event = MeterReading(
        site="s", device="m", source_key=str(at), occurred_at=at, received_at=at, credit=1, unit=BalanceUnit.CNY
    )
    with store.write() as connection:
        readings.insert_new(connection, [readings.row_of(event, pk, readings.key_of(event), late=False)])


def put_event(store: Store, kind: str, days_ago: float, key: bytes) -> None:
    at = NOW - round(days_ago * DAY_MS)
    with store.write() as connection:
        connection.execute(
            schema.events.insert().values(
                site="s",
                device_pk=1,
                kind=kind,
                key=key,
                occurred_at=at,
                received_at=at,
                decided_at=at,
                late=False,
                body_json="{}",
            )
        )


def put_ticket(
    store: Store, days_ago: float, event_key: bytes | None = None, *, ended: bool = True, kind: str = "low_balance"
) -> None:
    at = NOW - round(days_ago * DAY_MS)
    with store.write() as connection:
        inserted = connection.execute(
            schema.tickets.insert().values(
                number=str(at), kind=kind, site="s", subject_type="device", subject_id="m-1", subject_name="m-1",
                place="b1", state="closed" if ended else "open", active=not ended, severity="low", reason="r", title="t",
                occurred_at=at, opened_at=at, updated_at=at, ended_at=at if ended else None, count=1, fields_json="{}",
                drill=False, revision=1,
            )
        )  # fmt: skip
        assert inserted.inserted_primary_key is not None
        connection.execute(
            schema.ticket_timeline.insert().values(
                ticket_id=inserted.inserted_primary_key[0], entry="raised", name="n", reason="r", by="rule:x", occurred_at=at,
                recorded_at=at, state_to="open", data_json="{}", event_key=event_key,
            )
        )  # fmt: skip


def counted(store: Store, table: object) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_old_readings_go_and_those_around_a_ticket_stay(store: Store) -> None:
    for days_ago in (200, 150.5, 150, 149.5, 100, 80, 1):
        put_reading(store, 1, days_ago)
    put_reading(store, 2, 150)
    put_ticket(store, 150)
    gone = retention.enforce(store, NOW, rolled_up_to=NOW)
    assert gone["readings"] == 3
    assert counted(store, schema.readings) == 5


def test_readings_that_are_not_rolled_up_yet_stay(store: Store) -> None:
    put_reading(store, 1, 100)
    put_reading(store, 1, 200)
    assert retention.enforce(store, NOW, rolled_up_to=NOW - 150 * DAY_MS)["readings"] == 1


def test_readings_of_an_open_ticket_stay_to_this_day(store: Store) -> None:
    put_ticket(store, 300, ended=False)
    for days_ago in (302, 299, 120):
        put_reading(store, 1, days_ago)
    assert retention.enforce(store, NOW, rolled_up_to=NOW)["readings"] == 1


def test_events_go_by_their_class_and_those_on_a_timeline_stay(store: Store) -> None:
    put_event(store, "ElevatorState", 40, b"a" * 16)
    put_event(store, "ElevatorState", 40, b"b" * 16)
    put_event(store, "ElevatorState", 20, b"c" * 16)
    put_event(store, "AccessEvent", 179, b"d" * 16)
    put_event(store, "AccessEvent", 181, b"e" * 16)
    put_event(store, "ElevatorAlarm", 1400, b"f" * 16)
    put_ticket(store, 40, b"a" * 16)
    assert retention.enforce(store, NOW, rolled_up_to=NOW)["events"] == 2
    with store.read() as connection:
        left = {bytes(key)[:1] for key in connection.execute(select(schema.events.c.key)).scalars()}
    assert left == {b"a", b"c", b"d", b"f"}


def test_the_job_ends_between_two_transactions_when_the_hub_stops(store: Store) -> None:
    put_event(store, "ElevatorState", 40, b"a" * 16)
    put_reading(store, 1, 200)
    assert sum(retention.enforce(store, NOW, NOW, keep_on=lambda: False).values()) == 0


def put_order(store: Store, days_ago: float, template: str = "low_balance_1", ticket: int | None = None) -> None:
    at = NOW - round(days_ago * DAY_MS)
    with store.write() as connection:
        order = connection.execute(
            schema.notice_orders.insert().values(
                rule="low_balance", site="s", subject_type="device", subject_id="m-1", key=f"{at}{template}{ticket}", audience="household",
                template=template, ticket_id=ticket, params_json="{}", urgency="routine", drill=False, created_at=at, not_before=at,
                expires_at=at, state="sent", settled_at=at,
            )
        )  # fmt: skip
        assert order.inserted_primary_key is not None
        notice = connection.execute(
            schema.notices.insert().values(
                order_id=order.inserted_primary_key[0], site="s", recipient="张", channel="sms", address="1", rank=1, title="t",
                body="b", state="sent", attempts=1, created_at=at,
            )
        )  # fmt: skip
        assert notice.inserted_primary_key is not None
        connection.execute(
            schema.notice_attempts.insert().values(
                notice_id=notice.inserted_primary_key[0], at=at, ok=True, retry=False, answer="ok"
            )
        )


def test_notices_go_after_two_years_with_their_attempts_and_younger_ones_stay(store: Store) -> None:
    put_order(store, 800)
    put_order(store, 10)
    assert retention.enforce(store, NOW, NOW)["notices"] == 3
    assert (counted(store, schema.notice_orders), counted(store, schema.notices)) == (1, 1)


def test_nothing_of_a_rescue_goes_before_four_years_and_its_case_never(store: Store) -> None:
    """Notices of the case, whatever their text, and what the lift said within a day around it (TSG T5002 Art. 5(6))."""
    four_years = 4 * 365.25
    put_ticket(store, four_years - 2, kind="entrapment")
    for days_ago in (four_years - 1, 800):
        put_order(store, days_ago, "entrapment_opened")
        put_order(store, days_ago, "nobody_told", ticket=1)
    put_order(store, 5 * 366, "entrapment_opened")
    for number, days_ago in enumerate((four_years - 1.1, four_years - 2.9, four_years - 4, 1_000)):
        put_event(store, "ElevatorState", days_ago, bytes([number]) * 16)
    gone = retention.enforce(store, NOW, NOW)
    assert (gone["notices"], gone["events"]) == (3, 2)
    assert (counted(store, schema.notice_orders), counted(store, schema.notice_attempts)) == (4, 4)
    assert (counted(store, schema.tickets), counted(store, schema.ticket_timeline)) == (1, 1)
    assert counted(store, schema.events) == 2


@given(
    spans=st.lists(st.tuples(st.integers(0, 1000), st.one_of(st.none(), st.integers(0, 500))), max_size=6),
    cutoff=st.integers(1, 1200),
)
def test_every_moment_before_the_cutoff_is_either_kept_or_deletable_never_both(
    spans: list[tuple[int, int | None]], cutoff: int
) -> None:
    in_days = [(s * DAY_MS, None if d is None else (s + d) * DAY_MS) for s, d in spans]
    windows = retention.kept_windows(in_days, cutoff * DAY_MS)
    going = retention.deletable_spans(windows, cutoff * DAY_MS)
    for day in range(cutoff):
        at = day * DAY_MS + 1
        must_stay = any(
            start - DAY_MS <= at <= (cutoff * DAY_MS if end is None else end + DAY_MS) for start, end in in_days
        )
        assert any(start <= at < end for start, end in going) != must_stay
