"""Whole GPUs of a plan's near intervals onto nodes, interval by interval and pool by pool.

    bins     NVLink islands of the nodes that the plan has on, in the order in which hosts go on; where GPUs have no NVLink,
             whole nodes; where they are cut into parts, single GPUs, whose parts have one limit
    tasks    jobs, rigid or not, and all replicas of a service's mode; groups of a job need one island, those of a mode too
             where they are no larger than an island, else a node
    now      the placement of the interval before; of the last plan for the first interval

The placement itself is :mod:`optimizer.placement`, equations (1) to (6). What finds no room is a breach with its reason, and
is not ordered while it has none; the plan's worth still counts it. Tasks of less than a GPU share what is left; they are
placed by the devices. A placement that fails leaves the plan as it is: devices place by themselves then.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence

from optimizer.first_fit import Bin, Task, first_fit
from optimizer.placement import Placement, place
from optimizer.places import IslandShare, PlacedSpan, TaskKind, TaskPlaces, Unplaced
from optimizer.plan import Breach, Plan
from optimizer.problem import PoolProblem, Problem
from optimizer.workload import island_size, menu

LOG = logging.getLogger(__name__)
NEAR_H = 2.0
"""Hours from the start whose GPUs are whole in a plan."""
LIMITS = (0.01, 0.003)
"""CP-SAT's deterministic time for one pool in the first interval, and in one after it: about 50 ms and 20 ms."""
CRITICAL, SERVICE, HELD = 300, 200, 100
"""Ranks before jobs, which have their own priority: critical services, services, running jobs that may not be interrupted."""
JOBS = 99
"""Highest priority of a job that counts."""

Key = tuple[TaskKind, str]


def with_placement(problem: Problem, plan: Plan) -> Plan:
    """Return the plan with its near intervals placed and what finds no room told; never raises."""
    try:
        spans = spans_of(problem, plan)
    except Exception:
        LOG.exception("the plan stays without a placement")
        return plan
    return plan.model_copy(update={"placement": spans, "breaches": (*plan.breaches, *_breaches(spans))})


def spans_of(problem: Problem, plan: Plan) -> tuple[PlacedSpan, ...]:
    """Return the placement of the near intervals; those in which nothing changes are one span."""
    pools = [pool for pool in problem.pools if pool.node_gpus and pool.nodes]
    if not pools or not plan.intervals:
        return ()
    now = {(each.kind, each.name, each.pool): each for each in _now(problem)}
    spans: list[PlacedSpan] = []
    before: dict[str, tuple[tuple[Task, ...], tuple[Bin, ...], PlacedSpan]] = {}
    for step in range(_near(problem)):
        start = plan.intervals[step].start_utc
        until = start + (problem.grid.end_utc - problem.start_utc) * (problem.hours[step] / sum(problem.hours))
        parts = []
        for pool in pools:
            bins = tuple(bins_of(pool, _nodes_on(plan, pool, step)))
            tasks = tuple(_tasks(problem, plan, pool, step))
            known = before.get(pool.name)
            if known is None or known[:2] != (tasks, bins):
                here = {(kind, name): each for (kind, name, where), each in now.items() if where == pool.name}
                empty = PlacedSpan(start_utc=start, until_utc=until)
                span = _placed(pool, bins, tasks, here, empty, first=step == 0)
                before[pool.name] = (tasks, bins, span)
            else:
                span = known[2].model_copy(update={"moved_gpus": 0})
            parts.append(span)
        now = {(each.kind, each.name, each.pool): each for part in parts for each in part.tasks}
        _append(spans, _joined(parts, PlacedSpan(start_utc=start, until_utc=until)))
    return tuple(spans)


def bins_of(pool: PoolProblem, nodes_on: int) -> Iterator[Bin]:
    """Return the islands of the first ``nodes_on`` nodes of a pool; none without GPUs."""
    size = island_size(pool)
    for node in range(nodes_on if pool.gpus > 0.0 else 0):
        for island, first in enumerate(range(0, pool.node_gpus, size)):
            yield Bin(
                name=f"{node}.{island}",
                node=str(node),
                pool=pool.name,
                size=min(size, pool.node_gpus - first),
                memory_gb=pool.memory_gb or math.inf,
                linked=pool.island_gpus > 1,
                one_limit=pool.mig_parts > 1,
            )


def _near(problem: Problem) -> int:
    return sum(start < NEAR_H - 1e-9 for start in problem.grid.offsets_h[:-1])


def _nodes_on(plan: Plan, pool: PoolProblem, step: int) -> int:
    return next((each.nodes_on[step] for each in plan.pools if each.name == pool.name), pool.nodes)


def _now(problem: Problem) -> tuple[TaskPlaces, ...]:
    return problem.last_plan.placed if problem.last_plan is not None else ()


def _tasks(problem: Problem, plan: Plan, pool: PoolProblem, step: int) -> Iterator[Task]:
    """Yield what has whole GPUs of a pool in an interval, without where it is now."""
    for service, chosen in zip(problem.services, plan.services, strict=True):
        mode = next(each for each in menu(service) if each.name == chosen.modes[step])
        if mode.pool == pool.name and mode.gpus:
            group = mode.gpus // max(mode.replicas, 1) or 1
            yield Task(
                name=f"service {service.name}",
                pool=pool.name,
                gpus=mode.gpus,
                limit_w=mode.limit_w,
                group=group if mode.gpus % group == 0 else 1,
                nvlink=group <= pool.island_gpus,
                priority=CRITICAL if service.critical else SERVICE,
            )
    jobs = {job.name: job for job in problem.jobs}
    for work in plan.jobs:
        job, gpus = jobs[work.name], _whole(work.gpus_by_interval, step)
        if work.pool != pool.name or not gpus:
            continue
        yield Task(
            name=f"job {job.name}",
            pool=pool.name,
            gpus=gpus,
            limit_w=work.limit_w_by_interval[step],
            group=job.group_gpus,
            memory_gb=job.memory_gb,
            priority=HELD if job.running and not job.preemptible else max(-JOBS, min(job.priority, JOBS)),
        )


def _whole(gpus_by_interval: Sequence[float], step: int) -> int:
    """Return the GPUs in an interval where they are whole, else none."""
    gpus = gpus_by_interval[step] if gpus_by_interval else 0.0
    return round(gpus) if gpus >= 0.5 and abs(gpus - round(gpus)) < 1e-3 else 0


def _placed(
    pool: PoolProblem,
    bins: Sequence[Bin],
    tasks: Sequence[Task],
    now: dict[Key, TaskPlaces],
    empty: PlacedSpan,
    *,
    first: bool,
) -> PlacedSpan:
    """Return one pool's tasks placed in one interval; after the ``first`` no better place is sought where nothing moves."""
    ranks = {priority: rank for rank, priority in enumerate(sorted({task.priority for task in tasks}))}
    posed = [_posed(task, ranks[task.priority], now.get(_key(task)), bins) for task in tasks]
    found = (not first and _nothing_moves(bins, posed)) or place(bins, posed, limit=LIMITS[0 if first else 1])
    return empty.model_copy(
        update={
            "tasks": tuple(
                TaskPlaces(
                    kind=_key(task)[0],
                    name=_key(task)[1],
                    pool=pool.name,
                    islands=tuple(_share(bin_name, gpus) for bin_name, gpus in found.gpus[task.name].items()),
                )
                for task in tasks
                if task.name in found.gpus
            ),
            "left_out": tuple(
                Unplaced(
                    kind=_key(task)[0],
                    name=_key(task)[1],
                    pool=pool.name,
                    gpus=task.gpus,
                    why=found.left_out[task.name],
                )
                for task in tasks
                if task.name in found.left_out
            ),
            "moved_gpus": found.moved_gpus,
            "proved": found.proved,
        }
    )


def _nothing_moves(bins: Sequence[Bin], tasks: Sequence[Task]) -> Placement | None:
    """Return the quick placement where it holds every task and moves none."""
    found = first_fit(bins, tasks)
    kept = [
        found.get(task.name, {}).get(name, 0) >= min(gpus, task.gpus)
        for task in tasks
        for name, gpus in task.now.items()
    ]
    if len(found) < len(tasks) or not all(kept):
        return None
    return Placement(gpus=found, left_out={}, moved_gpus=0, proved=False)


def _posed(task: Task, rank: int, now: TaskPlaces | None, bins: Sequence[Bin]) -> Task:
    """Return a task with its rank among the others and where it is now, as far as those nodes are on."""
    known = {each.name for each in bins}
    shares = now.islands if now is not None else ()
    here = {f"{share.node}.{share.island}": share.gpus for share in shares}
    return Task(
        **{
            **vars(task),
            "priority": rank,
            "now": {name: gpus for name, gpus in here.items() if name in known},
        }
    )


def _key(task: Task) -> Key:
    kind, _, name = task.name.partition(" ")
    return ("service" if kind == "service" else "job", name)


def _share(bin_name: str, gpus: int) -> IslandShare:
    node, _, island = bin_name.partition(".")
    return IslandShare(node=int(node), island=int(island), gpus=gpus)


def _joined(parts: Sequence[PlacedSpan], empty: PlacedSpan) -> PlacedSpan:
    return empty.model_copy(
        update={
            "tasks": tuple(each for part in parts for each in part.tasks),
            "left_out": tuple(each for part in parts for each in part.left_out),
            "moved_gpus": sum(part.moved_gpus for part in parts),
            "proved": all(part.proved for part in parts),
        }
    )


def _append(spans: list[PlacedSpan], span: PlacedSpan) -> None:
    """Add a span, or lengthen the last one where nothing changes."""
    if spans and (spans[-1].tasks, spans[-1].left_out) == (span.tasks, span.left_out):
        spans[-1] = spans[-1].model_copy(update={"until_utc": span.until_utc})
    else:
        spans.append(span)


def _breaches(spans: Sequence[PlacedSpan]) -> Iterator[Breach]:
    """Yield what finds no room, each task once, with the first reason."""
    told: set[Key] = set()
    for span in spans:
        for each in span.left_out:
            if (each.kind, each.name) in told:
                continue
            told.add((each.kind, each.name))
            text = f"{each.name} finds no room on {each.pool} from {span.start_utc:%d %H:%MZ}: {each.why}"
            yield Breach(
                what=f"{each.kind} {each.name}", reason_code="PLACEMENT", amount=each.gpus, unit="GPUs", text=text
            )
