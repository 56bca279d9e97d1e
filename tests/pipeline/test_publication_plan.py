"""How a publication goes on after an attempt: values in, values out."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub.pipeline
from hub.pipeline.publication_plan import (
    DISABLED_AFTER_MS,
    FAILING_AFTER_MS,
    LONGEST_ASKED_MS,
    LONGEST_WAIT_MS,
    REFUSED_OFTEN,
    DisabledReason,
    Outcome,
    Progress,
    after_attempt,
    disabled,
    enabled,
    is_failing,
    moved,
    wait_ms,
)
from hub.vocabulary.ports import GiveUp, PutAside, Refused, Retry, Sent
from hub.vocabulary.publications import FEED_TYPES, PublicationState

NOW = 1_780_000_000_000
BEFORE = Progress(cursor=7)


def test_what_was_taken_is_done_with():
    failing = msgspec.structs.replace(BEFORE, attempts=3, failing_since=NOW - 1, last_error="x", next_try_at=NOW)
    progress, outcome = after_attempt(failing, 8, Sent(answer="HTTP 200"), NOW, 0.5)
    assert outcome is Outcome.DELIVERED
    assert progress == Progress(cursor=8, delivered_at=NOW)


def test_what_was_not_taken_stays_next_and_is_tried_later():
    progress, outcome = after_attempt(BEFORE, 8, Retry(reason="HTTP 503"), NOW, 1.0)
    assert outcome is Outcome.RETRY
    assert (progress.cursor, progress.attempts, progress.failing_since) == (7, 1, NOW)
    assert (progress.next_try_at, progress.last_error) == (NOW + 1_000, "HTTP 503")
    again, _ = after_attempt(progress, 8, Retry(reason="HTTP 500"), NOW + 5_000, 1.0)
    assert (again.attempts, again.failing_since, again.next_try_at) == (2, NOW, NOW + 5_000 + 2_000)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waiting_grows_to_a_bound_and_never_falls_to_nothing(attempts, chance):
    assert 750 <= wait_ms(attempts, None, chance) <= LONGEST_WAIT_MS
    assert wait_ms(attempts, None, 1) <= wait_ms(attempts + 1, None, 1)


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 1_000), (30.0, 30_000), (1e9, LONGEST_ASKED_MS)])
def test_the_receiver_may_ask_for_a_pause_within_reason(asked, waited):
    assert wait_ms(1, asked, 0.3) == waited


def test_a_change_that_is_refused_as_such_is_put_aside_after_some_attempts_and_the_next_one_follows():
    progress = BEFORE
    for number in range(1, REFUSED_OFTEN):
        progress, outcome = after_attempt(progress, 8, Refused(reason="HTTP 422"), NOW + number, 0.5)
        assert (outcome, progress.cursor, progress.attempts) == (Outcome.REFUSED, 7, number)
    progress, outcome = after_attempt(progress, 8, Refused(reason="HTTP 422"), NOW + 99, 0.5)
    assert outcome is Outcome.SET_ASIDE
    assert (progress.cursor, progress.attempts, progress.failing_since) == (8, 0, None)
    assert (progress.last_error, progress.delivered_at, progress.state) == ("HTTP 422", None, PublicationState.ACTIVE)


def test_a_time_out_is_never_a_reason_to_pass_over_a_change():
    progress = BEFORE
    for number in range(50):
        progress, _ = after_attempt(progress, 8, Retry(reason="no answer"), NOW + number, 0.5)
    assert progress.cursor == 7


def test_what_this_format_has_no_words_for_is_passed_over_without_a_trace():
    progress, outcome = after_attempt(BEFORE, 8, PutAside(), NOW, 0.5)
    assert outcome is Outcome.NOTHING
    assert progress == Progress(cursor=8)


def test_gone_is_believed_at_once():
    progress, outcome = after_attempt(BEFORE, 8, GiveUp(reason="HTTP 410"), NOW, 0.5)
    assert outcome is Outcome.GONE
    assert (progress.state, progress.disabled_reason) == (PublicationState.DISABLED, DisabledReason.GONE)
    assert progress.cursor == 7


def test_who_fails_for_days_is_switched_off_and_keeps_the_place():
    progress, _ = after_attempt(BEFORE, 8, Retry(reason="x"), NOW, 0.5)
    on, _ = after_attempt(progress, 8, Retry(reason="x"), NOW + DISABLED_AFTER_MS - 1, 0.5)
    off, _ = after_attempt(progress, 8, Retry(reason="x"), NOW + DISABLED_AFTER_MS, 0.5)
    assert on.state is PublicationState.ACTIVE
    assert (off.state, off.disabled_reason, off.cursor) == (PublicationState.DISABLED, DisabledReason.FAILING, 7)
    again = enabled(off)
    assert (again.state, again.cursor, again.failing_since, again.next_try_at) == (PublicationState.ACTIVE, 7, None, 0)


def test_a_person_hears_of_it_after_ten_minutes_and_not_before():
    progress, _ = after_attempt(BEFORE, 8, Retry(reason="x"), NOW, 0.5)
    assert not is_failing(progress, NOW + FAILING_AFTER_MS - 1)
    assert is_failing(progress, NOW + FAILING_AFTER_MS)
    assert not is_failing(disabled(progress), NOW + FAILING_AFTER_MS)


def test_a_replay_forgets_what_failed():
    progress, _ = after_attempt(BEFORE, 8, Retry(reason="x"), NOW, 0.5)
    assert moved(progress, 3) == Progress(cursor=3)


VERDICTS = st.sampled_from([Sent(), Retry(reason="r"), Refused(reason="n"), PutAside(), GiveUp(reason="g")])


@given(st.lists(st.tuples(VERDICTS, st.integers(0, 10_000_000)), max_size=60))
def test_the_cursor_never_goes_back_and_never_passes_over_what_was_only_not_answered(steps):
    progress, at = BEFORE, NOW
    for verdict, later in steps:
        at += later
        before = progress
        progress, outcome = after_attempt(before, before.cursor + 1, verdict, at, 0.5)
        passed = outcome in {Outcome.DELIVERED, Outcome.NOTHING, Outcome.SET_ASIDE}
        assert progress.cursor == before.cursor + passed
        assert (progress.attempts == 0) == passed or outcome is Outcome.GONE


def test_every_type_of_change_on_the_feed_may_be_named_by_a_webhook():
    """Read from the pipeline itself: a new type has to be entered in hub.vocabulary.publications too."""
    root = Path(hub.pipeline.__file__).parents[1]
    files = [*root.glob("pipeline/*.py"), *root.glob("tickets/*.py")]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    found = set(re.findall(r'_feed\.append\(\([^"]*"([a-z_]+)"', source))
    found |= {word for pair in re.findall(r'word = "([a-z_]+)" if .* else "([a-z_]+)"', source) for word in pair}
    found |= set(re.findall(r'announced\.append\(\("([a-z_]+)"', source))
    assert found == set(FEED_TYPES)
