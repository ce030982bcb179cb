"""Simple mode: load following over a year, many designs a pass.

The model is the reference one of the open microgrid sizing tools: PV first, then the battery, then a genset
that is always ready and has no minimum load; what is left is shed. Battery and rule are the plant's and the
rules' own functions, compiled (``compiled.py``); tapers, cold and self-consumption are switched off by
parameters. A battery's physics is linear in its capacity, so every design is simulated per kWh of its battery:
then all designs share one set of battery parameters. Fuel is affine in running hours and energy, so it follows
from their sums.

Sources: Lambert, Gilman & Lilienthal, *Micropower system modeling with HOMER* (2006); the microgrids package
(MIT), whose results are the reference of the tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.rules import dispatch as rules
from optimizer.rules.dispatch import RuleParams
from optimizer.sizing.compiled import compiled, kernel, kernel_part
from optimizer.sizing.economics import ComponentCost, component_cost, levelised_usd_per_kwh
from optimizer.sizing.inputs import HOURS_A_YEAR, Floats, Sizes, YearSeries
from sites.plant import battery
from sites.plant.battery import BatteryParams, BatteryState

BLOCK = 256
"""Designs a block: their states stay in the first-level cache."""

_charge_limit_kw = compiled(battery.charge_limit_kw)
_discharge_limit_kw = compiled(battery.discharge_limit_kw)
_soc_after_frac = compiled(battery.soc_after_frac)
_dispatch = compiled(rules.dispatch)


def plain_battery(
    charge_per_h: float, discharge_per_h: float, charge_eff_frac: float, discharge_eff_frac: float, soc_min: float
) -> BatteryParams:
    """Return one kWh of a battery without taper, cold, heat and self-consumption.

    Written with literals, in the order of ``BatteryParams``, so that the compiler drops what is switched off.
    """
    rates = (charge_per_h, discharge_per_h, charge_eff_frac, discharge_eff_frac)
    return BatteryParams(
        1.0, rates[0], rates[1], rates[2], rates[3], 0.0, soc_min, 1.0,  # energy, rates, efficiencies, SoC limits
        1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0,  # no taper: share 1 at any SoC
        -90.0, 1.0, -80.0, 1.0, -70.0, 1.0,  # no cold limit on charging
        -99.0, -98.0, 98.0, 99.0,  # nor on discharging, nor heat
        1.0, 0.0, 0.0, 0.0,  # no thermal exchange, no heater
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SimpleBattery:
    """A battery per kWh of its capacity."""

    charge_per_h: float = 0.5
    """Largest charging power over capacity."""
    discharge_per_h: float = 0.5
    charge_eff_frac: float = 0.95
    discharge_eff_frac: float = 1.0 / 1.05
    soc_min_frac: float = 0.1
    soc_initial_frac: float = 0.5

    def unit(self) -> BatteryParams:
        """Return the plant's parameters of one kWh of it, everything else switched off."""
        return plain_battery(
            self.charge_per_h,
            self.discharge_per_h,
            self.charge_eff_frac,
            self.discharge_eff_frac,
            self.soc_min_frac,
        )


_plain_battery = kernel_part(plain_battery)


@dataclass(frozen=True, kw_only=True)
class SimpleTotals:
    """What a year did, arrays over designs, summed over the series (not scaled to a year)."""

    genset_kwh: Floats
    genset_h: Floats
    shed_kwh: Floats
    charge_kwh: Floats
    discharge_kwh: Floats


@dataclass(frozen=True, kw_only=True)
class SimplePrices:
    """Prices and lives of the simple mode."""

    years: int = 25
    rate_frac: float = 0.08
    fuel_intercept_l_per_h_kw: float = 0.0274
    """Litres an hour of running per kW of rating."""
    fuel_slope_l_per_kwh: float = 0.2461
    fuel_usd_per_l: float = 1.2
    genset_usd_per_kw: float = 500.0
    genset_om_usd_per_kw_h: float = 0.02
    genset_life_h: float = 15000.0
    battery_usd_per_kwh: float = 300.0
    battery_om_usd_per_kwh_y: float = 6.0
    battery_life_y: float = 15.0
    battery_life_cycles: float = 6000.0
    pv_usd_per_kw: float = 1000.0
    pv_om_usd_per_kw_y: float = 15.0
    pv_life_y: float = 25.0


@dataclass(frozen=True, kw_only=True)
class SimpleCost:
    """Economics of the simple mode, arrays over designs."""

    npc_usd: Floats
    lcoe_usd_per_kwh: Floats
    fuel_l: Floats
    shed_frac: Floats
    genset: ComponentCost
    battery: ComponentCost
    pv: ComponentCost


@kernel
def _run_block(
    load_kw: Floats,
    pv_kw_per_kwp: Floats,
    step_h: float,
    unit: BatteryParams,
    soc_initial: float,
    genset_kw: Floats,
    battery_kwh: Floats,
    pv_kw: Floats,
    genset_sum: Floats,
    genset_steps: Floats,
    shed_sum: Floats,
    charge_sum: Floats,
    discharge_sum: Floats,
) -> None:
    """Run a block of designs; sums are in kW per kWh of battery (and in steps), added to the given arrays."""
    count = genset_kw.shape[0]
    soc = np.full(count, soc_initial)
    per_kwh = 1.0 / battery_kwh
    pv_unit = pv_kw * per_kwh
    genset_unit = genset_kw * per_kwh
    rule = RuleParams(0, True, 0.0, 0.0)
    plain = _plain_battery(
        unit.charge_max_kw, unit.discharge_max_kw, unit.charge_eff_frac, unit.discharge_eff_frac, unit.soc_min_frac
    )
    for step in range(load_kw.shape[0]):
        load = load_kw[step]
        sun = pv_kw_per_kwp[step]
        for design in range(count):
            state = BatteryState(soc[design], 1.0, 25.0)
            flows = _dispatch(
                rule,
                load * per_kwh[design] - sun * pv_unit[design],
                _charge_limit_kw(plain, state, step_h),
                _discharge_limit_kw(plain, state, step_h),
                0.0,
                genset_unit[design],
            )
            soc[design] = _soc_after_frac(plain, state, flows.battery_kw, step_h)
            genset_sum[design] += flows.genset_kw
            genset_steps[design] += 1.0 if flows.genset_kw > 0.0 else 0.0
            shed_sum[design] += flows.unserved_kw
            charge_sum[design] += max(-flows.battery_kw, 0.0)
            discharge_sum[design] += max(flows.battery_kw, 0.0)


def simulate(series: YearSeries, sizes: Sizes, kind: SimpleBattery) -> SimpleTotals:
    """Return the sums of a year for every design. Sizes must be positive (take 0.001 for none)."""
    sums = np.zeros((5, sizes.count))
    unit = kind.unit()
    for begin in range(0, sizes.count, BLOCK):
        part = slice(begin, begin + BLOCK)
        _run_block(
            series.load_kw,
            series.pv_kw_per_kwp,
            series.step_h,
            unit,
            kind.soc_initial_frac,
            sizes.genset_kw[part],
            sizes.battery_kwh[part],
            sizes.pv_kw[part],
            sums[0, part],
            sums[1, part],
            sums[2, part],
            sums[3, part],
            sums[4, part],
        )
    scale = sizes.battery_kwh * series.step_h
    return SimpleTotals(
        genset_kwh=sums[0] * scale,
        genset_h=sums[1] * series.step_h,
        shed_kwh=sums[2] * scale,
        charge_kwh=sums[3] * scale,
        discharge_kwh=sums[4] * scale,
    )


def price(series: YearSeries, sizes: Sizes, totals: SimpleTotals, prices: SimplePrices) -> SimpleCost:
    """Return the economics of simulated designs."""
    per_year = HOURS_A_YEAR / series.hours
    genset_h = totals.genset_h * per_year
    wanted_kwh = float(series.load_kw.sum()) * series.step_h * per_year
    served_kwh = wanted_kwh - totals.shed_kwh * per_year
    fuel_l = (
        prices.fuel_intercept_l_per_h_kw * sizes.genset_kw * genset_h
        + prices.fuel_slope_l_per_kwh * totals.genset_kwh * per_year
    )
    cycles = (totals.charge_kwh + totals.discharge_kwh) / (2.0 * sizes.battery_kwh) * per_year
    zero = np.zeros(sizes.count)
    genset = component_cost(
        investment_usd=prices.genset_usd_per_kw * sizes.genset_kw,
        replacement_usd=prices.genset_usd_per_kw * sizes.genset_kw,
        lifetime_y=prices.genset_life_h / np.maximum(genset_h, 1e-9),
        om_usd_per_y=prices.genset_om_usd_per_kw_h * sizes.genset_kw * genset_h,
        fuel_usd_per_y=prices.fuel_usd_per_l * fuel_l,
        rate_frac=prices.rate_frac,
        years=prices.years,
    )
    store = component_cost(
        investment_usd=prices.battery_usd_per_kwh * sizes.battery_kwh,
        replacement_usd=prices.battery_usd_per_kwh * sizes.battery_kwh,
        lifetime_y=np.minimum(prices.battery_life_y, prices.battery_life_cycles / np.maximum(cycles, 1e-9)),
        om_usd_per_y=prices.battery_om_usd_per_kwh_y * sizes.battery_kwh,
        fuel_usd_per_y=zero,
        rate_frac=prices.rate_frac,
        years=prices.years,
    )
    sun = component_cost(
        investment_usd=prices.pv_usd_per_kw * sizes.pv_kw,
        replacement_usd=prices.pv_usd_per_kw * sizes.pv_kw,
        lifetime_y=np.full(sizes.count, prices.pv_life_y),
        om_usd_per_y=prices.pv_om_usd_per_kw_y * sizes.pv_kw,
        fuel_usd_per_y=zero,
        rate_frac=prices.rate_frac,
        years=prices.years,
    )
    npc_usd = genset.total_usd + store.total_usd + sun.total_usd
    return SimpleCost(
        npc_usd=npc_usd,
        lcoe_usd_per_kwh=levelised_usd_per_kwh(npc_usd, served_kwh, prices.rate_frac, prices.years),
        fuel_l=fuel_l,
        shed_frac=totals.shed_kwh * per_year / wanted_kwh,
        genset=genset,
        battery=store,
        pv=sun,
    )
