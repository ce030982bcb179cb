"""Heat of the container: what computers give off beyond what the cooling carries away warms the room.

    (31)  Q[t+1] >= Q[t] + dt (idle + modes + batch - saved off - removable[t])          heat above the set point, kWh
    (32)  0 <= Q[t+1] <= store + hot[t]                 store: what the room takes up to the inlet limit

``removable`` is what the cooling moves at the outdoor temperature less the heat of tiers and walls. ``hot`` is priced so that
a plan gives up work before it overheats computers, and the model always has a solution. Heat that more leaks through warmer
walls is left out: the plan is on the cool side.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Rows
from optimizer.model.layout import Layout
from optimizer.model.matrix import Matrix
from optimizer.objective import HOT_USD_PER_KWH_H


def add_room(matrix: Matrix, layout: Layout, rows: Rows) -> None:
    """Add (31) and (32) where the problem says what the cooling can do; work adds its power to the rows later."""
    room = layout.problem.room
    if room is None:
        return
    heat = matrix.columns((layout.steps,))
    hot = matrix.columns((layout.steps,), cost=HOT_USD_PER_KWH_H * layout.hours)
    lower = layout.hours * (layout.idle_it_kw - np.array(room.removable_kw))
    lower[0] += room.heat_kwh
    rows.heat = matrix.rows((layout.steps,), lower=lower)
    matrix.put(rows.heat, heat, 1.0)
    matrix.put(rows.heat[1:], heat[:-1], -1.0)
    most = matrix.rows((layout.steps,), upper=room.store_kwh)
    matrix.put(most, heat, 1.0)
    matrix.put(most, hot, -1.0)
