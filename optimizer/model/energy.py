"""The energy side alone: IT load given, with some freedom to shed or add batch work at a price.

Families (1)-(17) as in the whole model, (33) and (34) where work is free to answer, and

    (26)  balance gains  less[t] - more[t],   0 <= less <= batch power,  0 <= more <= room for batch work
          less costs and more earns the whole model's price of energy in the interval, 20 % apart

Commitment is decided here: a few thousand variables instead of tens of thousands, and batch work may still answer to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.balance import add_balance, add_supply_terms
from optimizer.model.battery import add_battery
from optimizer.model.build import Model
from optimizer.model.change import add_change
from optimizer.model.columns import Columns, Rows
from optimizer.model.gensets import add_gensets
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Matrix
from optimizer.model.reserve import add_reserve
from optimizer.model.states import add_given_states
from optimizer.model.tank import add_tank

TIED_SHARE = 0.1
"""Share of the price of energy that adding or shedding work costs."""
DROP_USD_PER_KWH = 400.0
"""Price of dropping batch work that is given: above any load that may be shed, below hosts going dark."""
EARLY_USD_PER_KWH_H = 1e-5
"""Worth of a stored kWh an hour: of courses that cost the same, the one that charges early and discharges late."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """IT load as the energy side sees it, each by interval."""

    it_kw: Floats
    """Power of modes and batch work at the wall, beyond idle."""
    freed_kw: Floats
    """Part of it that can be given up at once."""
    batch_kw: Floats | None = None
    """Part of it that a plan may drop where nothing can feed it."""


@dataclass(frozen=True, kw_only=True)
class Flex:
    """How far batch work may answer to the commitment, on the bus and by interval."""

    less_kw: Floats
    more_kw: Floats
    price_usd_per_kwh: Floats
    hourly_after_h: float | None = None
    """Hours after which gensets start and stop on slot borders only."""


def build_energy(layout: Layout, load: Load, flex: Flex | None = None) -> Model:
    """Return the energy model for a given IT load."""
    matrix, columns, rows = Matrix(), Columns(), Rows()
    bus_kw = layout.cooling * load.it_kw
    add_balance(matrix, layout, columns, rows, given_kw=bus_kw)
    add_battery(matrix, layout, columns)
    add_gensets(matrix, layout, columns)
    add_supply_terms(matrix, columns, rows)
    add_tank(matrix, layout, columns)
    add_reserve(matrix, layout, columns, rows)
    given = matrix.columns((layout.steps,), lower=1.0, upper=1.0)
    freed_kw = layout.cooling * load.freed_kw - layout.problem.reserve.load_frac * bus_kw
    for scenario in range(layout.scenarios):
        matrix.put(rows.balance[scenario], given, -bus_kw)
        if rows.reserve.size:
            matrix.put(rows.reserve[scenario], given, freed_kw)
    if load.batch_kw is not None:
        dropped_usd = DROP_USD_PER_KWH * layout.hours
        columns.drop = matrix.columns((layout.steps,), upper=layout.cooling * load.batch_kw, cost=dropped_usd)
        for scenario in range(layout.scenarios):
            matrix.put(rows.balance[scenario], columns.drop, 1.0)
    add_change(matrix, layout, columns)
    if flex is not None:
        _add_flex(matrix, layout, columns, rows, flex, bus_kw)
    elif columns.energy.size:
        soon = -EARLY_USD_PER_KWH_H * layout.weights[:, None] * layout.hours[None, :]
        matrix.add_cost(columns.energy[:, 1:], np.broadcast_to(soon, columns.energy[:, 1:].shape))
    return Model(layout=layout, program=matrix.finish(), columns=columns, rows=rows)


def _add_flex(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows, flex: Flex, bus_kw: Floats) -> None:
    price = np.maximum(flex.price_usd_per_kwh, 0.0) * layout.hours
    less = matrix.columns((layout.steps,), upper=flex.less_kw, cost=(1.0 + TIED_SHARE) * price)
    more = matrix.columns((layout.steps,), upper=flex.more_kw, cost=-(1.0 - TIED_SHARE) * price)
    for scenario in range(layout.scenarios):
        matrix.put(rows.balance[scenario], less, 1.0)
        matrix.put(rows.balance[scenario], more, -1.0)
    add_given_states(matrix, layout, columns, bus_kw, less, more)
    _tie_hours(matrix, layout, columns, flex)


def _tie_hours(matrix: Matrix, layout: Layout, columns: Columns, flex: Flex) -> None:
    """Let gensets start and stop on slot borders only, after the first hours."""
    if flex.hourly_after_h is None or not columns.on.size:
        return
    for step in range(1, layout.steps):
        if layout.slot[step] == layout.slot[step - 1] and layout.start_h[step] >= flex.hourly_after_h:
            tie = matrix.rows((len(layout.problem.gensets),), lower=0.0, upper=0.0)
            matrix.put(tie, columns.on[:, step], 1.0)
            matrix.put(tie, columns.on[:, step - 1], -1.0)
