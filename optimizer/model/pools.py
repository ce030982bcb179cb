"""GPU pools: GPUs are shared by serving modes and batch work; power follows.

    (20)  sum over groups and levels n + sum over modes gpus x <= N_p                      each pool, interval
    (21)  IT power of batch work   wall / 1000 sum (P_k - idle) n_k                         into balance, reserve and heat
    (22)  n[k,t] = n[k,t-1] within a slot                   in plans only; the relaxation leaves it out
    (22b) surplus-only work: its power <= its largest power (1 - on_g)                      each genset

``n`` counts GPUs of one (pool, power profile, surplus or not) at one power-limit level; a gang runs at the level of its
slowest GPU because all GPUs of a job get the same limit when a plan is read back.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns, Rows
from optimizer.model.layout import Group, Layout
from optimizer.model.matrix import Floats, Index, Matrix
from optimizer.model.services import mode_kw
from optimizer.reserve import kept_w


def add_pools(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (20) to (22b) and the power of all work."""
    pools = layout.problem.pools
    gpus = np.array([pool.gpus for pool in pools])
    rows.pool = matrix.rows((len(pools), layout.steps), upper=gpus[:, None])
    number = {pool.name: place for place, pool in enumerate(pools)}
    for place, menu in enumerate(layout.menus):
        for index, mode in enumerate(menu):
            if mode.gpus and mode.pool in number:
                matrix.put(rows.pool[number[mode.pool]], columns.mode[place][index], mode.gpus)
            elif mode.gpus:
                blocked = matrix.rows((layout.steps,), upper=0.0)
                matrix.put(blocked, columns.mode[place][index], 1.0)
        _add_power(matrix, layout, columns, rows, columns.mode[place], mode_kw(layout, place), 0.0)
    for group in layout.groups:
        n = matrix.columns((len(group.rungs), layout.steps), upper=pools[group.pool].gpus)
        columns.batch.append(n)
        matrix.put(rows.pool[group.pool], n, 1.0)
        extra = group_kw(layout, group)
        freed = group_sheddable_kw(layout, group)
        _add_power(matrix, layout, columns, rows, n, extra[:, None], freed[:, None])
        _add_ties(matrix, layout, rows, n)
        if group.surplus:
            _add_surplus(matrix, layout, columns, n, extra, pools[group.pool].gpus)


def group_kw(layout: Layout, group: Group) -> Floats:
    """Return IT power at the wall of one GPU at each level beyond idle, kW."""
    pool = layout.problem.pools[group.pool]
    return np.array([pool.wall_factor * (rung.power_w - pool.idle_w) / 1000.0 for rung in group.rungs])


def group_sheddable_kw(layout: Layout, group: Group) -> Floats:
    """Return what one GPU at each level can give up at once, kW at the wall."""
    pool = layout.problem.pools[group.pool]
    kept = kept_w(layout.problem, pool, group.profile)
    return pool.wall_factor * np.array([rung.power_w - kept for rung in group.rungs]) / 1000.0


def _add_power(
    matrix: Matrix,
    layout: Layout,
    columns: Columns,
    rows: Rows,
    work: Index,
    kw: Floats,
    freed_kw: Floats | float,
) -> None:
    """Put the power of work (rows x T) into the heat of the room, and into balance and reserve of every scenario."""
    if rows.heat.size:
        matrix.put(rows.heat[None, :], work, -layout.hours[None, :] * kw)
    bus = layout.cooling[None, :] * kw
    freed = layout.cooling[None, :] * np.asarray(freed_kw)
    for scenario in range(layout.scenarios):
        matrix.put(rows.balance[scenario][None, :], work, -bus)
        if rows.reserve.size:
            asked = layout.problem.reserve.load_frac * bus
            matrix.put(rows.reserve[scenario][None, :], work, freed - asked)


def _add_ties(matrix: Matrix, layout: Layout, rows: Rows, n: Index) -> None:
    if layout.relaxed:
        return
    later = np.flatnonzero(np.diff(layout.slot) == 0) + 1
    tie = matrix.rows((len(n), len(later)))
    matrix.put(tie, n[:, later], 1.0)
    matrix.put(tie, n[:, later - 1], -1.0)
    rows.tie = np.concatenate([rows.tie, tie.ravel()]).astype(np.int32)


def _add_surplus(
    matrix: Matrix,
    layout: Layout,
    columns: Columns,
    n: Index,
    kw: Floats,
    gpus: float,
) -> None:
    most = float(kw.max() * gpus)
    for place in range(len(layout.problem.gensets)):
        row = matrix.rows((layout.steps,), upper=most)
        matrix.put(row[None, :], n, kw[:, None])
        matrix.put(row, columns.on[place], most)
