"""Close looks at single designs: a year's course, failures by chance, autonomy, ageing, cash flow, cost drivers.

Each look calls what the whole study called (the year kernel, the economics, the ageing functions), for one design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from controller.design.axes import SIZE_AXES
from controller.design.context import Context, Group
from controller.design.evaluate import Judged, judge, tables
from controller.design.study import Reliability
from controller.design.variant import surroundings
from optimizer.sizing.ageing import HealthPath, band
from optimizer.sizing.economics import cash_flow_usd
from optimizer.sizing.full import simulate, step_table, trace
from optimizer.sizing.full_columns import T_SERVICE, T_SUN
from optimizer.sizing.inputs import HOURS_A_YEAR, Floats
from optimizer.sizing.lifecycle import LifeCost, LifePrices, life_cost
from optimizer.sizing.reliability import Autonomy, autonomy

AGEING_YEARS = 20


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Monte Carlo over failures to start and running failures, arrays over draws (all weather years in turn)."""

    loss_h: Floats
    loss_kwh: Floats
    trips: Floats
    failed_starts: Floats


@dataclass(frozen=True, kw_only=True)
class Swing:
    """What a changed assumption does to the net present cost."""

    name: str
    low_usd: float
    """Change of the NPC at the low end."""
    high_usd: float


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One design, closely."""

    title: str
    group: int
    row: pd.Series
    course: dict[str, Floats]
    """Steps of the first weather year, see ``full.trace``; ``sun_kw`` added."""
    judged: Judged
    failures: Failures | None
    autonomy: Autonomy
    health: tuple[HealthPath, ...]
    cash_usd: dict[str, Floats]
    """Undiscounted cost by part and year, year 0 first."""
    swings: tuple[Swing, ...]


def position(context: Context, row: pd.Series) -> NDArray[np.int64]:
    """Return the grid coordinates of a row, shape (1, axes)."""
    return np.array(np.unravel_index([int(row["design"])], context.shape), dtype=np.int64).T


def look_closely(context: Context, title: str, row: pd.Series, dice: Reliability) -> Detail:
    """Return the close look at a design of the results."""
    index = int(row["group"])
    group = context.groups[index]
    at = position(context, row)
    years = tables(context, group)
    judged = judge(context, group, at, years)
    course = trace(years[0], context.step_h, judged.designs, group.kit)
    weather = context.weather[group.years]
    course["sun_kw"] = weather.sun_kw_per_kwp[0] * float(row["pv_kwp"])
    course["outdoor_c"] = weather.outdoor_c[0]
    critical_kw = group.loads.house_kw + years[0][:, T_SERVICE]
    return Detail(
        title=title,
        group=index,
        row=row,
        course=course,
        judged=judged,
        failures=_failures(context, group, judged, dice) if dice.draws and row["genset_kw"] > 0 else None,
        autonomy=autonomy(
            critical_kw=critical_kw,
            sun_kw=course["sun_kw"],
            soc_frac=course["soc_frac"],
            cell_c=course["cell_c"],
            step_h=context.step_h,
            battery_kwh=float(judged.designs.battery_kwh[0]),
            unit=group.kit.battery,
            health_frac=group.kit.shared.health_frac,
        ),
        health=band(
            group.chemistry,
            course["soc_frac"],
            course["cell_c"],
            context.step_h,
            AGEING_YEARS,
            end_frac=group.prices.battery_end_frac,
        ),
        cash_usd=_cash(judged.cost, group.prices),
        swings=_swings(context, group, judged, at),
    )


def _failures(context: Context, group: Group, judged: Judged, dice: Reliability) -> Failures:
    weather = context.weather[group.years]
    kit = replace(group.kit, shared=group.kit.shared._replace(mttf_h=dice.mttf_h, repair_h=dice.repair_h))
    rows = np.zeros((4, dice.draws))
    for draw in range(dice.draws):
        year = draw % weather.count
        around = surroundings(
            group.loads,
            weather.sun_kw_per_kwp[year],
            weather.outdoor_c[year],
            context.step_h,
            group.cap_policy,
            context.deliveries,
        )
        table = step_table(around, kit, seed=context.seed, draw=draw, start_failure_frac=dice.start_failure_frac)
        sums = simulate(table, context.step_h, judged.designs, kit)
        scale = HOURS_A_YEAR / sums.hours
        names = ("loss_of_load_h", "unserved_kwh", "trips", "failed_starts")
        rows[:, draw] = [float(sums[name][0]) * scale for name in names]
    return Failures(loss_h=rows[0], loss_kwh=rows[1], trips=rows[2], failed_starts=rows[3])


def _cash(cost: LifeCost, prices: LifePrices) -> dict[str, Floats]:
    annuity = float(((1.0 + prices.rate_frac) ** -np.arange(1.0, prices.years + 1.0)).sum())
    found = {}
    for name, part in cost.parts.items():
        price = float(part.investment_usd[0])
        yearly = float(part.om_usd[0] + part.fuel_usd[0]) / annuity
        found[name] = cash_flow_usd(
            investment_usd=price,
            replacement_usd=price * (prices.battery_replacement_frac if name == "Battery" else 1.0),
            lifetime_y=float(cost.lives_y[name][0]),
            yearly_usd=yearly,
            years=prices.years,
        )
    return found


def _swings(context: Context, group: Group, judged: Judged, at: NDArray[np.int64]) -> tuple[Swing, ...]:
    """Return how the NPC moves with prices, the discount rate, the sun and the load, largest first."""
    now = group.prices
    base = float(judged.cost.npc_usd[0])

    def priced(prices: LifePrices) -> float:
        return float(life_cost(judged.designs, judged.year, judged.life, prices).npc_usd[0]) - base

    found = []
    for name, field, low, high in (
        ("diesel price -50 / +50 %", "fuel_usd_per_l", 0.5, 1.5),
        ("battery price -30 / +30 %", "battery_usd_per_kwh", 0.7, 1.3),
        ("PV price -30 / +30 %", "pv_usd_per_kwp", 0.7, 1.3),
        ("genset price -30 / +30 %", "genset_usd_per_kw", 0.7, 1.3),
    ):
        value = getattr(now, field)
        ends = [priced(replace(now, **{field: value * factor})) for factor in (low, high)]
        found.append(Swing(name=name, low_usd=ends[0], high_usd=ends[1]))
    rates = [priced(replace(now, rate_frac=max(0.0, now.rate_frac + change))) for change in (-0.03, 0.03)]
    found.append(Swing(name="discount rate -3 / +3 points", low_usd=rates[0], high_usd=rates[1]))
    lives = [
        float(life_cost(judged.designs, judged.year, replace(judged.life, middle_y=years), now).npc_usd[0]) - base
        for years in (judged.life.low_y, judged.life.high_y)
    ]
    found.append(Swing(name="battery life: worst / best ageing model", low_usd=lives[0], high_usd=lives[1]))
    suns = []
    for column, name in ((T_SUN, "sun -10 / +10 %"), (T_SERVICE, "service load -20 / +20 %")):
        for factor in (0.9, 1.1) if column == T_SUN else (0.8, 1.2):
            changed = [table.copy() for table in tables(context, group)]
            for table in changed:
                table[:, column] *= factor
            suns.append(float(judge(context, group, at, changed).cost.npc_usd[0]) - base)
        found.append(Swing(name=name, low_usd=suns[-2], high_usd=suns[-1]))
    return tuple(sorted(found, key=lambda swing: -max(abs(swing.low_usd), abs(swing.high_usd))))


def sizes_text(row: pd.Series) -> str:
    """Return a design's sizes in a line."""
    value = {name: float(row[name]) for name in SIZE_AXES}
    gensets = f"{value['genset_count']:g} x {value['genset_kw']:g} kW" if value["genset_kw"] > 0 else "no genset"
    return f"{value['pv_kwp']:g} kWp PV, {value['battery_kwh']:g} kWh battery, {gensets}"
