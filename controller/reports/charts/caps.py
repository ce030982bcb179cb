"""Power limits over time: for each pool and kind of work, at which watts its GPUs are capped and how many work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from controller.reports.charts.frame import Horizon
from controller.reports.charts.jobs import FEWEST_GPUS, shade
from controller.reports.charts.panel import Panel
from controller.reports.charts.rows import Bar, Row, rows_chart
from controller.reports.charts.words import figure, gpu_count
from optimizer.plan import JobPlan, ServicePlan
from optimizer.problem import ServiceProblem
from sites.compute.records import ServingMode
from sites.times import TimeGrid

LEGEND: tuple[tuple[str, str], ...] = (("job", "batch"), ("service", "services"))
BAR_PX = 16.0


def cap_rows(
    horizon: Horizon,
    jobs: Sequence[JobPlan],
    services: Sequence[ServicePlan],
    menus: Sequence[ServiceProblem],
) -> list[Row]:
    """Return a row for each pool and each of batch and services that uses it."""
    grid = horizon.grid
    batch = _batch_use(grid, jobs)
    serving = _service_use(grid, services, menus)
    rows: list[Row] = []
    for pool in sorted({*batch, *serving}):
        for kind, use in (("services", serving.get(pool)), ("batch", batch.get(pool))):
            if use:
                rows.append(_row(horizon, pool, kind, use))
    return rows


Use = list[tuple[float, float]]
"""For each interval: GPUs at work, and the sum of GPUs times limit in watts."""


def _batch_use(grid: TimeGrid, jobs: Sequence[JobPlan]) -> dict[str, Use]:
    use: dict[str, Use] = defaultdict(lambda: [(0.0, 0.0)] * len(grid))
    for job in jobs:
        if len(job.gpus_by_interval) != len(grid) or len(job.limit_w_by_interval) != len(grid):
            continue
        row = use[job.pool]
        for index, (gpus, limit) in enumerate(zip(job.gpus_by_interval, job.limit_w_by_interval, strict=True)):
            row[index] = (row[index][0] + gpus, row[index][1] + gpus * limit)
    return {pool: row for pool, row in use.items() if any(gpus >= FEWEST_GPUS for gpus, _ in row)}


def _service_use(grid: TimeGrid, services: Sequence[ServicePlan], menus: Sequence[ServiceProblem]) -> dict[str, Use]:
    known: dict[tuple[str, str], ServingMode] = {(menu.name, mode.name): mode for menu in menus for mode in menu.modes}
    use: dict[str, Use] = defaultdict(lambda: [(0.0, 0.0)] * len(grid))
    for service in services:
        for index, name in enumerate(service.modes[: len(grid)]):
            mode = known.get((service.name, name))
            if mode is not None and mode.gpus:
                gpus, watts = use[mode.pool][index]
                use[mode.pool][index] = (gpus + mode.gpus, watts + mode.gpus * mode.limit_w)
    return dict(use)


def _row(horizon: Horizon, pool: str, kind: str, use: Use) -> Row:
    limits = [round(watts / gpus) if gpus >= FEWEST_GPUS else 0 for gpus, watts in use]
    highest = max(limits)
    changes = [0, *(i for i, (a, b) in enumerate(pairwise(limits), start=1) if a != b), len(limits)]
    css = "service" if kind == "services" else "job"
    bars = tuple(
        Bar(
            start_utc=horizon.moments[first],
            end_utc=horizon.moments[last],
            css_class=css,
            strength=shade(limits[first], highest),
            label=figure(limits[first], "W", digits=0),
        )
        for first, last in pairwise(changes)
        if limits[first]
    )
    most = max(gpus for gpus, _ in use)
    lowest = min(limit for limit in limits if limit)
    span = f"{lowest} to {highest} W" if lowest != highest else f"{highest} W"
    return Row(
        name=f"{pool} {kind}",
        note=f"up to {gpu_count(most)}",
        told=f"{kind} on {pool}: power limit {span} a GPU, up to {gpu_count(most)} at work",
        bars=bars,
    )


def caps_chart(panel: Panel, horizon: Horizon, rows: Sequence[Row]) -> Markup:
    """Return the power limits, W a GPU."""
    return rows_chart(panel, horizon, rows, label="Power limit of each pool, W a GPU", bar_px=BAR_PX)
