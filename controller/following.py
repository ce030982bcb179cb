"""From a plan to the setpoints of one cycle: the plan's interval, steered back onto its SoC corridor.

The grid-forming battery gets no setpoint; it takes what is left over. So the corridor is held through genset power: a
genset that the plan runs gives the plan's power plus what brings the state of charge back to the plan within
:data:`CORRIDOR_H`, inside its limits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.setpoints import GensetCommand, JobCommand, ServiceCommand, Setpoints
from controller.snapshot import Snapshot
from optimizer.places import IslandShare, PlacedSpan, TaskKind
from optimizer.plan import Plan
from optimizer.problem import Problem

CORRIDOR_H = 2.0
"""Time in which a genset brings the battery back to the planned state of charge."""
EXPIRY = timedelta(minutes=5)
"""How long a setpoint holds without being renewed."""


def follow(plan: Plan, problem: Problem, snapshot: Snapshot, *, now: datetime) -> Setpoints:
    """Return the setpoints of ``now``: gensets, serving modes, jobs with GPUs, places and limits, shed tiers, nodes.

    A job that finds no room on the nodes waits. After the last placed span, devices keep things where they are.
    """
    index = plan.interval_at(now)
    span = next((each for each in plan.placement if each.start_utc <= now < each.until_utc), None)
    return Setpoints(
        at_utc=now,
        expires_utc=now + EXPIRY,
        gensets=_gensets(plan, problem, snapshot, index, now),
        services=_services(plan, problem, index, span),
        jobs=_jobs(plan, index, span),
        shed_tiers=_shed(plan, problem, index),
        nodes_on={pool.name: pool.nodes_on[index] for pool in plan.pools} or None,
        reason_codes=("PLAN",),
    )


def planned_soc(plan: Plan, problem: Problem, index: int, now: datetime) -> float:
    """Return the state of charge that the plan has at ``now``, straight between the ends of its intervals."""
    if problem.battery is None:
        return 0.0
    interval = plan.intervals[index]
    before = plan.intervals[index - 1].soc_end_frac if index else problem.battery.soc_frac
    share = (now - interval.start_utc) / timedelta(hours=interval.hours)
    return before + (interval.soc_end_frac - before) * min(max(share, 0.0), 1.0)


def _gensets(plan: Plan, problem: Problem, snapshot: Snapshot, index: int, now: datetime) -> tuple[GensetCommand, ...]:
    running = [genset for genset in plan.intervals[index].gensets if genset.on]
    correction_kw = 0.0
    measured = snapshot.battery.soc_frac if snapshot.battery else None
    if running and problem.battery is not None and measured is not None:
        missing_frac = planned_soc(plan, problem, index, now) - measured
        correction_kw = missing_frac * problem.battery.capacity_kwh / CORRIDOR_H / len(running)
    commands = []
    for described, planned in zip(problem.gensets, plan.intervals[index].gensets, strict=True):
        wanted_kw = min(max(planned.kw + correction_kw, described.min_kw), described.max_kw)
        commands.append(
            GensetCommand(name=planned.name, run=planned.on, kw=wanted_kw if planned.on else 0.0, reason_code="PLAN")
        )
    return tuple(commands)


def _places(span: PlacedSpan | None, kind: TaskKind, name: str, pool: str) -> tuple[IslandShare, ...]:
    """Return where a task is placed; nothing where nobody placed it."""
    for each in span.tasks if span is not None else ():
        if (each.kind, each.name, each.pool) == (kind, name, pool):
            return each.islands
    return ()


def _services(plan: Plan, problem: Problem, index: int, span: PlacedSpan | None) -> tuple[ServiceCommand, ...]:
    menus = {service.name: {mode.name: mode for mode in service.modes} for service in problem.services}
    modes = ((service.name, menus[service.name][service.modes[index]]) for service in plan.services)
    return tuple(
        ServiceCommand(name=name, mode=mode, islands=_places(span, "service", name, mode.pool)) for name, mode in modes
    )


def _jobs(plan: Plan, index: int, span: PlacedSpan | None) -> tuple[JobCommand, ...]:
    without = {each.name for each in span.left_out if each.kind == "job"} if span is not None else set()
    return tuple(
        JobCommand(
            name=job.name,
            pool=job.pool,
            gpus=job.gpus_by_interval[index],
            limit_w=job.limit_w_by_interval[index],
            islands=_places(span, "job", job.name, job.pool),
        )
        for job in plan.jobs
        if job.pool and job.gpus_by_interval and job.gpus_by_interval[index] > 1e-6 and job.name not in without
    )


def _shed(plan: Plan, problem: Problem, index: int) -> tuple[str, ...]:
    """Return the tiers that the plan leaves unserved, from the last one up, as far as its shed power covers them whole."""
    left_kw = plan.intervals[index].shed_kw
    shed = []
    for tier in reversed(problem.tiers):
        if left_kw < tier.kw[index] * 0.99 or tier.kw[index] <= 0:
            break
        shed.append(tier.name)
        left_kw -= tier.kw[index]
    return tuple(shed)
