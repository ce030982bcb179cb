"""The planning model, whole.

Sets: intervals t, scenarios w, gensets g, tiers k, pools p, groups (pool, profile) with power-limit levels, services s with
modes m, jobs j, slots b. Here-and-now: commitment, modes, batch work. Recourse by scenario: sun, battery, genset power, fuel,
load shed, reserve.

    minimise   fuel + genset hours, energy and starts + wear + load shed + unserved requests + mode switches
               + lateness + missing reserve + SoC and tank under their reserves - battery end value - value of work

    balance (1)-(2), battery (3)-(7), gensets (8)-(13), tank (14)-(15), reserve (16)-(17), services (18)-(19b),
    pools (20)-(22), jobs (23)-(25d), change of plan (27), nodes (28)-(30), heat (31)-(32); the energy side alone adds (26),
    a relaxation (33)-(34).
    Each family's module holds its equations.

Physics is hard. Demands that may prove impossible (critical load, hosts, a hard reserve, a minimum load) have a slack at a
prohibitive price, so that the model always has a solution and the smallest breach is what it pays for.
"""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.balance import add_balance, add_supply_terms
from optimizer.model.battery import add_battery
from optimizer.model.change import add_change
from optimizer.model.columns import Columns, Rows
from optimizer.model.gensets import add_gensets
from optimizer.model.jobs import add_jobs
from optimizer.model.layout import Layout
from optimizer.model.matrix import Matrix, Program
from optimizer.model.nodes import add_nodes
from optimizer.model.pools import add_pools
from optimizer.model.reserve import add_reserve
from optimizer.model.room import add_room
from optimizer.model.services import add_services
from optimizer.model.states import add_states
from optimizer.model.tank import add_tank


@dataclass(frozen=True, kw_only=True)
class Model:
    """A finished model with its names."""

    layout: Layout
    program: Program
    columns: Columns
    rows: Rows


def build(layout: Layout) -> Model:
    """Return the whole model of a problem."""
    matrix, columns, rows = Matrix(), Columns(), Rows()
    add_balance(matrix, layout, columns, rows)
    add_battery(matrix, layout, columns, free_usd_per_kwh=0.0)
    add_gensets(matrix, layout, columns)
    add_supply_terms(matrix, columns, rows)
    add_tank(matrix, layout, columns)
    add_reserve(matrix, layout, columns, rows)
    add_room(matrix, layout, rows)
    add_services(matrix, layout, columns, rows)
    add_pools(matrix, layout, columns, rows)
    add_nodes(matrix, layout, columns, rows)
    add_jobs(matrix, layout, columns, rows)
    if layout.relaxed:
        add_states(matrix, layout, columns)
    add_change(matrix, layout, columns)
    return Model(layout=layout, program=matrix.finish(), columns=columns, rows=rows)
