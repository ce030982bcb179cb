"""Tank and deliveries.

(14)  level[t+1] = level[t] + delivered[t] - left_on_lorry[t] - dt sum_g fuel_g,   0 <= level <= capacity
(15)  level[t] >= reserve - short                                  one ``short`` a scenario, priced by the litre
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns
from optimizer.model.layout import Layout
from optimizer.model.matrix import Matrix
from optimizer.objective import delivered_l, tank_reserve_usd_per_l


def add_tank(matrix: Matrix, layout: Layout, columns: Columns) -> None:
    """Add (14) and (15) where fuel counts."""
    tank = layout.problem.tank
    if tank is None or not columns.fuel.size:
        return
    shape = (layout.scenarios, layout.steps)
    capacity = max(tank.capacity_l, tank.level_l)
    lower, upper = np.zeros(layout.steps + 1), np.full(layout.steps + 1, capacity)
    lower[0] = upper[0] = tank.level_l
    columns.level = matrix.columns((layout.scenarios, layout.steps + 1), lower=lower, upper=upper)
    arriving = np.array(delivered_l(layout.problem))
    row = matrix.rows(shape, lower=arriving, upper=arriving)
    matrix.put(row, columns.level[:, 1:], 1.0)
    matrix.put(row, columns.level[:, :-1], -1.0)
    matrix.put(row[:, None, :], columns.fuel, layout.hours[None, None, :])
    steps = np.flatnonzero(arriving)
    if len(steps):
        left = matrix.columns((layout.scenarios, len(steps)), upper=arriving[steps])
        matrix.put(row[:, steps], left, 1.0)
    if tank.reserve_l > 0.0:
        short = matrix.columns(
            (layout.scenarios, 1), cost=tank_reserve_usd_per_l(layout.problem) * layout.weights[:, None]
        )
        floor = matrix.rows(shape, lower=tank.reserve_l)
        matrix.put(floor, columns.level[:, 1:], 1.0)
        matrix.put(floor, short, 1.0)
