"""Roll the rules forward over a problem's intervals and read the course back as a plan.

In each interval: serving modes first, then jobs while GPUs and power last, then supply. Where supply falls short, things
are given up in this order until it fits: batch jobs, tiers from the cheapest, services that are not critical, critical
services, and last what hosts and cooling draw (1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizer.chains import Rooms
from optimizer.equipment import floor_frac
from optimizer.objective import delivered_l
from optimizer.plan import Breach, GensetInterval, Interval, JobPlan, Level, Plan, ServicePlan, Status
from optimizer.problem import Problem, ServiceProblem
from optimizer.rules.dispatch import RuleParams
from optimizer.rules.readback import plan_from_roll
from optimizer.rules.styles import STYLES, Style, rule_params
from optimizer.rules.supply import (
    Supplied,
    SupplyState,
    battery_limits_kw,
    capacity_kw,
    settle,
    supply,
    supply_state,
)
from optimizer.rules.work import (
    JobState,
    choose_mode,
    job_extra_kw,
    job_states,
    mode_extra_kw,
    ordered,
    whole_gpus,
)
from optimizer.workload import OFF_MODE, cooling_base_kw, cooling_factor, idle_kw, menu, open_h
from sites.compute.records import ServingMode

COMFORT_FRAC = 0.25
"""A battery is comfortable when its SoC lies this far above its reserve: what is above may serve jobs that can wait."""


@dataclass(kw_only=True)
class Roll:
    """Where the rules stand and what they have done so far."""

    problem: Problem
    style: Style
    params: RuleParams
    supply: SupplyState
    jobs: list[JobState]
    deliveries_l: list[float]
    modes: list[list[str]] = field(default_factory=list)
    rows: list[Interval] = field(default_factory=list)


def rules_plan(problem: Problem, *, style: str = "rules", level: Level = Level.RULES) -> Plan:
    """Return the course that a rule-based policy takes: ``rules``, ``cycle_charging``, ``fifo`` or ``greedy``.

    Raises:
        KeyError: no such style.
    """
    chosen = STYLES[style]
    roll = Roll(
        problem=problem,
        style=chosen,
        params=rule_params(problem, chosen),
        supply=supply_state(problem),
        jobs=[] if chosen.idle else job_states(problem),
        deliveries_l=delivered_l(problem),
        modes=[[] for _ in problem.services],
    )
    offset_h = 0.0
    for step, step_h in enumerate(problem.hours):
        _interval(roll, step, offset_h)
        offset_h += step_h
    return plan_from_roll(problem, chosen.policy, level, roll.rows, roll.modes, roll.jobs)


def safe_state_plan(problem: Problem, why: str) -> Plan:
    """Return the plan that keeps the site alive and does no work; it holds even for a problem full of holes."""
    note = Breach(what="plan", reason_code="SAFE_STATE", amount=1.0, unit="plans", text=why)
    try:
        plan = rules_plan(problem, style="safe_state", level=Level.SAFE_STATE)
        return plan.model_copy(update={"breaches": (note, *plan.breaches)})
    except (ValueError, ArithmeticError, LookupError, TypeError):
        return _bare_plan(problem, note)


def _bare_plan(problem: Problem, note: Breach) -> Plan:
    """Return a plan that orders nothing: devices stay in their safe default."""
    starts = problem.grid.starts_utc
    gensets = tuple(GensetInterval(name=genset.name, on=genset.on, kw=0.0) for genset in problem.gensets)
    rows = tuple(
        Interval(
            start_utc=start,
            hours=hours,
            pv_available_kw=0.0,
            pv_used_kw=0.0,
            battery_kw=0.0,
            soc_end_frac=0.0,
            gensets=gensets,
            load_kw=0.0,
            it_kw=0.0,
            cooling_kw=0.0,
            shed_kw=0.0,
            reserve_kw=0.0,
            price_usd_per_kwh=0.0,
            bound_by="SAFE_STATE",
        )
        for start, hours in zip(starts, problem.hours, strict=True)
    )
    zeros = (0.0,) * len(rows)
    return Plan(
        site=problem.site,
        policy="safe_state",
        start_utc=problem.start_utc,
        level=Level.SAFE_STATE,
        status=Status.INFEASIBLE_AS_POSED,
        gap_frac=None,
        bound_usd=None,
        net_value_usd=0.0,
        cost_terms_usd={},
        solve_seconds=0.0,
        intervals=rows,
        services=tuple(
            ServicePlan(name=service.name, modes=(_off(service).name,) * len(rows)) for service in problem.services
        ),
        jobs=tuple(
            JobPlan(
                name=job.name,
                pool="",
                profile=job.profile,
                start_utc=None,
                end_utc=None,
                gpus=0.0,
                power_limit_w=0.0,
                done_frac=0.0,
                late=False,
                gpus_by_interval=zeros,
                limit_w_by_interval=zeros,
            )
            for job in problem.jobs
        ),
        breaches=(note,),
    )


def _interval(roll: Roll, step: int, at_h: float) -> None:
    problem = roll.problem
    free = {pool.name: pool.gpus for pool in problem.pools}
    modes = _modes(roll, step, free)
    tiers_kw = sum(tier.kw[step] for tier in problem.tiers)
    base_it_kw = sum(idle_kw(pool) for pool in problem.pools) + _modes_kw(problem, modes, step)
    base_kw = tiers_kw + cooling_base_kw(problem, step) + base_it_kw * cooling_factor(problem, step)
    batch_kw = _jobs(roll, step, at_h, free, base_kw)
    load_kw = base_kw + batch_kw * cooling_factor(problem, step)
    supplied = supply(problem, roll.params, roll.supply, step, load_kw)
    it_kw, shed_kw = base_it_kw + batch_kw, 0.0
    if supplied.unserved_kw > 1e-6:
        it_kw, shed_kw, supplied = _give_up(roll, step, modes, tiers_kw, it_kw)
    _advance_jobs(roll, step)
    for row, mode in zip(roll.modes, modes, strict=True):
        row.append(mode.name)
    settle(problem, roll.supply, step, supplied, roll.deliveries_l[step])
    roll.rows.append(_row(roll, step, supplied, it_kw, shed_kw, tiers_kw))


def _modes(roll: Roll, step: int, free: dict[str, float]) -> list[ServingMode]:
    problem = roll.problem
    chosen: dict[str, ServingMode] = {}
    rooms = Rooms(problem)
    for service in sorted(problem.services, key=lambda service: (not service.critical, service.name)):
        mode = _off(service) if roll.style.idle else choose_mode(service, step, free, roll.style, rooms)
        if mode.gpus:
            free[mode.pool] -= mode.gpus
        rooms.take(service.name, mode)
        chosen[service.name] = mode
    return [chosen[service.name] for service in problem.services]


def _off(service: ServiceProblem) -> ServingMode:
    return next((mode for mode in menu(service) if mode.gpus == 0), OFF_MODE)


def _modes_kw(problem: Problem, modes: list[ServingMode], step: int) -> float:
    pairs = zip(problem.services, modes, strict=True)
    return sum(mode_extra_kw(problem, mode, service.rate_rps[step]) for service, mode in pairs)


def _jobs(roll: Roll, step: int, at_h: float, free: dict[str, float], base_kw: float) -> float:
    """Give GPUs to jobs for this interval and return their wall power, kW."""
    problem, factor = roll.problem, cooling_factor(roll.problem, step)
    most_kw = (capacity_kw(problem, roll.supply, step) - base_kw) / factor
    spare_kw = min(_costless_kw(roll, step, base_kw) / factor, most_kw)
    genset_usd = _genset_usd_per_kwh(problem)
    taken_kw = 0.0
    for state in roll.jobs:
        state.gpus.append(0.0)
        state.limits_w.append(0.0)
    for state in ordered(roll.jobs, roll.style, lambda state: state.urgent(at_h, problem)):
        step_h = problem.hours[step]
        if state.left_gpu_h <= 1e-9 or open_h(state.windows_h, at_h, at_h + step_h) < step_h - 1e-9:
            continue
        worth_it = state.density_usd_per_kwh > genset_usd or roll.style.order == "arrival"
        urgent = state.urgent(at_h, problem) or not roll.style.waits_for_sun
        held = state.started and not state.job.preemptible
        room_kw = most_kw if (held or (urgent and worth_it)) and not state.job.surplus_only else spare_kw
        taken_kw += _place(state, step, free, room_kw - taken_kw, problem.hours[step])
    return taken_kw


def _place(state: JobState, step: int, free: dict[str, float], room_kw: float, step_h: float) -> float:
    for pool, speed, rungs in state.places:
        if state.pool and state.pool != pool.name:
            continue
        each_kw = job_extra_kw(pool, rungs, 1.0)
        fits = room_kw / each_kw if each_kw > 1e-12 else 1e9
        needed = state.left_gpu_h / (speed * step_h)
        enough = max(float(int(needed + 1.0 - 1e-9)), state.job.gpus_min, 1.0)
        gpus = whole_gpus(state.job, min(free[pool.name], enough), fits)
        if gpus > 0.0:
            free[pool.name] -= gpus
            state.pool, state.started = pool.name, True
            state.gpus[step], state.limits_w[step] = gpus, rungs[-1].limit_w
            return job_extra_kw(pool, rungs, gpus)
    return 0.0


def _costless_kw(roll: Roll, step: int, base_kw: float) -> float:
    """Return the power that costs no diesel now: surplus sun and the battery above its comfortable level, kW."""
    problem, battery = roll.problem, roll.problem.battery
    surplus_kw = problem.pv_available_kw[step] - base_kw
    if battery is None:
        return max(0.0, surplus_kw)
    comfort = max(floor_frac(battery, step), battery.soc_min_frac) + COMFORT_FRAC
    above_kwh = max(0.0, roll.supply.soc_frac - comfort) * battery.capacity_kwh
    _, discharge_kw = battery_limits_kw(problem, roll.supply, step)
    return max(0.0, surplus_kw + min(discharge_kw, above_kwh / problem.hours[step]))


def _genset_usd_per_kwh(problem: Problem) -> float:
    """Return the cheapest genset's price of a kWh at its rating; 0 without gensets."""
    litre = problem.tank.usd_per_l if problem.tank is not None else 0.0
    prices = [
        (g.fuel_points[-1][1] * litre + g.run_usd_per_h) / max(g.fuel_points[-1][0], 1e-9) + g.energy_usd_per_kwh
        for g in problem.gensets
        if g.available
    ]
    return min(prices, default=0.0)


def _give_up(
    roll: Roll, step: int, modes: list[ServingMode], tiers_kw: float, it_kw: float
) -> tuple[float, float, Supplied]:
    """Give things up in the order of (1) until supply meets the load; returns IT power, shed power and supply."""
    problem, factor = roll.problem, cooling_factor(roll.problem, step)
    base_kw = tiers_kw + cooling_base_kw(problem, step)
    soft_kw = sum(tier.kw[step] for tier in problem.tiers if not tier.critical)

    def attempt(shed_kw: float) -> Supplied:
        return supply(problem, roll.params, roll.supply, step, base_kw + it_kw * factor - shed_kw)

    supplied = attempt(0.0)
    for state in sorted(roll.jobs, key=lambda state: (not state.job.preemptible, state.density_usd_per_kwh)):
        if supplied.unserved_kw <= 1e-6:
            return it_kw, 0.0, supplied
        if state.gpus[step] > 0.0:
            pool, _, rungs = next(place for place in state.places if place[0].name == state.pool)
            it_kw -= job_extra_kw(pool, rungs, state.gpus[step])
            state.gpus[step] = state.limits_w[step] = 0.0
            supplied = attempt(0.0)
    shed_kw = min(soft_kw, supplied.unserved_kw)
    supplied = attempt(shed_kw)
    order = sorted(range(len(modes)), key=lambda place: problem.services[place].critical)
    for place in order:
        if supplied.unserved_kw <= 1e-6:
            return it_kw, shed_kw, supplied
        service = problem.services[place]
        it_kw -= mode_extra_kw(problem, modes[place], service.rate_rps[step])
        modes[place] = _off(service)
        supplied = attempt(shed_kw)
    shed_kw += supplied.unserved_kw
    return it_kw, shed_kw, attempt(shed_kw)


def _advance_jobs(roll: Roll, step: int) -> None:
    for state in roll.jobs:
        if state.gpus[step] > 0.0:
            speed = next(speed for pool, speed, _ in state.places if pool.name == state.pool)
            state.left_gpu_h -= state.gpus[step] * speed * roll.problem.hours[step]


def _row(roll: Roll, step: int, supplied: Supplied, it_kw: float, shed_kw: float, tiers_kw: float) -> Interval:
    problem = roll.problem
    cooling_kw = it_kw * (cooling_factor(problem, step) - 1.0) + cooling_base_kw(problem, step)
    return Interval(
        start_utc=problem.grid.starts_utc[step],
        hours=problem.hours[step],
        pv_available_kw=problem.pv_available_kw[step],
        pv_used_kw=supplied.pv_used_kw,
        battery_kw=supplied.battery_kw,
        soc_end_frac=roll.supply.soc_frac,
        gensets=supplied.gensets,
        load_kw=tiers_kw + it_kw + cooling_kw - shed_kw,
        it_kw=it_kw,
        cooling_kw=cooling_kw,
        shed_kw=shed_kw,
        reserve_kw=0.0,
        price_usd_per_kwh=_price_usd_per_kwh(problem, supplied),
        bound_by=_bound_by(problem, roll, supplied),
    )


def _price_usd_per_kwh(problem: Problem, supplied: Supplied) -> float:
    """Return what a further kWh costs by rule: nothing while sun is curtailed, diesel while a genset runs, else wear."""
    if supplied.spilled_kw > 1e-6:
        return 0.0
    if any(now.on for now in supplied.gensets):
        return _genset_usd_per_kwh(problem)
    battery = problem.battery
    return battery.wear_usd_per_kwh + battery.end_value_usd_per_kwh if battery is not None else 0.0


def _bound_by(problem: Problem, roll: Roll, supplied: Supplied) -> str:
    kw = sum(now.kw for now in supplied.gensets if now.on)
    on = [g for g, now in zip(problem.gensets, supplied.gensets, strict=True) if now.on]
    if supplied.spilled_kw > 1e-6:
        return "BATTERY_FULL"
    if on and kw >= sum(genset.max_kw for genset in on) - 1e-6:
        return "GENSET_MAX_LOAD"
    if on and kw <= sum(genset.min_kw for genset in on) + 1e-6:
        return "GENSET_MIN_LOAD"
    if problem.battery is not None and roll.supply.soc_frac <= problem.battery.soc_min_frac + 1e-6:
        return "BATTERY_EMPTY"
    return ""
