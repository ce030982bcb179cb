"""The course of the rules as a plan document, with its worth, its reasons and what it gives up."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.breaches import breaches_of, status_of
from optimizer.objective import worth
from optimizer.plan import Decision, Interval, JobPlan, Level, Plan, ServicePlan
from optimizer.problem import Problem
from optimizer.reserve import (
    batch_reserve_kw,
    battery_reserve_kw,
    genset_headroom_kw,
    sheddable_w,
    spare_reserve_kw,
)
from optimizer.rules.work import JobState
from optimizer.workload import menu, rung_at, spreads, unserved_rps


def plan_from_roll(
    problem: Problem,
    policy: str,
    level: Level,
    rows: Sequence[Interval],
    modes: Sequence[Sequence[str]],
    states: Sequence[JobState],
) -> Plan:
    """Return the plan that a roll amounts to."""
    intervals = _with_reserve(problem, rows, states)
    services = tuple(_service(problem, place, names) for place, names in enumerate(modes))
    by_name = {state.job.name: state for state in states}
    jobs = tuple(_job(problem, name.name, by_name.get(name.name)) for name in problem.jobs)
    value = worth(problem, intervals, services, jobs)
    breaches = breaches_of(problem, intervals, services, jobs)
    return Plan(
        site=problem.site,
        policy=policy,
        start_utc=problem.start_utc,
        level=level,
        status=status_of(breaches),
        gap_frac=None,
        bound_usd=None,
        net_value_usd=value.net_value_usd,
        work_value_usd=value.work_value_usd,
        cost_terms_usd=value.cost_terms_usd,
        solve_seconds=0.0,
        intervals=tuple(intervals),
        services=services,
        jobs=jobs,
        decisions=_decisions(problem, intervals),
        breaches=breaches,
    )


def _with_reserve(problem: Problem, rows: Sequence[Interval], states: Sequence[JobState]) -> tuple[Interval, ...]:
    hours_on = [genset.hours_in_state if genset.on else 0.0 for genset in problem.gensets]
    done = []
    for step, row in enumerate(rows):
        watts = 0.0
        for state in states:
            if state.gpus[step] > 0.0:
                pool, _, rungs = next(place for place in state.places if place[0].name == state.pool)
                rung = rung_at(rungs, state.limits_w[step])
                each_w = sheddable_w(problem, pool, state.job.profile, rung)
                watts += state.gpus[step] * pool.wall_factor * each_w
        ready = (
            battery_reserve_kw(problem, row.battery_kw, row.soc_end_frac)
            + genset_headroom_kw(problem, row, tuple(hours_on))
            + spare_reserve_kw(problem, row)
            + batch_reserve_kw(problem, step, watts)
        )
        done.append(row.model_copy(update={"reserve_kw": ready}))
        hours_on = [since + row.hours if now.on else 0.0 for since, now in zip(hours_on, row.gensets, strict=True)]
    return tuple(done)


def _service(problem: Problem, place: int, names: Sequence[str]) -> ServicePlan:
    service = problem.services[place]
    by_name = {mode.name: mode for mode in menu(service)}
    missed = sum(
        unserved_rps(by_name[name], rate, spread) * hours * 3600.0
        for name, rate, spread, hours in zip(names, service.rate_rps, spreads(service), problem.hours, strict=True)
    )
    return ServicePlan(name=service.name, modes=tuple(names), unserved_requests=missed)


def _job(problem: Problem, name: str, state: JobState | None) -> JobPlan:
    job = next(job for job in problem.jobs if job.name == name)
    zeros = (0.0,) * len(problem.hours)
    running = [step for step, gpus in enumerate(state.gpus) if gpus > 0.0] if state is not None else []
    if state is None or not running:
        return JobPlan(
            name=name,
            pool="",
            profile=job.profile,
            start_utc=None,
            end_utc=None,
            gpus=0.0,
            power_limit_w=0.0,
            done_frac=0.0,
            late=job.due_utc <= problem.grid.end_utc,
            gpus_by_interval=zeros,
            limit_w_by_interval=zeros,
        )
    starts = problem.grid.starts_utc
    ends = (*starts[1:], problem.grid.end_utc)
    done = min(1.0, 1.0 - max(state.left_gpu_h, 0.0) / job.work_gpu_h)
    end_utc = ends[running[-1]]
    return JobPlan(
        name=name,
        pool=state.pool,
        profile=job.profile,
        start_utc=starts[running[0]],
        end_utc=end_utc,
        gpus=max(state.gpus),
        power_limit_w=state.limits_w[running[0]],
        done_frac=done,
        late=(end_utc > job.due_utc if done >= 1.0 - 1e-6 else job.due_utc <= problem.grid.end_utc),
        gpus_by_interval=tuple(state.gpus),
        limit_w_by_interval=tuple(state.limits_w),
    )


def _decisions(problem: Problem, rows: Sequence[Interval]) -> tuple[Decision, ...]:
    found = []
    for place, genset in enumerate(problem.gensets):
        was_on = genset.on
        for row in rows:
            now = row.gensets[place].on
            if now != was_on:
                verb = "starts" if now else "stops"
                code = "PLAN" if not now else _start_code(problem, row)
                found.append(
                    Decision(
                        what=f"genset {genset.name} {verb} {row.start_utc:%d %H:%MZ}",
                        reason_code=code,
                        text=f"by rule: battery at {row.soc_end_frac:.0%} at the interval's end",
                    )
                )
            was_on = now
    return tuple(found)


def _start_code(problem: Problem, row: Interval) -> str:
    battery = problem.battery
    low = battery is not None and row.soc_end_frac <= max(battery.soc_reserve_frac, battery.soc_min_frac) + 0.1
    return "SOC_RESERVE" if low else "BATTERY_EMPTY" if battery is None else "BATTERY_RATE"
