"""The price of leaving the last plan.

    (27)  change_usd x hours in which a genset's state or a service's mode differs from the last plan, for the next six hours

Small against real savings, so a plan moves when a price or a forecast does, and does not flap when two plans are worth the
same. Paid by the hour, so that splitting an interval changes nothing.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Matrix
from optimizer.objective import change_hours


def add_change(matrix: Matrix, layout: Layout, columns: Columns) -> None:
    """Add (27) to the costs of commitment and, where they are in the model, of modes."""
    last = layout.problem.last_plan
    if last is None or last.change_usd <= 0.0:
        return
    price: Floats = last.change_usd * np.array(change_hours(layout.problem))
    for place, row in enumerate(last.genset_on[: len(columns.on)]):
        was = np.array(row, dtype=float)[: layout.steps]
        if len(was) == layout.steps:
            matrix.add_cost(columns.on[place], price * (1.0 - 2.0 * was))
            matrix.offset += float((price * was).sum())
    for place, names in enumerate(last.service_modes[: len(columns.mode)]):
        menu = [mode.name for mode in layout.menus[place]]
        for step, name in enumerate(names[: layout.steps]):
            if price[step] > 0.0 and name in menu and len(names) == layout.steps:
                matrix.add_cost(columns.mode[place][menu.index(name), step : step + 1], -price[step : step + 1])
                matrix.offset += float(price[step])
