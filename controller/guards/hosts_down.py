"""Orderly shutdown before the battery is empty, and the way back: hosts are shut down, not cut off.

While no genset turns and the sun gives less than the load,

    SoC <= hard limit + 0.7 %     hosts that no critical service needs are shut down                         (1)
    SoC <= hard limit + 0.3 %     all hosts are: what is critical ends in order, not by a black bus          (2)

From :data:`RELEASE_FRAC` above the hard limit, or as soon as a genset carries load, hosts come back by themselves: those
of critical services first, one every :data:`STAGGER_S`. Work follows when their GPUs answer (``limits``), at the limits
that are set before anything is admitted, and within the load step (``load_step``). Only pools whose hosts may be
powered off take part.
"""

from __future__ import annotations

import math

from controller.guards.gensets_called import TURNING
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.setpoints import Setpoints
from controller.snapshot import GensetPhase
from sites.schema.site import Site

DOWN_FRAC = (0.007, 0.003)
RELEASE_FRAC = 0.03
STAGGER_S = 20.0


def guard_hosts_down(given: GuardInput) -> Narrowed:
    """Shut hosts down and bring them back, rules (1) and (2)."""
    battery, memory, soc = given.site.battery, given.memory, given.memory.soc_frac
    pools = [pool for pool in given.site.pools if pool.can_power_off]
    if battery is None or soc is None or not pools:
        return Narrowed(given.setpoints, memory)
    needed = _needed(given.setpoints, given.site)
    total = sum(pool.nodes for pool in pools)
    critical = sum(needed[pool.name] for pool in pools)
    left = soc - battery.soc_min_frac
    level = 0 if _helped(given) else sum(left <= margin for margin in DOWN_FRAC)
    before = memory.hosts_up
    if level:
        up: float | None = min(total if before is None else before, (critical, 0)[level - 1])
    elif before is None:
        up = None
    elif left >= RELEASE_FRAC or _carried(given):
        up = before + given.dt_s / STAGGER_S
        up = None if up >= total else up
    else:
        up = before
    memory = memory._replace(hosts_up=up)
    if up is None:
        return Narrowed(given.setpoints, memory)
    share = hosts_of(given.site, needed, int(up))
    asked = given.setpoints.nodes_on or {pool.name: pool.nodes for pool in given.site.pools}
    nodes_on = asked | {name: min(asked.get(name, count), count) for name, count in share.items()}
    text = f"state of charge {soc:.1%}: {int(up)} of {total} hosts are let on"
    setpoints = _fitting(given.setpoints.model_copy(update={"nodes_on": nodes_on}), given.site, nodes_on)
    return Narrowed(setpoints, memory, (Reason("hosts_down", "HOSTS_DOWN", "hosts", text),))


def hosts_of(site: Site, needed: dict[str, int], up: int) -> dict[str, int]:
    """Return how many hosts of each pool that may be powered off are on when ``up`` are: critical ones first."""
    pools = [pool for pool in site.pools if pool.can_power_off]
    on = dict.fromkeys((pool.name for pool in pools), 0)
    for most in (needed, {pool.name: pool.nodes for pool in pools}):
        for pool in pools:
            more = min(most[pool.name] - on[pool.name], up - sum(on.values()))
            on[pool.name] += max(more, 0)
    return on


def _needed(setpoints: Setpoints, site: Site) -> dict[str, int]:
    """Return the hosts of each pool that critical services need."""
    critical = {service.name for service in site.services if service.critical}
    gpus = dict.fromkeys((pool.name for pool in site.pools), 0.0)
    for each in setpoints.services:
        if each.name in critical and each.mode.gpus:
            gpus[each.mode.pool] += each.mode.gpus
    return {pool.name: min(math.ceil(gpus[pool.name] / pool.node_gpus), pool.nodes) for pool in site.pools}


def _helped(given: GuardInput) -> bool:
    """Return whether something feeds the site, or is about to."""
    snapshot = given.snapshot
    turning = any(each.phase in TURNING for each in snapshot.gensets)
    return turning or (
        snapshot.pv_kw is not None and snapshot.load_kw is not None and snapshot.pv_kw >= snapshot.load_kw
    )


def _carried(given: GuardInput) -> bool:
    return any(each.phase is GensetPhase.RUNNING for each in given.snapshot.gensets)


def _fitting(setpoints: Setpoints, site: Site, nodes_on: dict[str, int]) -> Setpoints:
    """Return setpoints without work on hosts that go off; critical services keep theirs longest."""
    free = {pool.name: float(nodes_on.get(pool.name, pool.nodes) * pool.node_gpus) for pool in site.pools}
    critical = {service.name for service in site.services if service.critical}
    kept: set[str] = set()
    for each in sorted(setpoints.services, key=lambda one: one.name not in critical):
        if not each.mode.gpus or each.mode.gpus <= free[each.mode.pool]:
            kept.add(each.name)
            if each.mode.gpus:
                free[each.mode.pool] -= each.mode.gpus
    jobs = []
    for job in setpoints.jobs:
        if job.gpus <= free.get(job.pool, 0.0):
            free[job.pool] -= job.gpus
            jobs.append(job)
    services = tuple(each for each in setpoints.services if each.name in kept)
    return setpoints.model_copy(update={"services": services, "jobs": tuple(jobs)})
