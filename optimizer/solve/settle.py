"""Settle the work of a plan: modes in doubt, all-or-nothing jobs, one pool a job, whole GPUs in the near intervals."""

from __future__ import annotations

import numpy as np

from optimizer.model.build import Model
from optimizer.model.jobs import segments
from optimizer.model.matrix import Floats, Index
from optimizer.solve.cut import parts_of
from optimizer.solve.paths import mode_values
from optimizer.solve.relax import Relaxed, on_paths
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session
from optimizer.solve.spread import JobRun, choose_places, empty_runs, near_steps, round_near, rung_mix
from optimizer.solve.work import free_gpus

FLOOR_S = 1.5
"""Least time for the search of modes and jobs: it mostly ends sooner, and a plan without it is some per cent worse."""
SUPPORT = 1e-5
"""Share of a mode in a relaxation from which on it counts."""
MODE_NODES = 30
NEAR_ROUNDS = 3
PARTIAL_ROOM = 1.25
"""A job does without partly open slots when the others hold this many times its work."""


def settle_work(
    model: Model, session: Session, fixed: Relaxed, modes: list[Index], deadline: Deadline
) -> tuple[list[Index], dict[int, int], Floats]:
    """Settle modes in doubt, all-or-nothing jobs and one pool a job (step 5).

    In doubt is a mode that ``fixed``, the relaxation with the commitment fixed, uses beside the one on the path ``modes``.
    """
    layout, columns = model.layout, model.columns
    close_partial_slots(model, session)
    one_pool_each(model, session, choose_places(fixed.model, fixed.answer.values))
    session.open(on_paths(model, modes))
    flags = np.zeros(len(model.program.cost), dtype=bool)
    for x, theirs, share in zip(columns.mode, fixed.model.columns.mode, mode_values(layout, modes), strict=True):
        keep = (fixed.answer.values[theirs] > SUPPORT) | (share > 0.5)
        doubtful = keep.sum(axis=0) > 1
        session.bounds(x, np.where(doubtful[None, :], 0.0, share), keep.astype(np.float64))
        flags[x[:, doubtful].ravel()] = True
    whole = columns.done[columns.done >= 0]
    never = whole[fixed.answer.values[fixed.model.columns.done[columns.done >= 0]] < 1e-6]
    session.fix(never, np.zeros(len(never)))
    flags[np.setdiff1d(whole, never)] = True
    session.integers(flags)
    answer = session.solve(
        seconds=max(FLOOR_S, 0.6 * deadline.left_s()),
        gap_usd=0.2 * layout.problem.limits.gap_frac * max(1.0, abs(fixed.cost)),
        nodes=MODE_NODES,
    )
    session.integers(np.zeros_like(flags))
    if not answer.found:
        answer = _without_search(model, session, modes, deadline)
    modes = [np.argmax(answer.values[x], axis=0).astype(np.int32) for x in columns.mode]
    fix_modes(model, session, modes)
    session.fix(whole, np.round(answer.values[whole]))
    return modes, choose_places(model, answer.values), answer.values


def fix_modes(model: Model, session: Session, modes: list[Index]) -> None:
    """Fix every service to its modes."""
    session.open(on_paths(model, modes))
    for x, share in zip(model.columns.mode, mode_values(model.layout, modes), strict=True):
        session.fix(x, share)


def _without_search(model: Model, session: Session, modes: list[Index], deadline: Deadline) -> Answer:
    """Return a plan when the search found none in time: the modes of the paths, doubtful jobs left out."""
    columns = model.columns
    fix_modes(model, session, modes)
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
    layout, work = model.layout, model.columns.work
    session.rows(model.rows.tie, 0.0, 0.0)
    closed = []
    for index, place in enumerate(layout.places):
        slots = np.arange(place.first_slot, place.first_slot + len(place.overlap_h))
        partial = place.overlap_h < layout.slot_hours[slots] - 1e-9
        job = layout.problem.jobs[place.job]
        if job.running and not job.preemptible:
            continue
        whole_h = float(place.overlap_h[~partial].sum())
        low = layout.groups[place.group].rungs[0].speed
        if not layout.split and whole_h * job.gpus_max * low * place.speed >= PARTIAL_ROOM * job.work_gpu_h:
            # Time to spare: held to the lowest level's speed, so that the power counted for it is what it will draw.
            session.bounds(work[index], np.zeros(1), low * job.gpus_max * place.overlap_h[None, :])
        if partial.any() and whole_h * job.gpus_max * place.speed >= PARTIAL_ROOM * job.work_gpu_h:
            closed.append(work[index][:, partial].ravel())
    _close(session, closed)


def _close(session: Session, blocks: list[Index]) -> None:
    if blocks:
        columns = np.concatenate(blocks)
        session.fix(columns, np.zeros(len(columns)))


def one_pool_each(model: Model, session: Session, places: dict[int, int]) -> None:
    """Close the places that a job did not choose: a job runs in one pool."""
    pairs = zip(model.layout.places, model.columns.work, strict=True)
    others = [block.ravel() for number, (place, block) in enumerate(pairs) if places.get(place.job, number) != number]
    _close(session, others)


def fix_near(
    model: Model,
    session: Session,
    values: Floats,
    modes: list[Index],
    places: dict[int, int],
    runs: dict[int, JobRun],
    deadline: Deadline,
) -> Floats:
    """Round the near intervals to whole GPUs and solve the rest around them (step 6).

    All-or-nothing jobs that rounding has made impossible are left out of the plan.
    """
    layout, columns = model.layout, model.columns
    if not runs or near_steps(layout) == 0:
        return values
    round_near(model, values, places, free_gpus(layout, modes), parts_of(layout, modes), runs)
    near_jobs = [job for job, run in runs.items() if run.gpus.any()]
    for job in near_jobs:
        session.open(columns.work[runs[job].place].ravel())
    whole = columns.done[columns.done >= 0]
    done = np.round(values[whole])
    for _ in range(NEAR_ROUNDS):
        _hold_near(model, session, runs)
        answer = session.solve(seconds=deadline.needed_s())
        if answer.found:
            return answer.values
        session.bounds(whole, np.zeros(len(whole)), done)
        answer = session.solve(seconds=deadline.needed_s())
        if not answer.found:
            break
        lost = whole[(answer.values[whole] < 1.0 - 1e-6) & (done > 0.5)]
        done[np.isin(whole, lost)] = 0.0
        session.fix(whole, done)
        for job in map(int, np.flatnonzero(np.isin(columns.done, lost))):
            if job in runs:
                runs[job] = empty_runs(layout, {job: runs[job].place})[job]
    return values


def _hold_near(model: Model, session: Session, runs: dict[int, JobRun]) -> None:
    """Fix GPUs and work of the near intervals to what ``runs`` hold."""
    layout, columns, near = model.layout, model.columns, near_steps(model.layout)
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
