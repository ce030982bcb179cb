"""Bounds of every setpoint: nothing outside what the site has is ever written, whoever worked it out."""

from __future__ import annotations

from controller.guards.records import GuardInput, Narrowed, Reason
from controller.setpoints import JobCommand, ServiceCommand
from sites.compute.pool_gpu import pool_gpu


def guard_limits(given: GuardInput) -> Narrowed:
    """Drop orders to what the site does not have, and clip powers and limits to their range."""
    site, setpoints = given.site, given.setpoints
    pools = {pool.name: pool for pool in site.pools}
    answering = {reading.name: reading.gpus_ok for reading in given.snapshot.pools}
    free = {pool.name: float(min(pool.gpus, answering.get(pool.name, pool.gpus))) for pool in site.pools}
    lost = {pool.name: pool.gpus - free[pool.name] for pool in site.pools if free[pool.name] < pool.gpus}
    dropped: list[str] = []
    services: list[ServiceCommand] = []
    known = {service.name for service in site.services}
    critical = {service.name for service in site.services if service.critical}
    for service in sorted(setpoints.services, key=lambda each: each.name not in critical):
        pool_name = service.mode.pool
        if service.name not in known or (pool_name and (pool_name not in free or service.mode.gpus > free[pool_name])):
            dropped.append(f"service {service.name}")
            continue
        if pool_name:
            free[pool_name] -= service.mode.gpus
        services.append(service)
    jobs: list[JobCommand] = []
    for job in setpoints.jobs:
        pool = pools.get(job.pool)
        if pool is None or job.gpus <= 0 or job.gpus > free[job.pool] + 1e-6:
            dropped.append(f"job {job.name}")
            continue
        free[job.pool] -= job.gpus
        spec = pool_gpu(pool).limits
        limit_w = min(max(job.limit_w, spec.min_limit_w), spec.max_limit_w)
        jobs.append(job if limit_w == job.limit_w else job.model_copy(update={"limit_w": limit_w}))
    gensets = {genset.name for genset in site.gensets}
    tiers = {tier.name for tier in site.tiers if not tier.critical}
    dropped += [f"genset {each.name}" for each in setpoints.gensets if each.name not in gensets]
    update = {
        "services": tuple(services),
        "jobs": tuple(jobs),
        "gensets": tuple(each for each in setpoints.gensets if each.name in gensets),
        "shed_tiers": tuple(name for name in setpoints.shed_tiers if name in tiers),
        "pv_limit_kw": None if setpoints.pv_limit_kw is None else max(setpoints.pv_limit_kw, 0.0),
    }
    reasons = tuple(Reason("limits", "OUT_OF_BOUNDS", subject, "the site has no room for it") for subject in dropped)
    reasons += tuple(
        Reason("limits", "GPU_LOST", f"pool {name}", f"{count:g} GPUs do not answer") for name, count in lost.items()
    )
    return Narrowed(setpoints.model_copy(update=update), given.memory, reasons)
