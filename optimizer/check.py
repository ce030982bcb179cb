"""Check a plan against its problem with the plant's own functions.

Each interval has to balance; the battery has to do what ``sites.plant.battery`` says it does, within the limits it names;
gensets keep rating, minimum load, run and rest times; the tank never runs below zero; GPUs, windows, gangs and whole GPUs
in the near intervals hold; IT power is what the work draws; the stated worth, gap and level are true. What a plan gives up
openly (a breach of a hard demand) is no fault: it is told by the plan's status.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.chains import time_s
from optimizer.equipment import battery_params, battery_state, start_soc_frac, warm_share
from optimizer.objective import tank_levels_l, worth
from optimizer.places import TaskKind
from optimizer.plan import Interval, JobPlan, Level, Plan, Status
from optimizer.problem import Problem
from optimizer.workload import (
    cooling_base_kw,
    cooling_factor,
    extra_mode_w,
    gpus_per_node,
    idle_kw,
    island_size,
    menu,
    node_kw,
    open_h,
    pools_of,
    rung_at,
    windows_h,
)
from sites.plant import battery as plant

POWER_KW = 1e-3
"""Powers may differ by this, plus a millionth of their size."""
SOC_FRAC = 1e-5
GPUS = 1e-4


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something a plan says that the plant would not do."""

    where: str
    what: str
    amount: float

    def __str__(self) -> str:
        return f"{self.where}: {self.what} by {self.amount:.6g}"


def check(problem: Problem, plan: Plan) -> tuple[Fault, ...]:
    """Return every fault of a plan; none means that it can be carried out."""
    if len(plan.intervals) != len(problem.hours):
        return (Fault(where="plan", what="number of intervals differs", amount=len(plan.intervals)),)
    return (
        *_balance(problem, plan),
        *_battery(problem, plan),
        *_gensets(problem, plan),
        *_tank(problem, plan),
        *_it_power(problem, plan),
        *_gpus(problem, plan),
        *_chains(problem, plan),
        *_jobs(problem, plan),
        *_places(problem, plan),
        *_statement(problem, plan),
    )


def _over(where: str, what: str, excess: float, scale: float = 0.0, least: float = POWER_KW) -> Iterator[Fault]:
    if excess > least + 1e-6 * abs(scale):
        yield Fault(where=where, what=what, amount=excess)


def _where(row: Interval) -> str:
    return f"{row.start_utc:%d %H:%MZ}"


def _balance(problem: Problem, plan: Plan) -> Iterator[Fault]:
    for step, row in enumerate(plan.intervals):
        supply = row.pv_used_kw + row.battery_kw + sum(genset.kw for genset in row.gensets)
        yield from _over(_where(row), "power does not balance", abs(supply - row.load_kw), row.load_kw)
        yield from _over(_where(row), "sun used exceeds what is available", row.pv_used_kw - row.pv_available_kw)
        tiers_kw = sum(tier.kw[step] for tier in problem.tiers)
        asked_kw = tiers_kw + row.it_kw + row.cooling_kw
        yield from _over(
            _where(row), "load differs from its parts", abs(asked_kw - row.shed_kw - row.load_kw), asked_kw
        )
        cooling_kw = row.it_kw * (cooling_factor(problem, step) - 1.0) + cooling_base_kw(problem, step)
        yield from _over(_where(row), "cooling differs from its law", abs(cooling_kw - row.cooling_kw), asked_kw)
        yield from _over(_where(row), "a power is negative", -min(row.pv_used_kw, row.shed_kw, row.load_kw))


def _battery(problem: Problem, plan: Plan) -> Iterator[Fault]:
    battery = problem.battery
    if battery is None or battery.capacity_kwh <= 0.0:
        for row in plan.intervals:
            yield from _over(_where(row), "battery power without a battery", abs(row.battery_kw))
        return
    soc = battery.soc_frac if plan.level in (Level.RULES, Level.SAFE_STATE) else start_soc_frac(battery)
    inverter = problem.inverter_kw if problem.inverter_kw is not None else float("inf")
    for step, row in enumerate(plan.intervals):
        params, state = battery_params(battery, step), battery_state(soc)
        limits = plant.limits(params, state, row.hours)
        yield from _over(
            _where(row), "battery charges too fast", -row.battery_kw - min(limits.charge_kw, inverter), 100
        )
        yield from _over(
            _where(row), "battery discharges too fast", row.battery_kw - min(limits.discharge_kw, inverter), 100
        )
        after = plant.soc_after_frac(params, state, row.battery_kw, row.hours)
        spare = max(0.0, battery.soc_frac - battery.soc_max_frac) if step == 0 else 0.0
        off = abs(after - row.soc_end_frac) - spare
        yield from _over(_where(row), "SoC differs from the plant's", off, 1.0, SOC_FRAC)
        soc = row.soc_end_frac


def _gensets(problem: Problem, plan: Plan) -> Iterator[Fault]:
    for place, genset in enumerate(problem.gensets):
        was_on, held_h, first = genset.on, genset.hours_in_state, True
        for step, row in enumerate(plan.intervals):
            now = row.gensets[place]
            where = f"{genset.name} {_where(row)}"
            if now.on != was_on:
                least = genset.min_run_h if was_on else genset.min_down_h
                excused = was_on and (not genset.available or _forbidden(problem, place, step) or first)
                if not excused:
                    yield from _over(where, "changes state before its minimum time", least - held_h, 0.0, 1e-6)
                was_on, held_h, first = now.on, 0.0, False
            if now.on and (not genset.available or _forbidden(problem, place, step)):
                yield Fault(where=where, what="runs although it must not", amount=1.0)
            since_h = held_h if now.on else 0.0
            carry = 1.0 - warm_share(genset, since_h, row.hours) if now.on else 0.0
            yield from _over(where, "carries more than its rating", now.kw - genset.max_kw * carry, genset.max_kw)
            yield from _over(where, "power is negative", -now.kw)
            if not any(breach.reason_code == "GENSET_MIN_LOAD" for breach in plan.breaches):
                yield from _over(where, "is under its minimum load", genset.min_kw * carry - now.kw, genset.max_kw)
            held_h += row.hours


def _forbidden(problem: Problem, place: int, step: int) -> bool:
    forbidden = problem.gensets[place].forbidden
    return bool(forbidden and forbidden[step])


def _tank(problem: Problem, plan: Plan) -> Iterator[Fault]:
    for row, level_l in zip(plan.intervals, tank_levels_l(problem, plan.intervals), strict=False):
        yield from _over(_where(row), "tank runs below empty", -level_l, 0.0, 0.05)


def _it_power(problem: Problem, plan: Plan) -> Iterator[Fault]:
    pools = {pool.name: pool for pool in problem.pools}
    total = [sum(idle_kw(pool) for pool in problem.pools)] * len(problem.hours)
    for nodes in plan.pools:
        owner = pools[nodes.name]
        before = owner.nodes if owner.nodes_on is None else owner.nodes_on
        for step, on in enumerate(nodes.nodes_on):
            total[step] += max(0, on - before) * owner.boot_kwh / problem.hours[step] - (owner.nodes - on) * node_kw(
                owner
            )
            before = on
    for service, chosen in zip(problem.services, plan.services, strict=True):
        modes = {mode.name: mode for mode in menu(service)}
        for step, name in enumerate(chosen.modes):
            pool = pools.get(modes[name].pool)
            watts = extra_mode_w(modes[name], service.rate_rps[step], pool)
            total[step] += watts * (pool.wall_factor if pool is not None else 1.0) / 1000.0
    jobs = {job.name: job for job in problem.jobs}
    for work in plan.jobs:
        if not work.pool:
            continue
        pool, _, rungs = next(place for place in pools_of(problem, jobs[work.name]) if place[0].name == work.pool)
        for step, (gpus, limit_w) in enumerate(zip(work.gpus_by_interval, work.limit_w_by_interval, strict=True)):
            if gpus > 0.0:
                total[step] += pool.wall_factor * gpus * (rung_at(rungs, limit_w).power_w - pool.idle_w) / 1000.0
    for row, kw in zip(plan.intervals, total, strict=True):
        if plan.level is not Level.SAFE_STATE:
            yield from _over(_where(row), "IT power differs from its work", abs(kw - row.it_kw), 10.0 * kw)


def _gpus(problem: Problem, plan: Plan) -> Iterator[Fault]:
    taken = {pool.name: [0.0] * len(problem.hours) for pool in problem.pools}
    for service, chosen in zip(problem.services, plan.services, strict=True):
        modes = {mode.name: mode for mode in menu(service)}
        for step, name in enumerate(chosen.modes):
            if modes[name].gpus:
                taken[modes[name].pool][step] += modes[name].gpus
    for work in plan.jobs:
        if work.pool:
            for step, gpus in enumerate(work.gpus_by_interval):
                taken[work.pool][step] += gpus
    nodes_on = {nodes.name: nodes.nodes_on for nodes in plan.pools}
    for pool in problem.pools:
        on = nodes_on.get(pool.name, ())
        powered = [count * gpus_per_node(pool) for count in on] if on else [pool.gpus] * len(problem.hours)
        for row, gpus, most in zip(plan.intervals, taken[pool.name], powered, strict=True):
            yield from _over(f"{pool.name} {_where(row)}", "more GPUs than are powered", gpus - most, gpus, GPUS)


def _chains(problem: Problem, plan: Plan) -> Iterator[Fault]:
    menus = {service.name: {mode.name: mode for mode in menu(service)} for service in problem.services}
    chosen = {each.name: each.modes for each in plan.services}
    for chain in problem.chains:
        for step, row in enumerate(plan.intervals):
            modes = {name: menus[name][names[step]] for name, names in chosen.items()}
            over_s = time_s(chain, modes) - chain.p99_s
            yield from _over(f"chain {chain.name} {_where(row)}", "takes longer than its budget", over_s, chain.p99_s)


def _jobs(problem: Problem, plan: Plan) -> Iterator[Fault]:
    jobs = {job.name: job for job in problem.jobs}
    offsets = problem.grid.offsets_h
    for work in plan.jobs:
        job = jobs[work.name]
        windows = windows_h(problem, job) if work.pool else ()
        for step, gpus in enumerate(work.gpus_by_interval):
            if gpus <= 0.0:
                continue
            where = f"job {job.name} {_where(plan.intervals[step])}"
            hours = problem.hours[step]
            share = open_h(windows, offsets[step], offsets[step] + hours) / hours
            yield from _over(where, "more GPUs than it takes", gpus - job.gpus_max * share, gpus, GPUS)
            diesel = any(genset.on for genset in plan.intervals[step].gensets)
            if job.surplus_only and diesel and plan.level is not Level.RULES:
                yield Fault(where=where, what="runs on diesel although on surplus only", amount=gpus)
        yield from _whole(problem, plan, work)


def _whole(problem: Problem, plan: Plan, work: JobPlan) -> Iterator[Fault]:
    job = next(job for job in problem.jobs if job.name == work.name)
    for step, gpus in enumerate(work.gpus_by_interval):
        near = problem.grid.offsets_h[step] < 2.0 - 1e-9
        if gpus > 0.0 and near and job.gpus_max >= 1.0:
            where = f"job {job.name} {_where(plan.intervals[step])}"
            yield from _over(where, "GPUs are not whole", abs(gpus - round(gpus)), 0.0, GPUS)
            yield from _over(where, "fewer GPUs than it needs", job.gpus_min - gpus, 0.0, GPUS)


def _places(problem: Problem, plan: Plan) -> Iterator[Fault]:
    """Yield what the places of whole GPUs break: islands fuller than they are, parts of one GPU at two limits."""
    pools = {pool.name: pool for pool in problem.pools}
    for step, row in enumerate(plan.intervals):
        span = next((each for each in plan.placement if each.start_utc <= row.start_utc < each.until_utc), None)
        if span is None:
            continue
        limits_w = _limits_w(problem, plan, step)
        gpus: dict[tuple[str, int, int], int] = {}
        seen: dict[tuple[str, int, int], set[float]] = {}
        for task in span.tasks:
            for share in task.islands:
                key = (task.pool, share.node, share.island)
                gpus[key] = gpus.get(key, 0) + share.gpus
                seen.setdefault(key, set()).add(limits_w[task.kind, task.name])
        for key, count in gpus.items():
            pool, where = pools[key[0]], f"{key[0]} {key[1]}.{key[2]} {_where(row)}"
            yield from _over(where, "more GPUs than the island has", count - island_size(pool))
            if pool.mig_parts > 1 and len(seen[key]) > 1:
                yield Fault(
                    where=where, what="limits of one GPU's parts differ", amount=max(seen[key]) - min(seen[key])
                )


def _limits_w(problem: Problem, plan: Plan, step: int) -> dict[tuple[TaskKind, str], float]:
    """Return the power limit of each service and job in an interval, W."""
    found: dict[tuple[TaskKind, str], float] = {}
    for service, chosen in zip(problem.services, plan.services, strict=True):
        modes = {mode.name: mode for mode in menu(service)}
        found["service", service.name] = modes[chosen.modes[step]].limit_w
    for work in plan.jobs:
        found["job", work.name] = work.limit_w_by_interval[step] if work.limit_w_by_interval else 0.0
    return found


def _statement(problem: Problem, plan: Plan) -> Iterator[Fault]:
    value = worth(problem, plan.intervals, plan.services, plan.jobs)
    scale = abs(value.work_value_usd) + sum(abs(usd) for usd in value.cost_terms_usd.values())
    if not problem.scenarios:
        off = abs(value.net_value_usd - plan.net_value_usd)
        yield from _over("plan", "stated worth differs from its terms", off, scale, 1e-4)
    if plan.bound_usd is not None:
        above = plan.net_value_usd - plan.bound_usd
        yield from _over("plan", "is worth more than its bound", above, 10.0 * scale, 1e-3)
    if plan.level is Level.OPTIMAL and (plan.gap_frac is None or plan.gap_frac > problem.limits.gap_frac + 1e-9):
        yield Fault(where="plan", what="calls itself optimal beyond the gap asked for", amount=plan.gap_frac or 0.0)
    if plan.status is Status.INFEASIBLE_AS_POSED and not plan.breaches:
        yield Fault(where="plan", what="is infeasible as posed without saying why", amount=1.0)
