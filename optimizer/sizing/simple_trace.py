"""One design of the simple mode, step by step, with the statistics that sizing tools report.

Runs the same plant and rule functions as ``simple.py``, uncompiled, for a few designs only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.rules.dispatch import RuleParams, dispatch
from optimizer.sizing.inputs import Floats, Sizes, YearSeries
from optimizer.sizing.simple import SimpleBattery
from sites.plant.battery import BatteryState, charge_limit_kw, discharge_limit_kw, soc_after_frac

ROUNDING_KW = 1e-9
"""Power below which a flow is rounding, not a flow."""


@dataclass(frozen=True, kw_only=True)
class SimpleTrace:
    """Powers of every step [kW], shape (steps,), and stored energy [kWh], shape (steps + 1,)."""

    genset_kw: Floats
    battery_kw: Floats
    spilled_kw: Floats
    shed_kw: Floats
    stored_kwh: Floats


@dataclass(frozen=True, kw_only=True)
class SimpleStatistics:
    """Statistics of a trace."""

    served_kwh: float
    shed_kwh: float
    shed_max_kw: float
    shed_h: float
    shed_longest_h: float
    shed_frac: float
    genset_kwh: float
    genset_h: float
    fuel_l: float
    cycles: float
    charge_kwh: float
    discharge_kwh: float
    loss_kwh: float
    spilled_kwh: float
    spilled_max_kw: float
    spilled_frac: float
    pv_potential_kwh: float
    pv_used_kwh: float
    pv_frac: float
    """Share of the energy served that did not come from the genset."""


def trace(series: YearSeries, sizes: Sizes, index: int, kind: SimpleBattery) -> SimpleTrace:
    """Return the course of design ``index``."""
    capacity_kwh = float(sizes.battery_kwh[index])
    unit = kind.unit()
    params = unit._replace(
        usable_kwh=capacity_kwh,
        charge_max_kw=unit.charge_max_kw * capacity_kwh,
        discharge_max_kw=unit.discharge_max_kw * capacity_kwh,
    )
    net_kw = series.load_kw - series.pv_kw_per_kwp * float(sizes.pv_kw[index])
    steps = net_kw.size
    rows = np.zeros((4, steps))
    stored = np.zeros(steps + 1)
    state = BatteryState(kind.soc_initial_frac, 1.0, 25.0)
    stored[0] = state.soc_frac * capacity_kwh
    for step in range(steps):
        flows = dispatch(
            RuleParams(),
            float(net_kw[step]),
            charge_limit_kw(params, state, series.step_h),
            discharge_limit_kw(params, state, series.step_h),
            0.0,
            float(sizes.genset_kw[index]),
        )
        soc = soc_after_frac(params, state, flows.battery_kw, series.step_h)
        state = BatteryState(soc, 1.0, 25.0)
        rows[:, step] = (flows.genset_kw, flows.battery_kw, flows.spilled_kw, flows.unserved_kw)
        stored[step + 1] = soc * capacity_kwh
    return SimpleTrace(genset_kw=rows[0], battery_kw=rows[1], spilled_kw=rows[2], shed_kw=rows[3], stored_kwh=stored)


def longest_run(flags: np.ndarray) -> int:
    """Return the length of the longest run of true values."""
    edges = np.diff(np.concatenate(([0], np.asarray(flags, dtype=np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return int((ends - starts).max()) if starts.size else 0


def statistics(
    series: YearSeries,
    sizes: Sizes,
    index: int,
    course: SimpleTrace,
    *,
    fuel_intercept_l_per_h_kw: float,
    fuel_slope_l_per_kwh: float,
) -> SimpleStatistics:
    """Return the statistics of a course."""
    step_h = series.step_h
    capacity_kwh = float(sizes.battery_kwh[index])
    pv_potential_kwh = float(series.pv_kw_per_kwp.sum()) * float(sizes.pv_kw[index]) * step_h
    wanted_kwh = float(series.load_kw.sum()) * step_h
    shed = course.shed_kw > ROUNDING_KW
    shed_kwh = float(course.shed_kw.sum()) * step_h
    served_kwh = wanted_kwh - shed_kwh
    genset_h = float(np.count_nonzero(course.genset_kw > ROUNDING_KW)) * step_h
    genset_kwh = float(course.genset_kw.sum()) * step_h
    charge_kwh = float(np.maximum(-course.battery_kw, 0.0).sum()) * step_h
    discharge_kwh = float(np.maximum(course.battery_kw, 0.0).sum()) * step_h
    spilled_kwh = float(course.spilled_kw.sum()) * step_h
    return SimpleStatistics(
        served_kwh=served_kwh,
        shed_kwh=shed_kwh,
        shed_max_kw=float(course.shed_kw.max()),
        shed_h=float(np.count_nonzero(shed)) * step_h,
        shed_longest_h=longest_run(shed) * step_h,
        shed_frac=shed_kwh / wanted_kwh,
        genset_kwh=genset_kwh,
        genset_h=genset_h,
        fuel_l=fuel_intercept_l_per_h_kw * float(sizes.genset_kw[index]) * genset_h + fuel_slope_l_per_kwh * genset_kwh,
        cycles=(charge_kwh + discharge_kwh) / (2.0 * capacity_kwh),
        charge_kwh=charge_kwh,
        discharge_kwh=discharge_kwh,
        loss_kwh=charge_kwh - discharge_kwh - float(course.stored_kwh[-1] - course.stored_kwh[0]),
        spilled_kwh=spilled_kwh,
        spilled_max_kw=float(course.spilled_kw.max()),
        spilled_frac=spilled_kwh / pv_potential_kwh,
        pv_potential_kwh=pv_potential_kwh,
        pv_used_kwh=pv_potential_kwh - spilled_kwh,
        pv_frac=1.0 - genset_kwh / served_kwh,
    )
