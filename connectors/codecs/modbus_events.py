"""One poll → one event in the hub's words: a meter's reading or an elevator's state.

A value that is not believed is left out (None, `unknown`) and its raw registers go into `extra["unusable"]`, so that an
integrator sees what the device really said. A poll with nothing usable in it is rejected as a whole.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from connectors.codecs.modbus_fields import Codes, Field, Flags, Number
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Image, Unusable, Value, code_of, label_of, text_at, value_of
from hub.vocabulary.elevator import CarStatus, Direction, Doors, ElevatorFault, Power, ServiceMode, TrappedPlace
from hub.vocabulary.events import Clock, ElevatorState, MeterReading
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.units import BalanceUnit, Relay, to_credit

CUSTOMER = "customer_number"
"""Name under `extra` of the number by which the meter itself knows its customer."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Whom and when the poll is of. `balance_unit` is the site's word for meters whose profile says `$site`."""

    site: str
    device: str
    source_key: str
    received_at: UtcMs
    balance_unit: BalanceUnit | None

    def common(self) -> dict[str, Any]:
        """Fields that every event of a poll shares: the device gave no time, so arrival is when it happened."""
        return {
            "site": self.site,
            "device": self.device,
            "source_key": self.source_key,
            "occurred_at": self.received_at,
            "received_at": self.received_at,
            "clock": Clock.ARRIVAL,
        }


class Values:
    """The values of one poll by field name, and why some are not believed."""

    def __init__(self, profile: ModbusProfile, image: Image, unit: BalanceUnit | None) -> None:
        self.unusable: dict[str, str] = {}
        self._profile = profile
        self._image = image
        self._unit = unit
        self._found: dict[str, Value | None] = {}
        for name, field in profile.fields.items():
            self._found[name] = self._believed(name, field)
        self.extra = {name: self._believed(name, field) for name, field in profile.extra.items()}
        self.limits = {name: self._believed(name, field) for name, field in profile.limits.items()}

    def _believed(self, name: str, field: Field) -> Value | None:
        labelled = isinstance(field, Number) and name == "floor"
        found = label_of(field, self._image) if labelled else value_of(field, self._image)  # type: ignore[arg-type]
        if isinstance(found, Unusable):
            self.unusable[name] = found.why
            return None
        return found

    def anything(self) -> bool:
        """Whether any field of the event has a value."""
        return any(value is not None for value in self._found.values())

    def has(self, name: str) -> bool:
        """Whether the profile knows this field (it may still be unknown in this poll)."""
        return name in self._profile.fields

    def word(self, name: str) -> str | None:
        found = self._found.get(name)
        return found if isinstance(found, str) else None

    def flag(self, name: str) -> bool | None:
        return {"true": True, "false": False}.get(self.word(name) or "")

    def number(self, name: str) -> Decimal | None:
        """In the hub's unit, times the field named by `multiply_by`; unknown when that is."""
        found = self._found.get(name)
        field = self._profile.fields.get(name)
        if not isinstance(found, Decimal) or not isinstance(field, Number):
            return None
        if field.multiply_by is None:
            return found
        ratio = self.extra[field.multiply_by]
        return found * ratio if isinstance(ratio, Decimal) else None

    def integer(self, name: str) -> int | None:
        found = self.number(name)
        return None if found is None else int(found.to_integral_value())

    def words(self, name: str) -> tuple[str, ...] | None:
        found = self._found.get(name)
        return found if isinstance(found, tuple) else None

    def credit(self, name: str) -> int | None:
        """A credit in fen or Wh, after the unit that this meter counts in."""
        found, field = self.number(name), self._profile.fields.get(name)
        if found is None or not isinstance(field, Number):
            return None
        return credit_of(found, field.unit, self._unit)

    def limit(self, name: str, unit: BalanceUnit) -> int | None:
        """A limit of the meter's own in fen or Wh; None where it does not count in `unit`, which is what the credit is in."""
        found, field = self.limits.get(name), self._profile.limits.get(name)
        if not isinstance(found, Decimal) or not isinstance(field, Number) or counted_in(field, self._unit) is not unit:
            return None
        return credit_of(found, field.unit, self._unit)

    def customer(self) -> str | None:
        """The customer number that is written into the meter."""
        found = self.extra.get(CUSTOMER)
        return found if isinstance(found, str) else None

    def identity(self) -> str | None:
        """What the device says it is, where this poll has read it."""
        span = self._profile.identity.span if self._profile.identity else None
        registers = self._image.read(span) if span else None
        text = text_at(span, registers) if span and registers else None
        return text if isinstance(text, str) else None

    def code(self) -> str | None:
        field = self._profile.fields.get("faults")
        return code_of(field, self._image) if isinstance(field, Flags | Codes) else None

    def kept(self) -> dict[str, Any] | None:
        """`extra` of the event: numbers without a place of their own, limits of the device, what was not believed."""
        kept: dict[str, Any] = {name: _shown(value) for name, value in self.extra.items() if value is not None}
        limits = {name: _shown(value) for name, value in self.limits.items() if value is not None}
        if limits:
            kept["limits"] = limits
        if self.unusable:
            kept["unusable"] = dict(self.unusable)
        return kept or None


def credit_of(value: Decimal, written: str, site_unit: BalanceUnit | None) -> int | None:
    """Fen or Wh; `written` is the profile's unit. Energy other than `$site` has been turned into Wh already."""
    if written == "CNY":
        return to_credit(value, BalanceUnit.CNY)
    if written == "$site":
        return None if site_unit is None else to_credit(value, site_unit)
    return int(value.to_integral_value())


def counted_in(field: Number, site_unit: BalanceUnit | None) -> BalanceUnit | None:
    """The unit in which a credit is written; None: the site file should say, and does not."""
    if field.unit == "$site":
        return site_unit
    return BalanceUnit.CNY if field.unit == "CNY" else BalanceUnit.KWH


def balance_unit(profile: ModbusProfile, site_unit: BalanceUnit | None) -> BalanceUnit | None:
    """The unit in which this meter counts its credit; None: neither profile nor site file say."""
    field = profile.fields.get("balance")
    return counted_in(field, site_unit) if isinstance(field, Number) else site_unit or BalanceUnit.KWH


def meter_reading(values: Values, unit: BalanceUnit, origin: Origin) -> MeterReading:
    """`credit` = remaining − overdraft (domain/meters.md 0.2); unknown as soon as one of the two is."""
    relay, command = values.word("relay"), values.word("relay_command")
    alarm = values.word("meter_alarm")
    voltage = values.number("voltage")
    return MeterReading(
        **origin.common(),
        extra=values.kept(),
        credit=_credit(values),
        unit=unit,
        energy_wh=values.integer("energy"),
        purchases=values.integer("purchases"),
        relay=Relay(relay) if relay else Relay.UNKNOWN,
        relay_command=Relay(command) if command else Relay.UNKNOWN,
        last_purchase=values.credit("last_purchase"),
        alarm_1=values.limit("alarm_1", unit),
        alarm_2=values.limit("alarm_2", unit),
        customer=values.customer(),
        meter_alarm=int(alarm) if alarm else None,
        serial=values.identity(),
        power_w=values.integer("power"),
        voltage_dv=None if voltage is None else int((voltage * 10).to_integral_value()),
    )


def _credit(values: Values) -> int | None:
    remaining = values.credit("balance")
    if remaining is None or not values.has("overdraft"):
        return remaining
    overdraft = values.credit("overdraft")
    return None if overdraft is None else remaining - overdraft


def elevator_state(values: Values, origin: Origin) -> ElevatorState:
    """Status words; a standing `trapped` bit that is read and clear is knowledge, one that is not read is not."""
    faults = values.words("faults")
    speed, load = values.number("speed"), values.number("load")
    return ElevatorState(
        **origin.common(),
        extra=values.kept(),
        service_mode=ServiceMode(values.word("service_mode") or ServiceMode.UNKNOWN),
        car_status=CarStatus(values.word("car_status") or CarStatus.UNKNOWN),
        direction=Direction(values.word("direction") or Direction.UNKNOWN),
        door_zone=values.flag("door_zone"),
        doors=tuple(Doors(values.word(name) or Doors.UNKNOWN) for name in ("doors", "doors_2") if values.has(name))
        or (Doors.UNKNOWN,),
        passenger=values.flag("passenger"),
        floor=values.word("floor"),
        power=Power(values.word("power") or Power.UNKNOWN),
        speed_mps=None if speed is None else float(speed),
        load_percent=None if load is None else float(load),
        trapped=place_of(values),
        trapped_known=values.word("trapped") is not None,
        button=values.flag("button"),
        faults=None if faults is None else tuple(ElevatorFault(each) for each in faults),
        code=values.code(),
    )


def place_of(values: Values) -> TrappedPlace | None:
    """Where the device says that somebody is trapped; None: nobody, or it does not say."""
    word = values.word("trapped")
    return None if word is None or word == "none" else TrappedPlace(word)


def _shown(value: Value | None) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
