"""What a plan gives up, read from the plan itself, and whether the demand as posed was met.

Hard demands: critical load, hosts and cooling, critical services, a hard reserve, the limits of the equipment. A plan that
gives one of them up answers ``infeasible_as_posed``. All other breaches are preferences that had a price.
"""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.chains import TOLERANCE_S, least_s
from optimizer.objective import genset_breach_kw, hot_kwh, reserve_required_kw, tank_levels_l
from optimizer.plan import Breach, Interval, JobPlan, ServicePlan, Status
from optimizer.problem import Problem
from optimizer.workload import all_or_nothing
from sites.reasons import reason_text

HARD_CODES = frozenset({"INFEASIBLE_AS_POSED"})
TOLERATED_FRAC = 1e-4
"""Share of a service's requests that may go unserved before it is told."""
CRITICAL_FRAC = 5e-3
"""Share of a critical service's requests above which the demand is not met as posed: P99 speaks of one in a hundred."""
_SMALL_KWH = 1e-4
HOT_KWH = 1e-3


def status_of(breaches: Sequence[Breach]) -> Status:
    """Return whether the hard demands are met."""
    hard = any(breach.reason_code in HARD_CODES for breach in breaches)
    return Status.INFEASIBLE_AS_POSED if hard else Status.FEASIBLE


def breaches_of(
    problem: Problem, intervals: Sequence[Interval], services: Sequence[ServicePlan], jobs: Sequence[JobPlan]
) -> tuple[Breach, ...]:
    """Return everything a plan gives up, hard demands first."""
    found = [
        *_load(problem, intervals),
        *_reserve(problem, intervals),
        *_gensets(problem, intervals),
        *_services(problem, services),
        *_chains(problem),
        *_jobs(problem, jobs),
        *_tank(problem, intervals),
        *_battery(problem, intervals),
        *_room(problem, intervals),
    ]
    return tuple(sorted(found, key=lambda breach: breach.reason_code not in HARD_CODES))


def hard_breach(what: str, amount: float, unit: str, text: str) -> Breach:
    """Return a breach of a hard demand."""
    return Breach(what=what, reason_code="INFEASIBLE_AS_POSED", amount=amount, unit=unit, text=text)


def _load(problem: Problem, intervals: Sequence[Interval]) -> list[Breach]:
    shed = dict.fromkeys((tier.name for tier in problem.tiers), 0.0)
    dark_kwh = 0.0
    for step, row in enumerate(intervals):
        left_kw = row.shed_kw
        for tier in sorted(problem.tiers, key=lambda tier: tier.shed_usd_per_kwh):
            taken_kw = min(left_kw, tier.kw[step])
            shed[tier.name] += taken_kw * row.hours
            left_kw -= taken_kw
        dark_kwh += max(0.0, left_kw) * row.hours
    found = []
    if dark_kwh > _SMALL_KWH:
        text = f"hosts and cooling go without {dark_kwh:.1f} kWh: nothing can supply them"
        found.append(hard_breach("hosts and cooling", dark_kwh, "kWh", text))
    for tier in problem.tiers:
        kwh = shed[tier.name]
        if kwh <= _SMALL_KWH:
            continue
        text = f"{tier.name} goes without {kwh:.1f} kWh"
        if tier.critical:
            found.append(hard_breach(f"tier {tier.name}", kwh, "kWh", f"{text}, and it is critical"))
        else:
            found.append(Breach(what=f"tier {tier.name}", reason_code="SHORTAGE", amount=kwh, unit="kWh", text=text))
    return found


def _reserve(problem: Problem, intervals: Sequence[Interval]) -> list[Breach]:
    missing = [(reserve_required_kw(problem, row) - row.reserve_kw, row) for row in intervals]
    short = [(kw, row) for kw, row in missing if kw > 1e-4]
    if not short:
        return []
    worst_kw, worst = max(short, key=lambda pair: pair[0])
    text = (
        f"{worst_kw:.1f} kW of the reserve are missing at {worst.start_utc:%d %H:%MZ}"
        f", and some in {len(short)} intervals"
    )
    if problem.reserve.hard:
        return [hard_breach("operating reserve", worst_kw, "kW", text)]
    return [Breach(what="operating reserve", reason_code="RESERVE", amount=worst_kw, unit="kW", text=text)]


def _gensets(problem: Problem, intervals: Sequence[Interval]) -> list[Breach]:
    found = []
    for place, genset in enumerate(problem.gensets):
        below_h = missed_h = 0.0
        was_on, since_h = genset.on, genset.hours_in_state
        for step, row in enumerate(intervals):
            now = row.gensets[place]
            since_h = since_h if now.on and was_on else 0.0
            if genset_breach_kw(problem, place, step, now, since_h) > 0.0:
                below_h += row.hours if now.on else 0.0
                missed_h += 0.0 if now.on else row.hours
            since_h += row.hours
            was_on = now.on
        what = f"genset {genset.name}"
        if below_h > 0.0:
            text = f"{genset.name} runs under its minimum load for {below_h:.2f} h"
            found.append(Breach(what=what, reason_code="GENSET_MIN_LOAD", amount=below_h, unit="h", text=text))
        if missed_h > 0.0:
            found.append(hard_breach(what, missed_h, "h", f"{genset.name} has to run but cannot for {missed_h:.2f} h"))
    return found


def _services(problem: Problem, services: Sequence[ServicePlan]) -> list[Breach]:
    found = []
    for service, plan in zip(problem.services, services, strict=True):
        total = sum(rate * hours * 3600.0 for rate, hours in zip(service.rate_rps, problem.hours, strict=True))
        if plan.unserved_requests <= max(TOLERATED_FRAC * total, 1e-6):
            continue
        share = plan.unserved_requests / total
        text = f"{plan.unserved_requests:.0f} requests ({share:.1%}) of {service.name} go unserved"
        what, amount = f"service {service.name}", plan.unserved_requests
        if service.critical and share > CRITICAL_FRAC:
            found.append(hard_breach(what, amount, "requests", f"{text}, and it is critical"))
        else:
            found.append(Breach(what=what, reason_code="P99", amount=amount, unit="requests", text=text))
    return found


def _chains(problem: Problem) -> list[Breach]:
    """Return the chains whose budget no modes keep together: some of their stages serve nothing."""
    found = []
    for chain in problem.chains:
        quickest_s = least_s(problem, chain)
        if quickest_s > chain.p99_s + TOLERANCE_S:
            text = (
                f"the quickest modes of {chain.name} take {quickest_s:.3g} s together, its budget is {chain.p99_s:g} s"
            )
            over_s = quickest_s - chain.p99_s
            found.append(Breach(what=f"chain {chain.name}", reason_code="P99", amount=over_s, unit="s", text=text))
    return found


def _jobs(problem: Problem, jobs: Sequence[JobPlan]) -> list[Breach]:
    by_name = {job.name: job for job in problem.jobs}
    found = []
    for plan in jobs:
        job = by_name[plan.name]
        if all_or_nothing(job, problem) and plan.done_frac < 1.0 - 1e-6:
            text = f"{job.name} is not done by its deadline and loses its value of ${job.value_usd:.2f}"
            found.append(
                Breach(what=f"job {job.name}", reason_code="DEADLINE", amount=job.value_usd, unit="usd", text=text)
            )
        elif plan.late:
            text = f"{job.name} misses its deadline"
            found.append(Breach(what=f"job {job.name}", reason_code="DEADLINE", amount=1.0, unit="jobs", text=text))
    return found


def _battery(problem: Problem, intervals: Sequence[Interval]) -> list[Breach]:
    battery = problem.battery
    if battery is None or battery.capacity_kwh <= 0.0:
        return []
    lowest = min(row.soc_end_frac for row in intervals)
    if lowest >= battery.soc_min_frac - 1e-5:
        return []
    text = f"the battery is at {lowest:.1%}, under its limit of {battery.soc_min_frac:.1%}"
    short = battery.soc_min_frac - lowest
    return [Breach(what="battery", reason_code="SOC_LOW", amount=short, unit="frac", text=text)]


def _tank(problem: Problem, intervals: Sequence[Interval]) -> list[Breach]:
    if problem.tank is None:
        return []
    lowest = min(tank_levels_l(problem, intervals))
    short = min(problem.tank.reserve_l, problem.tank.level_l) - lowest
    if short <= 1e-3:
        return []
    text = f"the tank falls to {lowest:.0f} L: {reason_text('FUEL_SHORT')}"
    return [Breach(what="tank", reason_code="FUEL_SHORT", amount=short, unit="L", text=text)]


def _room(problem: Problem, intervals: Sequence[Interval]) -> list[Breach]:
    pairs = zip(hot_kwh(problem, intervals), intervals, strict=True)
    hours = sum(row.hours for over, row in pairs if over > HOT_KWH)
    if hours <= 0.0:
        return []
    text = f"the room is warmer than the computers bear for {hours:.1f} h: the cooling cannot carry their heat away"
    return [Breach(what="room", reason_code="INLET_HOT", amount=hours, unit="h", text=text)]
