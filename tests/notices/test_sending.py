"""Who is told what, and what comes of it: real databases, real HTTP, a far side that fails the test on a surprise."""

import threading

import pytest

from hub.notices.plan import BACK_OFF_S
from hub.store.schema import household_members, notice_orders, person_channels, problems
from hub.vocabulary.decisions import Audience, Urgency
from hub.vocabulary.instants import DAY_MS, HOUR_MS, SECOND_MS
from support.far_side import ACCEPT_THEN_DROP, DROP, ENDLESS, HANG
from support.notices import PARAMS
from support.waiting import wait_until


def test_the_household_is_told_once_and_the_rule_hears_of_it_once(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    assert rig.order()
    assert not rig.order(), "the same key again is no new notice"
    rig.run()
    far_side.expect("sms", "1栋0101", "25.00 元", to="13800000001")
    rig.pass_time(DAY_MS)
    assert rig.states() == [("sms", "sent")]
    assert rig.listener.heard == [("1", "sent")]
    assert rig.order_states() == ["sent"]


def test_a_round_in_which_nothing_happens_keeps_nobody_from_writing(rig, far_side, monkeypatch):
    write, begun = rig.store.write, []
    monkeypatch.setattr(rig.store, "write", lambda **how: begun.append(how) or write(**how))
    rig.post.cycle()
    assert begun == []
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.order()
    begun.clear()
    rig.run()
    far_side.expect("sms")
    assert begun
    begun.clear()
    rig.post.cycle()
    assert begun == [], "neither afterwards"


def test_only_those_who_agreed_and_are_to_be_notified_are_told(rig, far_side):
    told = rig.person("甲", "sms:13800000001")
    silent = rig.person("乙", "sms:13800000002", consent=False)
    home = rig.household("b1/0101", told, silent)
    child = rig.person("丙", "sms:13800000003")
    with rig.store.write() as connection:
        connection.execute(
            household_members.insert().values(household_id=home, person_id=child, role="member", notified=False)
        )
    rig.order()
    rig.run()
    far_side.expect("sms", to="13800000001")


def test_two_people_with_one_number_are_told_once(rig, far_side):
    rig.household("b1/0101", rig.person("甲", "sms:13800000001"), rig.person("乙", "sms:13800000001"))
    rig.order()
    rig.run()
    far_side.expect("sms")


def test_an_owner_who_moved_out_before_the_notice_left_never_reads_it(rig, far_side):
    old = rig.household("b1/0101", rig.person("旧业主", "sms:13800000001"))
    far_side.always["sms"] = 503
    rig.order()
    rig.run()
    rig.move_out(old)
    rig.household("b1/0101", rig.person("新业主", "sms:13800000002"))
    far_side.always.clear()
    rig.pass_time(HOUR_MS)
    assert rig.states() == [("sms", "withdrawn")]
    assert [row.outcome for row in rig.rows()] == ["recipient_changed"]


def test_a_vacant_unit_has_nobody_but_the_housekeeper(rig, far_side):
    rig.person("管家", "chat:keeper", role="housekeeper", zone="b1 b2")
    rig.person("别区管家", "chat:other", role="housekeeper", zone="b9")
    rig.order()
    rig.run()
    far_side.expect("chat", to="keeper")
    assert sorted(rig.states()) == [("chat", "sent"), ("housekeeper_list", "delivered")]
    assert rig.listener.heard == [("1", "delivered")]


def test_the_housekeepers_list_needs_nothing_and_is_always_delivered(rig):
    rig.order(audience=Audience.HOUSEKEEPER, template="low_balance_housekeeper")
    rig.run()
    assert rig.states() == [("housekeeper_list", "delivered")]
    assert "1栋0101" in rig.rows()[0].body
    assert rig.open_problems() == []


def test_nobody_to_tell_is_a_problem_that_says_why(rig):
    rig.household("b1/0101", rig.person("王芳"))
    rig.order()
    rig.run()
    assert rig.listener.heard == [("1", "nobody")]
    assert rig.open_problems() == ["nobody_reached"]
    assert "no_channel" in rig.rows(problems)[0].detail_json


def test_the_problem_ends_when_somebody_is_reached(rig, far_side):
    household = rig.household("b1/0101", rig.person("王芳"))
    rig.order()
    rig.run()
    rig.move_out(household)
    rig.household("b1/0101", rig.person("李雷", "sms:13800000003"))
    rig.order("2")
    rig.run()
    far_side.expect("sms")
    assert rig.open_problems() == []


@pytest.mark.parametrize("trouble", [503, 429, DROP, HANG, ENDLESS, 202])
def test_trouble_that_passes_costs_a_second_attempt_under_the_same_key(rig, far_side, trouble):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    far_side.script("sms", trouble)
    rig.order()
    rig.patience("sms", far_side, 0.5)
    rig.run()
    assert rig.states() == [("sms", "queued")]
    rig.patience("sms", far_side, 10)
    rig.pass_time(5 * SECOND_MS)
    far_side.expect("sms", to="13800000001")
    assert rig.attempts() == [(False, True), (True, False)]
    assert len({request.key for request in far_side.requests}) == 1


def test_a_provider_that_took_it_and_went_away_gets_it_again_under_the_same_key(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    far_side.script("sms", ACCEPT_THEN_DROP)
    rig.order()
    rig.run()
    rig.pass_time(HOUR_MS)
    first, second = far_side.expect("sms"), far_side.expect("sms")
    assert first.key == second.key != ""


def test_the_provider_may_ask_for_more_patience_but_not_for_less(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    far_side.retry_after = "120"
    far_side.script("sms", 429)
    rig.order()
    rig.run()
    rig.pass_time(119 * SECOND_MS)
    assert rig.states() == [("sms", "queued")]
    rig.pass_time(SECOND_MS)
    far_side.expect("sms")


def test_a_refused_address_falls_over_to_the_next_channel_at_once(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001", "chat:wang"))
    far_side.script("sms", 400)
    rig.order()
    rig.run()
    far_side.expect("chat", to="wang")
    assert rig.states() == [("sms", "failed"), ("chat", "sent")]
    assert rig.listener.heard == [("1", "sent")]


def test_the_next_channel_waits_until_the_one_before_has_failed_for_good(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001", "chat:wang"))
    far_side.always["sms"] = 503
    rig.order()
    rig.run()
    for wait in BACK_OFF_S[Urgency.URGENT][:-1]:
        rig.pass_time(wait * SECOND_MS)
        assert ("chat", "sent") not in rig.states()
    rig.pass_time(BACK_OFF_S[Urgency.URGENT][-1] * SECOND_MS)
    far_side.expect("chat", to="wang")
    assert rig.states() == [("sms", "failed"), ("chat", "sent")]


def test_when_every_channel_failed_it_is_undelivered_and_a_problem(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001", "chat:wang"))
    far_side.always |= {"sms": 400, "chat": 403}
    rig.order()
    rig.run()
    assert rig.listener.heard == [("1", "undelivered")]
    assert rig.open_problems() == ["nobody_reached"]
    detail = rig.rows(problems)[0].detail_json
    assert "HTTP 400" in detail
    assert "HTTP 403" in detail


def test_a_redirect_is_never_followed(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    far_side.script("sms", 307)
    rig.order()
    rig.run()
    assert [request.channel for request in far_side.requests] == ["sms"]
    assert rig.states() == [("sms", "failed")]


def test_a_silent_provider_holds_up_nobody_else(rig, far_side):
    """Ten recipients hang on a dead gateway; the one on the other channel is told meanwhile, and before them in the row."""
    for number in range(10):
        unit = f"b1/9{number:03}"
        rig.household(unit, rig.person(f"慢{number}", f"sms:1380000{number:04}"))
    slow = [rig.person(f"工{number}", f"sms:1390000{number:04}", role="technician") for number in range(10)]
    assert slow
    far_side.always["sms"] = HANG
    rig.order("slow", audience=Audience.TECHNICIAN, template="entrapment_opened")
    rig.post.cycle()
    rig.household("b1/0101", rig.person("快", "chat:fast"))
    rig.order("fast")
    rig.post.cycle()
    far_side.expect("chat", to="fast")
    assert not far_side.release.is_set()
    assert rig.post.waiting >= 1
    far_side.always["sms"] = 400
    far_side.release.set()
    rig.run()


def test_one_recipients_failure_delays_no_other(rig, far_side):
    rig.household("b1/0101", rig.person("坏", "sms:13800000001"), rig.person("好", "chat:good"))
    far_side.always["sms"] = 503
    rig.order()
    rig.run()
    far_side.expect("chat", to="good")
    rig.now += 2 * SECOND_MS
    rig.post._wait_s()
    assert rig.post.figures() == {"notices_waiting": 1, "notices_oldest_waiting_seconds": 2}


def test_what_is_withdrawn_before_it_left_is_never_sent(rig):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.order("ep1/1")
    rig.withdraw("ep1/")
    rig.pass_time(DAY_MS)
    assert rig.rows() == []
    assert rig.order_states() == ["withdrawn"]
    assert rig.listener.heard == [], "whoever withdraws need not be told"


def test_what_is_withdrawn_between_two_attempts_is_not_tried_again(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    far_side.script("sms", 503)
    rig.order("ep1/1")
    rig.run()
    rig.withdraw("ep1/")
    rig.run()
    assert rig.states() == [("sms", "withdrawn")], "at once, not when its next attempt would have been"
    assert [row.outcome for row in rig.rows()] == ["withdrawn before it was sent"]
    rig.pass_time(DAY_MS)


def test_a_channel_without_consent_any_more_is_not_used_for_the_next_attempt(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001", "chat:wang"))
    far_side.script("sms", 503)
    rig.order()
    rig.run()
    with rig.store.write() as connection:
        connection.execute(person_channels.update().where(person_channels.c.channel == "sms").values(consent_at=None))
    rig.pass_time(5 * SECOND_MS)
    far_side.expect("chat", to="wang")
    assert rig.states() == [("sms", "failed"), ("chat", "sent")]


def test_what_expired_is_not_sent_late(rig):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.order(expires_at=rig.now + HOUR_MS)
    rig.now += HOUR_MS
    rig.run()
    assert rig.listener.heard == [("1", "expired")]
    assert rig.open_problems() == ["nobody_reached"]


def test_a_drill_says_so(rig, far_side):
    rig.person("主管", "sms:13800000009", role="duty_supervisor")
    rig.order(audience=Audience.DUTY_SUPERVISOR, template="entrapment_opened", drill=True, params={"place": "1栋"})
    rig.run()
    far_side.expect("sms", "【演练】")


def test_an_order_whose_text_cannot_be_written_is_told_as_a_problem_and_stops_no_other(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.order("no such text", template="nonsense")
    rig.order("no params", params={})
    rig.order("good")
    rig.run()
    far_side.expect("sms", "1栋0101")
    assert sorted(rig.listener.heard) == [
        ("good", "sent"),
        ("no params", "undelivered"),
        ("no such text", "undelivered"),
    ]


def test_a_row_that_nobody_can_read_stops_no_other(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.order("broken")
    with rig.store.write() as connection:
        connection.execute(notice_orders.update().values(audience="martians"))
    rig.order("good")
    rig.run()
    far_side.expect("sms")
    assert dict(rig.listener.heard) == {"good": "sent", "broken": "nobody"}


def test_the_thread_sends_what_is_ordered_while_it_runs(rig, far_side):
    """No clock of the test here: the real loop, woken by the order."""
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.post.start()
    try:
        rig.order()
        rig.post.wake()
        far_side.expect("sms")
        wait_until(lambda: rig.states() == [("sms", "sent")])
    finally:
        rig.post.stop()
    assert not any(thread.name == "post" and thread.is_alive() for thread in threading.enumerate())


def test_params_of_the_rule_reach_the_text(rig, far_side):
    rig.household("b1/0101", rig.person("王芳", "sms:13800000001"))
    rig.order(params={**PARAMS, "days_left": 3})
    rig.order("2", params={**PARAMS, "days_left": None})
    rig.run()
    far_side.expect("sms", "预计还可使用 3 天")
    assert "预计" not in far_side.expect("sms").body
