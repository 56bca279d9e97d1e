"""Everything that can happen, as frozen values: what devices say, what people do, what clocks bring.

Order among a device's events is by `occurred_at`; durations are counted from `received_at`, because devices'
clocks are wrong (domain/elevator.md 5 'Clock skew'). `late` events go into history and never move state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hub.vocabulary.elevator import (
    AlarmState,
    AlarmType,
    CarStatus,
    Direction,
    Doors,
    ElevatorFault,
    Power,
    ServiceMode,
    TrappedPlace,
)
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.units import BalanceUnit, Relay


class SubjectType(StrEnum):
    """What a ticket, a timer or a rule's state can be about."""

    DEVICE = "device"
    GATEWAY = "gateway"  # a bus, or the broker connection: `mqtt`
    BUILDING = "building"
    SITE = "site"
    CARD = "card"


class Subject(msgspec.Struct, frozen=True, order=True):
    """Whom something concerns, within a site."""

    site: str
    type: SubjectType
    id: str


class Clock(StrEnum):
    """Whose time `occurred_at` is."""

    DEVICE = "device"
    ARRIVAL = "arrival"  # the device gave none
    SKEWED = "skewed"  # the device's was in the future or before 2020: arrival time is used, `device_at` keeps theirs


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", tag=True):
    """Common part. `source_key` identifies the event at its source: seen twice, it happened once."""

    site: str
    device: str = ""
    source_key: str = ""
    occurred_at: UtcMs
    received_at: UtcMs
    clock: Clock = Clock.DEVICE
    device_at: UtcMs | None = None  # the device's own time where it was not believed
    late: bool = False  # older than what is known already; set by the pipeline
    live: bool = True  # False: retained by the broker, or a baseline read after a start; not news
    extra: dict[str, Any] | None = None  # fields of the payload that the profile does not name

    def subject(self) -> Subject:
        """The device that it concerns; the site where there is none."""
        if self.device:
            return Subject(self.site, SubjectType.DEVICE, self.device)
        return Subject(self.site, SubjectType.SITE, self.site)


# --- what elevators say -----------------------------------------------------------------------------------


class ElevatorAlarm(Event, frozen=True, kw_only=True):
    """An alarm or fault came or went, in the device's own judgement."""

    type: AlarmType
    state: AlarmState
    fault: ElevatorFault | None = None  # the profile's translation of `code`
    trapped: TrappedPlace | None = None  # with type `trapped`
    code: str | None = None  # the vendor's own code, as text
    floor: str | None = None
    held_s: float | None = None  # how long the button was held, where the device says
    detail: str | None = None


class ElevatorState(Event, frozen=True, kw_only=True):
    """Real-time status, GB/T 24476 clause 9. None and `unknown` mean that nobody knows, never 'no'."""

    service_mode: ServiceMode = ServiceMode.UNKNOWN
    car_status: CarStatus = CarStatus.UNKNOWN
    direction: Direction = Direction.UNKNOWN
    door_zone: bool | None = None
    doors: tuple[Doors, ...] = (Doors.UNKNOWN,)  # one per car door
    passenger: bool | None = None
    floor: str | None = None
    power: Power = Power.UNKNOWN
    speed_mps: float | None = None
    load_percent: float | None = None
    # Conditions that the device reports as standing bits rather than as messages. None: it does not report them.
    trapped: TrappedPlace | None = None
    trapped_known: bool = False  # True: `trapped` is None because the device says that nobody is
    button: bool | None = None
    faults: tuple[ElevatorFault, ...] | None = None
    code: str | None = None  # raw fault word or code, kept as evidence


# --- what meters say --------------------------------------------------------------------------------------


class MeterReading(Event, frozen=True, kw_only=True):
    """One reading of a meter. `credit` is remaining minus overdraft, in fen or Wh after `unit`; None: not readable."""

    credit: int | None
    unit: BalanceUnit
    energy_wh: int | None = None
    purchases: int | None = None
    relay: Relay = Relay.UNKNOWN
    meter_alarm: int | None = None  # 0 none, 1 alarm 1, 2 alarm 2, 3 off
    serial: str | None = None
    power_w: int | None = None
    voltage_dv: int | None = None  # tenths of a volt
    relay_command: Relay = Relay.UNKNOWN  # what the relay was told to be, where the meter says it beside `relay`
    last_purchase: int | None = None  # amount of the newest recharge record, in fen or Wh after `unit`


# --- what access controllers and doors say ----------------------------------------------------------------


class AccessResult(StrEnum):
    """Decision of the controller; reasons after ONVIF, BACnet's finer ones in `reason`."""

    GRANTED = "granted"
    DENIED = "denied"


class DoorState(StrEnum):
    """ONVIF DoorAlarmState and physical state, flat as in the contract."""

    CLOSED = "closed"
    OPEN = "open"
    FORCED_OPEN = "forced_open"
    HELD_OPEN = "held_open"
    TAMPER = "tamper"
    NORMAL = "normal"


class CardNumber(msgspec.Struct, frozen=True):
    """A credential as a reader spells it; leading zeros are significant."""

    format: str
    value: str


class AccessEvent(Event, frozen=True, kw_only=True):
    """A card was presented."""

    door: str
    card: CardNumber | None
    result: AccessResult
    reason: str | None = None
    index: int | None = None
    direction: str | None = None


class DoorEvent(Event, frozen=True, kw_only=True):
    """A door changed."""

    door: str
    state: DoorState


# --- what any device or connector says --------------------------------------------------------------------


class DeviceStatus(Event, frozen=True, kw_only=True):
    """Online, or gone (also as last will)."""

    online: bool
    boot_id: str | None = None
    firmware: str | None = None


class CommandResult(Event, frozen=True, kw_only=True):
    """A device's answer to a command of ours."""

    command_id: str
    ok: bool
    detail: str | None = None
    cards: tuple[dict[str, Any], ...] | None = None


class Unreachable(Event, frozen=True, kw_only=True):
    """A polled device did not answer while its bus was alive."""

    cause: str  # timeout | exception_04 | exception_0b | short_reply | wrong_function | …


class GatewayChanged(Event, frozen=True, kw_only=True):
    """A bus or the broker connection came up or went down: what hangs on it is unknown, not silent."""

    gateway: str  # bus id, or `mqtt`
    up: bool
    cause: str

    def subject(self) -> Subject:
        """The gateway itself."""
        return Subject(self.site, SubjectType.GATEWAY, self.gateway)


# --- what clocks and people bring -------------------------------------------------------------------------


class TimerFired(Event, frozen=True, kw_only=True):
    """A deadline that a rule has set fell due. `received_at` is when it was fired, `occurred_at` when it was due."""

    rule: str
    key: str
    about: Subject

    def subject(self) -> Subject:
        """Whose deadline it is."""
        return self.about


class SupervisionTick(Event, frozen=True, kw_only=True):
    """Time to look whether everything has been heard of; the facts carry when."""


class TicketMoved(Event, frozen=True, kw_only=True):
    """A ticket was moved by a person (or by the desk's clocks), so that rules can follow."""

    kind: str
    about: Subject
    action: str
    state: str
    active: bool
    by: str

    def subject(self) -> Subject:
        """Whom the ticket concerns."""
        return self.about


class PowerLost(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule for its site: this car lost its supply."""

    occupied: bool | None  # latched; None: unknown
    was_moving: bool

    def subject(self) -> Subject:
        """The site: outages are clustered there."""
        return Subject(self.site, SubjectType.SITE, self.site)


class PowerBack(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule for its site: this car has its supply again."""

    def subject(self) -> Subject:
        """The site, as with PowerLost."""
        return Subject(self.site, SubjectType.SITE, self.site)


class EarthquakeStop(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule for its site: this car went into earthquake operation."""

    occupied: bool | None  # latched; None: unknown
    was_moving: bool

    def subject(self) -> Subject:
        """The site: all its cars have to be looked at."""
        return Subject(self.site, SubjectType.SITE, self.site)


class InferredFault(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule: a fault that the car's state shows and no message named, here or over."""

    fault: ElevatorFault
    present: bool
    facts: dict[str, Any] = msgspec.field(default_factory=dict)  # what it was concluded from


class TopUpState(StrEnum):
    """How far a top-up has come: paid at the vending system, booked on its platform, issued to the meter, seen on the meter."""

    PAID = "paid"
    BOOKED = "booked"
    ISSUED = "issued"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class MeterMark(msgspec.Struct, frozen=True):
    """What a meter showed at one moment; None: not reported, or not readable."""

    at: UtcMs
    credit: int | None  # fen or Wh
    purchases: int | None


class TopUpReported(Event, frozen=True, kw_only=True):
    """A vending system reports a top-up, or how far it has come; `reference` is its own number, unique per site.

    `before` is the newest reading up to the payment, `newest` the newest of all: a system may report long after the meter
    has it. None: there is none.
    """

    reference: str
    amount_fen: int
    state: TopUpState
    before: MeterMark | None = None
    newest: MeterMark | None = None


class TopUpProof(StrEnum):
    """How a top-up was seen on its meter."""

    RECHARGE_RECORD = "recharge_record"
    PURCHASE_COUNT = "purchase_count"
    BALANCE = "balance"
    PLATFORM = "platform"  # the vending system's word alone


class TopUpSettled(Event, frozen=True, kw_only=True):
    """Derived by the rule `topup`: a top-up is on the meter (`proof`), or waited for in vain (None)."""

    reference: str
    proof: TopUpProof | None


class NoticeSettled(Event, frozen=True, kw_only=True):
    """What came of a notice that a rule had ordered. `outcome`: `delivered`, `sent` (no receipt to be had), `undelivered`,
    `nobody` (nobody to tell), `expired`, `withdrawn`.
    """

    rule: str
    key: str
    about: Subject
    outcome: str

    def subject(self) -> Subject:
        """Whom the notice was about."""
        return self.about


class MeterReplaced(Event, frozen=True, kw_only=True):
    """A technician has put another meter in this place: end and begin readings, credit carried over."""

    old_serial: str | None
    new_serial: str | None
    end_energy_wh: int | None
    begin_energy_wh: int | None
    carried_credit: int | None
    by: str


class OccupancyChanged(Event, frozen=True, kw_only=True):
    """The unit of this device changed hands, or became vacant: whoever was told before is not told any more."""

    vacant: bool


class CardLost(Event, frozen=True, kw_only=True):
    """A card was reported lost and is suspended from now on. `numbers`: every text by which a reader may name it."""

    card: int  # of the ledger; the id of its subject
    told: CardNumber  # as controllers were told it
    numbers: tuple[CardNumber, ...]
    unit: str | None
    near: tuple[str, ...] = ()  # other spellings, without separators: a hint, never a proof

    def subject(self) -> Subject:
        return Subject(self.site, SubjectType.CARD, str(self.card))


class CardFound(Event, frozen=True, kw_only=True):
    """A lost card is back with its holder and valid again."""

    card: int

    def subject(self) -> Subject:
        """The card."""
        return Subject(self.site, SubjectType.CARD, str(self.card))


class Canary(Event, frozen=True, kw_only=True):
    """A message of our own on its way through broker, pipeline and feed."""

    lane: str  # which of the two sessions it went through: `alarm` or `telemetry`
    number: int


def with_order(event: Event, *, late: bool) -> Event:
    """The same event, marked late."""
    return msgspec.structs.replace(event, late=late) if event.late != late else event
