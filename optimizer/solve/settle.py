"""Settle the work of a plan: modes in doubt, all-or-nothing jobs, one pool a job, whole GPUs in the near intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.model.build import Model
from optimizer.model.jobs import segments
from optimizer.model.matrix import Floats, Index
from optimizer.solve.paths import Prices, choose_modes, mode_values
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session
from optimizer.solve.spread import JobRun, choose_places, near_steps, round_near, rung_mix
from optimizer.solve.work import free_gpus

FLOOR_S = 0.3
SUPPORT = 1e-5
"""Share of a mode in a relaxation from which on it counts."""
MODE_NODES = 30
PARTIAL_ROOM = 1.25
"""A job does without partly open slots when the others hold this many times its work."""


def settle_work(
    model: Model, session: Session, fixed: Answer, modes: list[Index], prices: Prices, deadline: Deadline
) -> tuple[list[Index], dict[int, int], Floats]:
    """Settle modes in doubt, all-or-nothing jobs and one pool a job (step 5)."""
    layout, columns = model.layout, model.columns
    places = choose_places(model, fixed.values)
    one_pool_each(model, session, places)
    flags = np.zeros(len(model.program.cost), dtype=bool)
    shares = mode_values(layout, modes)
    for place, x in enumerate(columns.mode):
        path = np.zeros_like(shares[place])
        keep = (fixed.values[x] > SUPPORT) | (shares[place] > 0.5)
        doubtful = keep.sum(axis=0) > 1
        path[:] = shares[place]
        upper = np.where(doubtful[None, :], keep, path)
        sure = ~doubtful
        lower = np.where(sure[None, :], path, 0.0)
        session.bounds(x, lower, upper.astype(float))
        flags[x[:, doubtful].ravel()] = True
    whole = columns.done[columns.done >= 0]
    certain = whole[fixed.values[whole] > 1.0 - 1e-6]
    never = whole[fixed.values[whole] < 1e-6]
    session.fix(certain, np.ones(len(certain)))
    session.fix(never, np.zeros(len(never)))
    open_jobs = np.setdiff1d(whole, np.concatenate([certain, never]))
    flags[open_jobs] = True
    session.integers(flags)
    scale = max(1.0, abs(fixed.cost))
    answer = session.solve(
        seconds=max(FLOOR_S, 0.6 * deadline.left_s()),
        gap_usd=0.2 * layout.problem.limits.gap_frac * scale,
        nodes=MODE_NODES,
    )
    session.integers(np.zeros_like(flags))
    if not answer.found:
        answer = _without_search(model, session, prices, deadline)
    modes = [np.argmax(answer.values[x], axis=0).astype(np.int32) for x in columns.mode]
    for x, share in zip(columns.mode, mode_values(layout, modes), strict=True):
        session.fix(x, share)
    session.fix(whole, np.round(answer.values[whole]))
    return modes, choose_places(model, answer.values), answer.values


def _without_search(model: Model, session: Session, prices: Prices, deadline: Deadline) -> Answer:
    """Return a plan when the search found none in time: modes that serve what they can, doubtful jobs left out."""
    layout, columns = model.layout, model.columns
    free_gpu = replace(prices, gpu_usd=np.zeros_like(prices.gpu_usd))
    modes = choose_modes(layout, free_gpu) if layout.menus else []
    for x, share in zip(columns.mode, mode_values(layout, modes), strict=True):
        session.fix(x, share)
    whole = columns.done[columns.done >= 0]
    session.bounds(whole, np.zeros(len(whole)), np.ones(len(whole)))
    answer = session.solve(seconds=deadline.needed_s())
    if answer.found and len(whole):
        session.fix(whole, np.floor(answer.values[whole] + 1e-6))
        answer = session.solve(seconds=deadline.needed_s())
    if not answer.found:
        raise NoPlanFoundError(f"the plan's work ended as {answer.status}")
    return answer


def close_partial_slots(model: Model, session: Session) -> None:
    """Make slots executable: batch GPUs alike within a slot, and no work in far slots that are open only in part.

    A job keeps its partly open slots where the whole ones would not hold its work.
    """
    layout = model.layout
    session.rows(model.rows.tie, 0.0, 0.0)
    for index, place in enumerate(layout.places):
        slots = np.arange(place.first_slot, place.first_slot + len(place.overlap_h))
        partial = place.overlap_h < layout.slot_hours[slots] - 1e-9
        job = layout.problem.jobs[place.job]
        if job.running and not job.preemptible:
            continue
        whole_h = place.overlap_h[~partial].sum()
        if not layout.split:
            _slow_down(model, session, index, float(whole_h))
        if partial.any() and whole_h * job.gpus_max * place.speed >= PARTIAL_ROOM * job.work_gpu_h:
            columns = model.columns.work[index][:, partial]
            session.fix(columns, np.zeros(columns.shape))


def _slow_down(model: Model, session: Session, index: int, whole_h: float) -> None:
    """Hold a job with time to spare to the lowest level's speed, so that the power counted for it is what it will draw."""
    layout, place = model.layout, model.layout.places[index]
    job, low = layout.problem.jobs[place.job], layout.groups[place.group].rungs[0].speed
    if whole_h * job.gpus_max * low * place.speed >= PARTIAL_ROOM * job.work_gpu_h:
        columns = model.columns.work[index]
        session.bounds(columns, np.zeros(columns.shape), low * job.gpus_max * place.overlap_h[None, :])


def one_pool_each(model: Model, session: Session, places: dict[int, int]) -> None:
    """Close the places that a job did not choose: a job runs in one pool."""
    for index, place in enumerate(model.layout.places):
        if place.job in places and places[place.job] != index:
            session.fix(model.columns.work[index], np.zeros(model.columns.work[index].shape))


def fix_near(
    model: Model,
    session: Session,
    values: Floats,
    modes: list[Index],
    places: dict[int, int],
    runs: dict[int, JobRun],
    deadline: Deadline,
) -> Floats:
    """Round the near intervals to whole GPUs and solve the rest around them (step 6)."""
    layout, columns = model.layout, model.columns
    near = near_steps(layout)
    if not runs or near == 0:
        return values
    round_near(model, values, places, free_gpus(layout, modes), runs)
    for number, group in enumerate(layout.groups):
        n = np.zeros((len(group.rungs), near))
        for run in runs.values():
            if layout.places[run.place].group == number:
                for step in np.flatnonzero(run.gpus[:near]):
                    n[:, step] += run.gpus[step] * rung_mix(group.rungs, float(run.limit_w[step]))
        session.fix(columns.batch[number][:, :near], n)
    for index, place in enumerate(layout.places):
        if place.first_slot >= near:
            continue
        count = min(near - place.first_slot, len(place.overlap_h))
        steps = np.arange(place.first_slot, place.first_slot + count)
        here = runs.get(place.job)
        done = np.zeros((len(segments(layout, place.group)), count))
        if here is not None and here.place == index:
            hours = here.gpus[steps] * layout.hours[steps]
            low = segments(layout, place.group)[0]
            most = layout.problem.jobs[place.job].work_gpu_h / place.speed
            work = np.diff(np.minimum(np.cumsum(hours * here.speed[steps]), most), prepend=0.0)
            done[0] = np.minimum(hours * low, work)
            done[1:] = work - done[0]
        session.fix(columns.work[index][:, :count], done)
    answer = session.solve(seconds=deadline.needed_s())
    if answer.found:
        return answer.values
    whole = columns.done[columns.done >= 0]
    session.bounds(whole, np.zeros(len(whole)), np.ones(len(whole)))
    flags = np.zeros(len(model.program.cost), dtype=bool)
    flags[whole] = True
    session.integers(flags)
    answer = session.solve(seconds=max(0.1, deadline.left_s()), gap_frac=1e-3, nodes=MODE_NODES)
    session.integers(np.zeros_like(flags))
    return answer.values if answer.found else values
