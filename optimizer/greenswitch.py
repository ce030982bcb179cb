"""A deterministic plan in the manner of GreenSwitch, to compare with.

What it lacks beside the planner: scenarios, power limits (every GPU runs at its highest), choice of serving mode (always the
largest but for stages of chains) and prices of change. What it shares: the same physics, solver, horizon and objective.
"""

from __future__ import annotations

from optimizer.plan import Level, Plan
from optimizer.planner import plan
from optimizer.problem import PoolProblem, Problem, ProfileLevels, ServiceProblem


def greenswitch_plan(problem: Problem) -> Plan:
    """Return the plan; it is a plan of ``problem`` itself, made with fewer choices."""
    chained = {stage.service for chain in problem.chains for stage in chain.stages}
    narrowed = problem.model_copy(
        update={
            "scenarios": (),
            "last_plan": None,
            "pools": tuple(_full_power(pool) for pool in problem.pools),
            "services": tuple(each if each.name in chained else _largest(each) for each in problem.services),
        }
    )
    found = plan(narrowed, policy="greenswitch")
    level = Level.BEST_FEASIBLE if found.level is Level.OPTIMAL else found.level
    return found.model_copy(update={"bound_usd": None, "gap_frac": None, "level": level})


def _full_power(pool: PoolProblem) -> PoolProblem:
    levels = tuple(
        ProfileLevels(profile=entry.profile, levels=(max(entry.levels, key=lambda level: level.limit_w),))
        for entry in pool.levels
        if entry.levels
    )
    return pool.model_copy(update={"levels": levels})


def _largest(service: ServiceProblem) -> ServiceProblem:
    modes = [mode for mode in service.modes if mode.gpus > 0]
    none = [mode for mode in service.modes if mode.gpus == 0]
    best = sorted(modes, key=lambda mode: (mode.rate_rps, mode.limit_w))[-1:]
    return service.model_copy(update={"modes": (*best, *none) or service.modes})
