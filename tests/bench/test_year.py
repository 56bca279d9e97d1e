"""A slice of the simulated year: nothing is lost, nothing invented; and the ledger would say so if it were."""

import pytest

from bench import year_story
from bench.year import START_MS
from bench.year_hub import Player
from bench.year_ledger import text
from bench.year_lift import KNOWN_WITHIN_S, NOISES, WAYS
from bench.year_story import year
from rules import RULES

pytestmark = pytest.mark.slow


@pytest.fixture
def played(tmp_path):
    def play(story, rules=RULES):
        return Player(story, tmp_path, 1, rules).play()

    return play


def test_weeks_of_many_lifts_lose_no_entrapment_and_invent_none(played):
    story = year(929, lifts=25, days=30, start=START_MS, cases_per_lift_year=7)
    assert {case.way for case in story.cases} == set(KNOWN_WITHIN_S)
    assert len(story.outages) == 1
    assert set(story.noises) == {*NOISES, "test call"}
    ledger = played(story)
    assert ledger.whole, text(ledger, 25, 30, 0)
    assert sum(ledger.found.values()) == len(story.cases) > 10
    assert ledger.restarts == 1
    assert "The ledger is whole." in text(ledger, 25, 30, 0)


def test_the_same_seed_is_the_same_year_and_another_seed_another():
    first, again, other = (year(seed, 5, 30, START_MS, cases_per_lift_year=5) for seed in (1, 1, 2))
    assert first.events == again.events
    assert first.cases == again.cases
    assert first.events != other.events


def test_a_hub_that_does_not_see_loses_and_the_ledger_says_which(played):
    story = year(3, lifts=4, days=10, start=START_MS, cases_per_lift_year=60)
    ledger = played(story, rules=[rule for rule in RULES if rule.name != "entrapment"])
    assert {case.way for case in ledger.lost} == {case.way for case in story.cases} - {"telephone"}
    assert not ledger.whole
    assert "NOT WHOLE" in text(ledger, 4, 10, 0)


def test_an_entrapment_that_nobody_planned_is_called_invented(played, monkeypatch):
    """As a hub would that takes noise for an emergency."""
    noisy = {"a press that was not planned": (20, WAYS["button"][1], 0)}
    monkeypatch.setattr(year_story, "NOISES", noisy)
    story = year(3, lifts=4, days=10, start=START_MS, cases_per_lift_year=0)
    ledger = played(story)
    assert len(ledger.invented) == sum(count for name, count in story.noises.items() if name in noisy) > 0
    assert not ledger.whole
