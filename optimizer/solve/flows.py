"""The energy side of a plan: flows for exactly the work that it holds, within what the plant does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.model.build import Model
from optimizer.model.energy import Load, build_energy
from optimizer.model.layout import Layout
from optimizer.model.matrix import Floats, Index
from optimizer.model.nodes import whole_nodes
from optimizer.model.pools import group_kw, group_sheddable_kw
from optimizer.problem import PoolProblem
from optimizer.solve.obey import obey_plant
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session
from optimizer.solve.spread import JobRun, rung_mix
from optimizer.solve.work import gpus_used, modes_kw
from optimizer.workload import may_power_off, node_kw

DROP_ROUNDS = 4
SHORT_KW = 1e-3
RECOMMIT_NODES = 20
RECOMMIT_S = 0.3
BREACH_KWH = 1e-3


def flows_of(
    model: Model, modes: list[Index], runs: dict[int, JobRun], on: Floats, deadline: Deadline
) -> tuple[Load, Model, Answer]:
    """Return load, energy model and answer for a plan's work.

    Drops from ``runs`` batch work that nothing can feed, and work on surplus only where a genset runs after all.

    Raises:
        NoPlanFoundError: the energy side has no solution, or was not solved in time.
    """
    load = load_of(model, modes, runs)
    for _ in range(DROP_ROUNDS):
        energy, answer = energy_of(model.layout, load, on, deadline)
        short_kw = answer.values[energy.columns.drop]
        yields = _yield_surplus(model.layout, runs, answer.values[energy.columns.on])
        if not yields and not np.any(short_kw > SHORT_KW):
            break
        for step in np.flatnonzero(short_kw > SHORT_KW):
            _drop(model.layout, runs, int(step), float(short_kw[step]) / float(model.layout.cooling[step]))
        load = load_of(model, modes, runs)
    return load, energy, answer


def _yield_surplus(layout: Layout, runs: dict[int, JobRun], on: Floats) -> bool:
    """Stop work on surplus only where a genset runs: whole GPUs and hours may have put it there. Returns whether any did."""
    diesel = np.any(on > 0.5, axis=0) if on.size else np.zeros(layout.steps, dtype=bool)
    found = False
    for run in runs.values():
        beside = diesel & (run.gpus > 0.0)
        if layout.problem.jobs[run.job].surplus_only and beside.any():
            run.gpus[beside] = run.limit_w[beside] = run.speed[beside] = 0.0
            found = True
    return found


def _drop(layout: Layout, runs: dict[int, JobRun], step: int, it_kw: float) -> None:
    """Take batch work worth ``it_kw`` out of an interval, the least valuable by energy first."""

    def worth(run: JobRun) -> float:
        job = layout.problem.jobs[run.job]
        return job.value_usd / job.work_gpu_h

    for run in sorted((run for run in runs.values() if run.gpus[step] > 0.0), key=worth):
        if it_kw <= 0.0:
            return
        group = layout.groups[layout.places[run.place].group]
        mix = run.gpus[step] * rung_mix(group.rungs, float(run.limit_w[step]))
        it_kw -= float(group_kw(layout, group) @ mix)
        run.gpus[step] = run.limit_w[step] = run.speed[step] = 0.0


def load_of(model: Model, modes: list[Index], runs: dict[int, JobRun]) -> Load:
    """Return the computers' power and what can be freed of it in each interval, kW, for chosen modes and runs of jobs."""
    layout = model.layout
    it_kw, freed_kw = modes_kw(layout, modes), np.zeros(layout.steps)
    batch_kw = np.zeros(layout.steps)
    watts = [(group_kw(layout, group), group_sheddable_kw(layout, group)) for group in layout.groups]
    for run in runs.values():
        number = layout.places[run.place].group
        group, (power, freed) = layout.groups[number], watts[number]
        for step in np.flatnonzero(run.gpus):
            mix = run.gpus[step] * rung_mix(group.rungs, float(run.limit_w[step]))
            batch_kw[step] += power @ mix
            freed_kw[step] += freed @ mix
    for _, off, boots, pool in nodes_of(layout, modes, runs):
        it_kw = it_kw - off * node_kw(pool) + boots * pool.boot_kwh / layout.hours
    return Load(it_kw=it_kw + batch_kw, freed_kw=freed_kw, batch_kw=batch_kw)


def nodes_of(
    layout: Layout, modes: list[Index], runs: dict[int, JobRun]
) -> list[tuple[int, Floats, Floats, PoolProblem]]:
    """Return pool number, whole nodes off, boots and the pool, for each pool whose nodes may be powered off."""
    used = gpus_used(layout, modes, runs)
    return [
        (place, *whole_nodes(layout, pool, used[place]), pool)
        for place, pool in enumerate(layout.problem.pools)
        if may_power_off(pool)
    ]


def energy_of(layout: Layout, load: Load, on: Floats, deadline: Deadline) -> tuple[Model, Answer]:
    """Return the energy model for exactly the plan's work, solved with the commitment fixed (step 7).

    A commitment that was right for the relaxation's load may be wrong for whole GPUs and nodes: where it breaks what may not be
    broken, another is sought. Energy above the battery's upper limit is left out where it makes the course impossible.
    """
    energy = build_energy(layout, load)
    session = Session(energy.program)
    if energy.columns.on.size:
        session.fix(energy.columns.on, on)
    answer = session.solve(seconds=deadline.needed_s())
    if energy.columns.on.size and (not answer.found or _breach_kwh(energy, answer) > BREACH_KWH):
        answer = _recommit(energy, session, answer, on, deadline)
    answer = obey_plant(energy, session, answer, deadline)
    battery = layout.problem.battery
    if not answer.found and battery is not None and battery.soc_frac > battery.soc_max_frac:
        within = battery.model_copy(update={"soc_frac": battery.soc_max_frac})
        problem = layout.problem.model_copy(update={"battery": within})
        return energy_of(replace(layout, problem=problem), load, on, deadline)
    if not answer.found:
        raise NoPlanFoundError(f"the energy side of the plan ended as {answer.status}")
    return energy, answer


def _breach_kwh(energy: Model, answer: Answer) -> float:
    """Return the energy of breaches that a better commitment may avoid: hosts gone dark, gensets under their minimum load."""
    columns, hours = energy.columns, energy.layout.hours
    dark = answer.values[columns.dark] * hours
    below = answer.values[columns.below] * hours
    return float(dark.sum(axis=1).max() + below.sum(axis=(1, 2)).max())


def _recommit(energy: Model, session: Session, given: Answer, on: Floats, deadline: Deadline) -> Answer:
    """Find another commitment where the given one breaks run or rest times or limits; leave the session fixed to the better."""
    columns = energy.columns
    seconds = max(RECOMMIT_S, 0.5 * deadline.left_s()) if given.found else deadline.needed_s()
    session.bounds(columns.on, energy.program.lower[columns.on], energy.program.upper[columns.on])
    session.integers(energy.program.integer)
    answer = session.solve(seconds=seconds, gap_frac=1e-3, nodes=RECOMMIT_NODES)
    session.integers(np.zeros(len(energy.program.cost), dtype=bool))
    if answer.found and answer.cost < given.cost:
        on = np.round(answer.values[columns.on])
    elif not given.found:
        return answer
    session.fix(columns.on, on)
    return session.solve(seconds=deadline.needed_s())
