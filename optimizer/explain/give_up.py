"""The smallest set of demands to give up when not all can be met.

The relaxed plan already pays least for what it gives up. Whether fewer demands would do is found by deletion: each demand in
the set is made far dearer in turn and the problem solved again; where the set that is then given up is smaller, it is taken.
A set of one is smallest as it stands. Without solving again the relaxed plan's set is told, labelled as not exact.
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.breaches import HARD_CODES
from optimizer.records import Decision, Plan, Problem, Status

HELD_FACTOR = 50.0
"""How much dearer a demand is made to see whether the plan can keep it."""


def hard_demands(plan: Plan) -> frozenset[str]:
    """Return the hard demands that a plan gives up."""
    return frozenset(breach.what for breach in plan.breaches if breach.reason_code in HARD_CODES)


def give_up(problem: Problem, plan: Plan, planner: Callable[[Problem], Plan] | None = None) -> tuple[Decision, ...]:
    """Return the decision that names what to give up; none for a feasible plan.

    ``planner`` solves again to make the set smaller; without it the plan's own set is named.
    """
    if plan.status is not Status.INFEASIBLE_AS_POSED:
        return ()
    smallest = hard_demands(plan)
    proved = len(smallest) <= 1
    if planner is not None and not proved:
        for demand in sorted(smallest):
            held = _held(problem, demand)
            if held is None or demand not in smallest:
                continue
            other = hard_demands(planner(held))
            if other and len(other) < len(smallest):
                smallest = other
        proved = True
    names = ", ".join(sorted(smallest))
    return (
        Decision(
            what="smallest set to give up",
            reason_code="INFEASIBLE_AS_POSED",
            text=f"the demand cannot be met as posed; without {names} it can",
            exact=proved,
        ),
    )


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
