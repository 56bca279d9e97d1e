"""What the hub itself does on an event, before the rules decide on it: one table by type of event.

Runs inside steps. A follower keeps the hub's own rows in line with what happened; what people are told is a rule's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from hub.meters import topups
from hub.pipeline import card_doors, card_proof, controllers, door_decisions, gateways
from hub.pipeline.core import to_the_end
from hub.vocabulary.access import AddressSeen, CardListed, ControllerReport, EventsMissed
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import (
    AccessEvent,
    CommandResult,
    DeviceStatus,
    Event,
    GatewayChanged,
    SupervisionTick,
    TopUpSettled,
)
from hub.vocabulary.readers import CardPresented, DecisionMissed, LockReport

if TYPE_CHECKING:
    from hub.pipeline.step import Step


def _gateway_changed(step: Step, event: Event) -> None:
    assert isinstance(event, GatewayChanged)
    trapped = step.desk.active_devices(TicketKind.ENTRAPMENT, event.site)
    decisions = gateways.follow(event, step.devices_of(event.site).values(), trapped)
    step.carry_out(decisions, "gateways", event.subject())


def _command_answered(step: Step, event: Event) -> None:
    assert isinstance(event, CommandResult)
    step.commands.answered(event)


def _topup_settled(step: Step, event: Event) -> None:
    assert isinstance(event, TopUpSettled)
    topups.settle(step.connection, event, step.now)


FOLLOWERS: Final[Mapping[type[Event], tuple[Callable[[Step, Event], None], ...]]] = {
    AccessEvent: (controllers.follow_access,),
    AddressSeen: (controllers.follow_address,),
    CardListed: (controllers.follow_page,),
    CardPresented: (door_decisions.follow_presented,),
    CommandResult: (_command_answered, card_proof.follow_result, door_decisions.follow_result),
    ControllerReport: (controllers.follow_report,),
    DecisionMissed: (door_decisions.follow_missed,),
    DeviceStatus: (card_doors.follow_status,),
    EventsMissed: (controllers.follow_missed,),
    GatewayChanged: (_gateway_changed,),
    LockReport: (door_decisions.follow_lock,),
    SupervisionTick: (card_doors.follow_tick, controllers.follow_tick, door_decisions.follow_tick),
    TopUpSettled: (_topup_settled,),
}


def follow(step: Step, event: Event, go_on: Callable[[], None] = to_the_end) -> None:
    """Let those who keep rows hear of the event; `go_on` is asked after each of them."""
    for follower in FOLLOWERS.get(type(event), ()):
        follower(step, event)
        go_on()
