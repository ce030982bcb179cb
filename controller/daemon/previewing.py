"""In the worker: what an order would change, and when it cannot be carried out, the nearest that can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from controller.daemon.messages import PreviewRequest
from controller.overrides.comparing import PreviewAnswer, compare
from controller.overrides.judging import faults_of, nearest
from controller.overrides.orders import Standing
from optimizer.plan import Plan
from optimizer.problem import Problem
from sites.schema.site import Site

Solve = Callable[[Sequence[Standing]], tuple[Problem, Plan]]
"""Poses the problem under some orders and plans it; sun, demand and state are the same each time."""


def preview(site: Site, request: PreviewRequest, solve: Solve, *, say: Callable[[str], None]) -> PreviewAnswer:
    """Return what the planner says to an order.

    Both plans are made now, from the same forecast and the same last plan, so that they differ by the order alone.
    """
    zone = ZoneInfo(site.location.time_zone)
    orders, proposed = request.now.orders, request.proposed
    say("step 1 of 2: the plan as it stands")
    before = solve(orders)
    say("step 2 of 2: the plan under this override")
    after = solve((*orders, proposed))
    faults = faults_of(proposed, before[1], *after, zone)
    if not faults:
        deadlines = {job.name: job.deadline_utc for job in request.now.jobs}
        return PreviewAnswer(difference=compare(before, after, deadlines))
    say("it cannot be carried out; looking for the nearest that can")
    found = nearest(proposed, before[1], *after, solve=lambda each: solve((*orders, each)), zone=zone)
    return PreviewAnswer(faults=faults, nearest=found)
