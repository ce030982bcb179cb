"""Batch jobs in slots.

    (23)  Y[j,p,b] = Y1 + Y2   full-speed GPU-hours of a job in a slot, at the lowest level's speed s1 and beyond it
          0 <= Y1 <= s1 gpus_max h,  0 <= Y2 <= (1 - s1) gpus_max h       h hours of slot b in which it may run: between
          release and end, and within its windows where it has some
    (24)  sum speed_p Y[j,p,b] <= work_j, or = work_j z_j for all-or-nothing jobs, z binary
    (25)  sum over jobs of a group Y1[j,p,b] <= sum over t in b of dt sum_k s1 n[k,t]
          sum over jobs of a group Y2[j,p,b] <= sum over t in b of dt sum_k (speed_k - s1) n[k,t]

    (23b) no work of a job whose smallest start, its fewest GPUs at the lowest limit, is more load than the grid takes at once:
          the battery's inverter, without a battery the steps of all gensets together; smaller starts the guards put one after
          the other within the step of what forms the grid then (``controller/guards/load_step.py``)

Without the split a job of few GPUs could do at the lowest limit what it can only do at a high one (bound 0.1 to 0.2 % too
loose and plans that need more power than they had); with a split at every level the bound moves by less than 0.01 % more.

    (25b) sum_p Y1[j,p,b] + stall >= s1 gpus h             a running job that may not be interrupted goes on: every slot from
          now until its work could be done at full speed, on gpus_min GPUs (or one); ``stall`` has a prohibitive price

    (25c) pause + sum_p Y1[j,p,first slot] / (s1 gpus h) >= 1      a running job that may be paused; ``pause`` costs what its
          restart loses, h hours of the first interval, no more than its work takes

    (25d) of jobs worth the same, those of higher priority first, and early: a share of work done costs, beside all else,
          EARLY_SHARE value (t/T (1 + r) / 2 + 1 - r), t its time, T the horizon, r the rank of its priority: 1 the highest of
          the problem, 0 the lowest; so priority decides where value does not, and no more

A share of a job's work is worth its share of the value less lateness in its slot; an all-or-nothing job (hard, deadline
inside the horizon) is worth its value when whole.
"""

from __future__ import annotations

import numpy as np

from optimizer.model.columns import Columns, Rows
from optimizer.model.layout import Layout, Place
from optimizer.model.matrix import Floats, Index, Matrix
from optimizer.workload import all_or_nothing, least_gpus, pause_usd, worth_per_share

CONTINUE_H = 1.0
"""Time within which going on counts."""
EARLY_SHARE = 1e-4
"""Share of its value that a job pays to be done at the end rather than now, or before one of higher priority (25d)."""
STALL_USD_PER_GPU_H = 300.0
"""Price of interrupting a job that may not be interrupted."""


def add_jobs(matrix: Matrix, layout: Layout, columns: Columns, rows: Rows) -> None:
    """Add (23) to (25)."""
    capacity = [_capacity(matrix, layout, columns, number) for number in range(len(layout.groups))]
    jobs = layout.problem.jobs
    columns.done = np.full(len(jobs), -1, dtype=np.int32)
    first_end_h, ranks = _first_end_h(layout), _ranks(layout)
    by_job: dict[int, list[int]] = {}
    for index, place in enumerate(layout.places):
        by_job.setdefault(place.job, []).append(index)
        job = jobs[place.job]
        used = slice(place.first_slot, place.first_slot + len(place.overlap_h))
        cost: Floats = np.zeros(len(place.overlap_h))
        if not all_or_nothing(job, layout.problem):
            worth = np.array([worth_per_share(job, layout.problem, end_h) for end_h in first_end_h[used]])
            cost = -worth * place.speed / job.work_gpu_h
        start_h = layout.slot_start_h[used]
        rank = ranks[job.priority]
        later = 0.5 * (1.0 + rank) * start_h / layout.start_h[-1] + 1.0 - rank
        cost = cost + EARLY_SHARE * job.value_usd * place.speed / job.work_gpu_h * later
        parts = np.array(segments(layout, place.group))
        shape = (len(parts), len(cost))
        y = matrix.columns(shape, upper=job.gpus_max * parts[:, None] * place.overlap_h[None, :], cost=cost)
        columns.work.append(y)
        matrix.put(capacity[place.group][:, used], y, 1.0)
    for number, indexes in by_job.items():
        _add_job(matrix, layout, columns, number, [layout.places[i] for i in indexes], indexes)


def early_usd(layout: Layout) -> float:
    """Return the most that the preferences (25d) add to any plan's cost: what a bound has to give back."""
    ranks = _ranks(layout)
    return EARLY_SHARE * sum(job.value_usd * (1.5 - 0.5 * ranks[job.priority]) for job in layout.problem.jobs)


def _ranks(layout: Layout) -> dict[int, float]:
    """Return the rank of each priority, 1 for the highest."""
    known = sorted({job.priority for job in layout.problem.jobs})
    return {priority: place / (len(known) - 1) if len(known) > 1 else 1.0 for place, priority in enumerate(known)}


def segments(layout: Layout, group: int) -> tuple[float, ...]:
    """Return the parts of full speed that (23) counts apart: up to the lowest level's, and the rest."""
    low = layout.groups[group].rungs[0].speed
    high = layout.groups[group].rungs[-1].speed
    return (low, high - low) if layout.split and high > low else (high,)


def _capacity(matrix: Matrix, layout: Layout, columns: Columns, number: int) -> Index:
    """Add the capacity rows of a group (segments x slots)."""
    speed = np.array([rung.speed for rung in layout.groups[number].rungs])
    parts = segments(layout, number)
    rows = matrix.rows((len(parts), len(layout.slot_hours)), upper=0.0)
    given = np.array([np.minimum(speed, parts[0]), speed - parts[0]])[: len(parts)]
    matrix.put(
        rows[:, layout.slot][:, None, :],
        columns.batch[number][None, :, :],
        -given[:, :, None] * layout.hours[None, None, :],
    )
    return rows


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
    if job.running and not job.preemptible:
        _go_on(matrix, layout, columns, number, places, indexes)
    if pause_usd(job) > 0.0:
        _add_pause(matrix, layout, columns, number, places, indexes)
    if len(places) > 1:
        overlap = places[0].overlap_h
        together = matrix.rows((len(overlap),), upper=job.gpus_max * overlap)
        for index in indexes:
            matrix.put(together[None, :], columns.work[index], 1.0)


def _go_on(
    matrix: Matrix, layout: Layout, columns: Columns, number: int, places: list[Place], indexes: list[int]
) -> None:
    """Add (25b)."""
    job = layout.problem.jobs[number]
    gpus = least_gpus(job)
    hours = places[0].overlap_h
    full = gpus * hours * max(place.speed for place in places)
    before = np.concatenate([[0.0], np.cumsum(full)[:-1]])
    share = np.clip((job.work_gpu_h - before) / np.maximum(full, 1e-12), 0.0, 1.0)
    held = np.flatnonzero(share > 1e-9)
    low = min(layout.groups[place.group].rungs[0].speed for place in places)
    row = matrix.rows((len(held),), lower=low * gpus * hours[held] * share[held])
    stall = matrix.columns((len(held),), cost=STALL_USD_PER_GPU_H)
    matrix.put(row, stall, 1.0)
    for index in indexes:
        matrix.put(row, columns.work[index][0, held], 1.0)


def _add_pause(
    matrix: Matrix, layout: Layout, columns: Columns, number: int, places: list[Place], indexes: list[int]
) -> None:
    """Add (25c)."""
    job = layout.problem.jobs[number]
    now = [(place, index) for place, index in zip(places, indexes, strict=True) if place.first_slot == 0]
    if not now:
        return
    low = min(layout.groups[place.group].rungs[0].speed for place, _ in now)
    needed = min(low * least_gpus(job) * float(layout.hours[0]), job.work_gpu_h / max(place.speed for place, _ in now))
    pause = matrix.columns((1,), upper=1.0, cost=pause_usd(job))
    row = matrix.rows((1,), lower=1.0)
    matrix.put(row, pause, 1.0)
    for _, index in now:
        matrix.put(row, columns.work[index][0, :1], 1.0 / needed)
