"""Taking load off in order: lowest limits and pauses for preemptible jobs, then other jobs, soft tiers, soft
services.

Within a group the least valuable goes first: lower priority, then less value for each GPU-hour; without
knowledge of a job its place in the setpoints counts, the last first. Critical tiers and services are never
taken off here.

How much a cut saves is credited with caution: a pause gives back the GPU's floor limit at most, since a job
may draw far less than its limit; an imagined saving would leave the bus short.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controller.setpoints import JobCommand, Setpoints
from optimizer.problem import JobProblem
from sites.compute.pool_gpu import pool_gpu
from sites.schema.site import Site


class Cut(NamedTuple):
    """One thing that can be switched off."""

    kind: str
    """``job``, ``tier`` or ``service``."""
    name: str
    saves_kw: float
    """Power that is certain to fall."""


def cut_order(setpoints: Setpoints, site: Site, jobs: Mapping[str, JobProblem]) -> tuple[Cut, ...]:
    """Return everything that may be switched off, first to go first."""
    place = {command.name: index for index, command in enumerate(setpoints.jobs)}

    def worth(command: JobCommand) -> tuple[bool, int, float, int]:
        job = jobs.get(command.name)
        if job is None:
            return False, 0, 0.0, -place[command.name]
        return not job.preemptible, job.priority, job.value_usd / job.work_gpu_h, -place[command.name]

    cuts = [Cut("job", each.name, job_saves_kw(each, site)) for each in sorted(setpoints.jobs, key=worth)]
    cuts += [Cut("tier", tier.name, tier.kw) for tier in reversed(site.tiers) if not tier.critical]
    soft = {service.name for service in site.services if not service.critical}
    cuts += [
        Cut("service", each.name, each.mode.idle_w / 1000.0)
        for each in reversed(setpoints.services)
        if each.name in soft and each.mode.gpus
    ]
    return tuple(cuts)


def job_saves_kw(command: JobCommand, site: Site) -> float:
    """Return the power [kW] that pausing a job is certain to save: each GPU from its floor limit to its idle draw."""
    for pool in site.pools:
        if pool.name == command.pool:
            limits = pool_gpu(pool).limits
            return command.gpus * max(limits.min_limit_w - limits.idle_w, 0.0) / 1000.0 * pool.wall_factor
    return 0.0


def without(setpoints: Setpoints, cuts: tuple[Cut, ...]) -> Setpoints:
    """Return setpoints with the cuts applied."""
    names = {kind: {cut.name for cut in cuts if cut.kind == kind} for kind in ("job", "tier", "service")}
    shed = (*setpoints.shed_tiers, *(cut.name for cut in cuts if cut.kind == "tier"))
    return setpoints.model_copy(
        update={
            "jobs": tuple(each for each in setpoints.jobs if each.name not in names["job"]),
            "services": tuple(each for each in setpoints.services if each.name not in names["service"]),
            "shed_tiers": tuple(dict.fromkeys(shed)),
        }
    )


def at_lowest_limits(setpoints: Setpoints, site: Site) -> Setpoints:
    """Return setpoints with every job at the lowest limit its GPUs can be set to."""
    floors = {pool.name: pool_gpu(pool).limits.min_limit_w for pool in site.pools}
    jobs = tuple(
        each.model_copy(update={"limit_w": min(each.limit_w, floors.get(each.pool, each.limit_w))})
        for each in setpoints.jobs
    )
    return setpoints.model_copy(update={"jobs": jobs})
