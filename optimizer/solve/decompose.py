"""Solve a problem by decomposition: a bound from relaxations only, a plan from restrictions only.

    1  relaxation of the whole model                       -> bound, prices of power and GPUs
    2  serving modes by shortest path at those prices      -> modes
    3  roundings of the relaxation, energy model with modes and batch work given      -> commitment, then small changes of it
    4  relaxation with the commitment fixed                -> which modes are in doubt, what is worth trying
    5  plan's model on what is worth trying, modes in doubt and all-or-nothing jobs integer     -> modes, jobs
    6  near intervals rounded to whole GPUs; plan's model again with modes, commitment and near work fixed
    7  energy model for exactly the work that the plan holds                            -> flows, prices

The gap between 1 and 7 is therefore true. Every step has a fallback that needs no solver, so the deadline is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.build import Model, build
from optimizer.model.energy import Load
from optimizer.model.jobs import early_usd
from optimizer.model.layout import Layout, layout_of
from optimizer.model.matrix import Floats, Index
from optimizer.problem import Problem
from optimizer.solve.bound import Tightening
from optimizer.solve.commit import commit
from optimizer.solve.flows import flows_of
from optimizer.solve.part import part_of
from optimizer.solve.paths import choose_modes, prices_of
from optimizer.solve.relax import relax
from optimizer.solve.session import Answer, Deadline, Session
from optimizer.solve.settle import close_partial_slots, fix_modes, fix_near, one_pool_each, settle_work
from optimizer.solve.spread import JobRun, choose_places, empty_runs, near_steps, spread
from optimizer.solve.whole import solve_whole
from optimizer.solve.work import free_gpus
from optimizer.workload import all_or_nothing

FEW_INTEGERS = 120
"""Problems with no more integers than this are solved whole."""
EXACT_GAP = 1e-6


@dataclass(frozen=True, kw_only=True)
class Solved:
    """Everything the read-back needs."""

    model: Model
    session: Session
    tightening: Tightening | None
    """The bound, to be tightened; none where the problem was solved whole."""
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
    few = problem_integers(layout) <= FEW_INTEGERS
    draft = (_whole(layout, deadline) if few else None) or _decomposed(layout, deadline)
    model, session = draft.model, draft.session
    runs = empty_runs(layout, draft.places)
    values = fix_near(model, session, draft.values, draft.modes, draft.places, runs, deadline)
    spread(model, values, draft.places, near_steps(layout), free_gpus(layout, draft.modes), runs)
    load, energy, answer = flows_of(model, draft.modes, runs, draft.on, deadline)
    on = np.round(answer.values[energy.columns.on]) if energy.columns.on.size else draft.on
    course, flows = energy, answer
    if problem.scenarios:
        expected = build(layout_of(problem.model_copy(update={"scenarios": ()})))
        load, course, flows = flows_of(expected, draft.modes, runs, on, deadline)
    return Solved(
        model=model,
        session=session,
        tightening=draft.tightening,
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
    if solved.tightening is None or solved.bound_usd <= target_usd:
        return solved.bound_usd
    early = early_usd(solved.layout)
    return min(solved.bound_usd, early - solved.tightening.bound(early - target_usd))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the whole model settles, before GPUs are made whole."""

    model: Model
    session: Session
    """Left with modes, commitment, pools and all-or-nothing jobs fixed."""
    modes: list[Index]
    on: Floats
    places: dict[int, int]
    values: Floats
    bound_usd: float
    tightening: Tightening | None = None


def problem_integers(layout: Layout) -> int:
    """Return how many integer variables the whole model of a problem has."""
    choices = len(layout.problem.gensets) + sum(len(menu) for menu in layout.menus)
    return choices * layout.steps + sum(all_or_nothing(job, layout.problem) for job in layout.problem.jobs)


def _whole(layout: Layout, deadline: Deadline) -> Draft | None:
    """Solve a problem of few integers exactly; none where that finds nothing in time."""
    model = build(layout)
    columns = model.columns
    answer = solve_whole(model.program, seconds=0.8 * deadline.left_s(), gap_frac=EXACT_GAP)
    if not answer.found:
        return None
    session = Session(model.program)
    close_partial_slots(model, session)
    modes = [np.argmax(answer.values[x], axis=0).astype(np.int32) for x in columns.mode]
    on = np.round(answer.values[columns.on]) if columns.on.size else np.zeros((0, model.layout.steps))
    places = choose_places(model, answer.values)
    one_pool_each(model, session, places)
    if columns.on.size:
        session.fix(columns.on, on)
    fix_modes(model, session, modes)
    whole = columns.done[columns.done >= 0]
    session.fix(whole, np.round(answer.values[whole]))
    bound_usd = early_usd(layout) - answer.bound
    return Draft(
        model=model, session=session, modes=modes, on=on, places=places, values=answer.values, bound_usd=bound_usd
    )


def _decomposed(layout: Layout, deadline: Deadline) -> Draft:
    relaxed = relax(layout.problem, deadline)
    prices = prices_of(relaxed.model, relaxed.answer.row_duals)
    support = [relaxed.answer.values[x] for x in relaxed.model.columns.mode]
    modes = choose_modes(layout, prices, support)
    on, fixed = commit(relaxed, modes, deadline)
    model = build(layout)
    session = Session(model.program, part_of(model, fixed))
    if on.size:
        session.fix(model.columns.on, on)
    modes, places, values = settle_work(model, session, fixed, modes, deadline)
    return Draft(
        model=model,
        session=session,
        modes=modes,
        on=on,
        places=places,
        values=values,
        bound_usd=early_usd(relaxed.model.layout) - relaxed.cost,
        tightening=Tightening(relaxed, deadline),
    )
