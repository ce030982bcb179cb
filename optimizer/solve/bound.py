"""Tighten the bound of a relaxation, from relaxations only.

Two integrality conditions are cheap to bring back and hold most of what a relaxation of this model misses:

    the number of genset starts is whole     two hot-started linear programs: at most floor(S), at least ceil(S)
    all-or-nothing jobs are done or not      a mixed-integer program with only those few jobs integer

The weaker branch of the first gets the second; the bound is the weakest of what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import highspy
import numpy as np

from optimizer.model.build import Model
from optimizer.model.matrix import Floats
from optimizer.solve.session import Answer, Deadline, Session

WHOLE = 1e-4
BRANCHES = 6
JOB_NODES = 30


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A part of the search space and what no plan in it can cost less than."""

    starts: tuple[float, float]
    cost: float
    values: Floats
    jobs_whole: bool = False


def tighten(
    model: Model,
    session: Session,
    relaxed: Answer,
    basis: highspy.HighsBasis,
    *,
    target_cost: float,
    deadline: Deadline,
) -> float:
    """Return the tightened bound on cost; stops when it reaches ``target_cost`` or the deadline."""
    session.restore(model.rows.tie, basis)
    branches = [Branch(starts=(0.0, np.inf), cost=relaxed.cost, values=relaxed.values)]
    for _ in range(BRANCHES):
        weakest = min(branches, key=lambda branch: branch.cost)
        if weakest.cost >= target_cost or deadline.left_s() < max(0.1, 0.5 * relaxed.seconds):
            break
        parts = _split_starts(model, session, weakest, target_cost, deadline)
        if parts is None:
            parts = _whole_jobs(model, session, weakest, deadline)
        if parts is None:
            break
        branches.remove(weakest)
        branches.extend(parts)
    return min(branch.cost for branch in branches)


def _split_starts(
    model: Model, session: Session, branch: Branch, target_cost: float, deadline: Deadline
) -> list[Branch] | None:
    """Return the two branches of a fractional number of starts; none if it is whole or a solve found no answer."""
    column = model.columns.starts
    if not column.size:
        return None
    number = float(branch.values[column[0]])
    if branch.jobs_whole or abs(number - round(number)) <= WHOLE:
        return None
    low, high = branch.starts
    parts = []
    for bounds in ((low, float(math.floor(number))), (float(math.ceil(number)), high)):
        session.bounds(column, np.array([bounds[0]]), np.array([bounds[1]]))
        answer = session.solve(seconds=deadline.left_s(), cutoff=target_cost)
        if not answer.proved:
            return None
        values = answer.values if answer.found else branch.values
        parts.append(Branch(starts=bounds, cost=max(branch.cost, answer.bound), values=values))
    return parts


def _whole_jobs(model: Model, session: Session, branch: Branch, deadline: Deadline) -> list[Branch] | None:
    """Return the branch again with all-or-nothing jobs integer; none if that was done or changes nothing."""
    done = model.columns.done[model.columns.done >= 0]
    shares = branch.values[done]
    if branch.jobs_whole or not np.any(np.abs(shares - np.round(shares)) > WHOLE):
        return None
    flags = np.zeros(len(model.program.cost), dtype=bool)
    flags[done] = True
    if model.columns.starts.size:
        session.bounds(model.columns.starts, np.array([branch.starts[0]]), np.array([branch.starts[1]]))
    session.integers(flags)
    session.quick_heuristics()
    answer = session.solve(seconds=0.9 * deadline.left_s(), gap_frac=1e-5, nodes=JOB_NODES)
    session.integers(np.zeros_like(flags))
    if not math.isfinite(answer.bound) or not answer.found:
        return None
    return [Branch(starts=branch.starts, cost=max(branch.cost, answer.bound), values=answer.values, jobs_whole=True)]
