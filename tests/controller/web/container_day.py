"""A plausible winter day of the example container, as records: what the console is drawn from in its own tests.

A small energy balance with a bell-shaped sun, steady services, batch jobs and a genset in the early morning. It is no
planner: it only gives the pages something whose flows add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from controller.records.entries import AlarmRaised, DecisionEntry, Entry, GuardEntry, NowEntry, PlanEntry
from controller.records.store import open_engine, upgrade
from controller.records.views import ReviewState
from controller.records.writing import write_entry
from controller.setpoints import ServiceCommand, Setpoints
from controller.snapshot import (
    BatteryReading,
    GensetPhase,
    GensetReading,
    JobReading,
    PoolReading,
    ServiceReading,
    Snapshot,
)
from forecasting.records import Forecast
from optimizer.plan import Breach, Decision, GensetInterval, Interval, JobPlan, Level, Plan, ServicePlan, Status
from optimizer.problem import (
    BatteryProblem,
    GensetProblem,
    JobProblem,
    LoadTier,
    PoolProblem,
    PoolSpeed,
    Problem,
    ProfileLevels,
    ServiceProblem,
    TankProblem,
)
from sites.compute.records import CapLevel, PowerProfile, ServingMode
from sites.load import load_site
from sites.schema.site import Site
from sites.times import HOUR, TimeGrid, planning_grid

START = datetime(2025, 1, 15, 17, 0, tzinfo=UTC)
"""Noon in Greensboro."""
FUEL = ((15.0, 5.0), (30.0, 9.6), (45.0, 13.0), (60.0, 16.7))
CAPACITY_KWH = 1200.0


@dataclass(frozen=True, kw_only=True)
class Day:
    """The records of one moment of the day."""

    site: Site
    snapshot: Snapshot
    setpoints: Setpoints
    problem: Problem
    plan: Plan
    forecast: Forecast


def container_day(start: datetime = START) -> Day:
    """Return the day as seen at ``start``."""
    site = load_site("container")
    grid = planning_grid(start, horizon_h=48)
    sun = tuple(_sun_kw(moment, hours) for moment, hours in zip(grid.starts_utc, grid.hours, strict=True))
    forecast = _forecast(grid, sun)
    problem = _problem(grid, sun)
    plan = _plan(grid, sun, problem)
    return Day(
        site=site,
        snapshot=_snapshot(plan, problem),
        setpoints=_setpoints(start, problem),
        problem=problem,
        plan=plan,
        forecast=forecast,
    )


def _sun_kw(start: datetime, hours: float) -> float:
    """Return the mean PV power of an interval: a bell around 17:20 UTC, the second day hazy."""
    middle = start + hours / 2 * HOUR
    hour = middle.hour + middle.minute / 60
    peak = 395.0 if middle.date() == START.date() else 232.0
    angle = (hour - 17.3) / 10.2 * math.pi
    return peak * math.cos(angle) ** 1.3 if abs(angle) < math.pi / 2 else 0.0


def _forecast(grid: TimeGrid, sun: tuple[float, ...]) -> Forecast:
    levels = (0.1, 0.25, 0.5, 0.75, 0.9)
    factors = (0.45, 0.72, 1.02, 1.2, 1.32)
    return Forecast(
        issued_utc=grid.start_utc,
        rung="history",
        source="clear sky + 26 h of site history",
        start_utc=grid.start_utc,
        hours=grid.hours,
        quantile_levels=levels,
        pv_available_kw=sun,
        pv_quantiles_kw=tuple(tuple(min(kw * factor, 495.0) for kw in sun) for factor in factors),
        outdoor_c=tuple(4.0 for _ in sun),
    )


def _mode(pool: str, profile: PowerProfile, precision: str, replicas: int, gpus: int, limit_w: float) -> ServingMode:
    return ServingMode(
        name=f"{pool} {precision} x{replicas} @ {limit_w:.0f} W",
        pool=pool,
        profile=profile,
        precision=precision,
        replicas=replicas,
        gpus=gpus,
        limit_w=limit_w,
        slots=64 * replicas,
        service_s=0.6,
        service_scv=0.4,
        rate_rps=12.0 * replicas,
        idle_w=40.0 * gpus,
        busy_w=limit_w * 0.9 * gpus,
        p99_s=0.9,
    )


def _problem(grid: TimeGrid, sun: tuple[float, ...]) -> Problem:
    count = len(grid)
    levels = tuple(
        CapLevel(limit_w=watts, power_w=watts * 0.97, idle_w=45, speed_frac=speed)
        for watts, speed in ((200, 0.72), (250, 0.87), (310, 0.97), (350, 1.0))
    )
    return Problem(
        site="container",
        start_utc=grid.start_utc,
        hours=grid.hours,
        pv_available_kw=sun,
        tiers=(
            LoadTier(name="control-and-network", kw=(1.5,) * count, shed_usd_per_kwh=20, critical=True),
            LoadTier(name="storage-servers", kw=(2.0,) * count, shed_usd_per_kwh=5),
            LoadTier(name="crew-cabin", kw=(1.0,) * count, shed_usd_per_kwh=1),
        ),
        battery=BatteryProblem(
            capacity_kwh=CAPACITY_KWH,
            soc_frac=0.58,
            soc_min_frac=0.1,
            soc_reserve_frac=0.2,
            charge_kw=400,
            discharge_kw=400,
        ),
        gensets=tuple(
            GensetProblem(name=name, max_kw=60, min_kw=18, fuel_points=FUEL) for name in ("diesel-1", "diesel-2")
        ),
        tank=TankProblem(level_l=2710, capacity_l=4000, reserve_l=400, usd_per_l=1.6),
        pools=tuple(
            PoolProblem(name=name, gpus=64, levels=(ProfileLevels(profile="vision", levels=levels),))
            for name in ("h100", "l40s")
        ),
        services=_services(count),
        jobs=_jobs(grid),
    )


def _services(count: int) -> tuple[ServiceProblem, ...]:
    menus: dict[str, tuple[ServingMode, ...]] = {
        "voice-agent": (
            _mode("l40s", "decode", "fp8", 6, 6, 250),
            _mode("l40s", "decode", "fp8", 4, 4, 250),
            _mode("l40s", "decode", "int4", 3, 3, 200),
        ),
        "document-chat": (_mode("h100", "decode", "fp8", 4, 8, 310), _mode("h100", "decode", "int4", 2, 4, 250)),
        "acute-imaging": (_mode("l40s", "vision", "fp16", 2, 2, 300),),
    }
    return tuple(ServiceProblem(name=name, modes=modes, rate_rps=(20.0,) * count) for name, modes in menus.items())


_WORK: tuple[tuple[str, PowerProfile, str, float, float, float, float, float, bool], ...] = (
    # name, profile, pool, starts h, ends h, GPUs, limit W, due h, late
    ("fine-tuning-0114-2", "training", "h100", 0.0, 4.5, 48, 310, 40.0, False),
    ("satellite-tiles-0115-1", "vision", "l40s", 0.0, 2.75, 16, 300, 5.5, False),
    ("embedding-backfill-0115-1", "prefill", "l40s", 0.0, 7.0, 32, 250, 44.0, False),
    ("satellite-tiles-0115-2", "vision", "l40s", 3.0, 5.5, 12, 300, 7.5, False),
    ("routine-imaging-0115", "vision", "l40s", 6.0, 12.0, 20, 250, 19.0, False),
    ("risk-run-0115", "prefill", "h100", 7.5, 12.0, 32, 250, 17.5, False),
    ("satellite-tiles-0116-1", "vision", "l40s", 14.0, 18.5, 8, 200, 17.0, True),
    ("fine-tuning-0115-1", "training", "h100", 22.0, 30.0, 32, 310, 70.0, False),
    ("embedding-backfill-0115-2", "prefill", "l40s", 22.5, 29.0, 48, 300, 47.0, False),
    ("routine-imaging-0116", "vision", "l40s", 30.0, 38.0, 8, 200, 43.0, False),
)


def _jobs(grid: TimeGrid) -> tuple[JobProblem, ...]:
    def job(name: str, profile: PowerProfile, pool: str, start_h: float, gpus: float, due_h: float) -> JobProblem:
        return JobProblem(
            name=name,
            profile=profile,
            pools=(PoolSpeed(pool=pool, speed=1.0),),
            work_gpu_h=60,
            gpus_max=gpus,
            release_utc=grid.start_utc + (start_h - 0.25) * HOUR,
            deadline_utc=grid.start_utc + due_h * HOUR,
            value_usd=60,
        )

    listed = [job(name, kind, pool, start, gpus, due) for name, kind, pool, start, _, gpus, _, due, _ in _WORK]
    return (*listed, job("fine-tuning-0116-1", "training", "h100", 20.0, 16, 92.0))


def _plan(grid: TimeGrid, sun: tuple[float, ...], problem: Problem) -> Plan:
    jobs = tuple(_job_plan(grid, row) for row in _WORK)
    waiting = JobPlan(
        name="fine-tuning-0116-1",
        pool="",
        profile="training",
        start_utc=None,
        end_utc=None,
        gpus=0,
        power_limit_w=0,
        done_frac=0,
        late=False,
    )
    return Plan(
        site="container",
        policy="planner",
        start_utc=grid.start_utc,
        level=Level.OPTIMAL,
        status=Status.FEASIBLE,
        gap_frac=0.0041,
        bound_usd=771.8,
        net_value_usd=768.6,
        work_value_usd=856.2,
        cost_terms_usd={"fuel": 62.6, "wear": 20.3, "starts": 2.0, "late": 2.7},
        solve_seconds=1.8,
        intervals=_intervals(grid, sun, jobs),
        services=_service_plans(grid),
        jobs=(*jobs, waiting),
        decisions=_decisions(),
        breaches=(
            Breach(
                what="satellite-tiles-0116-1",
                reason_code="NOT_WORTH",
                amount=1.5,
                unit="h late",
                text="finishing in time would need a second genset start before sunrise",
            ),
        ),
    )


def _job_plan(grid: TimeGrid, row: tuple[str, PowerProfile, str, float, float, float, float, float, bool]) -> JobPlan:
    name, profile, pool, start_h, end_h, gpus, limit_w, _, late = row
    active = [start_h - 1e-6 <= offset < end_h - 1e-6 for offset in grid.offsets_h[:-1]]
    weak = [
        grid.offsets_h[i] > (start_h + end_h) / 2 and name.startswith(("risk", "routine")) for i in range(len(grid))
    ]
    return JobPlan(
        name=name,
        pool=pool,
        profile=profile,
        start_utc=grid.start_utc + start_h * HOUR,
        end_utc=grid.start_utc + end_h * HOUR,
        gpus=gpus,
        power_limit_w=limit_w,
        done_frac=1.0 if name != "fine-tuning-0115-1" else 0.82,
        late=late,
        gpus_by_interval=tuple(gpus if on else 0.0 for on in active),
        limit_w_by_interval=tuple(
            (200.0 if low else limit_w) if on else 0.0 for on, low in zip(active, weak, strict=True)
        ),
    )


def _service_plans(grid: TimeGrid) -> tuple[ServicePlan, ...]:
    local = [(start - timedelta(hours=5)).hour for start in grid.starts_utc]
    voice = tuple(
        "l40s fp8 x6 @ 250 W" if 8 <= h < 22 else "l40s fp8 x4 @ 250 W" if h >= 5 else "l40s int4 x3 @ 200 W"
        for h in local
    )
    chat = tuple("h100 fp8 x4 @ 310 W" if 8 <= h < 18 else "h100 int4 x2 @ 250 W" for h in local)
    return (
        ServicePlan(name="voice-agent", modes=voice),
        ServicePlan(name="document-chat", modes=chat),
        ServicePlan(name="acute-imaging", modes=("l40s fp16 x2 @ 300 W",) * len(grid)),
    )


def _intervals(grid: TimeGrid, sun: tuple[float, ...], jobs: tuple[JobPlan, ...]) -> tuple[Interval, ...]:
    soc, found = 0.58, []
    for index, (start, hours) in enumerate(zip(grid.starts_utc, grid.hours, strict=True)):
        watts = sum(job.gpus_by_interval[index] * job.limit_w_by_interval[index] for job in jobs)
        it_kw = 17.0 + 5.5 + watts / 1000 * 1.06
        cooling_kw = 0.09 * it_kw + 0.8
        load = it_kw + cooling_kw + 4.5
        engine = 50.0 if 14.5 <= grid.offsets_h[index] < 19.5 else 0.0
        room_kw = min((1.0 - soc) * CAPACITY_KWH / 0.96 / hours, 400 * (1.0 if soc < 0.9 else 0.35))
        charge = min(max(sun[index] + engine - load, 0.0), room_kw)
        used = min(sun[index], max(load + charge - engine, 0.0))
        battery_kw = load - used - engine
        soc += (-battery_kw * 0.96 if battery_kw < 0 else -battery_kw / 0.96) * hours / CAPACITY_KWH
        found.append(
            Interval(
                start_utc=start,
                hours=hours,
                pv_available_kw=sun[index],
                pv_used_kw=used,
                battery_kw=battery_kw,
                soc_end_frac=soc,
                gensets=(
                    GensetInterval(name="diesel-1", on=engine > 0, kw=engine),
                    GensetInterval(name="diesel-2", on=False, kw=0.0),
                ),
                load_kw=load,
                it_kw=it_kw,
                cooling_kw=cooling_kw,
                shed_kw=0.0,
                reserve_kw=40.0,
                price_usd_per_kwh=0.0 if sun[index] - used > 1 else 0.41 if engine else 0.27 if soc < 0.5 else 0.18,
                bound_by="SUN_SURPLUS" if sun[index] - used > 1 else "GENSET_MAX_LOAD" if engine else "",
            )
        )
    return tuple(found)


def _decisions() -> tuple[Decision, ...]:
    return (
        Decision(
            what="genset diesel-1 starts 07:30Z, runs 5 h",
            reason_code="RESERVE",
            text="the battery would fall below its reserve before sunrise",
            cost_of_alternative_usd=18.4,
            exact=True,
        ),
        Decision(
            what="risk-run-0115 starts 00:30Z at 250 W, 200 W from 02:45Z",
            reason_code="DEADLINE",
            text="it has to be done by its deadline; a lower limit saves 9 kWh of battery",
            cost_of_alternative_usd=3.15,
        ),
        Decision(
            what="fine-tuning-0115-1 waits until 2025-01-16T15:00Z",
            reason_code="SUN_SURPLUS",
            text="sun would otherwise be curtailed then",
            cost_of_alternative_usd=11.9,
        ),
        Decision(
            what="voice-agent serves in int4 from 05:00Z to 10:00Z",
            reason_code="P99",
            text="three replicas keep the latency budget at night",
            cost_of_alternative_usd=0.62,
        ),
    )


def _snapshot(plan: Plan, problem: Problem) -> Snapshot:
    first = plan.intervals[0]
    running = [job for job in plan.jobs if job.gpus_by_interval and job.gpus_by_interval[0] > 0]
    return Snapshot(
        at_utc=plan.start_utc + timedelta(minutes=4, seconds=10),
        battery=BatteryReading(soc_frac=0.587, power_kw=first.battery_kw, temperature_c=19.4),
        gensets=tuple(
            GensetReading(name=name, phase=GensetPhase.OFF, power_kw=0.0, run_h=hours)
            for name, hours in (("diesel-1", 412.0), ("diesel-2", 388.5))
        ),
        pv_kw=first.pv_used_kw,
        pv_available_kw=first.pv_available_kw,
        tank_l=problem.tank.level_l if problem.tank else None,
        load_kw=first.load_kw,
        it_kw=first.it_kw,
        cooling_kw=first.cooling_kw,
        ups_soc_frac=1.0,
        outdoor_c=3.8,
        inlet_c=22.6,
        services=(
            ServiceReading(name="voice-agent", mode="l40s fp8 x6 @ 250 W", rate_rps=57.2),
            ServiceReading(name="document-chat", mode="h100 fp8 x4 @ 310 W", rate_rps=2.1),
            ServiceReading(name="acute-imaging", mode="l40s fp16 x2 @ 300 W", rate_rps=0.07),
        ),
        jobs=tuple(
            JobReading(name=job.name, state="running", pool=job.pool, gpus=job.gpus_by_interval[0], limit_w=310)
            for job in running
        ),
        pools=(
            PoolReading(name="h100", gpus_ok=64, draw_kw=18.3, limit_w=310, nodes_on=8),
            PoolReading(name="l40s", gpus_ok=63, draw_kw=13.1, limit_w=300, nodes_on=8),
        ),
    )


def _setpoints(start: datetime, problem: Problem) -> Setpoints:
    return Setpoints(
        at_utc=start,
        expires_utc=start + timedelta(minutes=5),
        services=tuple(ServiceCommand(name=service.name, mode=service.modes[0]) for service in problem.services),
    )


def entries(day: Day, *, alarms: bool = True, valid_h: float = 2.0, review: ReviewState = "auto") -> list[Entry]:
    """Return the day as entries of the store."""
    at = day.snapshot.at_utc
    plan_id = "a" * 32
    written: list[Entry] = [
        PlanEntry(
            id=plan_id,
            made_utc=day.plan.start_utc,
            expires_utc=day.plan.start_utc + timedelta(hours=valid_h),
            review=review,
            forecast=day.forecast,
            problem=day.problem,
            plan=day.plan,
        ),
        NowEntry(
            at_utc=at,
            level=day.plan.level,
            plan_id=plan_id,
            speed=120.0,
            snapshot=day.snapshot,
            setpoints=day.setpoints,
        ),
    ]
    for index, (subject, order, reason) in enumerate(_ORDERS):
        moment = at - timedelta(minutes=7 * index + 4)
        written.append(
            DecisionEntry(
                id=f"{index:032d}",
                subject=subject,
                seq=1,
                order_text=order,
                origin="plan",
                reason_code=reason,
                text="",
                plan_id=plan_id,
                at_utc=moment,
                expires_utc=moment + timedelta(minutes=5),
            )
        )
    if alarms:
        written.append(
            AlarmRaised(
                code="SENSOR_LOST",
                subject="gpu l40s 6/3",
                severity="warning",
                text="one GPU of node 6 answers no more; 63 of 64 are used",
                at_utc=at - timedelta(hours=3),
            )
        )
        written.append(
            GuardEntry(
                at_utc=at - timedelta(minutes=52),
                guard="inverter-overload",
                reason_code="INVERTER_OVERLOAD",
                subject="pool h100",
                text="capped to 250 W for 40 s while two hosts woke",
                began=True,
            )
        )
    return written


_ORDERS = (
    ("job satellite-tiles-0115-1", "run on 16 GPUs of l40s at 300 W", "SUN_SURPLUS"),
    ("job fine-tuning-0114-2", "run on 16 GPUs of h100 at 310 W", "SUN_SURPLUS"),
    ("service voice-agent", "l40s fp8 x6 @ 250 W", "P99"),
    ("genset diesel-1", "stop", "BATTERY_FULL"),
)


def write_day(url: str, day: Day, *, alarms: bool = True, valid_h: float = 2.0, review: ReviewState = "auto") -> None:
    """Make the store and write the day into it."""
    upgrade(url)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        for entry in entries(day, alarms=alarms, valid_h=valid_h, review=review):
            write_entry(session, day.site.name, entry)
        session.commit()
    engine.dispose()


def store_with_day(folder: Path) -> str:
    """Return the address of a store that holds the day."""
    url = f"sqlite:///{folder / 'mdc.sqlite'}"
    write_day(url, container_day())
    return url


def without_readings(day: Day) -> Day:
    """Return the day with everything unread that can be."""
    bare = Snapshot(
        at_utc=day.snapshot.at_utc,
        battery=BatteryReading(soc_frac=None, power_kw=None, temperature_c=None),
        gensets=tuple(GensetReading(name=each.name, phase=None, power_kw=None) for each in day.snapshot.gensets),
        pools=tuple(PoolReading(name=each.name, gpus_ok=0, draw_kw=None) for each in day.snapshot.pools),
    )
    return replace(day, snapshot=bare)
