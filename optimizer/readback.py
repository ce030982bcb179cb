"""From solver values to a plan document."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from optimizer.breaches import breaches_of, status_of
from optimizer.model.build import Model
from optimizer.model.matrix import Floats
from optimizer.objective import Worth, worth
from optimizer.plan import GensetInterval, Interval, JobPlan, Level, Plan, PoolPlan, ServicePlan, Status
from optimizer.problem import Problem
from optimizer.reserve import batch_reserve_kw, battery_reserve_kw, genset_headroom_kw, spare_reserve_kw
from optimizer.solve.decompose import Solved, tightened_usd
from optimizer.solve.flows import nodes_of
from optimizer.workload import cooling_base_kw, spreads, unserved_rps

GAP_FLOOR_USD = 1.0
"""Least denominator of a gap, so that a problem worth nothing has one."""


def plan_of(problem: Problem, solved: Solved, *, policy: str) -> Plan:
    """Return the plan that solver values mean, valued by its own terms.

    With scenarios the intervals are the course on the expected sun; worth and gap are expectations over the scenarios.
    """
    intervals = _intervals(problem, solved, solved.course, solved.flows.values, 0)
    services = tuple(_service(problem, solved, place) for place in range(len(problem.services)))
    starts = problem.grid.starts_utc
    jobs = tuple(_job(problem, solved, number, starts) for number in range(len(problem.jobs)))
    value = _expected_worth(problem, solved, intervals, services, jobs)
    breaches = breaches_of(problem, intervals, services, jobs)
    status = status_of(breaches)
    net = value.net_value_usd
    scale = max(abs(net), GAP_FLOOR_USD)
    bound_usd = max(tightened_usd(solved, target_usd=net + problem.limits.gap_frac * scale), net)
    gap = (bound_usd - net) / scale
    return Plan(
        site=problem.site,
        policy=policy,
        start_utc=problem.start_utc,
        level=_level(status, gap, problem),
        status=status,
        gap_frac=gap,
        bound_usd=bound_usd,
        net_value_usd=net,
        work_value_usd=value.work_value_usd,
        cost_terms_usd=value.cost_terms_usd,
        solve_seconds=solved.deadline.spent_s(),
        intervals=intervals,
        services=services,
        jobs=jobs,
        pools=_pools(solved),
        breaches=breaches,
    )


def _expected_worth(
    problem: Problem,
    solved: Solved,
    intervals: tuple[Interval, ...],
    services: tuple[ServicePlan, ...],
    jobs: tuple[JobPlan, ...],
) -> Worth:
    """Return the worth of a plan, over its scenarios where it has some."""
    if not problem.scenarios:
        return worth(problem, intervals, services, jobs)
    terms: dict[str, float] = {}
    value = 0.0
    for scenario, weight in enumerate(solved.layout.weights):
        rows = _intervals(problem, solved, solved.energy, solved.values, scenario)
        part = worth(problem, rows, services, jobs)
        value = part.work_value_usd
        for name, usd in part.cost_terms_usd.items():
            terms[name] = terms.get(name, 0.0) + float(weight) * usd
    return Worth(work_value_usd=value, cost_terms_usd=terms)


def _level(status: Status, gap: float, problem: Problem) -> Level:
    if status is Status.INFEASIBLE_AS_POSED:
        return Level.RELAXED
    return Level.OPTIMAL if gap <= problem.limits.gap_frac + 1e-9 else Level.BEST_FEASIBLE


def _intervals(problem: Problem, solved: Solved, energy: Model, values: Floats, scenario: int) -> tuple[Interval, ...]:
    """Return the course of one scenario of an energy model."""
    columns, layout = energy.columns, energy.layout
    capacity = problem.battery.capacity_kwh if problem.battery is not None else 0.0
    pv, shed = values[columns.pv[scenario]], values[columns.dark[scenario]]
    if columns.shed.size:
        shed = shed + values[columns.shed[scenario]].sum(axis=0)
    battery = soc = np.zeros(layout.steps)
    if columns.charge.size:
        battery = values[columns.discharge[scenario]] - values[columns.charge[scenario]]
        soc = values[columns.energy[scenario]][1:] / capacity
    kw = values[columns.genset[scenario]] if columns.genset.size else np.zeros((0, layout.steps))
    price = solved.flows.row_duals[solved.course.rows.balance].sum(axis=0) / layout.hours
    it_kw = solved.load.it_kw + layout.idle_it_kw
    hours_on = [genset.hours_in_state if genset.on else 0.0 for genset in problem.gensets]
    rows = []
    for step, start in enumerate(problem.grid.starts_utc):
        cooling_kw = it_kw[step] * (layout.cooling[step] - 1.0) + cooling_base_kw(problem, step)
        tiers_kw = sum(tier.kw[step] for tier in problem.tiers)
        row = Interval(
            start_utc=start,
            hours=problem.hours[step],
            pv_available_kw=float(layout.pv_kw[scenario, step]),
            pv_used_kw=_tidy(pv[step]),
            battery_kw=float(battery[step]),
            soc_end_frac=float(soc[step]),
            gensets=tuple(
                GensetInterval(name=genset.name, on=bool(solved.on[g, step] > 0.5), kw=_tidy(kw[g, step]))
                for g, genset in enumerate(problem.gensets)
            ),
            load_kw=max(0.0, float(tiers_kw + it_kw[step] + cooling_kw - shed[step])),
            it_kw=float(it_kw[step]),
            cooling_kw=float(cooling_kw),
            shed_kw=_tidy(shed[step]),
            reserve_kw=0.0,
            price_usd_per_kwh=float(price[step]),
        )
        ready = (
            battery_reserve_kw(problem, row.battery_kw, row.soc_end_frac)
            + genset_headroom_kw(problem, row, tuple(hours_on))
            + spare_reserve_kw(problem, row)
            + batch_reserve_kw(problem, step, 1000.0 * float(solved.load.freed_kw[step]))
        )
        rows.append(row.model_copy(update={"reserve_kw": ready}))
        hours_on = [since + row.hours if now.on else 0.0 for since, now in zip(hours_on, row.gensets, strict=True)]
    return tuple(rows)


def _tidy(value: float) -> float:
    """Return a non-negative float; what a solver leaves within its tolerance of zero is zero."""
    return float(value) if value > 1e-9 else 0.0


def _pools(solved: Solved) -> tuple[PoolPlan, ...]:
    return tuple(
        PoolPlan(name=pool.name, nodes_on=tuple(int(pool.nodes - count) for count in off))
        for _, off, _, pool in nodes_of(solved.layout, solved.modes, solved.runs)
    )


def _service(problem: Problem, solved: Solved, place: int) -> ServicePlan:
    service, menu = problem.services[place], solved.layout.menus[place]
    chosen = [menu[index] for index in solved.modes[place]]
    missed = sum(
        unserved_rps(mode, rate, spread) * hours * 3600.0
        for mode, rate, spread, hours in zip(chosen, service.rate_rps, spreads(service), problem.hours, strict=True)
    )
    return ServicePlan(name=service.name, modes=tuple(mode.name for mode in chosen), unserved_requests=missed)


def _job(problem: Problem, solved: Solved, number: int, starts: tuple[datetime, ...]) -> JobPlan:
    job, run = problem.jobs[number], solved.runs.get(number)
    steps = np.flatnonzero(run.gpus > 1e-6) if run is not None else np.zeros(0, dtype=int)
    missed = job.due_utc <= problem.grid.end_utc
    if run is None or not len(steps):
        zeros = (0.0,) * len(problem.hours)
        return JobPlan(
            name=job.name,
            pool="",
            profile=job.profile,
            start_utc=None,
            end_utc=None,
            gpus=0.0,
            power_limit_w=0.0,
            done_frac=0.0,
            late=missed,
            gpus_by_interval=zeros,
            limit_w_by_interval=zeros,
        )
    ends = (*starts[1:], problem.grid.end_utc)
    done = min(1.0, run.work_done(solved.layout) / job.work_gpu_h)
    finished = done >= 1.0 - 1e-6
    return JobPlan(
        name=job.name,
        pool=problem.pools[solved.layout.groups[solved.layout.places[run.place].group].pool].name,
        profile=job.profile,
        start_utc=starts[int(steps[0])],
        end_utc=ends[int(steps[-1])],
        gpus=float(run.gpus.max()),
        power_limit_w=float(run.limit_w[steps[0]]),
        done_frac=1.0 if finished else done,
        late=ends[int(steps[-1])] > job.due_utc if finished else missed,
        gpus_by_interval=tuple(float(x) for x in run.gpus),
        limit_w_by_interval=tuple(float(x) for x in run.limit_w),
    )
