"""What gensets running and resting say of an interval, for relaxations.

A relaxed genset runs by a third all night, carries the load alone at full-load efficiency and leaves the battery idle. A real
one either rests, and the battery feeds what cannot wait, or it runs, and what the load does not take is charged. Both states of
an interval, each weighted by its share, give two rows that every plan keeps, with n = sum over gensets of on:

    (33)  dis + sum_k shed_k + dark + c sum_m (k_s - kW_m)+ x_m + saved off >= f (1 - n)
          f = base + c sum_s k_s - available, where that is positive                                          resting
    (34)  pv + sum_g P_g - ch <= available (1 - n) + F n + c sum_k (kW_k - kappa_p)+ n_k
                                 + c sum_m (kW_m - kappa_p gpus_m - k'_s)+ x_m + c boot_kwh / dt boots
          F = base + c (sum_p kappa_p N_p + sum_s k'_s), where it is at least what is available               running

Each row is summed over blocks of an hour, weighted by the intervals' lengths, intervals without the condition left out: a third
of the rows, and hardly weaker. The thresholds are free, each choice gives valid rows: k and k' are the power of the least mode
that serves best, kappa that of a GPU at the lowest limit. In (34) GPUs that modes take are none for batch work, and power above
the lowest limit costs as much in one state as in the other. Of a given load more may be added and some taken away at will, in
either state.

With whole commitments both follow from balance, pools and services, so they narrow relaxations only. On the benchmark's problems
they take the larger half of the gap between relaxation and plan.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Index, Matrix
from optimizer.model.pools import group_kw
from optimizer.model.services import mode_kw, mode_usd
from optimizer.workload import node_kw

BLOCK_H = 1.0
"""Length of a block whose intervals share a row."""


def add_states(matrix: Matrix, layout: Layout, columns: Columns) -> None:
    """Add (33) and (34) to a relaxation that holds all work; nothing without gensets."""
    if not columns.on.size:
        return
    floor_kw = [least_serving(layout, place, mode_kw(layout, place)) for place in range(len(layout.menus))]
    resting, share = _resting(matrix, layout, columns, layout.cooling * sum(floor_kw, np.zeros(layout.steps)))
    for place, floor in enumerate(floor_kw):
        lack = layout.cooling * np.maximum(0.0, floor - mode_kw(layout, place))
        matrix.put(resting[:, None, :], columns.mode[place][None], share[:, None, :] * lack[None])
    for place, off in columns.off.items():
        matrix.put(resting, off[None], share * layout.cooling * node_kw(layout.problem.pools[place]))
    for number, group in enumerate(layout.groups):
        below = np.maximum(0.0, -group_kw(layout, group))[None, :, None]
        matrix.put(resting[:, None, :], columns.batch[number][None], share[:, None, :] * layout.cooling * below)
    _add_running(matrix, layout, columns)


def add_given_states(
    matrix: Matrix, layout: Layout, columns: Columns, bus_kw: Floats, less: Index, more: Index
) -> None:
    """Add (33) and (34) for a given load [kW on the bus] of which ``less`` may be taken away and to which ``more`` comes."""
    if columns.on.size:
        row, share = _resting(matrix, layout, columns, bus_kw)
        matrix.put(row, less[None], share)
        row, share = _running(matrix, layout, columns, bus_kw)
        matrix.put(row, more[None], -share)


def least_serving(layout: Layout, place: int, kw: Floats) -> Floats:
    """Return the least of ``kw`` (modes x T) among a service's modes that serve most, by interval."""
    usd = mode_usd(layout, place)
    return np.asarray(np.where(usd <= usd.min(axis=0) + 1e-9, kw, np.inf).min(axis=0))


def _resting(matrix: Matrix, layout: Layout, columns: Columns, work_kw: Floats) -> tuple[Index, Floats]:
    """Add (33) but for what the work itself gives way; return the row and the weight of each interval, W x T."""
    short = layout.base_kw + work_kw - layout.pv_kw
    share = np.where(short > 0.0, layout.hours, 0.0)
    row = _blocks(matrix, layout, lower=share * short)
    if columns.discharge.size:
        matrix.put(row, columns.discharge, share)
    if columns.shed.size:
        matrix.put(row[:, None, :], columns.shed, share[:, None, :])
    matrix.put(row, columns.dark, share)
    matrix.put(row[:, None, :], columns.on[None], (share * short)[:, None, :])
    return row, share


def _blocks(matrix: Matrix, layout: Layout, *, lower: Floats | None = None, upper: Floats | None = None) -> Index:
    """Add one row a block of ``BLOCK_H`` and scenario, its side the sum of its intervals'; return them by interval, W x T."""
    _, block = np.unique(np.floor(layout.start_h[:-1] / BLOCK_H + 1e-9), return_inverse=True)
    member = (block[:, None] == np.arange(block.max() + 1)[None, :]).astype(np.float64)
    shape = (layout.scenarios, member.shape[1])
    low = lower @ member if lower is not None else -np.inf
    high = upper @ member if upper is not None else np.inf
    return np.asarray(matrix.rows(shape, lower=low, upper=high)[:, block])


def _add_running(matrix: Matrix, layout: Layout, columns: Columns) -> None:
    """Add (34)."""
    pools = layout.problem.pools
    least = _least_kw(layout)
    beyond = [_beyond_batch(layout, place, least) for place in range(len(layout.menus))]
    floor_kw = [least_serving(layout, place, kw) for place, kw in enumerate(beyond)]
    batch_kw = sum(least[place] * pool.gpus for place, pool in enumerate(pools))
    row, share = _running(matrix, layout, columns, layout.cooling * sum(floor_kw, np.full(layout.steps, batch_kw)))
    bus = share * layout.cooling
    for x, kw, floor in zip(columns.mode, beyond, floor_kw, strict=True):
        matrix.put(row[:, None, :], x[None], -bus[:, None, :] * np.maximum(0.0, kw - floor)[None])
    for number, group in enumerate(layout.groups):
        above = np.maximum(0.0, group_kw(layout, group) - least[group.pool])[None, :, None]
        matrix.put(row[:, None, :], columns.batch[number][None], -bus[:, None, :] * above)
    for place, boots in columns.boots.items():
        matrix.put(row, boots[None], -bus * pools[place].boot_kwh / layout.hours)


def _running(matrix: Matrix, layout: Layout, columns: Columns, work_kw: Floats) -> tuple[Index, Floats]:
    """Add (34) but for what work may take beyond ``work_kw``; return the row and the weight of each interval, W x T."""
    takes = layout.base_kw + work_kw - layout.pv_kw
    share = np.where(takes >= 0.0, layout.hours, 0.0)
    row = _blocks(matrix, layout, upper=share * layout.pv_kw)
    matrix.put(row[:, None, :], columns.genset, share[:, None, :])
    matrix.put(row, columns.pv, share)
    if columns.charge.size:
        matrix.put(row, columns.charge, -share)
    matrix.put(row[:, None, :], columns.on[None], -(share * takes)[:, None, :])
    return row, share


def _least_kw(layout: Layout) -> Floats:
    """Return the power of a GPU of each pool at its lowest limit beyond idle, kW; 0 where a pool has no batch work."""
    least = np.zeros(len(layout.problem.pools))
    for place in range(len(least)):
        each = [float(group_kw(layout, group).min()) for group in layout.groups if group.pool == place]
        least[place] = max(0.0, min(each, default=0.0))
    return least


def _beyond_batch(layout: Layout, place: int, least: Floats) -> Floats:
    """Return the power of each mode less what its GPUs would draw with batch work at the lowest limit (modes x T), kW."""
    number = {pool.name: index for index, pool in enumerate(layout.problem.pools)}
    pairs = [(mode.gpus, number.get(mode.pool)) for mode in layout.menus[place]]
    taken = np.array([gpus * float(least[pool]) if gpus and pool is not None else 0.0 for gpus, pool in pairs])
    return np.asarray(mode_kw(layout, place) - taken[:, None])
