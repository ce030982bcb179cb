"""The site file of a design: the variant's site with the design's sizes."""

from __future__ import annotations

import pandas as pd

from sites.schema.site import Site

GROWING = (
    "capacity_kwh",
    "charge_kw",
    "discharge_kw",
    "standby_kw",
    "heater_kw",
    "thermal_mass_kwh_per_k",
    "loss_kw_per_k",
)
"""Fields of a battery that grow with its capacity."""


def sized_site(site: Site, row: pd.Series, *, soc_frac: float | None = None) -> Site:
    """Return the site file of a design, beginning at ``soc_frac`` (as near as its battery allows)."""
    changes: dict[str, object] = {"cooling": site.cooling.model_copy(update={"capacity_kw": float(row["cooling_kw"])})}
    if site.pv is not None:
        scale = float(row["pv_kwp"]) / sum(array.kwp for array in site.pv.arrays)
        arrays = tuple(array.model_copy(update={"kwp": array.kwp * scale}) for array in site.pv.arrays)
        inverters = tuple(each.model_copy(update={"ac_kw": each.ac_kw * scale}) for each in site.pv.inverters)
        changes["pv"] = site.pv.model_copy(update={"arrays": arrays, "inverters": inverters})
    battery = site.battery
    if battery is not None:
        scale = float(row["battery_kwh"]) / battery.capacity_kwh
        update: dict[str, object] = {name: getattr(battery, name) * scale for name in GROWING}
        if soc_frac is not None:
            update["soc_initial_frac"] = min(max(soc_frac, battery.soc_min_frac), battery.soc_max_frac)
        changes["battery"] = battery.model_copy(update=update)
        changes["bus"] = site.bus.model_copy(update={"inverter_kw": site.bus.inverter_kw * scale})
    if site.gensets:
        count = int(row["genset_count"]) if row["genset_kw"] > 0 else 0
        first = site.gensets[0]
        changes["gensets"] = tuple(
            first.model_copy(update={"name": f"diesel-{index + 1}", "rating_kw": float(row["genset_kw"])})
            for index in range(count)
        )
    if site.tank is not None and row["tank_l"] > 0:
        tank_l = float(row["tank_l"])
        level_l, reserve_l = min(site.tank.level_l, tank_l), min(site.tank.reserve_l, tank_l)
        changes["tank"] = site.tank.model_copy(
            update={"capacity_l": tank_l, "level_l": level_l, "reserve_l": reserve_l}
        )
    return site.model_copy(update=changes)
