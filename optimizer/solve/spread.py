"""From work by slot to GPUs and limits by job and interval.

Far intervals: a job's work in a slot is spread over the slot's intervals as its group's capacity is; its GPUs run at the
group's mean speed, or faster where the job could not do its share otherwise. GPUs there are means and may be fractions.

Near intervals: whole GPUs. What rounding leaves undone is carried to the job's next interval (error diffusion), a job gets
as many GPUs as do its share at the lowest useful limit, then the limit that does exactly the share: more GPUs at a lower
limit do the same work for less power, so rounding does not ask for more power than the plan had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.build import Model
from optimizer.model.layout import NEAR_H, Layout
from optimizer.model.matrix import Floats
from optimizer.workload import Rung, window_h

TINY = 1e-7


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
    """Return (limit [W], speed) of the lowest setting that reaches a speed, clipped to the rungs."""
    if speed <= rungs[0].speed:
        return rungs[0].limit_w, rungs[0].speed
    for low, high in zip(rungs[:-1], rungs[1:], strict=True):
        if speed <= high.speed:
            share = (speed - low.speed) / (high.speed - low.speed)
            return low.limit_w + share * (high.limit_w - low.limit_w), speed
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


def spread(model: Model, values: Floats, places: dict[int, int], first_step: int, runs: dict[int, JobRun]) -> None:
    """Fill ``runs`` from ``first_step`` on with fractional GPUs."""
    layout = model.layout
    for number in range(len(layout.groups)):
        capacity, gpus = _group_course(model, values, number)
        members = [(job, index) for job, index in places.items() if layout.places[index].group == number]
        for step in range(first_step, layout.steps):
            if gpus[step] > TINY:
                _fill_step(model, values, members, step, capacity, gpus, runs)


def _group_course(model: Model, values: Floats, number: int) -> tuple[Floats, Floats]:
    """Return work per hour and GPUs of a group in each interval."""
    n = values[model.columns.batch[number]]
    speed = np.array([rung.speed for rung in model.layout.groups[number].rungs])
    return speed @ n, n.sum(axis=0)


def _fill_step(
    model: Model,
    values: Floats,
    members: list[tuple[int, int]],
    step: int,
    capacity: Floats,
    gpus: Floats,
    runs: dict[int, JobRun],
) -> None:
    layout = model.layout
    slot, hours = int(layout.slot[step]), float(layout.hours[step])
    same = np.flatnonzero(layout.slot == slot)
    wanted: list[tuple[float, float, int, int]] = []
    for job, index in members:
        place = layout.places[index]
        offset = slot - place.first_slot
        if not 0 <= offset < len(place.overlap_h):
            continue
        work = float(values[model.columns.work[index][offset]])
        if work <= TINY:
            continue
        open_h = overlap_h(layout, job, same)
        weight = capacity[same] * open_h
        here = np.flatnonzero(same == step)[0]
        if weight[here] <= TINY:
            continue
        share = work * weight[here] / weight.sum()
        most = layout.problem.jobs[job].gpus_max
        wanted.append((share / (most * open_h[here]), share, job, index))
    left_gpus, left_work = float(gpus[step]), float(capacity[step] * hours)
    for need, share, job, index in sorted(wanted, reverse=True):
        mean = left_work / max(left_gpus * hours, TINY)
        rungs = layout.groups[layout.places[index].group].rungs
        limit_w, speed = speed_to_limit(rungs, max(min(need, 1.0), min(mean, 1.0)))
        count = min(share / (hours * speed), layout.problem.jobs[job].gpus_max)
        run = runs[job]
        run.gpus[step], run.limit_w[step], run.speed[step] = count, limit_w, speed
        left_gpus -= count
        left_work -= count * speed * hours


def overlap_h(layout: Layout, job: int, steps: np.ndarray) -> Floats:  # type: ignore[type-arg]
    """Return the hours of intervals that lie in a job's window."""
    low_h, high_h = window_h(layout.problem, layout.problem.jobs[job])
    start, end = layout.start_h[steps], layout.start_h[steps + 1]
    return np.asarray(np.maximum(0.0, np.minimum(end, high_h) - np.maximum(start, low_h)))


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


def round_near(model: Model, values: Floats, places: dict[int, int], free: Floats, runs: dict[int, JobRun]) -> None:
    """Fill the near intervals of ``runs`` with whole GPUs; ``free`` (pools x T) is what modes leave."""
    layout = model.layout
    owed = dict.fromkeys(places, 0.0)
    todo = {job: layout.problem.jobs[job].work_gpu_h / layout.places[index].speed for job, index in places.items()}
    for step in range(near_steps(layout)):
        left = free[:, step].copy()
        for job, index in sorted(places.items(), key=lambda item: _first(layout, item[0], owed)):
            place = layout.places[index]
            offset = int(layout.slot[step]) - place.first_slot
            if 0 <= offset < len(place.overlap_h):
                owed[job] += float(values[model.columns.work[index][offset]])
            pool = layout.groups[place.group].pool
            done = _whole(layout, job, index, step, min(owed[job], todo[job]), float(left[pool]), runs[job])
            left[pool] -= runs[job].gpus[step]
            owed[job] -= done
            todo[job] = max(0.0, todo[job] - done)


def _first(layout: Layout, job: int, owed: dict[int, float]) -> tuple[object, ...]:
    record = layout.problem.jobs[job]
    return (not (record.running and not record.preemptible), -record.priority, -owed[job], job)


def _whole(layout: Layout, job: int, index: int, step: int, share: float, free: float, run: JobRun) -> float:
    """Give a job whole GPUs in one interval and return the work it does there."""
    record, hours = layout.problem.jobs[job], float(layout.hours[step])
    open_h = float(overlap_h(layout, job, np.array([step]))[0])
    if share <= TINY or open_h < hours - 1e-9:
        return 0.0
    rungs = layout.groups[layout.places[index].group].rungs
    low = rungs[0].speed * hours
    least = max(record.gpus_min, min(1.0, record.gpus_max))
    whole = record.gpus_max >= 1.0
    count = share / low
    if whole:
        count = float(int(count + 1e-6)) if share >= least * low else least if share >= 0.5 * least * low else 0.0
    count = min(max(count, least) if count > 0.0 else 0.0, record.gpus_max)
    count = min(count, float(int(free + 1e-6)) if whole else free)
    if count < least - 1e-9:
        return 0.0
    limit_w, speed = speed_to_limit(rungs, min(1.0, share / (count * hours)))
    run.gpus[step], run.limit_w[step], run.speed[step] = count, limit_w, speed
    return count * speed * hours
