"""Designs of a group over all weather years: simulated, priced, judged.

Designs are simulated at the health of mid-life, half-way between new and the end of life. A design's figures
are means over the years, with P10, P50 and P90 of fuel and of energy not served; its cost uses the mean year.
Money and breach depend on nothing but the design and the study, so a row is the same whoever computes it, in
whatever batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from controller.design.axes import SIZE_AXES
from controller.design.context import Context, Group
from controller.design.study import Limits
from controller.design.variant import surroundings
from optimizer.sizing.battery_life import LifeBand, life_band
from optimizer.sizing.full import Designs, Totals, simulate, step_table
from optimizer.sizing.full_columns import SUM_NAMES
from optimizer.sizing.inputs import HOURS_A_YEAR, Floats
from optimizer.sizing.lifecycle import LifeCost, YearFigures, life_cost

LEAST = 1e-3
"""Size that stands for none of a battery or of PV."""
WHY = ("loss of load", "late work", "fuel", "capital", "PV area", "noise")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Designs with their figures."""

    designs: Designs
    rows: pd.DataFrame
    """One row a design: labels, sizes, money, energy, reliability, ``allowed`` and ``why_not``."""
    year: YearFigures
    totals: Totals
    """Mean sums of the weather years."""
    cost: LifeCost
    life: LifeBand
    breach: Floats
    """0 where every limit is held, else how far the worst is broken, as a share of it."""


def designs_at(context: Context, group: Group, at: NDArray[np.int64]) -> Designs:
    """Return the designs at grid coordinates, shape (designs, axes)."""
    value = {name: np.array(axis)[at[:, index]] for index, (name, axis) in enumerate(_axes(context))}
    same = np.ones(len(at))
    return Designs(
        genset_kw=value["genset_kw"],
        genset_count=np.maximum(value["genset_count"], 1.0),
        battery_kwh=np.maximum(value["battery_kwh"], LEAST),
        pv_kw=value["pv_kwp"],
        batch_kw=same * group.loads.batch_kw,
        cooling_kw=value["cooling_kw"],
        service_scale=same,
        tank_l=value["tank_l"],
    )


def _axes(context: Context) -> list[tuple[str, tuple[float, ...]]]:
    return list(zip(SIZE_AXES, context.axes, strict=True))


def coordinates(context: Context, begin: int, end: int) -> NDArray[np.int64]:
    """Return the grid coordinates of designs ``begin .. end`` of a group, shape (designs, axes)."""
    return np.array(np.unravel_index(np.arange(begin, end), context.shape), dtype=np.int64).T


def tables(context: Context, group: Group, *, years: int = 0) -> list[Floats]:
    """Return the step table of each weather year of a group, or of the first ``years``."""
    weather = context.weather[group.years]
    return [
        step_table(
            surroundings(
                group.loads,
                weather.sun_kw_per_kwp[year],
                weather.outdoor_c[year],
                context.step_h,
                group.cap_policy,
                context.deliveries,
            ),
            group.kit,
        )
        for year in range(years or weather.count)
    ]


def judge(context: Context, group: Group, at: NDArray[np.int64], years: list[Floats]) -> Judged:
    """Simulate and price the designs at grid coordinates; ``years`` are the group's step tables."""
    designs = designs_at(context, group, at)
    runs = [simulate(table, context.step_h, designs, group.kit) for table in years]
    mean = mean_totals(runs)
    life = life_band(group.chemistry, mean, designs, group.kit, end_frac=group.prices.battery_end_frac)
    scale = HOURS_A_YEAR / mean.hours
    wanted_kwh = mean["load_kwh"] * scale
    missing_kwh = mean["unserved_kwh"] * scale
    served_kwh = wanted_kwh - missing_kwh - mean["batch_shed_kwh"] * scale
    year = YearFigures(
        fuel_l=mean["fuel_l"] * scale,
        genset_h=mean["genset_h"] * scale,
        starts=mean["starts"] * scale,
        served_kwh=served_kwh,
        unserved_kwh=missing_kwh,
        late_kwh_h=mean["late_kwh_h"] * scale,
    )
    cost = life_cost(designs, year, life, group.prices)
    arrived_kwh = mean["work_kwh"] * scale + mean.backlog_kwh * scale
    late_frac = np.divide(mean.backlog_kwh * scale, arrived_kwh, out=np.zeros(designs.count), where=arrived_kwh > 0)
    # work that is still within its patience at the year's end is not late
    late_frac = np.maximum(0.0, late_frac - patience_frac(group))
    fixed_kwh = wanted_kwh - mean["work_kwh"] * scale
    loss_frac = missing_kwh / np.maximum(fixed_kwh, 1e-9)
    fuel = np.array([run["fuel_l"] * scale for run in runs])
    loss = np.array([run["unserved_kwh"] * scale for run in runs]) / np.maximum(fixed_kwh, 1e-9)
    sun_kwh = float(np.mean(context.weather[group.years].sun_kw_per_kwp.sum(axis=1))) * context.step_h * scale
    gpu_h = mean["work_kwh"] * scale * group.loads.gpu_h_per_kwh
    rows = pd.DataFrame(
        {
            **{name: np.full(designs.count, label) for name, label in group.labels.items()},
            **{name: np.array(axis)[at[:, index]] for index, (name, axis) in enumerate(_axes(context))},
            "npc_usd": cost.npc_usd,
            "lcoe_usd_per_kwh": cost.lcoe_usd_per_kwh,
            "capex_usd": cost.capex_usd,
            "yearly_usd": cost.yearly_usd,
            "fuel_l": year.fuel_l,
            "fuel_p10_l": np.quantile(fuel, 0.1, axis=0),
            "fuel_p50_l": np.quantile(fuel, 0.5, axis=0),
            "fuel_p90_l": np.quantile(fuel, 0.9, axis=0),
            "co2_kg": cost.co2_kg_per_y,
            "genset_h": year.genset_h,
            "starts": year.starts,
            "noise_h": mean["noise_h"] * scale,
            "loss_frac": loss_frac,
            "loss_p90_frac": np.quantile(loss, 0.9, axis=0),
            "loss_h": mean["loss_of_load_h"] * scale,
            "late_frac": late_frac,
            "work_kwh": mean["work_kwh"] * scale,
            "gpu_h": gpu_h,
            "served_kwh": served_kwh,
            "curtailed_frac": mean["spilled_kwh"] * scale / np.maximum(sun_kwh * designs.pv_kw, 1e-9),
            "heat_lost_kwh": mean["heat_lost_kwh"] * scale,
            "battery_life_low_y": life.low_y,
            "battery_life_y": life.middle_y,
            "battery_life_high_y": life.high_y,
            "npc_all_usd": cost.npc_usd * group.sites_built,
        }
    )
    breach, why = breaches(rows, context.limits)
    rows["allowed"] = breach <= 0.0
    rows["why_not"] = why
    return Judged(designs=designs, rows=rows, year=year, totals=mean, cost=cost, life=life, breach=breach)


def patience_frac(group: Group) -> float:
    """Return the share of a year's work that may rightly wait across the year's end."""
    weeks = [(float(week.sum()), wait_h) for _, week, wait_h in group.loads.streams]
    total = sum(kwh for kwh, _ in weeks)
    if total <= 0.0 or group.cap_policy == "at-once":
        return 1.0 / HOURS_A_YEAR
    return sum(kwh * (wait_h + 1.0) for kwh, wait_h in weeks) / total / HOURS_A_YEAR


def mean_totals(runs: list[Totals]) -> Totals:
    """Return the mean of several years' sums."""
    count = float(len(runs))
    return Totals(
        sums={name: np.asarray(sum(run[name] for run in runs) / count) for name in SUM_NAMES},
        backlog_kwh=np.asarray(sum(run.backlog_kwh for run in runs) / count),
        soc_end_frac=np.asarray(sum(run.soc_end_frac for run in runs) / count),
        hours=runs[0].hours,
    )


def breaches(rows: pd.DataFrame, limits: Limits) -> tuple[Floats, list[str]]:
    """Return how far each design breaks its worst limit (share of the limit; 0 = none) and which limits it breaks."""
    checks: list[tuple[str, Floats, float | None]] = [
        ("loss of load", rows["loss_frac"].to_numpy(), limits.loss_of_load_frac),
        ("late work", rows["late_frac"].to_numpy(), limits.late_work_frac),
        ("fuel", rows["fuel_l"].to_numpy(), limits.fuel_l_per_y),
        ("capital", rows["capex_usd"].to_numpy(), limits.capex_usd),
        ("PV area", rows["pv_kwp"].to_numpy() * limits.m2_per_kwp, limits.pv_area_m2),
        ("noise", rows["noise_h"].to_numpy(), limits.noise_h_per_y),
    ]
    worst = np.zeros(len(rows))
    names: list[list[str]] = [[] for _ in range(len(rows))]
    for name, values, limit in checks:
        if limit is None:
            continue
        over = np.maximum(0.0, values - limit * (1.0 + 1e-9)) / max(limit, 1e-3)
        worst = np.maximum(worst, over)
        for index in np.flatnonzero(over > 0.0):
            names[index].append(name)
    return worst, [", ".join(each) for each in names]
