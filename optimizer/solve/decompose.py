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

import highspy
import numpy as np

from optimizer.model.build import Model, build
from optimizer.model.energy import Load
from optimizer.model.jobs import early_usd
from optimizer.model.layout import Layout, layout_of
from optimizer.model.matrix import Floats, Index
from optimizer.records import Problem
from optimizer.solve.bound import tighten
from optimizer.solve.commit import choose, propose
from optimizer.solve.flows import flows_of
from optimizer.solve.paths import choose_modes, mode_values, prices_of
from optimizer.solve.session import Answer, Deadline, NoPlanFoundError, Session
from optimizer.solve.settle import close_partial_slots, fix_near, one_pool_each, settle_work
from optimizer.solve.spread import JobRun, choose_places, empty_runs, near_steps, spread
from optimizer.solve.whole import solve_whole
from optimizer.solve.work import free_gpus

FEW_INTEGERS = 120
"""Problems with no more integers than this are solved whole."""
EXACT_GAP = 1e-6


@dataclass(frozen=True, kw_only=True)
class Solved:
    """Everything the read-back needs."""

    model: Model
    session: Session
    relaxed: Answer | None
    """The whole model's relaxation; none where it was solved whole."""
    basis: highspy.HighsBasis | None
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
    if solved.relaxed is None or solved.basis is None or solved.bound_usd <= target_usd:
        return solved.bound_usd
    cost = tighten(
        solved.model,
        solved.session,
        solved.relaxed,
        solved.basis,
        target_cost=early_usd(solved.layout) - target_usd,
        deadline=solved.deadline,
    )
    return min(solved.bound_usd, early_usd(solved.layout) - cost)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the whole model settles, before GPUs are made whole."""

    modes: list[Index]
    on: Floats
    places: dict[int, int]
    values: Floats
    bound_usd: float
    relaxed: Answer | None = None
    basis: highspy.HighsBasis | None = None


def _whole(model: Model, session: Session, deadline: Deadline) -> Draft:
    """Solve a problem of few integers exactly and leave the session with them fixed."""
    columns = model.columns
    answer = solve_whole(model.program, seconds=0.8 * deadline.left_s(), gap_frac=EXACT_GAP)
    if not answer.found:
        return _decomposed(model, session, deadline)
    close_partial_slots(model, session)
    modes = [np.argmax(answer.values[x], axis=0).astype(np.int32) for x in columns.mode]
    on = np.round(answer.values[columns.on]) if columns.on.size else np.zeros((0, model.layout.steps))
    places = choose_places(model, answer.values)
    one_pool_each(model, session, places)
    if columns.on.size:
        session.fix(columns.on, on)
    for x, share in zip(columns.mode, mode_values(model.layout, modes), strict=True):
        session.fix(x, share)
    whole = columns.done[columns.done >= 0]
    session.fix(whole, np.round(answer.values[whole]))
    return Draft(
        modes=modes, on=on, places=places, values=answer.values, bound_usd=early_usd(model.layout) - answer.bound
    )


def _decomposed(model: Model, session: Session, deadline: Deadline) -> Draft:
    relaxed = session.solve(seconds=deadline.needed_s())
    if not relaxed.found:
        raise NoPlanFoundError(f"the relaxation ended as {relaxed.status} after {relaxed.seconds:.1f} s")
    basis = session.basis()
    prices = prices_of(model, relaxed.row_duals)
    modes = _first_modes(model, relaxed)
    proposals = propose(model, relaxed, modes, deadline)
    close_partial_slots(model, session)
    on, fixed = choose(model, session, proposals, deadline) if proposals else (np.zeros((0, model.layout.steps)), None)
    if fixed is None:
        fixed = session.solve(seconds=deadline.needed_s())
    modes, places, values = settle_work(model, session, fixed if fixed.found else relaxed, modes, prices, deadline)
    return Draft(
        modes=modes,
        on=on,
        places=places,
        values=values,
        bound_usd=early_usd(model.layout) - relaxed.bound,
        relaxed=relaxed,
        basis=basis,
    )


def _first_modes(model: Model, relaxed: Answer) -> list[Index]:
    if not model.layout.menus:
        return []
    support = [relaxed.values[x] for x in model.columns.mode]
    return choose_modes(model.layout, prices_of(model, relaxed.row_duals), support)
