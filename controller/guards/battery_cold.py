"""Cold cells: no charge below the temperature that the site file gives, less of it just above.

What the battery may not take, the sun may not give: PV is limited to the load plus the charge that is left.
"""

from __future__ import annotations

from itertools import pairwise

from controller.guards.records import GuardInput, Narrowed, Reason
from sites.schema.energy import Battery


def cold_share(battery: Battery, cell_c: float) -> float:
    """Return the share of the charge limit that a cell temperature leaves."""
    points = battery.cold_charge_taper
    if cell_c <= points[0][0]:
        return points[0][1]
    for (low_c, low), (high_c, high) in pairwise(points):
        if cell_c <= high_c:
            return low + (high - low) * (cell_c - low_c) / (high_c - low_c)
    return points[-1][1]


def guard_battery_cold(given: GuardInput) -> Narrowed:
    """Narrow the charge limit to what the cells' temperature allows."""
    battery, reading = given.site.battery, given.snapshot.battery
    if battery is None or reading is None or reading.temperature_c is None:
        return Narrowed(given.setpoints, given.memory)
    share = cold_share(battery, reading.temperature_c)
    if share >= 0.999:
        return Narrowed(given.setpoints, given.memory)
    charge_kw = share * battery.charge_kw
    asked = given.setpoints.battery_limit_kw or (battery.charge_kw, battery.discharge_kw)
    update: dict[str, object] = {"battery_limit_kw": (min(asked[0], charge_kw), asked[1])}
    if given.snapshot.load_kw is not None:
        ceiling_kw = given.snapshot.load_kw + charge_kw
        limit_kw = given.setpoints.pv_limit_kw
        update["pv_limit_kw"] = ceiling_kw if limit_kw is None else min(limit_kw, ceiling_kw)
    text = f"cells at {reading.temperature_c:.1f} C: at most {charge_kw:.0f} kW of charge"
    return Narrowed(
        given.setpoints.model_copy(update=update),
        given.memory,
        (Reason("battery_cold", "BATTERY_COLD", "battery", text),),
    )
