"""The perfect-foresight bound of a study: no policy can do better, because everything it is held to is relaxed here.

The whole study is one planning problem in hours: the sun, the temperatures, the request rates and every job are known
from the start; the plant is the perturbed one; battery tapers, cold, operating reserve, sensor noise, the heat of the room
and the price of changing a plan are left out, a genset may idle at any power, and hosts boot at once. The bound is the
planner's proof (from relaxations only) of what net value cannot be exceeded; the cost bound is the value of all work that
came less that net value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

from controller.posing import pose, stored_usd_per_kwh
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, Snapshot
from controller.studies.closed_loop import Study, perfect_forecast
from controller.studies.result import PolicyResult
from forecasting.records import DemandForecast, Forecast
from optimizer.plan import Plan
from optimizer.problem import BatteryProblem, GensetProblem, JobProblem, PoolProblem, Problem, SolveLimits
from sites.plant.params import plant_params
from sites.plant.site import PlantParams, perturbed
from sites.times import uniform_grid

SOLVE_SECONDS = 60.0


def foresight_problem(study: Study, *, seconds: float = SOLVE_SECONDS) -> Problem:
    """Return the study as one problem, relaxed wherever the plant could do more than the planner's model says."""
    site = study.site
    nominal = plant_params(site)
    params = perturbed(nominal) if site.devices.perturbed else nominal
    hours = (study.end_utc - study.start_utc) / timedelta(hours=1)
    grid = uniform_grid(study.start_utc, hours=1.0, steps=round(hours))
    zeros = (0.0,) * len(grid)
    blank = Forecast(
        issued_utc=study.start_utc,
        rung="perfect",
        source="what really happens",
        start_utc=grid.start_utc,
        hours=grid.hours,
        quantile_levels=(),
        pv_available_kw=zeros,
        pv_quantiles_kw=(),
        outdoor_c=zeros,
        demand=tuple(DemandForecast(service=service.name, rate_rps=zeros) for service in site.services),
    )
    posed = pose(
        site,
        _start_snapshot(study),
        perfect_forecast(study, blank),
        tuple(_within(job, study) for job in study.jobs),
        pools=tuple(_perturbed_pool(pool, params) for pool in study.work.pools),
        menus=study.work.menus,
        limits=SolveLimits(seconds=seconds, gap_frac=0.001),
        params=params,
    )
    return posed.model_copy(
        update={
            "battery": _relaxed_battery(posed.battery, params, stored_usd_per_kwh(site)) if posed.battery else None,
            "gensets": tuple(_relaxed_genset(genset, params) for genset in posed.gensets),
            "reserve": posed.reserve.model_copy(update={"load_frac": 0.0, "pv_frac": 0.0}),
            "room": None,
            "services": tuple(service.model_copy(update={"switch_usd": 0.0}) for service in posed.services),
            "tank": posed.tank.model_copy(update={"reserve_l": 0.0}) if posed.tank else None,
        }
    )


def foresight_bound(
    study: Study, planner: Callable[[Problem], Plan], *, seconds: float = SOLVE_SECONDS
) -> PolicyResult:
    """Return the bound as a row beside the policies: its cost from the proof, its flows from the plan found.

    Raises:
        RuntimeError: the planner proved nothing.
    """
    problem = foresight_problem(study, seconds=seconds)
    plan = planner(problem)
    if plan.bound_usd is None:
        raise RuntimeError("the planner gave no bound for the perfect-foresight problem")
    start_kwh = problem.battery.soc_frac * problem.battery.capacity_kwh if problem.battery else 0.0
    end_usd = start_kwh * stored_usd_per_kwh(study.site)
    requests = {
        service.name: [rate * 3600.0 * hours for rate, hours in zip(service.rate_rps, problem.hours, strict=True)]
        for service in problem.services
    }
    came_usd = sum(job.value_usd for job in problem.jobs) + sum(
        sum(requests[service.name]) * service.value_usd_per_request for service in problem.services
    )
    spans = list(zip(plan.intervals, problem.hours, strict=True))
    price = problem.tank.usd_per_l if problem.tank else 0.0
    return PolicyResult(
        policy="oracle",
        start_utc=study.start_utc,
        days=study.days,
        drain_days=study.drain_days,
        cost_usd=came_usd + end_usd - plan.bound_usd,
        cost_terms_usd=plan.cost_terms_usd,
        fuel_l=plan.cost_terms_usd.get("fuel", 0.0) / price if price else 0.0,
        pv_available_kwh=sum(i.pv_available_kw * h for i, h in spans),
        pv_used_kwh=sum(i.pv_used_kw * h for i, h in spans),
        genset_kwh=sum(g.kw * h for i, h in spans for g in i.gensets),
        genset_hours=sum(h for i, h in spans for g in i.gensets if g.on),
        genset_starts=_starts(plan),
        battery_in_kwh=sum(max(-i.battery_kw, 0.0) * h for i, h in spans),
        battery_out_kwh=sum(max(i.battery_kw, 0.0) * h for i, h in spans),
        load_kwh=sum(i.load_kw * h for i, h in spans),
        it_kwh=sum(i.it_kw * h for i, h in spans),
        cooling_kwh=sum(i.cooling_kw * h for i, h in spans),
        unserved_kwh=sum(i.shed_kw * h for i, h in spans),
        work_value_usd=plan.work_value_usd,
        work_offered_usd=came_usd,
        jobs_done=sum(job.done_frac > 1 - 1e-6 for job in plan.jobs),
        jobs_total=len(problem.jobs),
        jobs_late=sum(job.late for job in plan.jobs),
        p99_breach_windows=0.0,
        windows=0,
        requests=sum(sum(each) for each in requests.values()),
        unserved_requests=sum(service.unserved_requests for service in plan.services),
        soc_end_frac=plan.intervals[-1].soc_end_frac,
        tank_end_l=None,
        plans=1,
        plan_levels={plan.level.value: 1},
        solve_seconds_mean=plan.solve_seconds,
    )


def _starts(plan: Plan) -> int:
    rows = [tuple(genset.on for genset in interval.gensets) for interval in plan.intervals]
    return sum(now and not before for a, b in pairwise(rows) for before, now in zip(a, b, strict=True))


def _start_snapshot(study: Study) -> Snapshot:
    site = study.site
    return Snapshot(
        at_utc=study.start_utc,
        battery=BatteryReading(soc_frac=site.battery.soc_initial_frac, power_kw=0.0, temperature_c=20.0)
        if site.battery
        else None,
        gensets=tuple(
            GensetReading(name=genset.name, phase=GensetPhase.OFF, power_kw=0.0, phase_s=1e6) for genset in site.gensets
        ),
        tank_l=site.tank.level_l if site.tank else None,
    )


def _within(job: JobProblem, study: Study) -> JobProblem:
    """Return a job as the ledger sees it: one due after the end is paid for the share that is done by then."""
    if job.deadline_utc <= study.end_utc:
        return job
    return job.model_copy(update={"deadline_utc": study.end_utc, "hard": False, "late_usd_per_h": 0.0})


def _perturbed_pool(pool: PoolProblem, params: PlantParams) -> PoolProblem:
    factor = params.it_draw_factor
    return pool.model_copy(
        update={
            "host_kw": pool.host_kw * factor,
            "wall_factor": pool.wall_factor * factor,
            "node_off_kw": 0.0,
            "boot_h": 0.0,
            "boot_kwh": 0.0,
        }
    )


def _relaxed_battery(battery: BatteryProblem, params: PlantParams, end_usd_per_kwh: float) -> BatteryProblem:
    return battery.model_copy(
        update={
            "capacity_kwh": params.battery.usable_kwh,
            "charge_efficiency_frac": params.battery.charge_eff_frac,
            "discharge_efficiency_frac": params.battery.discharge_eff_frac,
            "charge_taper": ((0.0, 1.0), (1.0, 1.0)),
            "discharge_taper": ((0.0, 1.0), (1.0, 1.0)),
            "charge_limit_frac": (),
            "soc_reserve_frac": 0.0,
            "reserve_breach_usd_per_kwh": 0.0,
            "end_value_usd_per_kwh": end_usd_per_kwh,
        }
    )


def _relaxed_genset(genset: GensetProblem, params: PlantParams) -> GensetProblem:
    """Return the genset with the plant's thirst, free to idle at any power and to carry load at once."""
    machine = next(each for each in params.gensets if math.isclose(each.rating_kw, genset.fuel_points[-1][0]))
    quarters = (
        machine.fuel_0_l_per_h,
        machine.fuel_25_l_per_h,
        machine.fuel_50_l_per_h,
        machine.fuel_75_l_per_h,
        machine.fuel_100_l_per_h,
    )
    points = tuple((machine.rating_kw * i / 4.0, litres) for i, litres in enumerate(quarters))
    return genset.model_copy(update={"min_kw": 0.0, "warmup_h": 0.0, "fuel_points": points, "forbidden": ()})
