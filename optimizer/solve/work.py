"""Power and GPUs of the work in a solution."""

from __future__ import annotations

import numpy as np

from optimizer.model.build import Model
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Index
from optimizer.model.pools import group_kw, group_sheddable_kw
from optimizer.model.services import mode_kw
from optimizer.solve.cut import Parts, parts_of
from optimizer.solve.spread import JobRun, near_steps
from optimizer.workload import node_kw


def modes_kw(layout: Layout, modes: list[Index]) -> Floats:
    """Return the power of the services' modes in each interval, kW."""
    total = np.zeros(layout.steps)
    for place, path in enumerate(modes):
        total += mode_kw(layout, place)[path, np.arange(layout.steps)]
    return total


def free_gpus(layout: Layout, modes: list[Index]) -> Floats:
    """Return the GPUs that modes leave, pools x T."""
    pools = {pool.name: place for place, pool in enumerate(layout.problem.pools)}
    free = np.array([[pool.gpus] * layout.steps for pool in layout.problem.pools]).reshape(len(pools), layout.steps)
    for place, path in enumerate(modes):
        for index, mode in enumerate(layout.menus[place]):
            if mode.gpus and mode.pool in pools:
                free[pools[mode.pool]] -= mode.gpus * (path == index)
    return free


def batch_kw(model: Model, values: Floats) -> tuple[Floats, Floats]:
    """Return IT power of batch work and the part that can be given up at once, by interval."""
    layout = model.layout
    power, freed = np.zeros(layout.steps), np.zeros(layout.steps)
    for number, group in enumerate(layout.groups):
        n = values[model.columns.batch[number]]
        power += group_kw(layout, group) @ n
        freed += group_sheddable_kw(layout, group) @ n
    return power, freed


def nodes_kw(model: Model, values: Floats) -> Floats:
    """Return what powered-off nodes take from IT power in a solution, boots added, by interval; at most 0 but for boots."""
    layout = model.layout
    total = np.zeros(layout.steps)
    for place, off in model.columns.off.items():
        pool = layout.problem.pools[place]
        total -= node_kw(pool) * values[off]
        total += pool.boot_kwh / layout.hours * values[model.columns.boots[place]]
    return total


def gpus_used(layout: Layout, modes: list[Index], runs: dict[int, JobRun]) -> Floats:
    """Return the GPUs that a plan uses, pools x T; in near intervals all parts of GPUs of which it uses some."""
    total = np.array([[pool.gpus] * layout.steps for pool in layout.problem.pools]).reshape(-1, layout.steps)
    used: Floats = total - free_gpus(layout, modes)
    for run in runs.values():
        used[layout.groups[layout.places[run.place].group].pool] += run.gpus
    near = slice(near_steps(layout))
    for place, parts in _cut(layout, modes, runs).items():
        used[place, near] = np.maximum(used[place, near], parts.whole()[near])
    return used


def _cut(layout: Layout, modes: list[Index], runs: dict[int, JobRun]) -> dict[int, Parts]:
    """Return what modes and jobs take of each pool whose GPUs are cut."""
    found = parts_of(layout, modes)
    for run in runs.values():
        pool = layout.groups[layout.places[run.place].group].pool
        if pool in found:
            for limit_w in np.unique(run.limit_w[run.gpus > 0.0]):
                found[pool].take(float(limit_w), run.gpus * (run.limit_w == limit_w))
    return found
