"""Silence of all that hangs on one gateway: one ticket for the gateway, whether it is said to be down or only seems up."""

from __future__ import annotations

from hub.vocabulary.events import SubjectType, Unreachable
from hub.vocabulary.facts import DeviceFacts
from support.meters import meter_facts
from support.supervised import METER, SILENT, TICK_S, Supervised, cabinet, gateway, names
from support.timeline import device_facts

ELEVATOR = device_facts("b1-e1")


# --- gateways -----------------------------------------------------------------------------------------------------


def test_a_dead_gateway_is_one_ticket_and_its_36_meters_are_none() -> None:
    devices = cabinet()
    story = Supervised(*devices).hear().wait(60).bus("meters-1", up=False).wait(30)
    ticket = story.one(SILENT, gateway("meters-1"))
    assert (ticket.reason, ticket.fields["devices"], ticket.fields["cause"]) == ("gateway_down", 36, "refused")
    story.wait(7200)
    assert len(story.tickets) == 1


def test_on_return_no_burst_and_only_those_that_stay_away_are_told() -> None:
    devices = cabinet()
    story = Supervised(*devices).hear().bus("meters-1", up=False).wait(7200).bus("meters-1", up=True).wait(20)
    assert story.tickets[0].moves == [("recovered", "gateway_back")]
    assert len(story.tickets) == 1
    story.wait(2760, heard=names(devices[1:]), every_s=900)
    assert len(story.tickets) == 1
    story.wait(60, heard=names(devices[1:]), every_s=900)
    assert [ticket.subject.id for ticket in story.active()] == ["m-000"]


def test_a_short_fall_is_nothing() -> None:
    story = Supervised(*cabinet()).hear().bus("meters-1", up=False).wait(20).bus("meters-1", up=True).wait(120)
    assert story.tickets == []
    assert story.verdicts() == ["gateway_down_waiting", "gateway_unstable"]


def test_a_flapping_gateway_is_down_until_it_stays_up() -> None:
    story = Supervised(*cabinet()).hear()
    for _ in range(60):
        story.bus("meters-1", up=False).wait(7).bus("meters-1", up=True).wait(7)
    ticket = story.one(SILENT)
    assert (ticket.active, ticket.count) == (True, 1)
    story.wait(TICK_S)
    assert not ticket.active


def test_other_gateways_are_not_touched() -> None:
    story = Supervised(METER, ELEVATOR).hear().bus("meters-1", up=False).wait(800)
    assert sorted(ticket.subject.id for ticket in story.tickets) == ["b1-e1", "meters-1"]


def test_a_silent_device_keeps_its_ticket_while_its_gateway_is_down() -> None:
    story = Supervised(METER, meter_facts("m-2", gateway="meters-1")).hear().wait(3000, heard=("m-2",), every_s=900)
    story.bus("meters-1", up=False).wait(600).bus("meters-1", up=True).wait(60)
    assert [ticket.subject.id for ticket in story.active()] == ["m-1"]


def test_a_gateway_that_died_before_a_restart_is_given_time_to_come_back() -> None:
    story = Supervised(METER).hear().bus("meters-1", up=False)
    story.restart(down_s=600)
    story.wait(20).bus("meters-1", up=True).wait(120)
    assert story.tickets == []


def test_a_gateway_named_no_more_loses_its_ticket() -> None:
    story = Supervised(METER).hear().bus("meters-1", up=False).wait(60)
    story.devices = {"b1-e1": ELEVATOR}
    story.wait(TICK_S)
    assert story.tickets[0].moves == [("recovered", "retired")]


# --- a gateway that seems up --------------------------------------------------------------------------------------


def polled(devices: list[DeviceFacts], seconds: float = 1800) -> Supervised:
    """Meters read one after the other every 15 minutes, as on a real bus."""
    story = Supervised(*devices)
    for _ in range(round(seconds / 900)):
        for device in devices:
            story.hear(device.id).wait(900 / len(devices))
    return story


def test_many_silent_at_once_are_one_ticket_of_their_gateway() -> None:
    """The cabinet's own gateway dies behind a broker that is well: nobody reports it."""
    story = polled(cabinet()).wait(4000)
    ticket = story.one(SILENT)
    assert (ticket.subject, ticket.reason) == (gateway("meters-1"), "many_devices_silent")
    assert (ticket.fields["silent"], ticket.fields["devices"]) == (36, 36)
    story.wait(7200)
    assert len(story.tickets) == 1


def test_when_most_are_back_the_rest_get_their_own_time() -> None:
    devices = cabinet()
    story = polled(devices).wait(4000).hear(*names(devices[3:])).wait(TICK_S)
    assert story.tickets[0].moves == [("recovered", "gateway_back")]
    story.wait(2800, heard=names(devices[3:]), every_s=900)
    assert len(story.tickets) == 1
    story.wait(60, heard=names(devices[3:]), every_s=900)
    assert sorted(ticket.subject.id for ticket in story.active()) == ["m-000", "m-001", "m-002"]


def test_a_restart_does_not_take_a_blamed_gateway_for_well() -> None:
    story = polled(cabinet()).wait(4000)
    story.restart(60)
    story.wait(7200)
    assert (len(story.tickets), len(story.active())) == (1, 1)


def test_few_silent_devices_are_themselves_to_blame() -> None:
    devices = cabinet()
    story = polled(devices).wait(4000, heard=names(devices[4:]), every_s=600)
    assert sorted(ticket.subject.id for ticket in story.tickets) == ["m-000", "m-001", "m-002", "m-003"]


def test_long_dead_devices_do_not_count_against_their_gateway() -> None:
    """Five of ten have been dead for a day; the sixth is just one more."""
    devices = cabinet(10)
    story = Supervised(*devices).hear()
    for dead in range(1, 6):
        story.wait(4500, heard=names(devices[dead:]), every_s=600)
    assert len(story.tickets) == 5
    story.wait(4500, heard=names(devices[6:]), every_s=600)
    assert {ticket.subject.type for ticket in story.tickets} == {SubjectType.DEVICE}
    assert len(story.tickets) == 6


def test_units_behind_a_dead_gateway_device_are_one_ticket() -> None:
    """The bus answers, but for each unit with exception 0x0B; the first is certain while the others have one sign only."""
    devices = cabinet()
    story = Supervised(*devices).hear()
    for device in [*devices, devices[0]]:
        story.push(story.at(Unreachable, device=device.id, cause="exception_0b"))
        story.wait(5)
    story.wait(120)
    for device in devices:
        story.push(story.at(Unreachable, device=device.id, cause="exception_0b"))
    story.wait(240)
    assert story.one(SILENT).subject == gateway("meters-1")


def test_long_dead_devices_do_not_hide_that_the_others_are_gone() -> None:
    """24 of 30 have been dead for long, one after the other; then the last six go together."""
    devices = cabinet(30)
    story = Supervised(*devices)
    story.limits = {"many_min": 6, "many_window_s": 60, "meter_s": 600}
    story.hear()
    for dead in range(1, 25):
        story.wait(900, heard=names(devices[dead:]), every_s=200)
    story.wait(2000)
    assert [ticket.subject for ticket in story.active() if ticket.subject.type is SubjectType.GATEWAY] == [
        gateway("meters-1")
    ]
    assert len(story.tickets) == 25
