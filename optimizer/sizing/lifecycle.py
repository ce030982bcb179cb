"""What designs of the full model cost over their life, component by component.

Equations (1) to (3) of ``economics.py`` for PV, battery, gensets, cooling, computers and what stands there in
any case; fuel and priced shortage are yearly costs. CO2 from diesel: 2.70 kg/L (10.21 kg a US gallon, EPA GHG
Emission Factors Hub 2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.sizing.battery_life import LifeBand
from optimizer.sizing.economics import ComponentCost, component_cost, levelised_usd_per_kwh, recovery_factor
from optimizer.sizing.full import Designs
from optimizer.sizing.inputs import Floats

CO2_KG_PER_L = 2.70


@dataclass(frozen=True, kw_only=True)
class LifePrices:
    """Prices and lives. USD of the first year; no inflation, so the rate is a real one."""

    years: int = 20
    rate_frac: float = 0.07
    fuel_usd_per_l: float = 1.60
    pv_usd_per_kwp: float = 1100.0
    pv_om_usd_per_kwp_y: float = 15.0
    pv_life_y: float = 25.0
    battery_usd_per_kwh: float = 300.0
    battery_replacement_frac: float = 0.7
    """Price of a replacement over the first price."""
    battery_om_usd_per_kwh_y: float = 5.0
    battery_life_most_y: float = 20.0
    battery_end_frac: float = 0.7
    genset_usd_per_kw: float = 500.0
    genset_om_usd_per_kw_h: float = 0.02
    genset_life_h: float = 15000.0
    genset_life_most_y: float = 25.0
    start_usd: float = 2.0
    deliveries_usd_per_y: float = 0.0
    """Trips of the fuel truck, besides the litres; only where there are gensets."""
    cooling_usd_per_kw: float = 600.0
    cooling_life_y: float = 15.0
    computers_usd: float = 0.0
    """Price of all computers of the site variant."""
    computers_life_y: float = 6.0
    site_usd: float = 0.0
    """What stands there in any case: container, foundations, roads."""
    site_om_usd_per_y: float = 0.0
    unserved_usd_per_kwh: float = 20.0
    late_usd_per_kwh: float = 0.0
    """Price of work done a day late, per kWh of it."""


@dataclass(frozen=True, kw_only=True)
class YearFigures:
    """A mean year of each design, arrays over designs."""

    fuel_l: Floats
    genset_h: Floats
    """Running hours, summed over the units."""
    starts: Floats
    served_kwh: Floats
    unserved_kwh: Floats
    late_kwh_h: Floats


@dataclass(frozen=True, kw_only=True)
class LifeCost:
    """Economics of designs, arrays over designs."""

    npc_usd: Floats
    lcoe_usd_per_kwh: Floats
    capex_usd: Floats
    yearly_usd: Floats
    """NPC spread evenly over the years."""
    co2_kg_per_y: Floats
    parts: dict[str, ComponentCost]
    lives_y: dict[str, Floats]
    """Life of each part, for the cash flow."""


def life_cost(designs: Designs, year: YearFigures, life: LifeBand, prices: LifePrices) -> LifeCost:
    """Return what designs cost over the project."""
    zero = np.zeros(designs.count)
    genset_kw = designs.genset_kw * designs.genset_count
    per_unit_h = year.genset_h / np.maximum(designs.genset_count, 1.0)
    lives = {
        "PV": zero + prices.pv_life_y,
        "Battery": np.minimum(life.middle_y, prices.battery_life_most_y),
        "Gensets": np.minimum(prices.genset_life_most_y, prices.genset_life_h / np.maximum(per_unit_h, 1e-9)),
        "Cooling": zero + prices.cooling_life_y,
        "Computers": zero + prices.computers_life_y,
        "Site": zero + float(prices.years),
        "Shortage": zero + 1e6,
    }
    first = {
        "PV": prices.pv_usd_per_kwp * designs.pv_kw,
        "Battery": prices.battery_usd_per_kwh * designs.battery_kwh,
        "Gensets": prices.genset_usd_per_kw * genset_kw,
        "Cooling": prices.cooling_usd_per_kw * designs.cooling_kw,
        "Computers": zero + prices.computers_usd,
        "Site": zero + prices.site_usd,
        "Shortage": zero,
    }
    yearly = {
        "PV": prices.pv_om_usd_per_kwp_y * designs.pv_kw,
        "Battery": prices.battery_om_usd_per_kwh_y * designs.battery_kwh,
        "Gensets": prices.genset_om_usd_per_kw_h * designs.genset_kw * year.genset_h
        + prices.start_usd * year.starts
        + np.where(designs.genset_kw > 0.0, prices.deliveries_usd_per_y, 0.0),
        "Site": zero + prices.site_om_usd_per_y,
        "Shortage": prices.unserved_usd_per_kwh * year.unserved_kwh + prices.late_usd_per_kwh * year.late_kwh_h / 24.0,
    }
    parts = {
        name: component_cost(
            investment_usd=price,
            replacement_usd=price * (prices.battery_replacement_frac if name == "Battery" else 1.0),
            lifetime_y=lives[name],
            om_usd_per_y=yearly.get(name, zero),
            fuel_usd_per_y=prices.fuel_usd_per_l * year.fuel_l if name == "Gensets" else zero,
            rate_frac=prices.rate_frac,
            years=prices.years,
        )
        for name, price in first.items()
    }
    npc_usd = np.asarray(sum((part.total_usd for part in parts.values()), zero), dtype=np.float64)
    return LifeCost(
        npc_usd=npc_usd,
        lcoe_usd_per_kwh=levelised_usd_per_kwh(npc_usd, year.served_kwh, prices.rate_frac, prices.years),
        capex_usd=np.asarray(sum(first.values(), zero), dtype=np.float64),
        yearly_usd=npc_usd * recovery_factor(prices.rate_frac, prices.years),
        co2_kg_per_y=CO2_KG_PER_L * year.fuel_l,
        parts=parts,
        lives_y=lives,
    )
