"""The smallest set of demands to give up when not all can be met.

The relaxed plan pays least for what it gives up; that need not be the fewest demands. :mod:`optimizer.explain.fewest` proves
how many have to be given up at least and names a set that may do. Where the plan gives up no more, its own set is smallest.
Else, if solving again is allowed, the demands outside the named set are made far dearer: where the plan that follows gives
up no more than has to be, its set is smallest. Otherwise the plan's set is told beside the number that is proved.
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.breaches import HARD_CODES
from optimizer.explain.fewest import fewest
from optimizer.plan import Decision, Plan, Status
from optimizer.problem import Problem

SECONDS = 2.0
"""Time for the proof."""
HELD_FACTOR = 50.0
"""How much dearer a demand is made to see whether the plan can keep it."""


def hard_demands(plan: Plan) -> frozenset[str]:
    """Return the hard demands that a plan gives up."""
    return frozenset(breach.what for breach in plan.breaches if breach.reason_code in HARD_CODES)


def give_up(
    problem: Problem, plan: Plan, planner: Callable[[Problem], Plan] | None = None, *, seconds: float = SECONDS
) -> tuple[Decision, ...]:
    """Return the decision that names what to give up; none for a feasible plan.

    ``planner`` solves again where the plan's own set is not the smallest.
    """
    if plan.status is not Status.INFEASIBLE_AS_POSED:
        return ()
    smallest = hard_demands(plan)
    proof = fewest(problem, seconds=seconds)
    if planner is not None and proof.demands and proof.least < len(smallest):
        held = problem
        for demand in sorted(smallest - proof.demands):
            held = _held(held, demand) or held
        other = hard_demands(planner(held))
        smallest = other if other and len(other) < len(smallest) else smallest
    names = ", ".join(sorted(smallest))
    text = f"the demand cannot be met as posed; without {names} it can"
    proved = len(smallest) == proof.least
    if not proved:
        text = f"the plan gives up {names}; at least {proof.least} of the hard demands have to be, fewer may do"
    return (Decision(what="smallest set to give up", reason_code="INFEASIBLE_AS_POSED", text=text, exact=proved),)


def _held(problem: Problem, demand: str) -> Problem | None:
    """Return the problem in which giving up a demand is far dearer; none where it has no price of its own."""
    kind, _, name = demand.partition(" ")
    if kind == "tier":
        tiers = tuple(
            tier.model_copy(update={"shed_usd_per_kwh": HELD_FACTOR * tier.shed_usd_per_kwh})
            if tier.name == name
            else tier
            for tier in problem.tiers
        )
        return problem.model_copy(update={"tiers": tiers})
    if kind == "service":
        services = tuple(
            service.model_copy(update={"unserved_usd_per_request": HELD_FACTOR * service.unserved_usd_per_request})
            if service.name == name
            else service
            for service in problem.services
        )
        return problem.model_copy(update={"services": services})
    return None
