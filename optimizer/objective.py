"""What a plan is worth, term by term, read from the plan itself.

    net value = work value - all costs                                                                    (1)

    work value   jobs: value x share of the work done; a hard job whose deadline lies inside the horizon only when whole
                 services: value of each request served
    costs        fuel, energy and running hours of gensets, starts; battery wear; load left unserved; requests left
                 unserved; mode switches; lateness; pauses of running jobs; missing reserve; computers too hot; SoC below its
                 reserve; tank below its reserve; change of plan; less the worth of what is left in the battery

Lateness is paid share by share: the work done in an interval after the deadline costs ``late_usd_per_h`` for each hour
that the interval's end is late, never more than its value. Every policy's plan is valued here, so that gaps and
comparisons mean the same for all. Light on purpose: the control loop imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from optimizer.equipment import floor_frac, fuel_l_per_h, warm_share
from optimizer.plan import GensetInterval, Interval, JobPlan, ServicePlan
from optimizer.problem import JobProblem, Problem
from optimizer.workload import all_or_nothing, least_gpus, menu, pause_usd, pools_of, rung_at, spreads, unserved_rps

DARK_USD_PER_KWH = 1000.0
"""Price of power that hosts and cooling cannot do without and nothing can give: the site goes dark in part."""


HOT_USD_PER_KWH_H = 20.0
"""Price of an hour with a kWh more heat in the room than the computers bear: above all work, below critical load."""
CHANGE_H = 6.0
"""How far ahead a change of plan has a price."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Value and cost terms of a plan, $ over the horizon."""

    work_value_usd: float
    cost_terms_usd: dict[str, float]

    @property
    def net_value_usd(self) -> float:
        """Value of work minus all costs."""
        return self.work_value_usd - sum(self.cost_terms_usd.values())


def worth(
    problem: Problem, intervals: Sequence[Interval], services: Sequence[ServicePlan], jobs: Sequence[JobPlan]
) -> Worth:
    """Return what a plan's parts are worth under (1)."""
    service_value, service_terms = _services(problem, services)
    job_value, late_usd = _jobs(problem, jobs)
    change = {"plan_change": _change_usd(problem, intervals, services)}
    work = {"late": late_usd, "pauses": _pauses_usd(problem, jobs)}
    terms = _energy(problem, intervals) | service_terms | work | change
    return Worth(
        work_value_usd=service_value + job_value,
        cost_terms_usd={name: usd for name, usd in terms.items() if abs(usd) > 1e-12},
    )


def change_hours(problem: Problem) -> list[float]:
    """Return the hours of each interval that lie within the next six, in which a change of plan has its price."""
    offsets = problem.grid.offsets_h
    return [max(0.0, min(end, CHANGE_H) - start) for start, end in pairwise(offsets)]


def _change_usd(problem: Problem, intervals: Sequence[Interval], services: Sequence[ServicePlan]) -> float:
    last = problem.last_plan
    if last is None or last.change_usd <= 0.0:
        return 0.0
    hours = change_hours(problem)
    changed_h = 0.0
    for place, row in enumerate(last.genset_on[: len(problem.gensets)]):
        if len(row) == len(hours):
            pairs = zip(hours, intervals, row, strict=True)
            changed_h += sum(length for length, now, was in pairs if now.gensets[place].on != was)
    for service, plan, names in zip(problem.services, services, last.service_modes, strict=False):
        known = {mode.name for mode in menu(service)}
        if len(names) == len(hours):
            triples = zip(hours, plan.modes, names, strict=True)
            changed_h += sum(length for length, now, was in triples if was in known and now != was)
    return changed_h * last.change_usd


def job_shares(problem: Problem, plan: JobPlan) -> list[float]:
    """Return the share of a job's work that a plan does in each interval; they sum to at most 1."""
    return _shares(problem, next(job for job in problem.jobs if job.name == plan.name), plan)


def _shares(problem: Problem, job: JobProblem, plan: JobPlan) -> list[float]:
    places = {pool.name: (speed, rungs) for pool, speed, rungs in pools_of(problem, job)}
    shares = [0.0] * len(problem.hours)
    if plan.pool not in places:
        return shares
    speed, rungs = places[plan.pool]
    left = 1.0
    for step, (gpus, limit_w) in enumerate(zip(plan.gpus_by_interval, plan.limit_w_by_interval, strict=True)):
        if gpus <= 0.0:
            continue
        done = gpus * speed * rung_at(rungs, limit_w).speed * problem.hours[step] / job.work_gpu_h
        shares[step] = min(done, left)
        left -= shares[step]
    return shares


def _jobs(problem: Problem, plans: Sequence[JobPlan]) -> tuple[float, float]:
    jobs = {job.name: job for job in problem.jobs}
    ends_h = list(accumulate(problem.hours))
    value = late = 0.0
    for plan in plans:
        job = jobs[plan.name]
        shares = _shares(problem, job, plan)
        if all_or_nothing(job, problem) and sum(shares) < 1.0 - 1e-6:
            continue
        deadline_h = (job.deadline_utc - problem.start_utc).total_seconds() / 3600.0
        for end_h, share in zip(ends_h, shares, strict=True):
            if share <= 0.0:
                continue
            over_h = max(0.0, end_h - deadline_h)
            value += share * job.value_usd
            late += share * min(job.value_usd, job.late_usd_per_h * over_h)
    return value, late


def _pauses_usd(problem: Problem, plans: Sequence[JobPlan]) -> float:
    """Return the cost of the running jobs that a plan pauses at once."""
    gpus = {plan.name: plan.gpus_by_interval[0] if plan.gpus_by_interval else 0.0 for plan in plans}
    return sum(pause_usd(job) for job in problem.jobs if gpus.get(job.name, 0.0) < least_gpus(job) - 1e-6)


def _services(problem: Problem, plans: Sequence[ServicePlan]) -> tuple[float, dict[str, float]]:
    value = unserved = switches = 0.0
    by_name = {plan.name: plan for plan in plans}
    for service in problem.services:
        modes = {mode.name: mode for mode in menu(service)}
        plan = by_name[service.name]
        before = service.current_mode
        for step, name in enumerate(plan.modes):
            rate = service.rate_rps[step]
            missed = unserved_rps(modes[name], rate, spreads(service)[step])
            seconds = problem.hours[step] * 3600.0
            value += (rate - missed) * seconds * service.value_usd_per_request
            unserved += missed * seconds * service.unserved_usd_per_request
            switches += service.switch_usd if before and name != before else 0.0
            before = name
    return value, {"unserved_requests": unserved, "mode_switches": switches}


def _energy(problem: Problem, intervals: Sequence[Interval]) -> dict[str, float]:
    battery = problem.battery
    terms = _gensets(problem, intervals)
    terms["load_shed"] = sum(shed_usd(problem, step, row.shed_kw) for step, row in enumerate(intervals))
    terms["reserve_missing"] = sum(
        max(0.0, reserve_required_kw(problem, row) - row.reserve_kw) * row.hours * reserve_usd_per_kwh(problem)
        for row in intervals
    )
    terms["too_hot"] = sum(over * row.hours for over, row in zip(hot_kwh(problem, intervals), intervals, strict=True))
    terms["too_hot"] *= HOT_USD_PER_KWH_H
    if battery is not None:
        discharged = sum(max(row.battery_kw, 0.0) * row.hours for row in intervals)
        terms["battery_wear"] = discharged * battery.wear_usd_per_kwh
        terms["soc_reserve"] = sum(
            max(0.0, floor_frac(battery, step) - row.soc_end_frac)
            * battery.capacity_kwh
            * row.hours
            * battery.reserve_breach_usd_per_kwh
            for step, row in enumerate(intervals)
        )
        terms["full_charge"] = full_missing_kwh(problem, intervals) * battery.full_missing_usd_per_kwh
        left_kwh = intervals[-1].soc_end_frac * battery.capacity_kwh
        terms["battery_end_value"] = -left_kwh * battery.end_value_usd_per_kwh
    return terms


def hot_kwh(problem: Problem, intervals: Sequence[Interval]) -> list[float]:
    """Return the heat in the room beyond what the computers bear at the end of each interval, kWh."""
    room = problem.room
    if room is None:
        return [0.0] * len(intervals)
    heat_kwh, over = room.heat_kwh, []
    for row, removable_kw in zip(intervals, room.removable_kw, strict=True):
        heat_kwh = max(0.0, heat_kwh + row.hours * (row.it_kw - removable_kw))
        over.append(max(0.0, heat_kwh - room.store_kwh))
    return over


def _gensets(problem: Problem, intervals: Sequence[Interval]) -> dict[str, float]:
    names = ("genset_energy", "genset_hours", "genset_starts", "genset_limits")
    fuel_l, terms = 0.0, dict.fromkeys(names, 0.0)
    for place, genset in enumerate(problem.gensets):
        was_on = genset.on
        since_h = genset.hours_in_state
        for step, row in enumerate(intervals):
            now = row.gensets[place]
            since_h = since_h if now.on and was_on else 0.0
            missed_kw = genset_breach_kw(problem, place, step, now, since_h)
            terms["genset_limits"] += missed_kw * row.hours * DARK_USD_PER_KWH
            since_h += row.hours
            if now.on:
                fuel_l += fuel_l_per_h(genset, now.kw) * row.hours
                terms["genset_hours"] += row.hours * genset.run_usd_per_h
                terms["genset_starts"] += 0.0 if was_on else genset.start_usd
            terms["genset_energy"] += now.kw * row.hours * genset.energy_usd_per_kwh
            was_on = now.on
    if problem.tank is not None:
        terms["fuel"] = fuel_l * problem.tank.usd_per_l
        short_l = max((problem.tank.reserve_l - level for level in tank_levels_l(problem, intervals)), default=0)
        terms["tank_reserve"] = max(0.0, short_l) * tank_reserve_usd_per_l(problem)
    return terms


def genset_breach_kw(problem: Problem, place: int, step: int, now: GensetInterval, since_h: float) -> float:
    """Return how far a genset is under its minimum load, or its rating where it does not run although it has to, kW."""
    genset = problem.gensets[place]
    if now.on:
        carry = 1.0 - warm_share(genset, since_h, problem.hours[step])
        below_kw = genset.min_kw * carry - now.kw
        return below_kw if below_kw > 1e-4 else 0.0
    allowed = genset.available and not (genset.forbidden and genset.forbidden[step])
    ordered = bool(genset.must_run and genset.must_run[step])
    start_h = sum(problem.hours[:step])
    held = genset.on and start_h < genset.min_run_h - genset.hours_in_state - 1e-9
    return genset.max_kw if allowed and (ordered or held) else 0.0


def tank_reserve_usd_per_l(problem: Problem) -> float:
    """Return the price of a litre taken from the tank's reserve: three times what it costs to buy."""
    return 3.0 * problem.tank.usd_per_l if problem.tank is not None else 0.0


def tank_levels_l(problem: Problem, intervals: Sequence[Interval]) -> list[float]:
    """Return the tank's level at the end of each interval; a delivery beyond its capacity is left on the lorry."""
    tank = problem.tank
    if tank is None:
        return []
    level, levels = tank.level_l, []
    deliveries = delivered_l(problem)
    for step, row in enumerate(intervals):
        level = max(level, min(tank.capacity_l, level + deliveries[step]))
        burnt = sum(
            fuel_l_per_h(genset, now.kw) for genset, now in zip(problem.gensets, row.gensets, strict=True) if now.on
        )
        level -= burnt * row.hours
        levels.append(level)
    return levels


def delivered_l(problem: Problem) -> list[float]:
    """Return the litres that arrive for each interval: usable from the first interval that starts after the delivery."""
    arriving = [0.0] * len(problem.hours)
    if problem.tank is None:
        return arriving
    starts = problem.grid.starts_utc
    for delivery in problem.tank.deliveries:
        later = [step for step, start in enumerate(starts) if start >= delivery.at_utc]
        if later:
            arriving[later[0]] += delivery.litres
    return arriving


FULL_SHARE = 0.99
"""A charge counts as full from this share of the upper limit on."""


def full_missing_kwh(problem: Problem, intervals: Sequence[Interval]) -> float:
    """Return what the fullest moment before a full charge is due misses, kWh; 0 where none is due."""
    battery = problem.battery
    if battery is None or battery.full_by_h is None or battery.full_by_h > sum(problem.hours):
        return 0.0
    ends_h = accumulate(problem.hours)
    reached = [row.soc_end_frac for row, end in zip(intervals, ends_h, strict=True) if end <= battery.full_by_h + 1e-9]
    fullest = max(reached, default=intervals[0].soc_end_frac)
    return max(0.0, FULL_SHARE * battery.soc_max_frac - fullest) * battery.capacity_kwh


def shed_usd(problem: Problem, step: int, shed_kw: float) -> float:
    """Return the price of leaving ``shed_kw`` unserved in an interval, the cheapest tier first."""
    left_kw, usd = shed_kw, 0.0
    for tier in sorted(problem.tiers, key=lambda tier: tier.shed_usd_per_kwh):
        taken_kw = min(left_kw, tier.kw[step])
        usd += taken_kw * tier.shed_usd_per_kwh
        left_kw -= taken_kw
    usd += max(0.0, left_kw) * DARK_USD_PER_KWH if left_kw > 1e-6 else 0.0
    return usd * problem.hours[step]


def reserve_usd_per_kwh(problem: Problem) -> float:
    """Return the price of missing reserve.

    A hard reserve costs just less than the cheapest critical load: everything else is given up for it, but no critical
    load is shed to hold it.
    """
    if not problem.reserve.hard:
        return problem.reserve.breach_usd_per_kwh
    critical = [tier.shed_usd_per_kwh for tier in problem.tiers if tier.critical]
    return max(0.8 * min(critical, default=DARK_USD_PER_KWH), problem.reserve.breach_usd_per_kwh)


def reserve_required_kw(problem: Problem, row: Interval) -> float:
    """Return the operating reserve an interval asks for: shares of its load and of the sun it uses."""
    return problem.reserve.load_frac * row.load_kw + problem.reserve.pv_frac * row.pv_used_kw
