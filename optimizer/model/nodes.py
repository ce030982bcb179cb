"""Nodes powered off and on.

    (28)  used GPUs + gpus_per_node (off[p,t] + booting[p,t]) <= N_p          booting: nodes started within the last boot_h
    (28b) nodes_m x[s,m,t] summed over modes + off[p,t] + booting[p,t] <= nodes       each service; nodes_m: whole nodes of a mode
    (29)  boots[p,t] >= off[p,t-1] - off[p,t]                                 what is off before the horizon counts
    (30)  load falls by c saved off and rises by c boot_kwh / dt boots        saved: a node's host and its idle GPUs

Numbers of nodes are real in the model, so its bound holds for whole ones; without (28b) a mode on one GPU of eight would cost
an eighth of a node's host. A plan then powers off whole nodes that its work leaves free, where what is saved outweighs the
boot.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns, Rows
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Matrix
from optimizer.problem import PoolProblem
from optimizer.workload import gpus_per_node, may_power_off, node_kw


def add_nodes(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (28) to (30) for pools whose nodes may be powered off; after pools, whose rows it extends."""
    for place, pool in enumerate(layout.problem.pools):
        if not may_power_off(pool):
            continue
        off = matrix.columns((layout.steps,), upper=float(pool.nodes))
        boots = matrix.columns((layout.steps,), upper=float(pool.nodes))
        columns.off[place] = off
        columns.boots[place] = boots
        matrix.put(rows.pool[place], off, gpus_per_node(pool))
        before = np.zeros(layout.steps)
        before[0] = pool.nodes - pool.nodes_on if pool.nodes_on is not None else 0.0
        row = matrix.rows((layout.steps,), lower=before)
        matrix.put(row, boots, 1.0)
        matrix.put(row, off, 1.0)
        matrix.put(row[1:], off[:-1], -1.0)
        booting = boot_terms(layout, pool)
        for since, step in booting:
            matrix.put(rows.pool[place, step : step + 1], boots[since : since + 1], gpus_per_node(pool))
        _add_whole(matrix, layout, columns, rows, place, booting)
        saved = layout.cooling * node_kw(pool)
        boot = layout.cooling * pool.boot_kwh / layout.hours
        if rows.heat.size:
            matrix.put(rows.heat, off, layout.hours * node_kw(pool))
            matrix.put(rows.heat, boots, -pool.boot_kwh)
        share = layout.problem.reserve.load_frac
        for scenario in range(layout.scenarios):
            matrix.put(rows.balance[scenario], off, saved)
            matrix.put(rows.balance[scenario], boots, -boot)
            if rows.reserve.size:
                matrix.put(rows.reserve[scenario], off, share * saved)
                matrix.put(rows.reserve[scenario], boots, -share * boot)


def _add_whole(
    matrix: Matrix, layout: Layout, columns: Columns, rows: Rows, place: int, booting: list[tuple[int, int]]
) -> None:
    """Add (28b): a serving mode keeps whole nodes on."""
    pool = layout.problem.pools[place]
    for service in range(len(layout.menus)):
        needed = nodes_of_modes(layout, service, place)
        if not needed.any():
            continue
        row = matrix.rows((layout.steps,), upper=float(pool.nodes))
        rows.nodes[service, place] = row
        matrix.put(row[None, :], columns.mode[service], needed[:, None])
        matrix.put(row, columns.off[place], 1.0)
        for since, step in booting:
            matrix.put(row[step : step + 1], columns.boots[place][since : since + 1], 1.0)


def nodes_of_modes(layout: Layout, service: int, place: int) -> Floats:
    """Return the whole nodes of a pool that each mode of a service keeps on."""
    pool = layout.problem.pools[place]
    gpus = np.array([mode.gpus if mode.pool == pool.name else 0.0 for mode in layout.menus[service]])
    return np.asarray(np.ceil(gpus / gpus_per_node(pool) - 1e-9))


def boot_terms(layout: Layout, pool: PoolProblem) -> list[tuple[int, int]]:
    """Return (interval of the boot, interval in which its node is not yet ready)."""
    starts = layout.start_h[:-1]
    return [
        (since, step)
        for since in range(layout.steps)
        for step in range(since, layout.steps)
        if pool.boot_h > 0.0 and starts[step] < starts[since] + pool.boot_h - 1e-9
    ]


def whole_nodes(layout: Layout, pool: PoolProblem, used: Floats) -> tuple[Floats, Floats]:
    """Return whole nodes off and boots in each interval for the GPUs that a plan uses in a pool.

    A node is on while its GPUs are used and for the boot before; it goes off only where that saves more than a boot takes.
    """
    steps = layout.steps
    needed = np.ceil(used / gpus_per_node(pool) - 1e-6)
    on = needed.copy()
    for since, step in boot_terms(layout, pool):
        on[since] = max(on[since], needed[step])
    if pool.boot_h > 0.0:
        for step in range(steps - 1):
            on[step] = max(on[step], needed[step + 1])
    on = np.minimum(on, pool.nodes)
    now = float(pool.nodes if pool.nodes_on is None else pool.nodes_on)
    for level in range(1, pool.nodes + 1):
        running, step = now >= level, 0
        while step < steps:
            if on[step] >= level:
                running, step = True, step + 1
                continue
            end = step
            while end < steps and on[end] < level:
                end += 1
            length_h = float(layout.start_h[end] - layout.start_h[step])
            if running and length_h * node_kw(pool) <= pool.boot_kwh:
                on[step:end] = np.maximum(on[step:end], level)
            step = end
    off = pool.nodes - on
    return off, np.maximum(0.0, on - np.concatenate([[now], on[:-1]]))
