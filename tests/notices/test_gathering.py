"""One owner with many units reads one text; nights, rates and merged orders that were withdrawn meanwhile."""

import pytest

from hub.settings.model import NoticePolicy
from hub.store.schema import notice_merges, notice_orders
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, SECOND_MS, parse_iso
from support.notices import PARAMS, NoticeRig, gateway

MERGED = {"merge": "low_balance", "urgency": Urgency.ROUTINE}


@pytest.fixture
def gathering(store, far_side) -> NoticeRig:
    """With a merge window of five minutes, and an owner of both units."""
    senders = {name: gateway(far_side, name) for name in ("sms", "chat")}
    rig = NoticeRig(store, senders, NoticePolicy(merge_window_s=300, per_hour=2, per_day=4))
    owner = rig.person("大业主", "sms:13800000001")
    rig.household("b1/0101", owner)
    rig.household("b1/0102", owner, rig.person("家人", "chat:family"))
    return rig


def _two_orders(rig: NoticeRig) -> None:
    rig.order("a", "m-0101", params={**PARAMS, "level": 1}, **MERGED)
    rig.order(
        "b",
        "m-0102",
        template="low_balance_2",
        params={**PARAMS, "place": "1栋0102", "credit": "5.00", "level": 2},
        **MERGED,
    )


def test_one_owner_of_two_units_reads_one_text_at_the_worst_level(gathering, far_side):
    _two_orders(gathering)
    gathering.run()
    assert gathering.rows() == [], "they wait for company"
    gathering.pass_time(300 * SECOND_MS)
    text = far_side.expect("sms", "1栋0101", "25.00", "1栋0102", "5.00", to="13800000001")
    assert text.title == "电量不足提醒", "the worse of the two speaks first"
    family = far_side.expect("chat", "1栋0102", to="family")
    assert "1栋0101" not in family.body, "nobody reads of a unit that is not theirs"
    assert sorted(gathering.listener.heard) == [("a", "sent"), ("b", "sent")]
    assert len(gathering.rows(notice_merges)) == 1


def test_a_younger_order_goes_along_with_the_older_ones_text(gathering, far_side):
    gathering.order("a", "m-0101", **MERGED)
    gathering.pass_time(4 * MINUTE_MS)
    gathering.order("b", "m-0102", params={**PARAMS, "place": "1栋0102"}, **MERGED)
    gathering.pass_time(MINUTE_MS)
    far_side.expect("sms", "1栋0101", "1栋0102")
    far_side.expect("chat")


def test_what_was_withdrawn_from_a_merged_text_is_not_in_it_any_more(gathering, far_side):
    far_side.script("sms", 503)
    _two_orders(gathering)
    gathering.pass_time(300 * SECOND_MS)
    far_side.expect("chat")
    gathering.withdraw("b", "m-0102")
    gathering.pass_time(30 * SECOND_MS)
    text = far_side.expect("sms", "1栋0101")
    assert "1栋0102" not in text.body + text.title
    assert text.title == "购电提醒"


def test_a_merged_text_goes_out_for_the_rest_when_the_order_that_carries_it_is_withdrawn(gathering, far_side):
    far_side.script("sms", 503)
    _two_orders(gathering)
    gathering.pass_time(300 * SECOND_MS)
    far_side.expect("chat")
    carrier = {row.id: row.key for row in gathering.rows(notice_orders)}
    assert {carrier[row.order_id] for row in gathering.rows()} == {"b"}
    gathering.withdraw("b", "m-0102")
    gathering.pass_time(HOUR_MS)
    far_side.expect("sms", "1栋0101")
    assert ("a", "sent") in gathering.listener.heard


def test_the_next_channel_carries_all_merged_orders(gathering, far_side):
    both = gathering.person("两个渠道", "sms:13800000005", "chat:both")
    with gathering.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM household_members")
    with gathering.store.write() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO household_members SELECT id, {both}, 'owner', {'1' if gathering.store.is_sqlite else 'true'} "
            "FROM households"
        )
    far_side.script("sms", 400)
    _two_orders(gathering)
    gathering.pass_time(300 * SECOND_MS)
    far_side.expect("chat", "1栋0101", "1栋0102", to="both")
    assert sorted(gathering.listener.heard) == [("a", "sent"), ("b", "sent")]


def test_routine_waits_for_the_morning_and_urgent_does_not(gathering, far_side):
    gathering.now = parse_iso("2026-06-01T22:00:00+08:00")
    gathering.order("routine", urgency=Urgency.ROUTINE)
    gathering.order("urgent", urgency=Urgency.URGENT, template="low_balance_3")
    gathering.run()
    far_side.expect("sms", "电量已用完")
    gathering.now = parse_iso("2026-06-02T07:59:59+08:00")
    gathering.run()
    far_side.nothing_else()
    gathering.pass_time(SECOND_MS)
    far_side.expect("sms", "购电提醒")


def test_who_moved_out_during_the_quiet_hours_is_not_told_in_the_morning(gathering, far_side):
    gathering.now = parse_iso("2026-06-01T22:00:00+08:00")
    home = gathering.household("b1/0103", gathering.person("旧", "sms:13800000007"))
    gathering.order("routine", urgency=Urgency.ROUTINE)
    gathering.run()
    gathering.move_out(1)
    gathering.household("b1/0101", gathering.person("新", "sms:13800000008"))
    gathering.now = parse_iso("2026-06-02T08:00:00+08:00")
    gathering.run()
    far_side.expect("sms", to="13800000008")
    assert home


def test_one_number_is_not_written_to_more_often_than_allowed_and_nothing_is_lost(gathering, far_side):
    for number in range(4):
        gathering.order(str(number), urgency=Urgency.ROUTINE)
    gathering.run()
    far_side.expect("sms"), far_side.expect("sms")
    far_side.nothing_else()
    assert [state for _, state in gathering.states()] == ["sent", "sent", "queued", "queued"]
    assert {row.outcome for row in gathering.rows() if row.state == "queued"} == {"rate_hour"}
    gathering.order("alarm", urgency=Urgency.CRITICAL, template="low_balance_4")
    gathering.run()
    far_side.expect("sms", "断电")
    gathering.pass_time(HOUR_MS)
    far_side.expect("sms")
    gathering.pass_time(24 * HOUR_MS - HOUR_MS)
    far_side.expect("sms")


def test_a_gateway_of_216_meters_is_one_text_per_owner_and_not_216(store, far_side):
    """Should a rule order them all at once, an owner of all reads a few texts at most, none of them twice."""
    rig = NoticeRig(store, {"sms": gateway(far_side, "sms")}, NoticePolicy(merge_window_s=300))
    rig.household("b1/0101", rig.person("大业主", "sms:13800000001"))
    for number in range(60):
        rig.order(str(number), params={**PARAMS, "place": f"1栋{number:04}"}, **MERGED)
    rig.pass_time(300 * SECOND_MS)
    seen: list[str] = []
    while len(seen) < 60:
        seen += [line for line in far_side.expect("sms").body.splitlines() if line]
    assert len(seen) == len(set(seen)) == 60
    assert len(far_side.requests) <= 2
