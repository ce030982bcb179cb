"""A planning worker for tests: plans by rules at once, or fails in the way that its ``MDC_STUB`` variable names.

``hang`` never answers a plan request, ``crash`` ends at one, ``memory`` grows until its limit ends it, ``nonsense``
answers with what is no message, ``mad`` with a plan for another problem, ``error`` says that it failed.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta

from controller.capability import capability
from controller.daemon.deciding import outlook_at
from controller.daemon.messages import (
    Failed,
    Planned,
    PlanRequest,
    Prepare,
    Previewed,
    PreviewRequest,
    Progress,
    read_request,
)
from controller.daemon.previewing import preview as real_preview
from controller.overrides.orders import Standing
from controller.posing import pose
from optimizer.plan import Plan
from optimizer.problem import Problem
from optimizer.rules.roll import rules_plan
from tests.controller.daemon.prepared import SITE, prepared


def plan(request: PlanRequest) -> Planned:
    """Return a plan by rules on the present held."""
    work = capability(SITE)
    outlook = outlook_at(request.at_utc, request.snapshot, None)
    problem = pose(
        SITE,
        request.snapshot,
        outlook,
        request.jobs,
        pools=work.pools,
        menus=work.menus,
        deliveries=request.deliveries,
        orders=request.orders,
    )
    return Planned(id=request.id, forecast=outlook, problem=problem, plan=rules_plan(problem))


def preview(request: PreviewRequest) -> Previewed:
    """Return what rules make of an order."""

    def solve(orders: Sequence[Standing]) -> tuple[Problem, Plan]:
        planned = plan(request.now.model_copy(update={"orders": tuple(orders)}))
        return planned.problem, planned.plan

    answer = real_preview(SITE, request, solve, say=lambda text: None)
    return Previewed(id=request.id, preview_id=request.preview_id, answer=answer)


def answer_with(line: str) -> None:
    """Write one line to the loop."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer requests."""
    fault = os.environ.get("MDC_STUB", "")
    if "--memory-mb" in sys.argv:
        limit = int(sys.argv[sys.argv.index("--memory-mb") + 1]) << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        request = read_request(line)
        if isinstance(request, Prepare):
            answer_with(Progress(text="preparing 3/3: stub").model_dump_json())
            answer_with(prepared(request.id, request.start_utc).model_dump_json())
            continue
        if fault == "hang":
            threading.Event().wait()
        if fault == "crash":
            os._exit(13)
        if fault == "memory":
            hoard = []
            while True:
                hoard.append(bytearray(64 << 20))
        if fault == "nonsense":
            answer_with("{}")
            continue
        if fault == "error":
            answer_with(Failed(id=request.id, text="no luck").model_dump_json())
            continue
        if isinstance(request, PreviewRequest):
            answer_with(Progress(text="step 1 of 2: stub", preview_id=request.preview_id).model_dump_json())
            answer_with(preview(request).model_dump_json())
            continue
        answer = plan(request)
        if fault == "mad":
            late = answer.plan.model_copy(update={"start_utc": answer.plan.start_utc + timedelta(days=1)})
            answer = answer.model_copy(update={"plan": late})
        answer_with(answer.model_dump_json())


if __name__ == "__main__":
    main()
