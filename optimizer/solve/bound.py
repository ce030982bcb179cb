"""Tighten the bound of a relaxation, from relaxations only.

    the number of genset starts is whole     two hot-started linear programs: at most floor(S), at least ceil(S)
    commitment and all-or-nothing jobs       the weaker branch as a mixed-integer program with those integer, as far as its
                                             cuts come in the time that is left

The bound is the weakest of what is left. It is sought once there is a plan, as far as that plan asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optimizer.model.matrix import Floats
from optimizer.solve.relax import Relaxed, priced_out
from optimizer.solve.session import Deadline

WHOLE = 1e-4
BRANCHES = 6
CUT_NODES = 30


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A part of the search space and what no plan in it can cost less than."""

    starts: tuple[float, float]
    cost: float
    values: Floats
    cut: bool = False


class Tightening:
    """A relaxation whose bound can be tightened; it may not be used for anything else from then on."""

    def __init__(self, relaxed: Relaxed, deadline: Deadline) -> None:
        self._relaxed, self._deadline = relaxed, deadline
        self._root = Branch(starts=(0.0, np.inf), cost=relaxed.cost, values=relaxed.answer.values)

    def bound(self, target_cost: float) -> float:
        """Return the tightened bound on cost; stops when it reaches ``target_cost`` or the deadline."""
        branches = [self._root]
        for _ in range(BRANCHES):
            weakest = min(branches, key=lambda branch: branch.cost)
            enough = self._deadline.left_s() >= max(0.1, 0.5 * self._relaxed.answer.seconds)
            if weakest.cost >= target_cost or not enough:
                break
            parts = _split_starts(self._relaxed, weakest, self._deadline)
            parts = parts or _cut(self._relaxed, weakest, self._deadline)
            if parts is None:
                break
            branches.remove(weakest)
            branches.extend(parts)
        return min(branch.cost for branch in branches)


def _split_starts(relaxed: Relaxed, branch: Branch, deadline: Deadline) -> list[Branch] | None:
    """Return the two branches of a fractional number of starts; none if it is whole or a solve found no answer."""
    column = relaxed.model.columns.starts
    if not column.size:
        return None
    number = float(branch.values[column[0]])
    if branch.cut or abs(number - round(number)) <= WHOLE:
        return None
    low, high = branch.starts
    parts = []
    for bounds in ((low, float(math.floor(number))), (float(math.ceil(number)), high)):
        relaxed.session.bounds(column, np.array([bounds[0]]), np.array([bounds[1]]))
        answer, cost = priced_out(relaxed.model, relaxed.session, deadline.needed_s())
        if not answer.proved:
            return None
        parts.append(Branch(starts=bounds, cost=max(branch.cost, cost), values=answer.values))
    return parts


def _cut(relaxed: Relaxed, branch: Branch, deadline: Deadline) -> list[Branch] | None:
    """Return the branch again with what cuts say of commitment and all-or-nothing jobs; none if that was done."""
    model, session = relaxed.model, relaxed.session
    whole = np.concatenate([model.columns.done[model.columns.done >= 0], model.columns.on.ravel()])
    shares = branch.values[whole]
    if branch.cut or not np.any(np.abs(shares - np.round(shares)) > WHOLE):
        return None
    flags = np.zeros(len(model.program.cost), dtype=bool)
    flags[whole] = True
    if model.columns.starts.size:
        session.bounds(model.columns.starts, np.array([branch.starts[0]]), np.array([branch.starts[1]]))
    session.open(np.arange(len(flags), dtype=np.int32))
    session.integers(flags)
    session.quick_heuristics()
    answer = session.solve(seconds=0.9 * deadline.left_s(), gap_frac=1e-5, nodes=CUT_NODES)
    session.integers(np.zeros_like(flags))
    if math.isnan(answer.bound) or answer.bound <= branch.cost:
        return None
    return [Branch(starts=branch.starts, cost=answer.bound, values=branch.values, cut=True)]
