"""Always an answer: optimal, best feasible, relaxed, rules, safe state.

    1  optimal        the plan's gap is within what was asked for
    2  best_feasible  the best plan at the deadline, with its gap
    3  relaxed        a hard demand cannot be met: ``infeasible_as_posed``, what is given up, and the plan without it
    4  rules          the solver failed, or its plan does not pass the check
    5  safe_state     nothing is planned but to keep the site alive

Missing values are mended first (see :mod:`optimizer.mend`) and told as breaches; they never end in an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from optimizer.check import check
from optimizer.mend import MissingInputError, mend
from optimizer.plan import Breach, Level, Plan
from optimizer.problem import Problem
from optimizer.rules.roll import rules_plan, safe_state_plan

LOG = logging.getLogger(__name__)


def answer(problem: Problem, *, policy: str = "planner", exact: bool = False) -> Plan:
    """Return a plan for any problem, on the best rung of the ladder that holds.

    What a solver planned is placed on nodes; rules leave that to the devices. ``exact`` prices genset starts by solving again.
    """
    from optimizer.placing import with_placement
    from optimizer.planner import plan as planned

    plan = climb(problem, lambda mended: planned(mended, policy=policy, exact=exact), policy=policy)
    return with_placement(problem, plan) if plan.level not in (Level.RULES, Level.SAFE_STATE) else plan


def climb(problem: Problem, first: Callable[[Problem], Plan], *, policy: str) -> Plan:
    """Return the plan of ``first`` if it stands up to the check, else the rules', else the safe state."""
    try:
        mended, notes = mend(problem)
    except MissingInputError as error:
        return _told(safe_state_plan(problem, str(error)), (), policy)
    why = ""
    try:
        plan = first(mended)
        faults = check(mended, plan)
        if not faults:
            return _told(plan, notes, policy)
        why = f"the plan fails its check: {faults[0]}"
    except Exception as error:
        why = f"the solver failed: {type(error).__name__}: {error}"
        LOG.exception("planning fell to the rules")
    note = Breach(what="planner", reason_code="PLAN_STALE", amount=1.0, unit="plans", text=why)
    try:
        plan = rules_plan(mended, level=Level.RULES)
        if not check(mended, plan):
            return _told(plan, (*notes, note), policy)
    except Exception:
        LOG.exception("the rules failed too")
    return _told(safe_state_plan(mended, "neither a plan nor the rules hold"), (*notes, note), policy)


def _told(plan: Plan, notes: tuple[Breach, ...], policy: str) -> Plan:
    return plan.model_copy(update={"breaches": (*plan.breaches, *notes), "policy": policy})
