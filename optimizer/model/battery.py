"""Battery.

    (3)  E[t+1] = E[t] + eta_c dt ch - dt / eta_d dis - standby dt + free
    (4)  ch / C + dis / D <= 1                                 one way at a time; no binary was ever needed
    (5)  ch <= C (a_i - b_i s),  dis <= D (a_i + b_i s)        taper lines, at both ends of an interval; cold lowers C
    (6)  E_min - lift <= E <= E_max,  lift <= what it starts under its limit, and standby
    (7)  E >= max(E_reserve, E_floor[t]) - low                 soft, priced by kWh and hour; the floor is a person's order
    (7b) E[full] >= FULL_SHARE E_max - missing                 full charge for balancing, when one is due; priced by kWh

A start under ``E_min`` is accepted: ``lift`` is how far the energy lies under it, and can only shrink but for standby. Where
the linear limits still allow more than the plant does (at ``E_min`` with standby, or both ways at once), the plan is solved
again with the plant's limit in that interval.
Limits hold at both ends of an interval, standby apart, as in the plant: a long interval promises no more than short ones.
Costs: wear for each kWh discharged; what is left at the end has its worth.
"""

from __future__ import annotations

import numpy as np

from optimizer.equipment import floor_frac, start_soc_frac, taper_pieces
from optimizer.model.columns import Columns
from optimizer.model.layout import HARD_USD_PER_KWH, Layout
from optimizer.model.matrix import Floats, Matrix
from optimizer.objective import FULL_SHARE
from optimizer.problem import BatteryProblem

LIFT_USD_PER_KWH_H = 1e-5
FREE_USD_PER_KWH = 10.0 * HARD_USD_PER_KWH


def start_kwh(battery: BatteryProblem) -> float:
    """Return the energy a plan starts with."""
    return start_soc_frac(battery) * battery.capacity_kwh


def add_battery(
    matrix: Matrix, layout: Layout, columns: Columns, *, free_usd_per_kwh: float = FREE_USD_PER_KWH
) -> None:
    """Add (3) to (7) for every scenario; nothing without a battery.

    ``free_usd_per_kwh`` keeps a plan from sparing standby energy that the cells can give; a bound must not pay it. Cells
    that cannot run empty within the horizon have no such energy.
    """
    battery = layout.problem.battery
    if battery is None or battery.capacity_kwh <= 0.0:
        return
    inverter = layout.problem.inverter_kw if layout.problem.inverter_kw is not None else np.inf
    shape, dt = (layout.scenarios, layout.steps), layout.hours
    weighted_h = layout.weights[:, None] * dt[None, :]
    cold = np.array(battery.charge_limit_frac) if battery.charge_limit_frac else np.ones(layout.steps)
    charge_kw = battery.charge_kw * np.clip(cold, 0.0, 1.0)
    columns.charge = matrix.columns(shape, upper=np.minimum(charge_kw, inverter))
    columns.discharge = matrix.columns(
        shape, upper=min(battery.discharge_kw, inverter), cost=battery.wear_usd_per_kwh * weighted_h
    )
    _add_energy(matrix, layout, columns, battery, free_usd_per_kwh)
    _add_limits(matrix, layout, columns, battery, charge_kw)
    _add_full_charge(matrix, layout, columns, battery)
    floor = np.array([floor_frac(battery, step) for step in range(layout.steps)])
    if floor.max() > 0.0 and battery.reserve_breach_usd_per_kwh > 0.0:
        low = matrix.columns(shape, cost=battery.reserve_breach_usd_per_kwh * weighted_h)
        row = matrix.rows(shape, lower=np.broadcast_to(floor * battery.capacity_kwh, shape))
        matrix.put(row, columns.energy[:, 1:], 1.0)
        matrix.put(row, low, 1.0)


def _add_full_charge(matrix: Matrix, layout: Layout, columns: Columns, battery: BatteryProblem) -> None:
    """Add (7b)."""
    if layout.full_step is None or battery.full_missing_usd_per_kwh <= 0.0:
        return
    cost = battery.full_missing_usd_per_kwh * layout.weights
    missing = matrix.columns((layout.scenarios,), cost=cost)
    row = matrix.rows((layout.scenarios,), lower=FULL_SHARE * battery.soc_max_frac * battery.capacity_kwh)
    matrix.put(row, columns.energy[:, layout.full_step + 1], 1.0)
    matrix.put(row, missing, 1.0)


def _add_energy(
    matrix: Matrix, layout: Layout, columns: Columns, battery: BatteryProblem, free_usd_per_kwh: float
) -> None:
    shape, dt = (layout.scenarios, layout.steps), layout.hours
    first = start_kwh(battery)
    least = battery.soc_min_frac * battery.capacity_kwh
    drift = battery.standby_kw * layout.start_h
    under = max(0.0, least - first) + drift
    lower = np.maximum(0.0, np.minimum(least, first) - drift)
    upper = np.full(layout.steps + 1, max(first, battery.soc_max_frac * battery.capacity_kwh))
    lower[0] = upper[0] = first
    cost = np.zeros((layout.scenarios, layout.steps + 1))
    cost[:, -1] = -battery.end_value_usd_per_kwh * layout.weights
    columns.energy = matrix.columns((layout.scenarios, layout.steps + 1), lower=lower, upper=upper, cost=cost)
    row = matrix.rows(shape, lower=-battery.standby_kw * dt, upper=-battery.standby_kw * dt)
    matrix.put(row, columns.energy[:, 1:], 1.0)
    matrix.put(row, columns.energy[:, :-1], -1.0)
    matrix.put(row, columns.charge, -battery.charge_efficiency_frac * dt)
    matrix.put(row, columns.discharge, dt / battery.discharge_efficiency_frac)
    if battery.standby_kw > 0.0 and lower[1:].min() <= 1e-9:
        free_usd = free_usd_per_kwh * layout.weights[:, None]
        columns.free = matrix.columns(shape, upper=battery.standby_kw * dt, cost=free_usd)
        matrix.put(row, columns.free, -1.0)
    if under[-1] > 0.0:
        hours = np.concatenate([dt, dt[-1:]])
        columns.lift = matrix.columns(
            (layout.scenarios, layout.steps + 1),
            upper=under,
            cost=LIFT_USD_PER_KWH_H * layout.weights[:, None] * hours[None, :],
        )
        floor = matrix.rows((layout.scenarios, layout.steps + 1), lower=least)
        matrix.put(floor, columns.energy, 1.0)
        matrix.put(floor, columns.lift, 1.0)
        grow = matrix.rows(shape, upper=battery.standby_kw * dt)
        matrix.put(grow, columns.lift[:, 1:], 1.0)
        matrix.put(grow, columns.lift[:, :-1], -1.0)


def _add_limits(matrix: Matrix, layout: Layout, columns: Columns, battery: BatteryProblem, charge_kw: Floats) -> None:
    shape = (layout.scenarios, layout.steps)
    if battery.charge_kw > 0.0 and battery.discharge_kw > 0.0:
        row = matrix.rows(shape, upper=1.0)
        matrix.put(row, columns.charge, 1.0 / battery.charge_kw)
        matrix.put(row, columns.discharge, 1.0 / battery.discharge_kw)
    for power, limit, points in (
        (columns.charge, charge_kw, battery.charge_taper),
        (columns.discharge, np.full(layout.steps, battery.discharge_kw), battery.discharge_taper),
    ):
        for offset, slope in taper_pieces(points):
            per_kwh = limit * slope / battery.capacity_kwh
            for end in (False, True):
                ends = slice(1, None) if end else slice(None, -1)
                standby_kwh = battery.standby_kw * layout.hours if end else 0.0
                row = matrix.rows(shape, upper=limit * offset + per_kwh * standby_kwh)
                matrix.put(row, power, 1.0)
                matrix.put(row, columns.energy[:, ends], -per_kwh)
                if slope > 0.0 and columns.lift.size:
                    matrix.put(row, columns.lift[:, ends], -per_kwh)
