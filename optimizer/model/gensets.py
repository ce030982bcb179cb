"""Gensets: commitment, power, fuel.

    (8)   on[t] - on[t-1] = start[t] - stop[t]                   what ran before the horizon counts
    (9)   sum of starts of the last min_run hours <= on[t]
    (10)  sum of stops of the last min_down hours <= 1 - on[t]
    (11)  P_min (on - warm) - below <= P <= P_max (on - warm)    warm[t] = sum over starts of the share of t spent warming up
    (12)  fuel >= l_i on + m_i P                                 lines of the lower hull of the fuel points, L/h
    (12b) starts = sum over gensets and t of start               branched on where the bound is tightened
    (13)  on >= 1 - miss                                         must-run intervals and minimum run still to be served

``below`` (a load under the minimum) and ``miss`` are physical breaches: they have the prohibitive price and keep the model
feasible when the tank is empty or the battery is full.
"""

from __future__ import annotations

import numpy as np

from optimizer.equipment import burns_fuel, fuel_lines, warm_share
from optimizer.model.columns import Columns
from optimizer.model.layout import HARD_USD_PER_KWH, Layout
from optimizer.model.matrix import Floats, Matrix
from optimizer.problem import GensetProblem


def add_gensets(matrix: Matrix, layout: Layout, columns: Columns) -> None:
    """Add (8) to (13); nothing without gensets."""
    gensets = layout.problem.gensets
    if not gensets:
        return
    shape = (len(gensets), layout.steps)
    upper = np.array([_may_run(layout, genset) for genset in gensets])
    run_usd = np.array([[genset.run_usd_per_h] for genset in gensets]) * layout.hours[None, :]
    columns.on = matrix.columns(shape, upper=upper, cost=run_usd, integer=True)
    starts_usd = np.array([[genset.start_usd] for genset in gensets])
    columns.start = matrix.columns(shape, upper=1.0, cost=np.broadcast_to(starts_usd, shape))
    columns.stop = matrix.columns(shape, upper=1.0)
    columns.starts = matrix.columns((1,))
    count = matrix.rows((1,), lower=0.0, upper=0.0)
    matrix.put(count, columns.start.ravel(), 1.0)
    matrix.put(count, columns.starts, -1.0)
    _add_transitions(matrix, layout, columns, upper)
    _add_power(matrix, layout, columns)
    _add_held(matrix, layout, columns, upper)


def _may_run(layout: Layout, genset: GensetProblem) -> Floats:
    """Return 1 where a genset may run: available, not forbidden, and past its minimum rest."""
    allowed = np.full(layout.steps, 1.0 if genset.available else 0.0)
    if genset.forbidden:
        allowed[np.array(genset.forbidden)] = 0.0
    if not genset.on:
        allowed[layout.start_h[:-1] < genset.min_down_h - genset.hours_in_state - 1e-9] = 0.0
    return allowed


def _add_transitions(matrix: Matrix, layout: Layout, columns: Columns, may: Floats) -> None:
    for place, genset in enumerate(layout.problem.gensets):
        before = np.zeros(layout.steps)
        before[0] = float(genset.on)
        row = matrix.rows((layout.steps,), lower=before, upper=before)
        matrix.put(row, columns.on[place], 1.0)
        matrix.put(row[1:], columns.on[place, :-1], -1.0)
        matrix.put(row, columns.start[place], -1.0)
        matrix.put(row, columns.stop[place], 1.0)
        run = matrix.rows((layout.steps,), upper=0.0)
        rest = matrix.rows((layout.steps,), upper=1.0)
        matrix.put(run, columns.on[place], -1.0)
        matrix.put(rest, columns.on[place], 1.0)
        for step, start_h in enumerate(layout.start_h[:-1]):
            first, last = _window(layout, start_h, genset.min_run_h, step)
            free = may[place, step] < 0.5
            if not free:
                matrix.put(run[step], columns.start[place, first : last + 1], 1.0)
            first, last = _window(layout, start_h, genset.min_down_h, step)
            matrix.put(rest[step], columns.stop[place, first : last + 1], 1.0)


def _window(layout: Layout, start_h: float, length_h: float, step: int) -> tuple[int, int]:
    """Return the first and last interval whose start order still binds at ``start_h``; never empty."""
    first = int(np.searchsorted(layout.start_h[:-1], start_h - length_h + 1e-9, side="left"))
    return min(first, step), step


def _add_power(matrix: Matrix, layout: Layout, columns: Columns) -> None:
    gensets, problem = layout.problem.gensets, layout.problem
    shape = (layout.scenarios, len(gensets), layout.steps)
    weighted_h = layout.weights[:, None] * layout.hours[None, :]
    price = np.array([genset.energy_usd_per_kwh for genset in gensets])
    columns.genset = matrix.columns(shape, cost=price[None, :, None] * weighted_h[:, None, :])
    columns.below = matrix.columns(shape, cost=HARD_USD_PER_KWH * weighted_h[:, None, :])
    fuelled = burns_fuel(problem)
    if fuelled:
        litre = problem.tank.usd_per_l if problem.tank is not None else 0.0
        columns.fuel = matrix.columns(shape, cost=litre * weighted_h[:, None, :])
    for place, genset in enumerate(gensets):
        rows = (layout.scenarios, layout.steps)
        early = warm_before(layout, genset)
        least = matrix.rows(rows, lower=0.0)
        most = matrix.rows(rows, upper=0.0)
        for row, kw in ((least, genset.min_kw), (most, genset.max_kw)):
            matrix.put(row, columns.genset[:, place], 1.0)
            matrix.put(row, columns.on[place], -kw * (1.0 - early))
        matrix.put(least, columns.below[:, place], 1.0)
        for since, step, share in warm_terms(layout, genset):
            matrix.put(least[:, step], columns.start[place, since], genset.min_kw * share)
            matrix.put(most[:, step], columns.start[place, since], genset.max_kw * share)
        if fuelled:
            for no_load, slope in fuel_lines(genset):
                row = matrix.rows(rows, lower=0.0)
                matrix.put(row, columns.fuel[:, place], 1.0)
                matrix.put(row, columns.on[place], -no_load)
                matrix.put(row, columns.genset[:, place], -slope)


def warm_before(layout: Layout, genset: GensetProblem) -> Floats:
    """Return the share of each interval that a genset still warms up from a start before the horizon."""
    if not genset.on:
        return np.zeros(layout.steps)
    pairs = zip(layout.start_h[:-1], layout.hours, strict=True)
    return np.array([warm_share(genset, genset.hours_in_state + start, hours) for start, hours in pairs])


def warm_terms(layout: Layout, genset: GensetProblem) -> list[tuple[int, int, float]]:
    """Return (interval of the start, interval, share of it spent warming up)."""
    terms = []
    for since in range(layout.steps):
        for step in range(since, layout.steps):
            elapsed_h = float(layout.start_h[step] - layout.start_h[since])
            share = warm_share(genset, elapsed_h, float(layout.hours[step]))
            if share <= 0.0:
                break
            terms.append((since, step, share))
    return terms


def _add_held(matrix: Matrix, layout: Layout, columns: Columns, may: Floats) -> None:
    for place, genset in enumerate(layout.problem.gensets):
        held = np.zeros(layout.steps, dtype=bool)
        if genset.must_run:
            held |= np.array(genset.must_run)
        if genset.on:
            held |= layout.start_h[:-1] < genset.min_run_h - genset.hours_in_state - 1e-9
        steps = np.flatnonzero(held & (may[place] > 0.5))
        if len(steps):
            miss = matrix.columns((len(steps),), upper=1.0, cost=HARD_USD_PER_KWH * genset.max_kw * layout.hours[steps])
            columns.miss[place] = miss
            row = matrix.rows((len(steps),), lower=1.0)
            matrix.put(row, columns.on[place, steps], 1.0)
            matrix.put(row, miss, 1.0)
