"""Batch jobs in slots.

    (23)  0 <= Y[j,p,b] <= gpus_max x hours of slot b inside the window        full-speed GPU-hours; over pools together
    (24)  sum speed_p Y[j,p,b] <= work_j, or = work_j z_j for all-or-nothing jobs, z binary
    (25)  sum over jobs of a group Y[j,p,b] <= sum over t in b of dt sum_k speed_k n[k,t]

A share of a job's work is worth its share of the value less lateness in its slot; an all-or-nothing job (hard, deadline
inside the horizon) is worth its value when whole.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns, Rows
from optimizer.model.layout import Layout, Place
from optimizer.model.matrix import Floats, Matrix
from optimizer.workload import all_or_nothing, worth_per_share


def add_jobs(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (23) to (25)."""
    slots = len(layout.slot_hours)
    rows.capacity = matrix.rows((len(layout.groups), slots), upper=0.0)
    for place, group in enumerate(layout.groups):
        speed = np.array([rung.speed for rung in group.rungs])
        matrix.put(
            rows.capacity[place][layout.slot][None, :],
            columns.batch[place],
            -speed[:, None] * layout.hours[None, :],
        )
    jobs = layout.problem.jobs
    columns.done = np.full(len(jobs), -1, dtype=np.int32)
    first_end_h = _first_end_h(layout)
    by_job: dict[int, list[int]] = {}
    for index, place in enumerate(layout.places):
        by_job.setdefault(place.job, []).append(index)
        job = jobs[place.job]
        used = slice(place.first_slot, place.first_slot + len(place.overlap_h))
        cost: Floats = np.zeros(len(place.overlap_h))
        if not all_or_nothing(job, layout.problem):
            worth = np.array([worth_per_share(job, layout.problem, end_h) for end_h in first_end_h[used]])
            cost = -worth * place.speed / job.work_gpu_h
        y = matrix.columns((len(cost),), upper=job.gpus_max * place.overlap_h, cost=cost)
        columns.work.append(y)
        matrix.put(rows.capacity[place.group, used], y, 1.0)
    for number, indexes in by_job.items():
        _add_job(matrix, layout, columns, number, [layout.places[i] for i in indexes], indexes)


def _first_end_h(layout: Layout) -> Floats:
    """Return the end of the first interval of each slot: work is never paid less than by the interval it is done in."""
    first = np.searchsorted(layout.slot, np.arange(len(layout.slot_hours)))
    return np.asarray(layout.start_h[first + 1])


def _add_job(
    matrix: Matrix, layout: Layout, columns: Columns, number: int, places: list[Place], indexes: list[int]
) -> None:
    job = layout.problem.jobs[number]
    whole = all_or_nothing(job, layout.problem)
    row = matrix.rows((1,), lower=0.0 if whole else -np.inf, upper=0.0 if whole else job.work_gpu_h)
    for place, index in zip(places, indexes, strict=True):
        matrix.put(row, columns.work[index], place.speed)
    if whole:
        done = matrix.columns((1,), upper=1.0, cost=-job.value_usd, integer=True)
        columns.done[number] = done[0]
        matrix.put(row, done, -job.work_gpu_h)
    if len(places) > 1:
        overlap = places[0].overlap_h
        together = matrix.rows((len(overlap),), upper=job.gpus_max * overlap)
        for index in indexes:
            matrix.put(together, columns.work[index], 1.0)
