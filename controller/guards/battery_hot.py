"""Hot cells: less charge and discharge as they near the temperature at which a BMS opens.

    share of both limits     the plant's own: all of it up to 50 C, none at 60 C                             (1)
    share <= 1/2             gensets carry the site, and jobs pause                                          (2)

What the battery may not take, the sun may not give: PV is limited to the load plus the charge that is left.
"""

from __future__ import annotations

from controller.guards.gensets_called import call_gensets
from controller.guards.load_cut import cut_order, without
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.guards.soc import CHARGING_LOAD_FRAC
from sites.plant.battery import BatteryParams, ramp_frac

HALF = 0.5
_DEFAULTS = BatteryParams._field_defaults
FULL_C, ZERO_C = float(_DEFAULTS["hot_full_c"]), float(_DEFAULTS["hot_zero_c"])


def guard_battery_hot(given: GuardInput) -> Narrowed:
    """Narrow the battery's limits by (1), and its work by (2)."""
    battery, reading = given.site.battery, given.snapshot.battery
    if battery is None or reading is None or reading.temperature_c is None:
        return Narrowed(given.setpoints, given.memory)
    share = ramp_frac(reading.temperature_c, ZERO_C, FULL_C)
    if share >= 1.0:
        return Narrowed(given.setpoints, given.memory)
    asked = given.setpoints.battery_limit_kw or (battery.charge_kw, battery.discharge_kw)
    charge_kw, discharge_kw = share * battery.charge_kw, share * battery.discharge_kw
    update: dict[str, object] = {"battery_limit_kw": (min(asked[0], charge_kw), min(asked[1], discharge_kw))}
    if given.snapshot.load_kw is not None:
        ceiling_kw, limit_kw = given.snapshot.load_kw + charge_kw, given.setpoints.pv_limit_kw
        update["pv_limit_kw"] = ceiling_kw if limit_kw is None else min(limit_kw, ceiling_kw)
    setpoints, text = given.setpoints.model_copy(update=update), f"cells at {reading.temperature_c:.1f} C"
    text += f": at most {charge_kw:.0f} kW of charge and {discharge_kw:.0f} kW of discharge"
    if share <= HALF:
        setpoints = call_gensets(
            setpoints,
            given.snapshot,
            given.site,
            count=len(given.site.gensets),
            load_frac=CHARGING_LOAD_FRAC,
            reason_code="BATTERY_HOT",
        )
        cuts = tuple(cut for cut in cut_order(setpoints, given.site, given.jobs) if cut.kind == "job")
        setpoints, text = without(setpoints, cuts), text + "; gensets are called, jobs pause"
    return Narrowed(setpoints, given.memory, (Reason("battery_hot", "BATTERY_HOT", "battery", text),))
