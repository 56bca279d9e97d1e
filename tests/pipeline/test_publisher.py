"""Other systems are told what is on the feed: each in order, each at its own pace, at least once, whatever dies."""

import shutil

import pytest

from hub.pipeline import publications
from hub.pipeline.publication_plan import DISABLED_AFTER_MS, REFUSED_OFTEN, moved
from hub.store.database import open_store
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS
from hub.vocabulary.ports import GiveUp, PutAside, Refused, Retry, Sent
from hub.vocabulary.publications import Channel, PublicationState
from support.publishing import PublishingRig, Receiver, webhook


@pytest.fixture
def store(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def test_a_new_webhook_is_told_from_now_on_in_order(store):
    rig = PublishingRig(store, [], crm=Receiver())
    rig.happen({}, {})
    rig.wanted = [webhook()]
    rig.restart()
    seqs = rig.happen({"id": 3}, {"id": 4}, {"id": 5})
    rig.round()
    assert rig.receivers["crm"].seqs == seqs
    assert [change.body["id"] for change in rig.receivers["crm"].got] == [3, 4, 5]
    assert rig.row().progress.cursor == seqs[-1]


def test_only_its_site_its_types_and_its_kinds(store):
    rig = PublishingRig(store, [webhook(types=("ticket_opened",), kinds=("entrapment",))], crm=Receiver())
    rig.happen({"kind": "entrapment"}, site="hilltop", type_="ticket_opened")
    rig.happen({"kind": "entrapment"}, type_="ticket_changed")
    rig.happen({"kind": "low_balance"}, type_="ticket_opened")
    wanted = rig.happen({"kind": "entrapment"}, type_="ticket_opened")
    rig.round()
    assert rig.receivers["crm"].seqs == wanted


def test_input_that_could_not_be_used_is_told_only_by_wish(store):
    rig = PublishingRig(store, [webhook(), webhook("input", types=("rejected",))], crm=Receiver(), input=Receiver())
    seqs = rig.happen({}, type_="rejected")
    rig.round()
    assert (rig.receivers["crm"].seqs, rig.receivers["input"].seqs) == ([], seqs)


def test_what_is_not_taken_holds_up_what_follows_until_it_is(store):
    crm = Receiver(Retry(reason="HTTP 503"), Retry(reason="HTTP 503"))
    rig = PublishingRig(store, [webhook()], crm=crm)
    first, second = rig.happen({}, {})
    rig.round()
    assert (crm.asked, rig.row().progress.attempts) == ([first], 1)
    rig.round()
    assert crm.asked == [first]  # not before its time
    rig.rounds(3, 5_000)
    assert crm.asked == [first, first, first, second]
    assert rig.log() == [(first, "retry"), (first, "retry"), (first, "delivered"), (second, "delivered")]


def test_a_slow_or_dead_receiver_holds_up_itself_alone(store):
    rig = PublishingRig(store, [webhook(), webhook("bi")], crm=Receiver(Retry(reason="x")), bi=Receiver())
    seqs = rig.happen({}, {}, {})
    rig.round()
    assert rig.receivers["bi"].seqs == seqs
    assert rig.receivers["crm"].seqs == []


def test_after_a_kill_it_goes_on_behind_what_was_written_down_and_repeats_the_rest(store):
    crm = Receiver()
    rig = PublishingRig(store, [webhook()], crm=crm)
    first = rig.happen({})
    rig.round()
    second = rig.happen({})
    rig.publisher.cycle()  # sent, and killed before the next round writes it down
    rig._finished()
    while len(crm.asked) < 2:
        pass
    rig.restart()
    rig.round()
    assert crm.seqs == [*first, *second, *second]
    rig.restart()
    rig.round()
    assert crm.seqs == [*first, *second, *second]


def test_a_replay_tells_it_again_from_a_number_on(store):
    rig = PublishingRig(store, [webhook()], crm=Receiver())
    first, second, third = rig.happen({}, {}, {})
    rig.round()
    with store.write() as connection:
        row = rig.row()
        publications.put_progress(connection, row, moved(row.progress, first), rig.now)
    rig.publisher.changed()
    rig.round()
    assert rig.receivers["crm"].seqs == [first, second, third, second, third]


def test_a_replay_while_something_is_being_sent_counts(store):
    """What the run in flight says afterwards must not put the cursor back to where it was."""
    rig = PublishingRig(store, [webhook()], crm=Receiver())
    first, second = rig.happen({}, {})
    rig.publisher.cycle()
    with store.write() as connection:
        row = rig.row()
        publications.put_progress(connection, row, moved(row.progress, 0), rig.now)
    rig.publisher.changed()
    rig.round()
    rig.round()
    assert rig.receivers["crm"].seqs == [first, second, first, second]


def test_one_change_that_is_always_refused_does_not_hold_up_an_entrapment_for_ever(store):
    crm = Receiver(*[Refused(reason="HTTP 422")] * REFUSED_OFTEN)
    rig = PublishingRig(store, [webhook()], crm=crm)
    first, second = rig.happen({}, {})
    rig.rounds(REFUSED_OFTEN + 1, MINUTE_MS)
    assert crm.seqs == [second]
    assert rig.log()[-2:] == [(first, "set_aside"), (second, "delivered")]
    assert rig.wrong() == {"publication_set_aside"}
    rig.restart()
    assert rig.wrong() == {"publication_set_aside"}
    rig.now += 25 * HOUR_MS
    assert rig.wrong() == set()


def test_who_does_not_answer_for_long_is_said_and_in_the_end_switched_off(store):
    crm = Receiver()
    rig = PublishingRig(store, [webhook()], crm=crm)
    rig.happen({})
    crm.script.extend([Retry(reason="no answer within 10 s")] * 3)
    rig.round()
    assert rig.wrong() == set()
    rig.now += 11 * MINUTE_MS
    assert rig.wrong() == {"publication_failing"}
    rig.now += DISABLED_AFTER_MS
    rig.round()
    assert rig.row().progress.state is PublicationState.DISABLED
    assert rig.wrong() == {"publication_disabled"}
    rig.now += DISABLED_AFTER_MS
    rig.round()
    assert len(crm.asked) == 2


def test_gone_is_gone(store):
    crm = Receiver(GiveUp(reason="HTTP 410"))
    rig = PublishingRig(store, [webhook()], crm=crm)
    rig.happen({}, {})
    rig.rounds(3, HOUR_MS)
    assert len(crm.asked) == 1
    assert rig.wrong() == {"publication_disabled"}


def test_a_defect_of_a_way_out_is_an_attempt_like_any_other(store, caplog):
    rig = PublishingRig(store, [webhook()], crm=Receiver(ZeroDivisionError("ours")))
    seqs = rig.happen({})
    rig.rounds(2, 5_000)
    assert rig.log() == [(seqs[0], "retry"), (seqs[0], "delivered")]
    assert "ZeroDivisionError" in caplog.text


def test_what_a_format_has_no_words_for_leaves_no_line_in_the_log(store):
    rig = PublishingRig(store, [webhook()], crm=Receiver(PutAside(), Sent(answer="x")))
    first, second = rig.happen({}, {})
    rig.round()
    assert rig.log() == [(second, "delivered")]
    assert rig.row().progress.cursor == second > first


def test_what_the_feed_no_longer_holds_is_said_and_the_rest_is_told(store):
    crm = Receiver(Retry(reason="x"))
    rig = PublishingRig(store, [webhook()], crm=crm)
    first, second, third = rig.happen({}, {}, {})
    rig.round()
    rig.forget(second)
    rig.now += MINUTE_MS
    rig.round()
    assert crm.seqs == [third]
    assert rig.log() == [(first, "retry"), (0, "gap"), (third, "delivered")]
    assert rig.wrong() == {"publication_gap"}


def test_the_place_is_kept_where_nothing_is_to_be_told_so_that_no_gap_is_invented(store):
    rig = PublishingRig(store, [webhook()], crm=Receiver())
    elsewhere = rig.happen(*[{}] * 30, site="hilltop")
    rig.round()
    rig.now += HOUR_MS
    rig.round()
    rig.forget(elsewhere[-2])
    rig.restart()
    seqs = rig.happen({})
    rig.round()
    assert rig.receivers["crm"].seqs == seqs
    assert rig.wrong() == set()


def test_more_than_one_run_of_changes_of_which_few_are_wanted(store):
    rig = PublishingRig(store, [webhook(kinds=("entrapment",))], crm=Receiver())
    rig.happen(*[{"kind": "low_balance"}] * 120)
    seqs = rig.happen(*[{"kind": "entrapment"}] * 60)
    rig.round()
    rig.round()
    assert rig.receivers["crm"].seqs == seqs


def test_out_of_its_file_and_back_again_it_misses_nothing(store):
    crm = Receiver()
    rig = PublishingRig(store, [webhook()], crm=crm)
    first = rig.happen({})
    rig.round()
    rig.wanted = []
    rig.restart()
    second = rig.happen({})
    rig.round()
    assert (crm.seqs, rig.row().progress.state) == (first, PublicationState.REMOVED)
    rig.wanted = [webhook(url="https://other.example/")]
    rig.restart()
    rig.round()
    assert crm.seqs == first + second
    assert rig.row().wanted.url == "https://other.example/"


def test_a_publication_without_a_way_out_is_a_problem_and_nothing_is_passed_over(store):
    rig = PublishingRig(store, [webhook()])
    seqs = rig.happen({})
    rig.round()
    assert rig.wrong() == {"publication_failing"}
    rig.receivers = {"crm": Receiver()}
    rig.restart()
    rig.round()
    assert rig.receivers["crm"].seqs == seqs


def test_the_log_is_bounded(store, monkeypatch):
    monkeypatch.setattr(publications, "KEPT_ATTEMPTS", 5)
    rig = PublishingRig(store, [webhook()], crm=Receiver())
    seqs = rig.happen(*[{}] * 12)
    rig.round()
    rig.round()
    assert [seq for seq, _ in rig.log()] == seqs[-5:]


def test_a_database_that_fails_costs_nothing_but_repeats(store, monkeypatch):
    crm = Receiver()
    rig = PublishingRig(store, [webhook()], crm=crm)
    seqs = rig.happen({})
    rig.publisher.cycle()
    while not rig.publisher._results:
        pass
    with monkeypatch.context() as broken:
        broken.setattr(publications, "put_if_unchanged", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rig.publisher.cycle()
    rig.round()
    assert (crm.seqs, rig.log()) == (seqs, [(seqs[0], "delivered")])


def test_channels_other_than_webhooks_are_not_pinged(store):
    rig = PublishingRig(store, [webhook("mqtt-tickets", channel=Channel.MQTT)], **{"mqtt-tickets": Receiver()})
    row = rig.row("mqtt-tickets")
    assert rig.publisher.try_now(row.id, None) is None
