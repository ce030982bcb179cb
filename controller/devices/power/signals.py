"""What each kind of equipment tells and takes: names with their unit, the same for every driver and every twin.

Signs are the site's: power into the bus is positive, so a discharging battery is positive. A driver may tell
more than what is listed here; such extra signals are shown and recorded, and nothing depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sites.schema.equipment import Kind

Value = float | bool | str
"""A number in the unit of its name, a state that is or is not, or a word such as a genset's phase."""
Values = Mapping[str, Value]
"""What was read, by signal; a signal that could not be read is absent."""


class Signals(NamedTuple):
    """What one kind tells, and the orders that it takes."""

    tells: frozenset[str]
    takes: frozenset[str] = frozenset()


BATTERY_STATE = frozenset(
    {"soc_frac", "temperature_c", "charge_limit_kw", "discharge_limit_kw", "contactor_closed", "voltage_v"}
)
INVERTER = frozenset({"remote_allowed", "trip_over_hz", "trip_under_hz", "dc_power_kw", "dc_alarm"})
DROOP = frozenset({"droop_deadband_hz", "droop_frac", "droop_least_frac"})
SIGNALS: dict[Kind, Signals] = {
    Kind.BATTERY: Signals(
        BATTERY_STATE | INVERTER | {"power_kw", "frequency_hz"},
        frozenset({"charge_max_kw", "discharge_max_kw", "frequency_hz"}),
    ),
    Kind.BMS: Signals(BATTERY_STATE | {"power_kw", "charge_limit_a", "discharge_limit_a", "alarm"}),
    Kind.PV: Signals(
        INVERTER | DROOP | {"power_kw", "available_kw", "energy_kwh", "frequency_hz"}, frozenset({"limit_kw"})
    ),
    Kind.METER: Signals(frozenset({"power_kw", "energy_kwh", "voltage_v", "frequency_hz"})),
    Kind.GENSET: Signals(
        frozenset({"phase", "power_kw", "run_h", "starts", "failed_starts", "remote_allowed", "fuel_frac", "alarm"}),
        frozenset({"run", "set_kw"}),
    ),
    Kind.COOLING: Signals(frozenset({"inlet_c", "outdoor_c", "power_kw"}), frozenset({"setpoint_c"})),
    Kind.TANK: Signals(frozenset({"level_l", "level_frac"})),
    Kind.PDU: Signals(frozenset({"power_kw"})),
    Kind.UPS: Signals(frozenset({"soc_frac", "power_kw"})),
    Kind.SAFETY: Signals(frozenset({"emergency_stop", "fire"})),
}
OUTLET = "outlet_"
"""A PDU tells and takes ``outlet_1``, ``outlet_2``, ...: whether the outlet is on."""
UNITS = {
    "kw": "kW",
    "kwh": "kWh",
    "w": "W",
    "v": "V",
    "a": "A",
    "hz": "Hz",
    "c": "C",
    "l": "L",
    "h": "h",
    "s": "s",
    "frac": "1",
    "rpm": "rpm",
    "kpa": "kPa",
}
"""Unit that the last part of a signal's name stands for."""


def unit_of(signal: str) -> str:
    """Return the unit that a signal's name stands for; empty for states, words and counts."""
    return UNITS.get(signal.rpartition("_")[2], "") if "_" in signal else ""


def takes(kind: Kind, signal: str) -> bool:
    """Return whether a kind of equipment takes this order."""
    return signal in SIGNALS[kind].takes or (kind is Kind.PDU and signal.startswith(OUTLET))
