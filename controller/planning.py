"""One plan of a site without a daemon: ``mdc plan``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from controller.devices.simulated import SimulatedSite
from controller.jobs_file import read_jobs
from controller.posing import pose
from controller.studies.closed_loop import Recorder, prepare_study, stream_jobs
from forecasting.forecaster import forecast
from forecasting.records import Forecast
from optimizer.plan import Plan
from optimizer.policies import POLICIES, policy
from optimizer.problem import JobProblem, Problem
from sites.errors import InputError
from sites.schema.site import Site
from sites.times import planning_grid

QUEUE_H = 24.0
"""Jobs that the site's streams released within this time wait in the queue."""


@dataclass(frozen=True, kw_only=True)
class MadePlan:
    """A plan with what it was made from."""

    forecast: Forecast | None
    """None where a stored plan was made without one."""
    problem: Problem
    plan: Plan


def plan_site(
    site: Site,
    *,
    at_utc: datetime,
    folder: Path | None = None,
    jobs_file: Path | None = None,
    policy_name: str = "planner",
    seed: int = 0,
) -> MadePlan:
    """Return a plan from the site file's initial state at ``at_utc``, with the weather of its source up to then.

    Raises:
        InputError: an unknown policy, weather or jobs that cannot be used.
    """
    if policy_name not in POLICIES:
        known = ", ".join(POLICIES)
        raise InputError.single(source="--policy", field="", found=policy_name, mend=f"name one of: {known}")
    jobs = read_jobs(jobs_file, site) if jobs_file else waiting_jobs(site, at_utc, seed)
    study = prepare_study(site, start_utc=at_utc, days=0.05, drain_days=0.0, seed=seed, folder=folder, jobs=jobs)
    twin = SimulatedSite(site, study.work.pools, study.world, start_utc=at_utc, perturb=False)
    outlook = forecast(
        site,
        Recorder(study).history(at_utc),
        issued_utc=at_utc,
        grid=planning_grid(at_utc, horizon_h=site.planning.horizon_h),
    )
    problem = pose(site, twin.read(), outlook, jobs, pools=study.work.pools, menus=study.work.menus)
    return MadePlan(forecast=outlook, problem=problem, plan=policy(policy_name).plan(problem))


def waiting_jobs(site: Site, at_utc: datetime, seed: int) -> tuple[JobProblem, ...]:
    """Return the jobs that the site's streams released of late and that are not due yet, whole."""
    released = stream_jobs(site, at_utc - timedelta(hours=QUEUE_H), at_utc, seed)
    return tuple(job for job in released if job.deadline_utc > at_utc)
