"""When a notice may leave: quiet hours in any zone and on both nights of daylight saving, rates, merging, back-off."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.notices.plan import (
    BACK_OFF_S,
    Channel,
    NoticeState,
    NoticeTerms,
    OrderTerms,
    Outcome,
    Timing,
    When,
    Why,
    first_channel,
    is_quiet,
    next_try,
    notice_timing,
    order_timing,
    outcome,
    quiet_until,
)
from hub.settings.model import NoticePolicy, QuietHours
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parse_iso

NIGHT = QuietHours()  # 21:00 to 08:00
CHINA = ZoneInfo("Asia/Shanghai")
POLICY = NoticePolicy(per_hour=2, per_day=3, merge_window_s=300)
NOON = parse_iso("2026-06-01T12:00:00+08:00")


def at(text: str) -> int:
    return parse_iso(text)


# --- quiet hours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("Asia/Shanghai", "2026-06-01T20:59:59+08:00", None),
        ("Asia/Shanghai", "2026-06-01T21:00:00+08:00", "2026-06-02T08:00:00+08:00"),
        ("Asia/Shanghai", "2026-06-01T23:59:59.999+08:00", "2026-06-02T08:00:00+08:00"),
        ("Asia/Shanghai", "2026-06-02T00:00:00+08:00", "2026-06-02T08:00:00+08:00"),
        ("Asia/Shanghai", "2026-06-02T07:59:59+08:00", "2026-06-02T08:00:00+08:00"),
        ("Asia/Shanghai", "2026-06-02T08:00:00+08:00", None),
        ("Asia/Shanghai", "2026-12-31T22:00:00+08:00", "2027-01-01T08:00:00+08:00"),
        ("Asia/Urumqi", "2026-06-01T21:30:00+08:00", None),  # 19:30 there
        # Holidays are not quiet hours: Spring Festival and National Day at noon.
        ("Asia/Shanghai", "2026-02-17T12:00:00+08:00", None),
        ("Asia/Shanghai", "2026-10-01T12:00:00+08:00", None),
        # The night that is an hour shorter, and the one that is an hour longer.
        ("Europe/Berlin", "2026-03-28T22:00:00+01:00", "2026-03-29T08:00:00+02:00"),
        ("Europe/Berlin", "2026-10-24T22:00:00+02:00", "2026-10-25T08:00:00+01:00"),
        ("America/St_Johns", "2026-11-01T00:30:00-02:30", "2026-11-01T08:00:00-03:30"),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall_of_the_site(zone, now, until):
    assert quiet_until(at(now), ZoneInfo(zone), NIGHT) == (None if until is None else at(until))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"),  # 02:30 does not exist that night
        ("2026-10-25T02:15:00+02:00", "2026-10-25T02:30:00+02:00"),  # it comes twice, and each ends its quiet hour
        ("2026-10-25T02:15:00+01:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_an_end_that_the_clock_jumps_over_or_shows_twice(now, until):
    berlin = ZoneInfo("Europe/Berlin")
    assert quiet_until(at(now), berlin, QuietHours(start=21 * 60, end=150)) == at(until)


def test_quiet_hours_by_day_and_none_at_all():
    siesta = QuietHours(start=12 * 60, end=14 * 60)
    assert quiet_until(NOON, CHINA, siesta) == NOON + 2 * HOUR_MS
    assert quiet_until(NOON - MINUTE_MS, CHINA, siesta) is None
    assert quiet_until(at("2026-06-01T23:00:00+08:00"), CHINA, QuietHours(start=0, end=0)) is None


@given(
    st.integers(at("2025-01-01T00:00:00Z"), at("2027-12-31T00:00:00Z")),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca"]),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
def test_the_end_of_quiet_is_never_quiet_never_past_and_never_two_days_away(now, zone, start, end):
    quiet = QuietHours(start=start, end=end)
    until = quiet_until(now, ZoneInfo(zone), quiet)
    assert (until is not None) == is_quiet(now, ZoneInfo(zone), quiet)
    if until is not None:
        assert now < until <= now + DAY_MS + 3 * HOUR_MS
        assert not is_quiet(until, ZoneInfo(zone), quiet)
        assert is_quiet(until - 1, ZoneInfo(zone), quiet)


# --- orders -----------------------------------------------------------------------------------------------


def terms(urgency: Urgency = Urgency.ROUTINE, created: int = NOON, **other) -> OrderTerms:
    return OrderTerms(
        **({"urgency": urgency, "created_at": created, "expires_at": created + DAY_MS, "merges": False} | other)
    )


@pytest.mark.parametrize("urgency", list(Urgency))
def test_only_routine_waits_for_the_morning(urgency):
    night = at("2026-06-01T23:00:00+08:00")
    timing = order_timing(terms(urgency, night), POLICY, CHINA, night)
    expected = (
        Timing(When.LATER, Why.QUIET_HOURS, at("2026-06-02T08:00:00+08:00"))
        if urgency is Urgency.ROUTINE
        else Timing(When.NOW, Why.DUE)
    )
    assert timing == expected


@pytest.mark.parametrize(("urgency", "window_s"), [(Urgency.ROUTINE, 300), (Urgency.URGENT, 30), (Urgency.CRITICAL, 0)])
def test_what_may_be_merged_waits_a_little_for_company_the_less_the_more_urgent(urgency, window_s):
    order = terms(urgency, merges=True)
    gathered = NOON + window_s * SECOND_MS
    if window_s:
        assert order_timing(order, POLICY, CHINA, gathered - 1) == Timing(When.LATER, Why.MERGE_WINDOW, gathered)
    assert order_timing(order, POLICY, CHINA, gathered).when is When.NOW


def test_an_expired_order_is_never_sent_and_waiting_ends_with_it():
    night = at("2026-06-01T23:00:00+08:00")
    short = terms(created=night, expires_at=night + HOUR_MS)
    assert order_timing(short, POLICY, CHINA, night).at == night + HOUR_MS
    assert order_timing(short, POLICY, CHINA, night + HOUR_MS) == Timing(When.NEVER, Why.EXPIRED)


# --- notices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urgency", "ago_minutes", "expected"),
    [
        (Urgency.ROUTINE, [], Timing(When.NOW, Why.DUE)),
        (Urgency.ROUTINE, [10], Timing(When.NOW, Why.DUE)),
        (Urgency.ROUTINE, [10, 50], Timing(When.LATER, Why.RATE_HOUR, NOON + 10 * MINUTE_MS)),
        (Urgency.ROUTINE, [10, 60], Timing(When.NOW, Why.DUE)),
        (Urgency.ROUTINE, [70, 80, 90], Timing(When.LATER, Why.RATE_DAY, NOON + DAY_MS - 90 * MINUTE_MS)),
        (Urgency.URGENT, [10, 50], Timing(When.NOW, Why.DUE)),
        (Urgency.URGENT, [10, 20, 30, 50], Timing(When.LATER, Why.RATE_HOUR, NOON + 10 * MINUTE_MS)),
        (Urgency.CRITICAL, list(range(50)), Timing(When.NOW, Why.DUE)),
    ],
)
def test_an_address_is_not_written_to_more_often_than_the_site_allows(urgency, ago_minutes, expected):
    history = tuple(NOON - minutes * MINUTE_MS for minutes in ago_minutes)
    notice = NoticeTerms(urgency=urgency, expires_at=NOON + 2 * DAY_MS, history=history)
    assert notice_timing(notice, POLICY, CHINA, NOON) == expected


def test_a_repeat_of_a_routine_notice_does_not_ring_at_night_either():
    night = at("2026-06-01T21:30:00+08:00")
    notice = NoticeTerms(urgency=Urgency.ROUTINE, expires_at=night + DAY_MS)
    assert notice_timing(notice, POLICY, CHINA, night).why is Why.QUIET_HOURS


@pytest.mark.parametrize("urgency", list(Urgency))
def test_waits_grow_and_end(urgency):
    waits = BACK_OFF_S[urgency]
    assert list(waits) == sorted(waits)
    for attempt, wait in enumerate(waits, 1):
        assert next_try(urgency, attempt, None, NOON) == NOON + wait * SECOND_MS
    assert next_try(urgency, len(waits) + 1, None, NOON) is None


def test_the_provider_may_lengthen_a_wait_and_not_shorten_it():
    assert next_try(Urgency.CRITICAL, 1, 90, NOON) == NOON + 90 * SECOND_MS
    assert next_try(Urgency.ROUTINE, 1, 1, NOON) == NOON + 30 * SECOND_MS


def test_channels_are_tried_in_order_and_never_twice():
    first, second = Channel("sms", "1"), Channel("chat", "a")
    assert first_channel([first, second], set()) == first
    assert first_channel([first, second], {first}) == second
    assert first_channel([first, second], {first, second}) is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", Outcome.NOBODY),
        ("queued", None),
        ("sending", None),
        ("sent queued", None),
        ("delivered queued", Outcome.DELIVERED),
        ("failed sent", Outcome.SENT),
        ("failed delivered", Outcome.DELIVERED),
        ("failed failed", Outcome.UNDELIVERED),
        ("failed expired", Outcome.UNDELIVERED),
        ("expired withdrawn", Outcome.EXPIRED),
        ("withdrawn", Outcome.WITHDRAWN),
    ],
)
def test_what_came_of_an_order(states, expected):
    assert outcome([NoticeState(word) for word in states.split()]) == expected
