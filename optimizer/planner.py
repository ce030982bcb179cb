"""The planner: build, solve, read back, check, explain."""

from __future__ import annotations

from optimizer.readback import plan_of
from optimizer.records import Plan, Problem
from optimizer.solve.decompose import solve


def plan(problem: Problem, *, policy: str = "planner") -> Plan:
    """Return the best plan found within ``problem.limits``, with its bound and gap.

    Raises:
        NoPlanFoundError: the solver gave nothing usable; the ladder answers that with the rules.
    """
    return plan_of(problem, solve(problem), policy=policy)
