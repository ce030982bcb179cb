"""Solve a problem by decomposition: a bound from relaxations only, a plan from restrictions only.

    1  relaxation of the whole model                       -> bound, prices of power and GPUs
    2  serving modes by shortest path at those prices      -> modes
    3  energy model with modes and batch work given, some freedom to shed or add       -> commitment
    4  whole model with the commitment fixed, relaxed      -> which modes are still in doubt
    5  modes in doubt freed, integer; all-or-nothing jobs integer                       -> modes, jobs
    6  near intervals rounded to whole GPUs; whole model again with modes, commitment and near work fixed
    7  energy model for exactly the work that the plan holds                            -> flows, prices

The gap between 1 and 7 is therefore true. Every step has a fallback that needs no solver, so the deadline is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.build import Model, build
from optimizer.model.energy import Flex, Load, build_energy
from optimizer.model.jobs import segments
from optimizer.model.layout import Layout, layout_of
from optimizer.model.matrix import Floats, Index
from optimizer.model.pools import group_kw, group_sheddable_kw
from optimizer.model.services import mode_kw
from optimizer.records import Problem
from optimizer.solve.bound import tighten
from optimizer.solve.bound import tighten
from optimizer.solve.obey import obey_plant
from optimizer.solve.paths import choose_modes, mode_values, prices_of
from optimizer.solve.session import Answer, Deadline, Session
from optimizer.solve.spread import JobRun, choose_places, empty_runs, near_steps, round_near, rung_mix, spread
from optimizer.solve.whole import solve_whole

SUPPORT = 1e-5
"""Share of a mode in a relaxation from which on it counts."""
FEW_INTEGERS = 120
"""Problems with no more integers than this are solved whole."""
EXACT_GAP = 1e-6
COMMIT_NODES = 1
"""Nodes of the commitment search: its root finds the commitment, more nodes only prove what the bound proves better."""
MODE_NODES = 30
PARTIAL_ROOM = 1.25
"""A job does without partly open slots when the others hold this many times its work."""


class NoPlanFoundError(RuntimeError):
    """The solver gave no usable point within the deadline."""


@dataclass(frozen=True, kw_only=True)
class Solved:
    """Everything the read-back needs."""

    model: Model
    session: Session
    relaxed: Answer | None
    """The whole model's relaxation; none where it was solved whole."""
    basis: object
    modes: list[Index]
    """Mode index of each service in each interval."""
    runs: dict[int, JobRun]
    course: Model
    flows: Answer
    """Energy model on the expected sun with commitment and work fixed: flows and duals."""
    energy: Model
    energy_usd: float
    values: Floats
    """Energy model on all scenarios with commitment and work fixed: its cost and values."""
    on: Floats
    """Commitment, G x T."""
    load: Load
    """IT load of the plan's work."""
    bound_usd: float
    """Net value that no plan can exceed."""
    deadline: Deadline

    @property
    def layout(self) -> Layout:
        """The problem's arrays."""
        return self.model.layout


def solve(problem: Problem) -> Solved:
    """Return a plan's parts and the bound.

    Raises:
        NoPlanFoundError: no step gave a usable point.
    """
    deadline = Deadline(problem.limits.seconds)
    layout = layout_of(problem)
    model = build(layout)
    session = Session(model.program)
    session.integers(np.zeros(len(model.program.cost), dtype=bool))
    if int(model.program.integer.sum()) <= FEW_INTEGERS:
        draft = _whole(model, session, deadline)
    else:
        draft = _decomposed(model, session, deadline)
    runs = empty_runs(layout, draft.places)
    values = _fix_near(model, session, draft.values, draft.modes, draft.places, runs, deadline)
    spread(model, values, draft.places, near_steps(layout), _free_gpus(layout, draft.modes), runs)
    load = _load_of(model, draft.modes, runs)
    energy, answer = _energy_of(layout, load, draft.on, deadline)
    on = np.round(answer.values[energy.columns.on]) if energy.columns.on.size else draft.on
    course, flows = energy, answer
    if problem.scenarios:
        expected = layout_of(problem.model_copy(update={"scenarios": ()}))
        course, flows = _energy_of(expected, load, on, deadline)
    return Solved(
        model=model,
        session=session,
        relaxed=draft.relaxed,
        basis=draft.basis,
        modes=draft.modes,
        runs=runs,
        course=course,
        flows=flows,
        energy=energy,
        energy_usd=answer.cost,
        values=answer.values,
        on=on,
        load=load,
        bound_usd=draft.bound_usd,
        deadline=deadline,
    )


def tightened_usd(solved: Solved, *, target_usd: float) -> float:
    """Return the bound on net value, tightened towards ``target_usd`` as far as the deadline allows."""
    if solved.relaxed is None or solved.bound_usd <= target_usd:
        return solved.bound_usd
    cost = tighten(
        solved.model,
        solved.session,
        solved.relaxed,
        solved.basis,
        target_cost=-target_usd,
        deadline=solved.deadline,
    )
    return min(solved.bound_usd, -cost)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the whole model settles, before GPUs are made whole."""

    modes: list[Index]
    on: Floats
    places: dict[int, int]
    values: Floats
    bound_usd: float
    relaxed: Answer | None = None
    basis: object = None
    relaxed: Answer | None = None
    basis: object = None


def _whole(model: Model, session: Session, deadline: Deadline) -> Draft:
    """Solve a problem of few integers exactly and leave the session with them fixed."""
    columns = model.columns
    answer = solve_whole(model.program, seconds=0.8 * deadline.left_s(), gap_frac=EXACT_GAP)
    if not answer.found:
        return _decomposed(model, session, deadline)
    _close_partial_slots(model, session)
    modes = [np.argmax(answer.values[x], axis=0).astype(np.int32) for x in columns.mode]
    on = np.round(answer.values[columns.on]) if columns.on.size else np.zeros((0, model.layout.steps))
    places = choose_places(model, answer.values)
    _one_pool_each(model, session, places)
    if columns.on.size:
        session.fix(columns.on, on)
    for x, share in zip(columns.mode, mode_values(model.layout, modes), strict=True):
        session.fix(x, share)
    whole = columns.done[columns.done >= 0]
    session.fix(whole, np.round(answer.values[whole]))
    return Draft(modes=modes, on=on, places=places, values=answer.values, bound_usd=-answer.bound)


def _decomposed(model: Model, session: Session, deadline: Deadline) -> Draft:
    relaxed = session.solve(seconds=deadline.left_s())
    if not relaxed.found:
        raise NoPlanFoundError("the relaxation was not solved within the deadline")
    basis = session.basis()
    modes = _first_modes(model, relaxed)
    on = _commit(model, relaxed, modes, deadline)
    _close_partial_slots(model, session)
    if model.columns.on.size:
        session.fix(model.columns.on, on)
    fixed = session.solve(seconds=deadline.left_s())
    if not fixed.found:
        fixed = relaxed
    modes, places, values = _settle_work(model, session, fixed, modes, deadline)
    return Draft(modes=modes, on=on, places=places, values=values, bound_usd=-relaxed.bound, relaxed=relaxed, basis=basis)


def _first_modes(model: Model, relaxed: Answer) -> list[Index]:
    if not model.layout.menus:
        return []
    support = [relaxed.values[x] for x in model.columns.mode]
    return choose_modes(model.layout, prices_of(model, relaxed.row_duals), support)


def _modes_kw(layout: Layout, modes: list[Index]) -> Floats:
    total = np.zeros(layout.steps)
    for place, path in enumerate(modes):
        total += mode_kw(layout, place)[path, np.arange(layout.steps)]
    return total


def _free_gpus(layout: Layout, modes: list[Index]) -> Floats:
    """Return the GPUs that modes leave, pools x T."""
    pools = {pool.name: place for place, pool in enumerate(layout.problem.pools)}
    free = np.array([[pool.gpus] * layout.steps for pool in layout.problem.pools]).reshape(len(pools), layout.steps)
    for place, path in enumerate(modes):
        for index, mode in enumerate(layout.menus[place]):
            if mode.gpus and mode.pool in pools:
                free[pools[mode.pool]] -= mode.gpus * (path == index)
    return free


def _batch_kw(model: Model, values: Floats) -> tuple[Floats, Floats]:
    """Return IT power of batch work and the part that can be given up at once, by interval."""
    layout = model.layout
    power, freed = np.zeros(layout.steps), np.zeros(layout.steps)
    for number, group in enumerate(layout.groups):
        n = values[model.columns.batch[number]]
        power += group_kw(layout, group) @ n
        freed += group_sheddable_kw(layout, group) @ n
    return power, freed


def _commit(model: Model, relaxed: Answer, modes: list[Index], deadline: Deadline) -> Floats:
    """Return the commitment (G x T) from the energy model with some freedom in batch work (step 3)."""
    layout, columns = model.layout, model.columns
    if not columns.on.size:
        return np.zeros((0, layout.steps))
    batch_kw, freed_kw = _batch_kw(model, relaxed.values)
    price = relaxed.row_duals[model.rows.balance].sum(axis=0) / layout.hours
    room_kw = np.zeros(layout.steps)
    used = np.zeros((len(layout.problem.pools), layout.steps))
    for number, group in enumerate(layout.groups):
        used[group.pool] += relaxed.values[columns.batch[number]].sum(axis=0)
    spare = np.maximum(0.0, _free_gpus(layout, modes) - used)
    for place in range(len(layout.problem.pools)):
        each = [group_kw(layout, group)[-1] for group in layout.groups if group.pool == place]
        room_kw += spare[place] * max(each, default=0.0)
    flex = Flex(
        less_kw=layout.cooling * batch_kw,
        more_kw=layout.cooling * room_kw,
        price_usd_per_kwh=price,
        hourly_after_h=2.0,
    )
    energy = build_energy(layout, Load(it_kw=_modes_kw(layout, modes) + batch_kw, freed_kw=freed_kw), flex)
    session = Session(energy.program)
    budget = min(0.4 * deadline.left_s(), deadline.left_s() - 0.3)
    scale = max(1.0, abs(relaxed.cost))
    session.quick_heuristics()
    target = 0.25 * layout.problem.limits.gap_frac * scale
    answer = session.solve(seconds=max(budget, 0.05), gap_usd=target, nodes=COMMIT_NODES)
    if not answer.found:
        answer = session.solve(seconds=max(budget, 0.3), gap_usd=target)
    if answer.found:
        return np.round(answer.values[energy.columns.on])
    return np.round(relaxed.values[columns.on] + 0.3)


def _settle_work(
    model: Model, session: Session, fixed: Answer, modes: list[Index], deadline: Deadline
) -> tuple[list[Index], dict[int, int], Floats]:
    """Settle modes in doubt, all-or-nothing jobs and one pool a job (step 5)."""
    layout, columns = model.layout, model.columns
    places = choose_places(model, fixed.values)
    _one_pool_each(model, session, places)
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
        seconds=max(0.05, 0.6 * deadline.left_s()), gap_usd=0.2 * layout.problem.limits.gap_frac * scale, nodes=MODE_NODES
    )
    session.integers(np.zeros_like(flags))
    if not answer.found:
        for x, share in zip(columns.mode, shares, strict=True):
            session.fix(x, share)
        session.fix(open_jobs, np.zeros(len(open_jobs)))
        answer = session.solve(seconds=max(0.1, deadline.left_s()))
        if not answer.found:
            raise NoPlanFoundError("no integer plan within the deadline")
    modes = [np.argmax(answer.values[x], axis=0).astype(np.int32) for x in columns.mode]
    for x, share in zip(columns.mode, mode_values(layout, modes), strict=True):
        session.fix(x, share)
    session.fix(whole, np.round(answer.values[whole]))
    return modes, choose_places(model, answer.values), answer.values


def _close_partial_slots(model: Model, session: Session) -> None:
    """Make slots executable: batch GPUs alike within a slot, and no work in far slots that are open only in part.

    A job keeps its partly open slots where the whole ones would not hold its work.
    """
    layout = model.layout
    session.rows(model.rows.tie, 0.0, 0.0)
    for index, place in enumerate(layout.places):
        slots = np.arange(place.first_slot, place.first_slot + len(place.overlap_h))
        partial = place.overlap_h < layout.slot_hours[slots] - 1e-9
        job = layout.problem.jobs[place.job]
        whole_h = place.overlap_h[~partial].sum()
        if partial.any() and whole_h * job.gpus_max * place.speed >= PARTIAL_ROOM * job.work_gpu_h:
            columns = model.columns.work[index][:, partial]
            session.fix(columns, np.zeros(columns.shape))


def _one_pool_each(model: Model, session: Session, places: dict[int, int]) -> None:
    """Close the places that a job did not choose: a job runs in one pool."""
    for index, place in enumerate(model.layout.places):
        if place.job in places and places[place.job] != index:
            session.fix(model.columns.work[index], np.zeros(model.columns.work[index].shape))


def _fix_near(
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
    round_near(model, values, places, _free_gpus(layout, modes), runs)
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
        run = runs.get(place.job)
        done = np.zeros((len(segments(layout, place.group)), count))
        if run is not None and run.place == index:
            hours = run.gpus[steps] * layout.hours[steps]
            low = segments(layout, place.group)[0]
            most = layout.problem.jobs[place.job].work_gpu_h / place.speed
            work = np.diff(np.minimum(np.cumsum(hours * run.speed[steps]), most), prepend=0.0)
            done[0] = np.minimum(hours * low, work)
            done[1:] = work - done[0]
        session.fix(columns.work[index][:, :count], done)
    answer = session.solve(seconds=max(0.1, deadline.left_s()))
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


def _load_of(model: Model, modes: list[Index], runs: dict[int, JobRun]) -> Load:
    layout = model.layout
    it_kw, freed_kw = _modes_kw(layout, modes), np.zeros(layout.steps)
    for run in runs.values():
        group = layout.groups[layout.places[run.place].group]
        power, freed = group_kw(layout, group), group_sheddable_kw(layout, group)
        for step in np.flatnonzero(run.gpus):
            mix = run.gpus[step] * rung_mix(group.rungs, float(run.limit_w[step]))
            it_kw[step] += power @ mix
            freed_kw[step] += freed @ mix
    return Load(it_kw=it_kw, freed_kw=freed_kw)


def _energy_of(layout: Layout, load: Load, on: Floats, deadline: Deadline) -> tuple[Model, Answer]:
    """Return the energy model for exactly the plan's work, solved with the commitment fixed (step 7)."""
    energy = build_energy(layout, load)
    session = Session(energy.program)
    session.integers(np.zeros(len(energy.program.cost), dtype=bool))
    if energy.columns.on.size:
        session.fix(energy.columns.on, on)
    answer = session.solve(seconds=max(0.3, deadline.left_s()))
    if not answer.found and energy.columns.on.size:
        answer = _recommit(energy, session, deadline)
    answer = obey_plant(energy, session, answer, deadline)
    if not answer.found:
        raise NoPlanFoundError("the energy side of the plan was not solved")
    return energy, answer


def _recommit(energy: Model, session: Session, deadline: Deadline) -> Answer:
    """Find another commitment where the one given breaks run or rest times, and leave the session fixed to it."""
    columns = energy.columns
    session.bounds(columns.on, energy.program.lower[columns.on], energy.program.upper[columns.on])
    session.integers(energy.program.integer)
    answer = session.solve(seconds=max(0.5, deadline.left_s()), gap_frac=1e-3)
    session.integers(np.zeros(len(energy.program.cost), dtype=bool))
    if not answer.found:
        return answer
    session.fix(columns.on, np.round(answer.values[columns.on]))
    return session.solve(seconds=max(0.3, deadline.left_s()))
