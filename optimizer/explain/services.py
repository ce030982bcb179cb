"""Why a service changes its mode; priced at the plan's marginal prices of energy."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.plan import Decision, Plan
from optimizer.problem import Problem, ServiceProblem
from optimizer.workload import cooling_factor, extra_mode_w, menu, unserved_rps
from sites.compute.records import ServingMode

A_CENT_USD = 0.01
"""Less than this is no difference."""
SHOWN_H = 12.0
"""Changes of mode within this time are explained."""


def service_decisions(problem: Problem, plan: Plan) -> Iterator[Decision]:
    """Return a decision for each change of mode in the next hours."""
    offsets = problem.grid.offsets_h
    for service, chosen in zip(problem.services, plan.services, strict=True):
        modes = {mode.name: mode for mode in menu(service)}
        before = service.current_mode
        for step, name in enumerate(chosen.modes):
            if offsets[step] >= SHOWN_H:
                break
            if name != before and before in modes:
                yield _change(problem, plan, service, modes[before], modes[name], chosen.modes, step)
            before = name


def mode_usd(problem: Problem, plan: Plan, service: ServiceProblem, mode: ServingMode, step: int) -> float:
    """Return what a mode costs in an interval at the plan's prices: energy, unserved requests, less value served."""
    rate, hours = service.rate_rps[step], problem.hours[step]
    pool = next((pool for pool in problem.pools if pool.name == mode.pool), None)
    wall = pool.wall_factor if pool is not None else 1.0
    kw = wall * extra_mode_w(mode, rate, pool) / 1000.0 * cooling_factor(problem, step)
    missed = unserved_rps(mode, rate)
    per_s = missed * service.unserved_usd_per_request - (rate - missed) * service.value_usd_per_request
    return hours * (kw * plan.intervals[step].price_usd_per_kwh + 3600.0 * per_s)


def _change(
    problem: Problem,
    plan: Plan,
    service: ServiceProblem,
    before: ServingMode,
    after: ServingMode,
    names: tuple[str, ...],
    step: int,
) -> Decision:
    last = next((s for s in range(step, len(names)) if names[s] != after.name), len(names))
    steps = range(step, last)
    saved = sum(mode_usd(problem, plan, service, before, s) - mode_usd(problem, plan, service, after, s) for s in steps)
    short = any(unserved_rps(before, service.rate_rps[s]) > 1e-9 for s in steps)
    code = "P99" if short else "PLAN"
    cheaper = (
        f"it serves the same requests for ${saved:.2f} less until {_until(problem, last)}"
        if saved >= A_CENT_USD
        else "the two cost about as much at the plan's prices"
    )
    why = (
        f"{before.name} holds the budget up to {before.rate_rps:.1f} requests a second, "
        f"{max(service.rate_rps[s] for s in steps):.1f} are expected"
        if short
        else cheaper
    )
    more = saved - service.switch_usd
    return Decision(
        what=f"service {service.name} changes to {after.name} {plan.intervals[step].start_utc:%d %H:%MZ}",
        reason_code=code,
        text=why,
        cost_of_alternative_usd=more if more >= A_CENT_USD else None,
    )


def _until(problem: Problem, step: int) -> str:
    starts = (*problem.grid.starts_utc, problem.grid.end_utc)
    return f"{starts[step]:%d %H:%MZ}"
