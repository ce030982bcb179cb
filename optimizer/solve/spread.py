"""From work by slot to GPUs and limits by job and interval.

Far intervals: a job's work in a slot is spread over the slot's intervals as its group's capacity is; its GPUs run at the
group's mean speed, or faster where the job could not do its share otherwise. GPUs there are means and may be fractions.

Near intervals: whole GPUs. What rounding leaves undone is carried to the job's next interval (error diffusion), a job gets
as many GPUs as do its share at the lowest useful limit, then the limit that does exactly the share: more GPUs at a lower
limit do the same work for less power, so rounding does not ask for more power than the plan had. Where GPUs are cut into
parts the limit is a level at which there is room (:mod:`optimizer.solve.cut`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from optimizer.model.build import Model
from optimizer.model.layout import NEAR_H, Layout, hours_open
from optimizer.model.matrix import Floats
from optimizer.solve.cut import Parts, level_with_room
from optimizer.workload import Rung, all_or_nothing

TINY = 1e-7
START_SHARE = 0.5
"""A job that waits is started for an hour when it is owed this share of what its fewest GPUs do in it."""
CAREFUL_SHARE = 0.9
"""Share of what fits a window that an all-or-nothing job counts on when it puts work off."""
KEEP_SHARE = 0.1
"""Likewise for a job that runs: stopping it has a price that the plan does not see."""


@dataclass(kw_only=True)
class JobRun:
    """A job in the plan: where it runs, on how many GPUs and at which limit in each interval."""

    job: int
    place: int
    gpus: Floats
    limit_w: Floats
    speed: Floats
    """Work per GPU-hour at its limit, before the pool's own speed for the job."""

    def work_done(self, layout: Layout) -> float:
        """Return the work done over the horizon, in the job's own GPU-hours."""
        return float((self.gpus * self.speed * layout.hours).sum()) * layout.places[self.place].speed


def speed_to_limit(rungs: tuple[Rung, ...], speed: float) -> tuple[float, float]:
    """Return (limit [W], speed) of the lowest whole-watt setting that reaches a speed, clipped to the rungs."""
    if speed <= rungs[0].speed:
        return rungs[0].limit_w, rungs[0].speed
    for low, high in pairwise(rungs):
        if speed <= high.speed:
            share = (speed - low.speed) / (high.speed - low.speed)
            wanted_w = low.limit_w + share * (high.limit_w - low.limit_w)
            limit_w = min(float(np.ceil(wanted_w - 1e-6)), high.limit_w)
            share = (limit_w - low.limit_w) / (high.limit_w - low.limit_w)
            return limit_w, low.speed + share * (high.speed - low.speed)
    return rungs[-1].limit_w, rungs[-1].speed


def rung_mix(rungs: tuple[Rung, ...], limit_w: float) -> Floats:
    """Return the shares of each rung that make up a limit between two of them."""
    limits = np.array([rung.limit_w for rung in rungs])
    share = np.zeros(len(limits))
    high = int(np.searchsorted(limits, limit_w - 1e-9))
    if high == 0:
        share[0] = 1.0
    elif high >= len(limits):
        share[-1] = 1.0
    else:
        part = (limit_w - limits[high - 1]) / (limits[high] - limits[high - 1])
        share[high - 1], share[high] = 1.0 - part, part
    return share


def choose_places(model: Model, values: Floats) -> dict[int, int]:
    """Return the place of each job that works at all: the one with most of its work."""
    best: dict[int, tuple[float, int]] = {}
    for index, place in enumerate(model.layout.places):
        amount = float(values[model.columns.work[index]].sum()) * place.speed
        if amount > TINY and amount > best.get(place.job, (0.0, 0))[0]:
            best[place.job] = (amount, index)
    return {job: index for job, (_, index) in best.items()}


def spread(
    model: Model, values: Floats, places: dict[int, int], first_step: int, free: Floats, runs: dict[int, JobRun]
) -> None:
    """Fill ``runs`` from ``first_step`` on with fractional GPUs; ``free`` (pools x T) is what modes leave."""
    layout = model.layout
    owed: dict[int, float] = {}
    for number in range(len(layout.groups)):
        members = [(job, index) for job, index in places.items() if layout.places[index].group == number]
        if members:
            _spread_group(model, values, number, members, first_step, owed, runs)
    _top_up(layout, places, first_step, free, owed, runs)


def _spread_group(
    model: Model,
    values: Floats,
    number: int,
    members: list[tuple[int, int]],
    first_step: int,
    owed: dict[int, float],
    runs: dict[int, JobRun],
) -> None:
    layout = model.layout
    n = values[model.columns.batch[number]]
    speeds = np.array([rung.speed for rung in layout.groups[number].rungs])
    capacity, gpus = speeds @ n, n.sum(axis=0)
    work = np.zeros((len(members), len(layout.slot_hours)))
    for number_of_row, (_, index) in enumerate(members):
        place = layout.places[index]
        used = slice(place.first_slot, place.first_slot + len(place.overlap_h))
        work[number_of_row, used] = values[model.columns.work[index]].sum(axis=0)
    steps = np.arange(layout.steps)
    open_h = np.array([overlap_h(layout, job, steps) for job, _ in members])
    most = np.array([layout.problem.jobs[job].gpus_max for job, _ in members])
    for slot in range(int(layout.slot[first_step]) if first_step < layout.steps else 0, len(layout.slot_hours)):
        rows = np.flatnonzero(work[:, slot] > TINY)
        if not len(rows) or first_step >= layout.steps:
            continue
        same = np.flatnonzero(layout.slot == slot)
        room = most[rows, None] * open_h[np.ix_(rows, same)]
        able = capacity[same] * layout.hours[same]
        shares = share_out(work[rows, slot], room, able)
        for row, short in zip(rows, work[rows, slot] - shares.sum(axis=1), strict=True):
            if short > TINY:
                job = members[row][0]
                owed[job] = owed.get(job, 0.0) + float(short)
        for column, step in enumerate(same):
            jobs = [members[row][0] for row in rows]
            _fill_step(layout, number, jobs, int(step), shares[:, column], room[:, column], float(gpus[step]), runs)


def share_out(work: Floats, room: Floats, able: Floats) -> Floats:
    """Return work by job and interval: at most ``room`` each, at most ``able`` an interval, as much of ``work`` as fits.

    Jobs that have the least choice come first; each takes from the intervals in proportion to what is left there.
    """
    shares = np.zeros_like(room)
    left = able.astype(float).copy()
    tightness = work / np.maximum(room.sum(axis=1), TINY)
    for row in np.argsort(-tightness, kind="stable"):
        todo = float(work[row])
        for _ in range(len(able)):
            open_now = np.minimum(room[row] - shares[row], left)
            weight = np.where(open_now > TINY, np.maximum(left, 0.0), 0.0)
            if todo <= TINY or weight.sum() <= TINY:
                break
            taken = np.minimum(np.maximum(open_now, 0.0), todo * weight / weight.sum())
            shares[row] += taken
            left -= taken
            todo -= float(taken.sum())
    return shares


def _fill_step(
    layout: Layout,
    number: int,
    jobs: list[int],
    step: int,
    shares: Floats,
    room: Floats,
    gpus: float,
    runs: dict[int, JobRun],
) -> None:
    """Give the jobs of a group their GPUs and limits in one interval."""
    hours = float(layout.hours[step])
    rungs = layout.groups[number].rungs
    left_gpus, left_work = gpus, float(shares.sum())
    needs = shares / np.maximum(room, TINY)
    for row in np.argsort(-needs, kind="stable"):
        share = float(shares[row])
        if share <= TINY:
            continue
        mean = left_work / max(left_gpus * hours, TINY)
        limit_w, speed = speed_to_limit(rungs, min(max(float(needs[row]), mean), 1.0))
        count = min(share / (hours * speed), float(room[row]) / hours)
        run = runs[jobs[row]]
        run.gpus[step], run.limit_w[step], run.speed[step] = count, limit_w, speed
        left_gpus -= count
        left_work -= share


def _top_up(
    layout: Layout,
    places: dict[int, int],
    first_step: int,
    free: Floats,
    owed: dict[int, float],
    runs: dict[int, JobRun],
) -> None:
    """Do what is still owed on GPUs that are free, at full speed, as early as the job's window allows."""
    left = free.copy()
    for run in runs.values():
        left[layout.groups[layout.places[run.place].group].pool] -= run.gpus
    for job, short in owed.items():
        run, place = runs[job], layout.places[places[job]]
        pool, rungs = layout.groups[place.group].pool, layout.groups[place.group].rungs
        open_h = overlap_h(layout, job, np.arange(layout.steps))
        most = layout.problem.jobs[job].gpus_max * open_h / layout.hours
        for step in range(first_step, layout.steps):
            if short <= TINY:
                break
            hours = float(layout.hours[step])
            here = run.gpus[step] * run.speed[step]
            count = min(float(most[step]), run.gpus[step] + max(0.0, float(left[pool, step])))
            gain = min(short, count * hours - here * hours)
            if gain <= TINY:
                continue
            wanted = here + gain / hours
            limit_w, speed = speed_to_limit(rungs, min(1.0, max(run.speed[step], wanted / count)))
            left[pool, step] += run.gpus[step]
            run.gpus[step], run.limit_w[step], run.speed[step] = wanted / speed, limit_w, speed
            left[pool, step] -= run.gpus[step]
            short -= gain


def overlap_h(layout: Layout, job: int, steps: npt.NDArray[np.integer]) -> Floats:
    """Return the hours of intervals in which a job may run."""
    problem = layout.problem
    return hours_open(problem, problem.jobs[job], layout.start_h[steps], layout.start_h[steps + 1])


def near_steps(layout: Layout) -> int:
    """Return how many intervals get whole GPUs."""
    return int(np.searchsorted(layout.start_h[:-1], NEAR_H - 1e-9))


def empty_runs(layout: Layout, places: dict[int, int]) -> dict[int, JobRun]:
    """Return runs without any work yet."""
    zeros = np.zeros(layout.steps)
    return {
        job: JobRun(job=job, place=index, gpus=zeros.copy(), limit_w=zeros.copy(), speed=zeros.copy())
        for job, index in places.items()
    }


def round_near(
    model: Model, values: Floats, places: dict[int, int], free: Floats, cut: dict[int, Parts], runs: dict[int, JobRun]
) -> None:
    """Fill the near intervals of ``runs`` with whole GPUs, alike within an hour.

    ``free`` (pools x T) is what modes leave, ``cut`` what they take of pools whose GPUs are cut.
    """
    layout = model.layout
    owed = dict.fromkeys(places, 0.0)
    todo = {job: layout.problem.jobs[job].work_gpu_h / layout.places[index].speed for job, index in places.items()}
    near = near_steps(layout)
    hour_of = np.floor(layout.start_h[:near] + 1e-9).astype(int)
    for hour in np.unique(hour_of):
        steps = np.flatnonzero(hour_of == hour)
        left = free[:, steps].copy()
        for job, index in places.items():
            owed[job] += _work_in(model, values, index, steps)
        must = {job: min(owed[job], _cannot_wait(layout, job, todo[job], int(steps[-1]) + 1)) for job in places}
        for job, index in sorted(places.items(), key=lambda item: _first(layout, item[0], owed, must)):
            open_h = overlap_h(layout, job, steps)
            inside = np.flatnonzero(open_h >= layout.hours[steps] - 1e-9)
            if not len(inside):
                continue
            pool = layout.groups[layout.places[index].group].pool
            spare = float(left[pool, inside].min())
            amounts = owed[job], must[job], todo[job]
            done = _whole(layout, job, index, steps[inside], amounts, spare, runs[job], cut.get(pool))
            left[pool, inside] -= runs[job].gpus[steps[inside]]
            owed[job] -= min(done, todo[job])
            todo[job] = max(0.0, todo[job] - done)


def _cannot_wait(layout: Layout, job: int, todo: float, step: int) -> float:
    """Return the work of an all-or-nothing job that no longer fits its window from ``step`` on; 0 for others."""
    record = layout.problem.jobs[job]
    if not all_or_nothing(record, layout.problem):
        return 0.0
    later_h = float(overlap_h(layout, job, np.arange(step, layout.steps)).sum())
    return max(0.0, todo - CAREFUL_SHARE * record.gpus_max * later_h)


def _work_in(model: Model, values: Floats, index: int, steps: npt.NDArray[np.integer]) -> float:
    """Return the work that a place does in near intervals, whose slots are the intervals themselves."""
    place = model.layout.places[index]
    offsets = model.layout.slot[steps] - place.first_slot
    offsets = offsets[(offsets >= 0) & (offsets < len(place.overlap_h))]
    return float(values[model.columns.work[index][:, offsets]].sum())


def _first(layout: Layout, job: int, owed: dict[int, float], must: dict[int, float]) -> tuple[object, ...]:
    record = layout.problem.jobs[job]
    held = record.running and not record.preemptible
    return (not held, must[job] <= TINY, -record.priority, not record.running, -owed[job], job)


def _whole(
    layout: Layout,
    job: int,
    index: int,
    steps: npt.NDArray[np.integer],
    amounts: tuple[float, float, float],
    free: float,
    run: JobRun,
    cut: Parts | None,
) -> float:
    """Give a job whole GPUs, the same in all of ``steps``, and return the work it does there.

    ``amounts``: work owed so far, the part of it that cannot wait, and all that is left of the job; ``cut``: what is taken of
    the pool where its GPUs are cut.
    """
    owed, must, todo = amounts
    record, hours = layout.problem.jobs[job], float(layout.hours[steps].sum())
    share = min(owed, todo)
    held = record.running and not record.preemptible and todo > TINY
    if share <= TINY and not held:
        return 0.0
    group = layout.groups[layout.places[index].group]
    rungs = group.rungs
    low = rungs[0].speed * hours
    least = max(record.gpus_min, min(1.0, record.gpus_max))
    whole = record.gpus_max >= 1.0
    count = share / low
    if whole:
        enough = KEEP_SHARE if record.running else START_SHARE
        count = float(int(count + 1e-6)) if share >= least * low else least if share >= enough * least * low else 0.0
        count = max(count, float(np.ceil(must / (hours * rungs[-1].speed) - 1e-6)))
    count = min(max(count, least) if count > 0.0 or held else 0.0, record.gpus_max)
    count = min(count, float(int(free + 1e-6)) if whole else free)
    if count < least - 1e-9:
        return 0.0
    speed = min(1.0, max(share, must) / (count * hours))
    if cut is None:
        limit_w, speed = speed_to_limit(rungs, speed)
    else:
        level, count = level_with_room(rungs, speed, count, cut, steps)
        if count < least - 1e-9 or count <= 0.0:
            return 0.0
        limit_w, speed = level.limit_w, level.speed
        cut.take(limit_w, count, steps)
    run.gpus[steps], run.limit_w[steps], run.speed[steps] = count, limit_w, speed
    return count * speed * hours
