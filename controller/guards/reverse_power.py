"""Reverse power: a genset at minimum load beside a full battery and a bright sun must not be driven by the bus.

room = load + charge the battery takes - sum of the minimum loads of the gensets that carry load
PV may give at most max(room, 0)                                                                          (1)
a genset that measures reverse power is taken off                                                        (2)
"""

from __future__ import annotations

from controller.guards.gensets_called import command_of, reading_of, with_command
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.snapshot import GensetPhase

TAKEN_OFF = {"run": False, "kw": 0.0, "reason_code": "REVERSE_POWER"}
REVERSE_KW = -0.5
"""Below this a meter shows reverse power, not noise; share of small sets' rating is a few per cent."""


def guard_reverse_power(given: GuardInput) -> Narrowed:
    """Limit PV beside running gensets by (1) and take off what is driven by (2)."""
    setpoints, snapshot, reasons = given.setpoints, given.snapshot, []
    minimum_kw = 0.0
    for genset in given.site.gensets:
        reading = reading_of(snapshot, genset.name)
        if reading is None or reading.phase is not GensetPhase.RUNNING:
            continue
        minimum_kw += genset.min_load_frac * genset.rating_kw
        asked = command_of(setpoints, genset.name)
        if reading.power_kw is not None and reading.power_kw < REVERSE_KW and asked is not None and asked.run:
            setpoints = with_command(setpoints, asked.model_copy(update=TAKEN_OFF))
            text = f"{reading.power_kw:.1f} kW flow into it: taken off"
            reasons.append(Reason("reverse_power", "REVERSE_POWER", f"genset {genset.name}", text))
    if minimum_kw <= 0 or snapshot.load_kw is None:
        return Narrowed(setpoints, given.memory, tuple(reasons))
    room_kw = max(snapshot.load_kw + _charge_kw(given) - minimum_kw, 0.0)
    available_kw = snapshot.pv_available_kw if snapshot.pv_available_kw is not None else snapshot.pv_kw
    if available_kw is None or available_kw > room_kw:
        limit_kw = setpoints.pv_limit_kw
        setpoints = setpoints.model_copy(
            update={"pv_limit_kw": room_kw if limit_kw is None else min(limit_kw, room_kw)}
        )
        text = f"load and battery leave {room_kw:.0f} kW for the sun beside gensets at minimum load"
        reasons.append(Reason("reverse_power", "REVERSE_POWER", "pv", text))
    return Narrowed(setpoints, given.memory, tuple(reasons))


def _charge_kw(given: GuardInput) -> float:
    battery = given.snapshot.battery
    if given.site.battery is None or battery is None or not battery.contactor_closed:
        return 0.0
    rated_kw = given.site.battery.charge_kw
    limits = [rated_kw if battery.charge_limit_kw is None else battery.charge_limit_kw]
    if given.setpoints.battery_limit_kw is not None:
        limits.append(given.setpoints.battery_limit_kw[0])
    return min(limits)
