"""The worst second of an island: every genset is lost at full load, beside a battery that is off.

The site is made to work as hard as it can: every GPU at its highest limit, every tier on, all of it from gensets. Then
all gensets trip and lock out in one second. What is measured is the daemon's control cycle on the simulated site:

    capped    until no job is written at more than the lowest limit of its GPUs                              (1)
    paused    until no job is written at all                                                                 (2)
    safe      until the bus carries nothing but what is critical and nothing critical is missed, for good    (3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.capability import capability
from controller.cycle import Cycle
from controller.daemon.deciding import Decided, Ladder, Work
from controller.daemon.job_book import JobBook
from controller.daemon.ledger import Cause, Ledger
from controller.daemon.reporting import Alarms, Reporter
from controller.daemon.sensing import Senses
from controller.devices.simulated import SimulatedSite, SiteStep
from controller.faults.days import START, day_world
from controller.faults.memory_records import MemoryRecords
from controller.overrides.orders import Standing
from controller.setpoints import GensetCommand, JobCommand, ServiceCommand, Setpoints
from controller.snapshot import Snapshot
from optimizer.plan import Level
from optimizer.problem import JobProblem, PoolSpeed
from sites.compute.pool_gpu import pool_gpu
from sites.plant import genset as gen
from sites.ports import ManualClock
from sites.schema.site import Site
from sites.series import TimeSeries

SETTLED_S = 300
WATCHED_S = 300
_ALL = Cause(origin="rules", plan_id=None, reason_code="PLAN_STALE", text="everything on")


@dataclass(frozen=True, kw_only=True)
class GensetLoss:
    """How the loss was answered; times from the second in which the gensets trip."""

    lost_kw: float
    """What the gensets gave before."""
    jobs: int
    """Jobs that ran before."""
    capped_s: float
    paused_s: float
    safe_s: float
    critical_missed_kwh: float


class _AllOut(Ladder):
    """Asks for everything at once."""

    def __init__(self, site: Site, orders: Setpoints) -> None:
        super().__init__(site)
        self._orders = orders

    def decide(
        self,
        snapshot: Snapshot,
        jobs: Sequence[JobProblem],
        work: Work | None,
        now: datetime,
        orders: Sequence[Standing] = (),
    ) -> Decided:
        asked = self._orders.model_copy(update={"at_utc": now, "expires_utc": now + timedelta(minutes=5)})
        return Decided(setpoints=asked, level=Level.RULES, cause=_ALL)


def lose_gensets(site: Site) -> GensetLoss:
    """Return how the control cycle answers the loss of all of a site's gensets at full load."""
    work, host, jobs = capability(site), ManualClock(START), _jobs(site)
    world = day_world(site, 1, 1.0)
    dark = TimeSeries(start_utc=START, step_s=300.0, values=(0.0,) * len(world.pv_available_kw.values))
    twin = SimulatedSite(site, work.pools, replace(world, pv_available_kw=dark), start_utc=START)
    _make_ready(twin)
    records, book = MemoryRecords(), JobBook(streamed_until=START - timedelta(days=1))
    book.stream(tuple(jobs))
    services = tuple(
        ServiceCommand(name=name, mode=min(modes, key=lambda mode: mode.gpus)) for name, modes in work.menus.items()
    )
    everything = Setpoints(
        at_utc=START,
        expires_utc=START,
        gensets=tuple(GensetCommand(name=each.name, run=True, kw=each.rating_kw) for each in site.gensets),
        services=services,
        jobs=_fitting(site, jobs, services),
    )
    cycle = Cycle(
        site,
        records=records,
        ladder=_AllOut(site, everything),
        ledger=Ledger(()),
        book=book,
        reporter=Reporter(telemetry_every_s=60.0, speed=1.0, alarms=Alarms()),
        senses=Senses(site, host),
    )
    floors = {pool.name: pool_gpu(pool).limits.min_limit_w for pool in site.pools}
    capped_s, paused_s, safe_s, lost_kw, missed_kwh, before = 0.0, 0.0, 0.0, 0.0, 0.0, 0
    step: SiteStep | None = None
    for second in range(SETTLED_S + WATCHED_S):
        written = cycle.run(twin, Work(pools=work.pools, menus=work.menus), twin.at_utc).written
        lost_for_s = float(second - SETTLED_S)
        if lost_for_s > 0:
            capped_s = lost_for_s if any(each.limit_w > floors[each.pool] for each in written.jobs) else capped_s
            paused_s = lost_for_s if written.jobs else paused_s
        if second == SETTLED_S and step is not None:
            lost_kw, before = sum(step.flows.genset_kw), len(step.jobs_running)
            _trip(twin)
        step = twin.step(1.0)
        host.advance(1.0)
        if lost_for_s >= 0:
            missed_kw = _critical_missed_kw(site, step)
            missed_kwh += missed_kw / 3600.0
            safe_s = lost_for_s + 1.0 if missed_kw > 0.01 or _soft(site, step) else safe_s
    return GensetLoss(
        lost_kw=lost_kw,
        jobs=before,
        capped_s=capped_s + 1.0 if capped_s else 1.0,
        paused_s=paused_s + 1.0 if paused_s else 1.0,
        safe_s=safe_s,
        critical_missed_kwh=missed_kwh,
    )


def _make_ready(twin: SimulatedSite) -> None:
    """Let all gensets carry load, beside a battery that is off."""
    plant = twin.state.plant
    twin.battery_online = False
    running = tuple(each._replace(state=gen.RUNNING) for each in plant.gensets)
    twin.state = replace(twin.state, plant=plant._replace(gensets=running))


def _trip(twin: SimulatedSite) -> None:
    plant = twin.state.plant
    twin.state = replace(twin.state, plant=plant._replace(gensets=tuple(gen.trip(each) for each in plant.gensets)))


def _jobs(site: Site) -> tuple[JobProblem, ...]:
    """Return a long job for every host."""
    return tuple(
        JobProblem(
            name=f"{pool.name}-{node}",
            profile="training",
            pools=(PoolSpeed(pool=pool.name, speed=1.0),),
            work_gpu_h=1000.0,
            gpus_max=pool.node_gpus,
            release_utc=START - timedelta(minutes=1),
            deadline_utc=START + timedelta(days=2),
            value_usd=10.0,
        )
        for pool in site.pools
        for node in range(pool.nodes)
    )


def _fitting(site: Site, jobs: Sequence[JobProblem], services: Sequence[ServiceCommand]) -> tuple[JobCommand, ...]:
    """Return orders to as many jobs as find their GPUs beside the services, at the highest limit."""
    free = {pool.name: float(pool.gpus) for pool in site.pools}
    for service in services:
        if service.mode.gpus:
            free[service.mode.pool] -= service.mode.gpus
    limits = {pool.name: pool_gpu(pool).limits.max_limit_w for pool in site.pools}
    orders = []
    for job in jobs:
        pool = job.pools[0].pool
        if free[pool] >= job.gpus_max:
            free[pool] -= job.gpus_max
            orders.append(JobCommand(name=job.name, pool=pool, gpus=job.gpus_max, limit_w=limits[pool]))
    return tuple(orders)


def _critical_missed_kw(site: Site, step: SiteStep) -> float:
    return sum(kw for tier, kw in zip(site.tiers, step.tiers_unserved_kw, strict=True) if tier.critical)


def _soft(site: Site, step: SiteStep) -> bool:
    """Return whether the bus carries anything that is not critical."""
    soft = {service.name for service in site.services if not service.critical}
    tiers = zip(site.tiers, step.tiers_unserved_kw, strict=True)
    return (
        bool(step.jobs_running)
        or any(each.name in soft and each.served_rps > 0 for each in step.services)
        or any(not tier.critical and tier.kw - kw > 0.01 for tier, kw in tiers)
    )
