"""An outage of a site: one incident with the cars ranked by who may be inside, beside each car's own."""

import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.elevator import Power
from rules.entrapment.rule import Entrapment
from rules.mass_power_cut import MassPowerCut
from support.cars import at, boarded, cleared, left_empty, power_lost, state, without_sensor
from support.timeline import SITE_SUBJECT, Timeline, device_facts, device_subject

ENTRAPMENT = TicketKind.ENTRAPMENT
CARS = ("e1", "e2", "e3", "e4", "e5")


def estate(**options) -> Timeline:
    devices = [device_facts(car, pk=n, name=f"lift {car}") for n, car in enumerate(CARS, start=1)]
    told = Timeline(Entrapment(), MassPowerCut(), devices=devices, **options)
    told.push(*left_empty(-300, "e1"), *without_sensor(-300, "e2"), *boarded(-20, "e3"), *boarded(-20, "e4"))
    return told.push(state(-1, device="e3", moving=True, passenger=True))


def masses(told: Timeline):
    return [ticket for ticket in told.tickets if ticket.subject == SITE_SUBJECT]


def cut(told: Timeline, *cars: str, start: float = 0, every: float = 1) -> Timeline:
    return told.push(*(power_lost(start + n * every, device=car) for n, car in enumerate(cars)))


def test_three_cars_within_two_minutes_are_one_incident_of_the_site():
    told = cut(estate(), "e1", "e2")
    assert not masses(told)
    (ticket,) = masses(cut(told, "e3", start=119))
    assert (ticket.reason, ticket.severity, ticket.state) == ("mass_power_cut", Severity.CRITICAL, "suspected")
    assert ticket.occurred_at == at(0)


def test_cars_are_ranked_occupied_unknown_empty_and_the_moving_one_first():
    (ticket,) = masses(cut(estate(), "e1", "e2", "e4", "e3"))
    children = ticket.fields["children"]
    assert sorted(children, key=lambda car: children[car]["rank"]) == ["e3", "e4", "e2", "e1"]
    assert [children[car]["occupancy"] for car in ("e3", "e4", "e2", "e1")] == [
        "occupied",
        "occupied",
        "unknown",
        "empty",
    ]
    assert children["e3"]["name"] == "lift e3"
    assert (ticket.fields["cars"], ticket.fields["occupied"], ticket.fields["unknown"], ticket.fields["empty"]) == (
        4,
        2,
        1,
        1,
    )


def test_cars_that_join_are_added_and_are_no_repeat():
    told = cut(estate(), "e1", "e2", "e3")
    (ticket,) = masses(cut(told, "e4", start=400))
    assert (ticket.count, ticket.fields["cars"]) == (1, 4)
    assert len(ticket.reasons) == 2


def test_a_car_that_says_it_twice_is_one_car():
    told = cut(estate(), "e1", "e1", "e1")
    told.push(*(state(9 + n, device="e1", power=Power.OUTAGE) for n in range(5)))
    assert not masses(told)


def test_outages_further_apart_are_not_one():
    assert not masses(cut(estate(), "e1", "e2", "e3", every=70))


def test_a_car_that_never_said_mains_again_counts_anew_in_the_next_outage():
    """Some monitors can only say 'outage': what they said hours ago must not keep them out of today's cluster."""
    told = Timeline(Entrapment(), MassPowerCut(), devices=[device_facts(car, pk=n) for n, car in enumerate(CARS)])
    for start in (0, 7200):
        told.push(
            *(state(start + n, device=car, power=Power.OUTAGE) for n, car in enumerate(CARS[: 2 if start == 0 else 3]))
        )
        told.push(*(state(start + 60, device=car, open=True, power=Power.UNKNOWN) for car in CARS[:2]))
    assert len(masses(told)) == 1


def test_a_car_that_is_out_already_is_no_news_for_the_incident():
    told = cut(estate().push(state(-1, device="e1", power=Power.OUTAGE)), "e2", "e3")
    told.push(state(60, device="e1", open=True, power=Power.UNKNOWN), state(70, device="e1", power=Power.OUTAGE))
    (ticket,) = masses(told)
    assert len(ticket.reasons) == 1


def test_the_cars_own_incidents_go_on_beside_it():
    told = cut(estate(), "e1", "e2", "e3").advance_to(at(200))
    assert told.one(ENTRAPMENT, device_subject("e3")).reason == "power_lost_after_grace"
    assert len(masses(told)) == 1


def test_power_back_is_a_line_and_never_the_end():
    told = cut(estate(), "e1", "e2", "e3")
    told.push(*(state(60 + n, device=car) for n, car in enumerate(("e1", "e2", "e3"))))
    (ticket,) = masses(told.advance(7200))
    assert ticket.state == "suspected"
    assert ticket.moves == [("note", "car_power_back"), ("note", "car_power_back"), ("power_back", "all_power_back")]
    assert ticket.fields["back"] == 3


def test_a_flicker_of_single_cars_is_forgotten():
    told = estate()
    for n, car in enumerate(("e1", "e2", "e3", "e4")):
        told.push(power_lost(n * 10, device=car), cleared(power_lost(0), n * 10 + 5, device=car))
    assert not masses(told)
    assert told.state("mass_power_cut", SITE_SUBJECT) is None


def test_after_people_have_closed_it_the_next_outage_is_a_new_one():
    told = cut(estate(), "e1", "e2", "e3")
    told.push(*(state(60, device=car) for car in ("e1", "e2", "e3")))
    told.people("close", "closed", ENTRAPMENT, SITE_SUBJECT)
    assert len(masses(cut(told, "e1", "e2", "e3", start=600))) == 2


@pytest.mark.parametrize("limits", [{"mass_power_cut": {"min_cars": 2}}, {"mass_power_cut": {"window_s": 300}}])
def test_limits_are_data(limits):
    told = cut(
        estate(limits=limits), "e1", "e2", *(["e3"] if "window_s" in limits["mass_power_cut"] else []), every=100
    )
    assert len(masses(told)) == 1


def test_states_that_go_through_the_database_decide_the_same():
    stories = [cut(estate(restarts=restarts), "e1", "e2", "e3", "e4").advance(600) for restarts in (True, False)]
    first, second = ([(t.subject, t.reasons, t.fields, t.count) for t in told.tickets] for told in stories)
    assert first == second
