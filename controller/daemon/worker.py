"""``python -m controller.daemon.worker --site FILE --store URL``: forecasts, poses and solves for the loop.

Reads requests from its standard input and writes answers to its standard output, one JSON document a line. It
keeps nothing that cannot be worked out again, so the loop may kill it at any moment. Its memory is limited by
the kernel: a solve that grows without bound ends this process, never the loop.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from controller.capability import capability
from controller.daemon.aged_battery import AgedBattery
from controller.daemon.foreseeing import Forecaster
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
from controller.daemon.preparing import prepare
from controller.daemon.previewing import preview
from controller.learned_speeds import lay_over_catalog
from controller.logs import set_up_logs
from controller.overrides.orders import Standing
from controller.posing import Previous, pose
from controller.records.reading import Reader
from forecasting.records import Forecast
from optimizer.plan import Plan
from optimizer.policies import policy
from optimizer.problem import Problem
from sites.errors import InputError
from sites.load import find_site, load_site
from sites.ports import SystemClock
from sites.schema.site import Site
from sites.world import World

LOG = logging.getLogger(__name__)
MEMORY_MB = 6144
"""Address space the worker may take."""


class Worker:
    """Answers requests for one site."""

    def __init__(self, site: Site, *, store: str, folder: Path | None, out: TextIO) -> None:
        self._site, self._store, self._folder, self._out = site, store, folder, out
        self._world: World | None = None
        self._forecaster = Forecaster(site, folder=folder, clock=SystemClock())
        self._policy = policy(site.planning.policy)
        self._battery = AgedBattery(site, store=store)

    def answer(self, line: str) -> None:
        """Answer one request; whatever goes wrong becomes a ``Failed`` answer."""
        request = read_request(line)
        try:
            match request:
                case Prepare():
                    reply, self._world = prepare(self._site, request, folder=self._folder, say=self._say)
                    self._write(reply.model_dump_json())
                case PlanRequest():
                    self._write(self._plan(request).model_dump_json())
                case PreviewRequest():
                    self._write(self._preview(request).model_dump_json())
        except InputError as error:
            self._write(Failed(id=request.id, text=str(error)[:1000]).model_dump_json())
        except Exception as error:
            LOG.exception("request %d failed", request.id)
            self._write(Failed(id=request.id, text=f"{type(error).__name__}: {error}"[:1000]).model_dump_json())

    def _plan(self, request: PlanRequest) -> Planned:
        outlook = self._outlook(request)
        problem = self._pose(request, outlook, request.orders)
        plan, news = self._policy.plan(problem), self._forecaster.news()
        return Planned(
            id=request.id,
            forecast=outlook,
            problem=problem,
            plan=plan,
            feeds=news.feeds,
            predictions=news.predictions,
            night=news.night,
        )

    def _preview(self, request: PreviewRequest) -> Previewed:
        outlook = self._outlook(request.now)

        def solve(orders: Sequence[Standing]) -> tuple[Problem, Plan]:
            problem = self._pose(request.now, outlook, orders)
            return problem, self._policy.plan(problem)

        def say(text: str) -> None:
            self._write(Progress(text=text, preview_id=request.preview_id).model_dump_json())

        answer = preview(self._site, request, solve, say=say)
        return Previewed(id=request.id, preview_id=request.preview_id, answer=answer)

    def _outlook(self, request: PlanRequest) -> Forecast:
        with Reader(self._store, self._site.name) as reader:
            return self._forecaster.at(reader, request.at_utc, self._world)

    def _pose(self, request: PlanRequest, outlook: Forecast, orders: Sequence[Standing]) -> Problem:
        work, site = capability(self._site), self._battery.site_at(request.at_utc)
        previous = None
        if request.previous_plan is not None and request.previous_problem is not None:
            previous = Previous(problem=request.previous_problem, plan=request.previous_plan)
        return pose(
            site,
            request.snapshot,
            outlook,
            request.jobs,
            pools=work.pools,
            menus=work.menus,
            previous=previous,
            deliveries=request.deliveries,
            orders=orders,
        )

    def _say(self, text: str) -> None:
        self._write(Progress(text=text).model_dump_json())

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer requests until the input ends; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m controller.daemon.worker")
    parser.add_argument("--site", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument(
        "--folder", type=Path, help="where relative weather files are looked for; beside the site file if absent"
    )
    parser.add_argument("--memory-mb", type=int, default=MEMORY_MB)
    given = parser.parse_args(arguments)
    set_up_logs("worker")
    resource.setrlimit(resource.RLIMIT_AS, (given.memory_mb << 20, given.memory_mb << 20))
    out = sys.stdout
    sys.stdout = sys.stderr
    folder = given.folder or find_site(given.site).parent
    site = load_site(given.site)
    lay_over_catalog(site, os.environ, SystemClock().now_utc().date())
    worker = Worker(site, store=given.store, folder=folder, out=out)
    for line in sys.stdin:
        worker.answer(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
