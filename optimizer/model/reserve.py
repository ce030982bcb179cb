"""Operating reserve, from battery, running gensets and IT load that can be capped or paused at once.

    (16)  r <= D - dis + ch,  r <= eta_d (E[t+1] - E_min) / hold
    (17)  r + sum_g (P_max (on - warm) - P) + spare + c batch_sheddable + short >= load_frac load + pv_frac pv
          spare <= ups_kw,  spare <= sum over gensets that start within the UPS time of P_max (1 - on)
          with load = base + c (batch + modes) - shed - dark

A hard reserve has the prohibitive price: missing it answers ``infeasible_as_posed``.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns, Rows
from optimizer.model.gensets import warm_before, warm_terms
from optimizer.model.layout import Layout
from optimizer.model.matrix import Matrix
from optimizer.objective import reserve_usd_per_kwh
from optimizer.reserve import spare_start


def add_reserve(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (16) and (17) where a reserve is asked for; work adds its own terms to the reserve rows later."""
    asked = layout.problem.reserve
    price = reserve_usd_per_kwh(layout.problem)
    if (asked.load_frac <= 0.0 and asked.pv_frac <= 0.0) or price <= 0.0:
        return
    shape = (layout.scenarios, layout.steps)
    weighted_h = layout.weights[:, None] * layout.hours[None, :]
    rows.reserve = matrix.rows(shape, lower=asked.load_frac * layout.base_kw)
    columns.reserve_short = matrix.columns(shape, cost=price * weighted_h)
    matrix.put(rows.reserve, columns.reserve_short, 1.0)
    matrix.put(rows.reserve, columns.pv, -asked.pv_frac)
    matrix.put(rows.reserve, columns.dark, asked.load_frac)
    if columns.shed.size:
        matrix.put(rows.reserve[:, None, :], columns.shed, asked.load_frac)
    _add_battery(matrix, layout, columns, rows)
    _add_spare(matrix, layout, columns, rows)
    for place, genset in enumerate(layout.problem.gensets):
        matrix.put(rows.reserve, columns.on[place][None, :], genset.max_kw * (1.0 - warm_before(layout, genset)))
        matrix.put(rows.reserve, columns.genset[:, place], -1.0)
        for since, step, share in warm_terms(layout, genset):
            matrix.put(rows.reserve[:, step], columns.start[place, since], -genset.max_kw * share)


def _add_spare(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    problem = layout.problem
    places = [place for place in range(len(problem.gensets)) if spare_start(problem, place)]
    if not places or problem.reserve.ups_kw <= 0.0:
        return
    shape = (layout.scenarios, layout.steps)
    spare = matrix.columns(shape, upper=problem.reserve.ups_kw)
    matrix.put(rows.reserve, spare, 1.0)
    kw = np.array([problem.gensets[place].max_kw for place in places])
    ready = matrix.rows(shape, upper=float(kw.sum()))
    matrix.put(ready, spare, 1.0)
    for place, rating in zip(places, kw, strict=True):
        matrix.put(ready, columns.on[place][None, :], rating)


def _add_battery(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    battery = layout.problem.battery
    if battery is None or not columns.charge.size:
        return
    inverter = layout.problem.inverter_kw if layout.problem.inverter_kw is not None else np.inf
    shape = (layout.scenarios, layout.steps)
    columns.reserve_battery = matrix.columns(shape)
    matrix.put(rows.reserve, columns.reserve_battery, 1.0)
    power = matrix.rows(shape, upper=min(battery.discharge_kw, inverter))
    matrix.put(power, columns.reserve_battery, 1.0)
    matrix.put(power, columns.discharge, 1.0)
    matrix.put(power, columns.charge, -1.0)
    rate = battery.discharge_efficiency_frac / layout.problem.reserve.hold_h
    least = battery.soc_min_frac * battery.capacity_kwh
    held = matrix.rows(shape, upper=-rate * least)
    matrix.put(held, columns.reserve_battery, 1.0)
    matrix.put(held, columns.energy[:, 1:], -rate)
    if columns.lift.size:
        matrix.put(held, columns.lift[:, 1:], -rate)
