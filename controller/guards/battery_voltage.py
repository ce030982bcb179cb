"""Voltage of the battery bank: the limit that holds when the state of charge is wrong, or one cell runs away.

    U >= highest, for three seconds             no charge, and no more sun than the load takes               (1)
    U <= lowest, for three seconds              all gensets; jobs pause and soft tiers go                    (2)
    U <= lowest, for half a minute more         all but critical services go as well                        (3)

(1) ends 1 % below the limit. (2) and (3) end 3 % above it: a bank recovers as soon as load is gone, and would go on and
off. Limits are the site file's, above the BMS's own: it opens its contactor where this guard has not been enough.
"""

from __future__ import annotations

from controller.guards.gensets_called import call_gensets
from controller.guards.load_cut import cut_order, without
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.guards.soc import CHARGING_LOAD_FRAC

LASTS_S = 3.0
"""A load step pulls the voltage down for less."""
LOWER_AFTER_S = 30.0
RELEASE_HIGH_FRAC, RELEASE_LOW_FRAC = 0.01, 0.03


def guard_battery_voltage(given: GuardInput) -> Narrowed:
    """Narrow charge and load by the bank's voltage, rules (1) to (3)."""
    battery, reading = given.site.battery, given.snapshot.battery
    limits_v = battery.voltage_limits_v if battery is not None else None
    volts = reading.voltage_v if reading is not None else None
    if limits_v is None or volts is None:
        return Narrowed(given.setpoints, given.memory)
    low_v, high_v = limits_v
    memory = given.memory
    high_s = _lasting(memory.volts_high_s, volts >= high_v, volts > high_v * (1 - RELEASE_HIGH_FRAC), given.dt_s)
    low_s = _lasting(memory.volts_low_s, volts <= low_v, volts < low_v * (1 + RELEASE_LOW_FRAC), given.dt_s)
    narrowed = given._replace(memory=memory._replace(volts_high_s=high_s, volts_low_s=low_s))
    if high_s >= LASTS_S:
        return _no_charge(narrowed, f"{volts:.1f} V, highest {high_v:.1f} V: no charge")
    if low_s >= LASTS_S:
        kinds = ("job", "tier") if low_s < LASTS_S + LOWER_AFTER_S else ("job", "tier", "service")
        return _less_load(narrowed, kinds, f"{volts:.1f} V, lowest {low_v:.1f} V: {', '.join(kinds)} load goes")
    return Narrowed(narrowed.setpoints, narrowed.memory)


def _lasting(lasted_s: float, reached: bool, held: bool, dt_s: float) -> float:
    """Return how long a limit has been reached; once it counts, as long as it is ``held``."""
    if reached:
        return lasted_s + dt_s
    return lasted_s if lasted_s >= LASTS_S and held else 0.0


def _no_charge(given: GuardInput, text: str) -> Narrowed:
    battery, asked = given.site.battery, given.setpoints.battery_limit_kw
    discharge_kw = asked[1] if asked is not None else battery.discharge_kw if battery is not None else 0.0
    update: dict[str, object] = {"battery_limit_kw": (0.0, discharge_kw)}
    if given.snapshot.load_kw is not None:
        limit_kw = given.setpoints.pv_limit_kw
        load_kw = given.snapshot.load_kw
        update["pv_limit_kw"] = load_kw if limit_kw is None else min(limit_kw, load_kw)
    reason = Reason("battery_voltage", "VOLTAGE_HIGH", "battery", text)
    return Narrowed(given.setpoints.model_copy(update=update), given.memory, (reason,))


def _less_load(given: GuardInput, kinds: tuple[str, ...], text: str) -> Narrowed:
    setpoints = call_gensets(
        given.setpoints,
        given.snapshot,
        given.site,
        count=len(given.site.gensets),
        load_frac=CHARGING_LOAD_FRAC,
        reason_code="VOLTAGE_LOW",
    )
    cuts = tuple(cut for cut in cut_order(setpoints, given.site, given.jobs) if cut.kind in kinds)
    reason = Reason("battery_voltage", "VOLTAGE_LOW", "load", text)
    return Narrowed(without(setpoints, cuts), given.memory, (reason,))
