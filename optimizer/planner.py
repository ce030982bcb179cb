"""The planner: build, solve, read back, explain. The ladder checks what comes out.

Genset starts are explained by an LP estimate; with ``exact`` each gets the cost of the other choice by solving again.
"""

from __future__ import annotations

from optimizer.explain.decisions import decisions_of, runs_of
from optimizer.explain.give_up import give_up
from optimizer.explain.intervals import with_limits
from optimizer.explain.what_if import genset_off
from optimizer.plan import Decision, Plan
from optimizer.problem import Problem
from optimizer.readback import plan_of
from optimizer.solve.decompose import solve


def plan(problem: Problem, *, policy: str = "planner", exact: bool = False) -> Plan:
    """Return the best plan found within ``problem.limits``, with its bound, gap and reasons.

    Args:
        problem: what to plan.
        policy: name that the plan carries.
        exact: whether each genset start gets the exact cost of its alternative; one more solve each.

    Raises:
        NoPlanFoundError: the solver gave nothing usable; the ladder answers that with the rules.
    """
    solved = solve(problem)
    found = plan_of(problem, solved, policy=policy)
    limited = found.model_copy(update={"intervals": with_limits(problem, found.intervals, found.services, found.jobs)})
    again = (lambda other: plan(other, policy=policy)) if exact else None
    decisions = (*give_up(problem, limited, again), *decisions_of(problem, limited, solved))
    explained = limited.model_copy(update={"decisions": decisions})
    return _exact_starts(problem, explained) if exact else explained


def _exact_starts(problem: Problem, found: Plan) -> Plan:
    """Return the plan with the exact cost of not running each genset when it starts."""
    exact: dict[str, float] = {}
    for place, genset in enumerate(problem.gensets):
        for first, last in runs_of(found, place, genset.on):
            rows = found.intervals[first:last]
            hours = sum(row.hours for row in rows)
            other = plan(genset_off(problem, genset.name, start_utc=rows[0].start_utc, hours=hours))
            exact[f"genset {genset.name} starts {rows[0].start_utc:%d %H:%MZ}"] = (
                found.net_value_usd - other.net_value_usd
            )
    decisions = tuple(_priced(decision, exact) for decision in found.decisions)
    return found.model_copy(update={"decisions": decisions})


def _priced(decision: Decision, exact: dict[str, float]) -> Decision:
    if decision.what not in exact:
        return decision
    usd = exact[decision.what]
    text = decision.text.split("; not running it")[0] + f"; not running it then costs ${usd:.2f} more (solved again)"
    return decision.model_copy(update={"cost_of_alternative_usd": usd, "exact": True, "text": text})
