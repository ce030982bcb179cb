"""The naive form: whole GPUs of each job at each limit in each interval.

What a first attempt at this problem looks like, kept to show what aggregation and decomposition are worth: an integer variable
for each (job, limit, interval) inside the job's window, everything in one program. Same physics, same objective.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.balance import add_balance, add_supply_terms
from optimizer.model.battery import add_battery
from optimizer.model.columns import Columns, Rows
from optimizer.model.gensets import add_gensets
from optimizer.model.layout import layout_of
from optimizer.model.matrix import Index, Matrix, Program
from optimizer.model.pools import add_pools
from optimizer.model.reserve import add_reserve
from optimizer.model.services import add_services
from optimizer.model.tank import add_tank
from optimizer.problem import Problem
from optimizer.workload import all_or_nothing, window_h, worth_per_share


def naive_program(problem: Problem) -> Program:
    """Return the naive program of a problem."""
    layout = layout_of(problem, near_h=1e9)
    matrix, columns, rows = Matrix(), Columns(), Rows()
    add_balance(matrix, layout, columns, rows)
    add_battery(matrix, layout, columns)
    add_gensets(matrix, layout, columns)
    add_supply_terms(matrix, columns, rows)
    add_tank(matrix, layout, columns)
    add_reserve(matrix, layout, columns, rows)
    add_services(matrix, layout, columns, rows)
    add_pools(matrix, layout, columns, rows)
    steps = np.arange(layout.steps)
    same = [matrix.rows(block.shape, lower=0.0, upper=0.0) for block in columns.batch]
    for row, block in zip(same, columns.batch, strict=True):
        matrix.put(row, block, -1.0)
    work_rows: dict[int, Index] = {}
    for place in layout.places:
        job, group = problem.jobs[place.job], layout.groups[place.group]
        low_h, high_h = window_h(problem, job)
        inside = steps[(layout.start_h[:-1] >= low_h - 1e-9) & (layout.start_h[1:] <= high_h + 1e-9)]
        whole = all_or_nothing(job, problem)
        if place.job not in work_rows:
            if whole:
                done = matrix.columns((1,), upper=1.0, cost=-job.value_usd, integer=True)
                work_rows[place.job] = matrix.rows((1,), lower=0.0)
                matrix.put(work_rows[place.job], done, -job.work_gpu_h)
            else:
                work_rows[place.job] = matrix.rows((1,), upper=job.work_gpu_h)
        blocks = []
        for level, rung in enumerate(group.rungs):
            gain = place.speed * rung.speed * layout.hours[inside]
            cost = np.zeros(len(inside))
            if not whole:
                worth = np.array([worth_per_share(job, problem, layout.start_h[step + 1]) for step in inside])
                cost = -worth * gain / job.work_gpu_h
            gpus = matrix.columns((len(inside),), upper=job.gpus_max, cost=cost, integer=True)
            matrix.put(same[place.group][level, inside], gpus, 1.0)
            matrix.put(work_rows[place.job], gpus, gain)
            blocks.append(gpus)
        most = matrix.rows((len(inside),), upper=job.gpus_max)
        matrix.put(most[None, :], np.array(blocks), 1.0)
    return matrix.finish()
