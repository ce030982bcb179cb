"""The record that ``mdc simulate`` prints for each policy."""

from __future__ import annotations

from controller.devices.simulated import SiteStep
from controller.posing import stored_usd_per_kwh
from controller.studies.closed_loop import Course, Study
from controller.studies.ledger import (
    JobOutcome,
    Totals,
    add_up,
    cost_terms,
    job_outcomes,
    work_offered_usd,
    work_value_usd,
)
from controller.studies.replay import Tick, replay
from sites.compute.records import ServingMode
from sites.record import Record
from sites.times import Utc


class PolicyResult(Record):
    """One policy over one study. Energies in kWh at the site bus, costs in $."""

    policy: str
    start_utc: Utc
    days: float
    """Days in which work arrived."""
    drain_days: float
    """Days after that, without new jobs."""
    cost_usd: float
    cost_terms_usd: dict[str, float]
    fuel_l: float
    pv_available_kwh: float
    pv_used_kwh: float
    genset_kwh: float
    genset_hours: float
    genset_starts: int
    battery_in_kwh: float
    battery_out_kwh: float
    load_kwh: float
    it_kwh: float
    cooling_kwh: float
    unserved_kwh: float
    work_value_usd: float
    work_offered_usd: float = 0.0
    """Value of all work that came, done or not."""
    jobs_done: int
    jobs_total: int
    jobs_late: int
    p99_breach_windows: float
    """Windows of ten minutes that broke a P99 budget, all services, by replay through a queue."""
    windows: int
    requests: float
    unserved_requests: float
    soc_end_frac: float
    tank_end_l: float | None
    plans: int
    plan_levels: dict[str, int]
    """How often each rung of the ladder answered."""
    solve_seconds_mean: float


def result_of(study: Study, course: Course) -> PolicyResult:
    """Return what one policy did, with P99 breaches found by replaying its services' arrivals."""
    totals = add_up(study.site, course.steps)
    outcomes = job_outcomes(course.site.state.jobs.values(), study.end_utc)
    terms = cost_terms(
        study.site,
        totals,
        outcomes,
        battery_missing_kwh=course.start_stored_kwh - course.end_stored_kwh,
        stored_usd_per_kwh=stored_usd_per_kwh(study.site),
    )
    breaches, windows = _breaches(study, course.steps)
    return _record(study, course, totals, outcomes, terms, breaches, windows)


def _record(
    study: Study,
    course: Course,
    totals: Totals,
    outcomes: tuple[JobOutcome, ...],
    terms: dict[str, float],
    breaches: float,
    windows: int,
) -> PolicyResult:
    plant = course.site.state.plant
    levels: dict[str, int] = {}
    for plan in course.plans:
        levels[plan.level.value] = levels.get(plan.level.value, 0) + 1
    return PolicyResult(
        policy=course.policy,
        start_utc=study.start_utc,
        days=study.days,
        drain_days=study.drain_days,
        cost_usd=sum(terms.values()),
        cost_terms_usd=terms,
        fuel_l=totals.fuel_l,
        pv_available_kwh=totals.pv_available_kwh,
        pv_used_kwh=totals.pv_used_kwh,
        genset_kwh=totals.genset_kwh,
        genset_hours=totals.genset_hours,
        genset_starts=totals.genset_starts,
        battery_in_kwh=totals.battery_in_kwh,
        battery_out_kwh=totals.battery_out_kwh,
        load_kwh=totals.load_kwh,
        it_kwh=totals.it_kwh,
        cooling_kwh=totals.cooling_kwh,
        unserved_kwh=totals.unserved_kwh,
        work_value_usd=work_value_usd(study.site, totals, outcomes),
        work_offered_usd=work_offered_usd(study.site, totals, outcomes),
        jobs_done=sum(outcome.done for outcome in outcomes),
        jobs_total=len(outcomes),
        jobs_late=sum(outcome.late_h > 0 for outcome in outcomes),
        p99_breach_windows=breaches,
        windows=windows,
        requests=sum(totals.requests.values()),
        unserved_requests=sum(totals.unserved_requests.values()),
        soc_end_frac=plant.battery.soc_frac,
        tank_end_l=plant.tank_l if study.site.tank else None,
        plans=len(course.plans),
        plan_levels=levels,
        solve_seconds_mean=sum(plan.solve_seconds for plan in course.plans) / max(len(course.plans), 1),
    )


def _breaches(study: Study, steps: tuple[SiteStep, ...]) -> tuple[float, int]:
    tick_s = steps[0].dt_s
    breaches, windows = 0.0, 0
    for index, service in enumerate(study.site.services):
        modes = {mode.name: mode for mode in study.work.menus[service.name]}
        ticks = [_tick(step, index, modes) for step in steps]
        found = replay(ticks, tick_s=tick_s, budget_s=service.model_p99_s, seed=study.seed + index)
        breaches += found.breaches
        windows += found.windows
    return breaches, windows


def _tick(step: SiteStep, index: int, modes: dict[str, ServingMode]) -> Tick:
    flow = step.services[index]
    mode = modes.get(flow.mode)
    if mode is None or mode.slots == 0:
        return Tick(flow.rate_rps, 0.0, 0, 1.0, 0.0)
    return Tick(flow.rate_rps, flow.served_rps, mode.slots, mode.service_s, mode.service_scv)
