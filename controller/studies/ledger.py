"""What a course of a site cost, term by term: the same arithmetic for every policy.

cost = fuel + genset starts and hours + battery wear + unserved load + unserved requests + lateness + unfinished work
       + energy missing from the battery at the end

Lateness of a job is ``late_usd_per_h`` times the hours after its deadline, never more than its value. A job that is not done
when the drain ends loses the value of what is left of it; a hard job loses all of it at its deadline. Energy in the
battery at the end is priced against the start by what it saves in diesel; the tank needs no such term, since every litre
burnt is paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.devices.simulated import SiteStep
from controller.devices.simulated_work import JobState, SimulatedJob
from optimizer.problem import JobProblem
from sites.schema.site import Site
from sites.times import HOUR


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Energy and events over a course."""

    hours: float = 0.0
    fuel_l: float = 0.0
    pv_available_kwh: float = 0.0
    pv_used_kwh: float = 0.0
    genset_kwh: float = 0.0
    genset_hours: float = 0.0
    genset_starts: int = 0
    battery_in_kwh: float = 0.0
    battery_out_kwh: float = 0.0
    load_kwh: float = 0.0
    it_kwh: float = 0.0
    cooling_kwh: float = 0.0
    unserved_kwh: float = 0.0
    """Tier load unserved, ordered off or missed, and computing that found no power."""
    unserved_tiers_kwh: tuple[float, ...] = ()
    """Each tier of the site file."""
    requests: Mapping[str, float]
    """Requests that came, by service."""
    unserved_requests: Mapping[str, float]


def add_up(site: Site, steps: Iterable[SiteStep]) -> Totals:
    """Return the totals of a course."""
    sums = dict.fromkeys(
        ("hours", "fuel_l", "pv_a", "pv_u", "gen", "gen_h", "starts", "b_in", "b_out", "load", "it", "cool", "uns"), 0.0
    )
    tiers = [0.0] * len(site.tiers)
    came: dict[str, float] = {service.name: 0.0 for service in site.services}
    missed = dict(came)
    for step in steps:
        flows, dt_h = step.flows, step.dt_s / 3600.0
        sums["hours"] += dt_h
        sums["fuel_l"] += flows.fuel_l
        sums["pv_a"] += flows.pv_available_kw * dt_h
        sums["pv_u"] += flows.pv_used_kw * dt_h
        sums["gen"] += sum(flows.genset_kw) * dt_h
        sums["gen_h"] += sum(flows.genset_turning_s) / 3600.0
        sums["starts"] += sum(flows.genset_starts)
        sums["b_in"] += max(-flows.battery_kw, 0.0) * dt_h
        sums["b_out"] += max(flows.battery_kw, 0.0) * dt_h
        sums["load"] += (sum(flows.served_kw) + flows.cooling_kw + flows.heater_kw) * dt_h
        sums["it"] += flows.it_kw * dt_h
        sums["cool"] += flows.cooling_kw * dt_h
        sums["uns"] += (sum(flows.unserved_kw) + flows.house_unserved_kw + step.shed_by_order_kw) * dt_h
        for index, kw in enumerate(step.tiers_unserved_kw):
            tiers[index] += kw * dt_h
        for service in step.services:
            came[service.name] += service.rate_rps * step.dt_s
            missed[service.name] += max(service.rate_rps - service.served_rps, 0.0) * step.dt_s
    return Totals(
        hours=sums["hours"],
        fuel_l=sums["fuel_l"],
        pv_available_kwh=sums["pv_a"],
        pv_used_kwh=sums["pv_u"],
        genset_kwh=sums["gen"],
        genset_hours=sums["gen_h"],
        genset_starts=round(sums["starts"]),
        battery_in_kwh=sums["b_in"],
        battery_out_kwh=sums["b_out"],
        load_kwh=sums["load"],
        it_kwh=sums["it"],
        cooling_kwh=sums["cool"],
        unserved_kwh=sums["uns"],
        unserved_tiers_kwh=tuple(tiers),
        requests=came,
        unserved_requests=missed,
    )


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """What became of one job."""

    name: str
    done: bool
    late_h: float
    """Hours after the deadline, to the end of the study where it is not done."""
    value_usd: float
    """Value of the work that was done in time or late."""
    unfinished_usd: float
    """Value lost because work was not done, or done too late for a hard deadline."""
    lateness_usd: float


def job_outcome(job: JobProblem, done_frac: float, finished_utc: datetime | None, end_utc: datetime) -> JobOutcome:
    """Return the outcome of a job whose course ended at ``end_utc``."""
    until = finished_utc or end_utc
    late_h = max((until - job.deadline_utc) / HOUR, 0.0)
    done = finished_utc is not None
    if job.hard and late_h > 0.0:
        return JobOutcome(
            name=job.name, done=done, late_h=late_h, value_usd=0.0, unfinished_usd=job.value_usd, lateness_usd=0.0
        )
    value_usd = job.value_usd * (1.0 if done else done_frac)
    lateness_usd = min(late_h * job.late_usd_per_h, job.value_usd)
    return JobOutcome(
        name=job.name,
        done=done,
        late_h=late_h,
        value_usd=value_usd,
        unfinished_usd=job.value_usd - value_usd,
        lateness_usd=lateness_usd,
    )


def job_outcomes(jobs: Iterable[SimulatedJob], end_utc: datetime) -> tuple[JobOutcome, ...]:
    """Return the outcome of each job."""
    return tuple(
        job_outcome(each.job, each.done_frac, each.finished_utc if each.state is JobState.DONE else None, end_utc)
        for each in jobs
    )


def cost_terms(
    site: Site, totals: Totals, outcomes: Iterable[JobOutcome], *, battery_missing_kwh: float, stored_usd_per_kwh: float
) -> dict[str, float]:
    """Return the cost of a course in $, term by term.

    ``battery_missing_kwh`` is the energy in the cells at the start less that at the end.
    """
    outcomes = tuple(outcomes)
    prices = site.prices
    tiers_usd = sum(
        kwh
        * (max(tier.shed_usd_per_kwh, prices.critical_unserved_usd_per_kwh) if tier.critical else tier.shed_usd_per_kwh)
        for tier, kwh in zip(site.tiers, totals.unserved_tiers_kwh, strict=True)
    )
    requests_usd = sum(
        totals.unserved_requests[service.name] * (service.value_usd_per_1000 + service.unserved_usd_per_1000) / 1000.0
        for service in site.services
    )
    return {
        "fuel": totals.fuel_l * prices.diesel_usd_per_l,
        "genset_starts": totals.genset_starts * prices.genset_start_usd,
        "genset_hours": totals.genset_hours * prices.genset_run_usd_per_h,
        "battery_wear": totals.battery_out_kwh * prices.battery_wear_usd_per_kwh,
        "unserved_load": tiers_usd,
        "unserved_requests": requests_usd,
        "lateness": sum(outcome.lateness_usd for outcome in outcomes),
        "unfinished_work": sum(outcome.unfinished_usd for outcome in outcomes),
        "battery_end": battery_missing_kwh * stored_usd_per_kwh,
    }


def work_value_usd(site: Site, totals: Totals, outcomes: Iterable[JobOutcome]) -> float:
    """Return the value of the work done: jobs, and requests that were served."""
    requests_usd = sum(
        (totals.requests[service.name] - totals.unserved_requests[service.name]) * service.value_usd_per_1000 / 1000.0
        for service in site.services
    )
    return requests_usd + sum(outcome.value_usd for outcome in outcomes)


def work_offered_usd(site: Site, totals: Totals, outcomes: Iterable[JobOutcome]) -> float:
    """Return the value of all work that came: jobs in whole, and every request."""
    requests_usd = sum(totals.requests[service.name] * service.value_usd_per_1000 / 1000.0 for service in site.services)
    return requests_usd + sum(outcome.value_usd + outcome.unfinished_usd for outcome in outcomes)
