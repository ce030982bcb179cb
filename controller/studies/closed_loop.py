"""One policy in closed loop on the simulated site: forecast, pose, plan, follow, guard, step; and what it cost.

A :class:`Study` fixes everything that is the same for all policies: the weather that happens, the request rates, the jobs and
their releases, the plant's perturbation. :func:`run_policy` replays it under one policy: a new plan every
``replan_s`` from what was measured so far, the plan followed tick by tick against the plant's own physics. After the days
asked for comes a drain period without new jobs, so that work begun can end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from controller.capability import Capability, capability
from controller.devices.simulated import SimulatedSite, SiteStep
from controller.devices.simulated_work import JobState
from controller.following import follow
from controller.posing import Previous, pose
from controller.setpoints import Setpoints
from controller.snapshot import Snapshot
from controller.workload import job_of_stream, left_of
from forecasting.demand.arrivals import actual_rate_rps, batch_arrivals
from forecasting.forecaster import forecast
from forecasting.history import History
from forecasting.prepare import prepare_period
from forecasting.records import Forecast
from forecasting.weather.record import Weather
from optimizer.plan import Plan
from optimizer.problem import JobProblem, Problem, SolveLimits
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import TimeGrid, planning_grid
from sites.world import World

HISTORY_DAYS, RECORD_DAYS = 60, 14
"""Days of measurements that the site has before the study begins; fewer where the weather is a record of some period."""
HISTORY_STEP_S = 900
WORLD_STEP_S = 300

Planner = Callable[[Problem], Plan]
Guards = Callable[[Snapshot, Setpoints], Setpoints]
Outlook = Callable[[Site, History, datetime, TimeGrid], Forecast]
"""Turns site, past, issue time and grid into a forecast."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is the same for every policy."""

    site: Site
    start_utc: datetime
    days: float
    drain_days: float
    seed: int
    world: World
    """What happens from ``history_days`` before the start to the end, or beyond."""
    jobs: tuple[JobProblem, ...]
    """All jobs, ordered by release."""
    work: Capability
    history_days: float = RECORD_DAYS
    """Days of the world before the start."""

    @property
    def end_utc(self) -> datetime:
        """End of the drain period."""
        return self.start_utc + timedelta(days=self.days + self.drain_days)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happened under one policy."""

    policy: str
    steps: tuple[SiteStep, ...]
    plans: tuple[Plan, ...]
    site: SimulatedSite
    start_stored_kwh: float
    end_stored_kwh: float


def prepare_study(
    site: Site,
    *,
    start_utc: datetime,
    days: float,
    drain_days: float = 3.0,
    seed: int = 0,
    folder: Path | None = None,
    weather: Weather | None = None,
    jobs: Sequence[JobProblem] | None = None,
    beyond_days: float = 0.0,
) -> Study:
    """Return a study of ``days`` days from ``start_utc`` and a drain period.

    Args:
        site: the site.
        start_utc: start of the first plan.
        days: days in which jobs are released.
        drain_days: days that follow without new jobs.
        seed: of demand, job arrivals and sensor noise.
        folder: folder of the site file, for relative weather paths.
        weather: a record instead of the site's own weather.
        jobs: jobs instead of the site file's streams.
        beyond_days: days that the world still has after the end, for plans that know what happens.

    Raises:
        InputError: the weather cannot be used.
    """
    endless = weather is None and site.weather.source != "csv"
    history_days = HISTORY_DAYS if endless else RECORD_DAYS
    begin = whole_step(start_utc - timedelta(days=history_days))
    end = whole_step(start_utc + timedelta(days=days + drain_days + beyond_days)) + timedelta(seconds=WORLD_STEP_S)
    period = prepare_period(site, start_utc=begin, end_utc=end, step_s=WORLD_STEP_S, folder=folder, weather=weather)
    zone = site.location.time_zone
    world = World(
        pv_available_kw=period.pv_available_kw,
        outdoor_c=period.outdoor_c,
        rate_rps={
            service.name: actual_rate_rps(service, start_utc=begin, end_utc=end, zone=zone, seed=seed)
            for service in site.services
        },
    )
    released = tuple(jobs) if jobs is not None else stream_jobs(site, start_utc, start_utc + timedelta(days=days), seed)
    return Study(
        site=site,
        start_utc=start_utc,
        days=days,
        drain_days=drain_days,
        seed=seed,
        world=world,
        jobs=tuple(sorted(released, key=lambda job: (job.release_utc, job.name))),
        work=capability(site),
        history_days=history_days,
    )


def whole_step(moment: datetime) -> datetime:
    """Return the start of the world's interval that holds a moment."""
    return datetime.fromtimestamp(moment.timestamp() // WORLD_STEP_S * WORLD_STEP_S, tz=UTC)


def stream_jobs(site: Site, start_utc: datetime, end_utc: datetime, seed: int) -> tuple[JobProblem, ...]:
    """Return the jobs that the site's batch streams release in ``start_utc .. end_utc``."""
    return tuple(
        job_of_stream(
            stream,
            name=arrival.job,
            release_utc=arrival.release_utc,
            deadline_utc=arrival.deadline_utc,
            work_gpu_h=arrival.work_gpu_h,
            value_usd=arrival.value_usd,
            zone=site.location.time_zone,
        )
        for stream in site.batch
        for arrival in batch_arrivals(
            stream, start_utc=start_utc, end_utc=end_utc, zone=site.location.time_zone, seed=seed
        )
    )


def run_policy(
    study: Study,
    policy: str,
    planner: Planner,
    *,
    replan_s: float = 3600.0,
    tick_s: float = 60.0,
    horizon_h: float | None = None,
    guards: Guards | None = None,
    limits: SolveLimits | None = None,
    progress: Callable[[float], None] | None = None,
    outlook: Outlook | None = None,
) -> Course:
    """Run one policy through a study.

    Args:
        study: what is the same for all.
        policy: its name, for the record.
        planner: turns a problem into a plan.
        replan_s: seconds between plans.
        tick_s: seconds between setpoints.
        horizon_h: how far plans reach; from the site file if absent.
        guards: narrow the setpoints of each tick; none = the plan as it is.
        limits: when a solve may stop.
        progress: called with the share done after each plan.
        outlook: another forecaster than the site's own past: what a forecast is worth.
    """
    site = SimulatedSite(study.site, study.work.pools, study.world, start_utc=study.start_utc, seed=study.seed)
    recorder = Recorder(study)
    waiting = list(study.jobs)
    steps: list[SiteStep] = []
    plans: list[Plan] = []
    previous: Previous | None = None
    at_start_kwh = _stored_kwh(site)
    while site.state.at_utc < study.end_utc:
        now = site.state.at_utc
        while waiting and waiting[0].release_utc <= now:
            site.submit(waiting.pop(0))
        snapshot = site.read()
        grid = planning_grid(now, horizon_h=horizon_h or study.site.planning.horizon_h)
        known = (outlook or own_past)(study.site, recorder.history(now), now, grid)
        problem = pose(
            study.site,
            snapshot,
            known,
            open_jobs(site),
            pools=study.work.pools,
            menus=study.work.menus,
            previous=previous,
            limits=limits,
        )
        plan = planner(problem)
        plans.append(plan)
        previous = Previous(problem=problem, plan=plan)
        until = min(now + timedelta(seconds=replan_s), study.end_utc)
        while site.state.at_utc < until:
            while waiting and waiting[0].release_utc <= site.state.at_utc:
                site.submit(waiting.pop(0))
            snapshot = site.read()
            setpoints = follow(plan, problem, snapshot, now=site.state.at_utc)
            site.write(guards(snapshot, setpoints) if guards else setpoints)
            steps.append(site.step(min(tick_s, (until - site.state.at_utc).total_seconds())))
            recorder.add(steps[-1])
        if progress:
            progress((site.state.at_utc - study.start_utc) / (study.end_utc - study.start_utc))
    return Course(
        policy=policy,
        steps=tuple(steps),
        plans=tuple(plans),
        site=site,
        start_stored_kwh=at_start_kwh,
        end_stored_kwh=_stored_kwh(site),
    )


def own_past(site: Site, history: History, issued_utc: datetime, grid: TimeGrid) -> Forecast:
    """Return the forecast that a site makes from its own past."""
    return forecast(site, history, issued_utc=issued_utc, grid=grid)


def open_jobs(site: SimulatedSite) -> tuple[JobProblem, ...]:
    """Return what is left of every job that waits or runs."""
    left = (
        left_of(each.job, each.done_frac, running=each.state is JobState.RUNNING)
        for each in site.state.jobs.values()
        if each.state is not JobState.DONE
    )
    return tuple(job for job in left if job is not None)


def _stored_kwh(site: SimulatedSite) -> float:
    return site.state.plant.battery.soc_frac * site.params.battery.usable_kwh


class Recorder:
    """What the site has measured so far, as the forecaster reads it: never a value from after the moment asked for."""

    def __init__(self, study: Study) -> None:
        """Begin with the days before the study, when the sun was measured at open circuit of all limits."""
        self._start = study.start_utc - timedelta(days=study.history_days)
        self._pv = _resampled(study.world.pv_available_kw, self._start, study.start_utc)
        self._curtailed = [False] * len(self._pv)
        self._outdoor = _resampled(study.world.outdoor_c, self._start, study.start_utc)
        self._rates = {
            name: _resampled(series, self._start, study.start_utc) for name, series in study.world.rate_rps.items()
        }
        self._world = study.world
        self._open: list[SiteStep] = []

    def add(self, step: SiteStep) -> None:
        """Take in one step; a sample is complete when its quarter of an hour is."""
        self._open.append(step)
        if sum(each.dt_s for each in self._open) >= HISTORY_STEP_S - 1e-6:
            seconds = sum(each.dt_s for each in self._open)
            self._pv.append(sum(each.flows.pv_used_kw * each.dt_s for each in self._open) / seconds)
            self._curtailed.append(any(each.flows.pv_curtailed_kw > 1e-3 for each in self._open))
            first = self._open[0].start_utc
            last = first + timedelta(seconds=seconds)
            self._outdoor.append(self._world.outdoor_c.mean(first, last))
            for index, name in enumerate(each.name for each in self._open[0].services):
                came = sum(each.services[index].rate_rps * each.dt_s for each in self._open)
                self._rates[name].append(came / seconds)
            self._open.clear()

    def history(self, now: datetime) -> History:
        """Return all complete samples up to ``now``."""
        count = int((now - self._start).total_seconds() // HISTORY_STEP_S)
        return History(
            pv_kw=self._series(self._pv[:count]),
            pv_curtailed=tuple(self._curtailed[:count]),
            outdoor_c=self._series(self._outdoor[:count]),
            rates_rps={name: self._series(values[:count]) for name, values in self._rates.items()},
        )

    def _series(self, values: list[float]) -> TimeSeries:
        return TimeSeries(start_utc=self._start, step_s=HISTORY_STEP_S, values=tuple(values))


def _resampled(series: TimeSeries, start_utc: datetime, end_utc: datetime) -> list[float]:
    count = math.floor((end_utc - start_utc).total_seconds() / HISTORY_STEP_S)
    step = timedelta(seconds=HISTORY_STEP_S)
    return [series.mean(start_utc + i * step, start_utc + (i + 1) * step) for i in range(count)]


def perfect_forecast(study: Study, outlook: Forecast) -> Forecast:
    """Return the forecast with what really happens in its place: for bounds and for what a forecast is worth."""
    edges = [outlook.start_utc]
    for hours in outlook.hours:
        edges.append(edges[-1] + timedelta(hours=hours))
    spans = list(pairwise(edges))
    pv_kw = tuple(study.world.pv_available_kw.mean(a, b) for a, b in spans)
    return outlook.model_copy(
        update={
            "rung": "perfect",
            "source": "what really happens",
            "pv_available_kw": pv_kw,
            "pv_quantiles_kw": tuple(pv_kw for _ in outlook.quantile_levels),
            "outdoor_c": tuple(study.world.outdoor_c.mean(a, b) for a, b in spans),
            "scenarios": (),
            "demand": tuple(
                demand.model_copy(
                    update={"rate_rps": tuple(study.world.rate_rps[demand.service].mean(a, b) for a, b in spans)}
                )
                for demand in outlook.demand
            ),
        }
    )


def shortened(study: Study, days: float) -> Study:
    """Return the study cut to ``days`` days of released jobs."""
    end = study.start_utc + timedelta(days=days)
    return replace(study, days=days, jobs=tuple(job for job in study.jobs if job.release_utc < end))
