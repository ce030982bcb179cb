"""Planners of a campaign, as the planning desk asks them: rules that answer at once, or the real worker; both with faults.

hangs            the request is never answered; the worker is stopped by a signal                           (1)
crashes          it ends when it is asked; the worker is killed                                             (2)
out of memory    a solve asks for more than it may have; the kernel gives the worker no more                (3)
nonsense         the answer is one that nobody should follow                                                (4)
"""

from __future__ import annotations

import os
import random
import resource
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from controller.capability import Capability
from controller.daemon.deciding import outlook_at
from controller.daemon.messages import Ask, Failed, Planned, PlanRequest, Prepare, Prepared
from controller.daemon.planner_process import Event, PlannerProcess, WorkerLost
from controller.daemon.reloading import keep_copy
from controller.faults.kinds import PLANNER_FAULTS, Fault
from controller.posing import pose
from controller.records.store import upgrade
from optimizer.plan import Plan
from optimizer.rules.roll import rules_plan
from sites.ports import Clock, SystemClock
from sites.schema.site import Site

PATIENCE_S = 300.0
"""Host time after which a worker that should answer is given up."""
LOOK_S = 0.01
MEMORY_BYTES = 64 << 20


class RulesPlanner:
    """Plans by rules at once, unless a fault is there. Time moves only with ``clock``."""

    def __init__(
        self, site: Site, work: Capability, clock: Clock, draws: random.Random, fault: Callable[[], Fault | None]
    ) -> None:
        """``fault`` tells which of the planner's faults is there."""
        self._site, self._work, self._clock, self._draws, self._fault = site, work, clock, draws, fault
        self._open: Ask | None = None
        self._deadline_s = 0.0
        self._hangs = False
        self.hit: set[Fault] = set()
        """Faults that spoilt an answer."""

    @property
    def ready(self) -> bool:
        """Whether a request would be taken now."""
        return self._open is None

    def ask(self, request: Ask, *, deadline_s: float) -> None:
        """Take a request."""
        self._open, self._deadline_s = request, self._clock.monotonic_s() + deadline_s

    def poll(self) -> tuple[Event, ...]:
        """Answer what is open, or fail at it."""
        request, fault = self._open, self._fault()
        if request is None:
            return ()
        if fault is not None:
            self.hit.add(fault)
        self._hangs |= fault is Fault.PLANNER_HANGS
        if self._hangs and self._clock.monotonic_s() <= self._deadline_s:
            return ()
        hung, self._open, self._hangs = self._hangs, None, False
        if hung:
            return (WorkerLost(id=request.id, text="it did not answer in time"),)
        if fault is Fault.PLANNER_CRASHES:
            return (WorkerLost(id=request.id, text="it ended with exit status -9"),)
        if fault is Fault.PLANNER_MEMORY:
            return (Failed(id=request.id, text="MemoryError: "),)
        if not isinstance(request, PlanRequest):
            return (Prepared(id=request.id, source="made up", world=None, pools=(), menus={}, jobs=()),)
        return (self._planned(request, fault),)

    def stop(self) -> None:
        """Nothing runs."""

    def _planned(self, request: PlanRequest, fault: Fault | None) -> Planned:
        outlook = outlook_at(request.at_utc, request.snapshot, None)
        problem = pose(
            self._site, request.snapshot, outlook, request.jobs, pools=self._work.pools, menus=self._work.menus
        )
        plan = rules_plan(problem)
        if fault is Fault.NONSENSE_PLAN:
            plan = nonsense(plan, self._draws)
        return Planned(id=request.id, forecast=outlook, problem=problem, plan=plan)


class SpoiltWorker(PlannerProcess):
    """The real planning worker, spoilt from outside; simulated time stands still while it works."""

    def __init__(
        self, arguments: Sequence[str], *, clock: Clock, draws: random.Random, fault: Callable[[], Fault | None]
    ) -> None:
        """``clock`` is the simulated host's, by which deadlines are told."""
        super().__init__(arguments, clock=clock)
        self._draws, self._fault = draws, fault
        self._asked: Fault | None = None
        self.hit: set[Fault] = set()
        """Faults that spoilt an answer."""
        self.plans = 0
        """Plans that were answered and not spoilt."""

    @classmethod
    def on(
        cls, site: Site, folder: Path, clock: Clock, draws: random.Random, fault: Callable[[], Fault | None]
    ) -> SpoiltWorker:
        """Return the worker of a site on an empty store in ``folder``."""
        url, copy = f"sqlite:///{folder / 'records.db'}", folder / f"{site.name}.site.json"
        upgrade(url)
        keep_copy(site, copy)
        return cls(["--site", str(copy), "--store", url], clock=clock, draws=draws, fault=fault)

    def ask(self, request: Ask, *, deadline_s: float) -> None:
        """Send a request; a fault that is there spoils what works on it."""
        super().ask(request, deadline_s=deadline_s)
        self._asked = None if isinstance(request, Prepare) else self._fault()
        if self._asked is None or self.pid is None:
            return
        self.hit.add(self._asked)
        if self._asked is Fault.PLANNER_HANGS:
            os.kill(self.pid, signal.SIGSTOP)
        elif self._asked is Fault.PLANNER_CRASHES:
            os.kill(self.pid, signal.SIGKILL)
        elif self._asked is Fault.PLANNER_MEMORY:
            resource.prlimit(self.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    def poll(self) -> tuple[Event, ...]:
        """Return what happened; waits for the answer of a worker that works."""
        if not self.busy or self._asked is Fault.PLANNER_HANGS:
            return super().poll()
        host = SystemClock()
        until_s = host.monotonic_s() + PATIENCE_S
        while host.monotonic_s() < until_s:
            found = tuple(each for each in super().poll() if isinstance(each, Planned | Prepared | Failed | WorkerLost))
            if found:
                return tuple(self._spoilt(each) for each in found)
            host.sleep(LOOK_S)
        raise TimeoutError("the planning worker of a campaign does not answer")

    def _spoilt(self, event: Event) -> Event:
        if self._asked is Fault.PLANNER_MEMORY:
            self.stop()
        if not isinstance(event, Planned):
            return event
        if self._asked is Fault.NONSENSE_PLAN:
            return event.model_copy(update={"plan": nonsense(event.plan, self._draws)})
        self.plans += 1
        return event


def nonsense(plan: Plan, draws: random.Random) -> Plan:
    """Return a plan that no one should follow."""
    first = plan.intervals[0]
    wild = first.model_copy(
        update={"gensets": tuple(each.model_copy(update={"kw": 9e3, "on": True}) for each in first.gensets)}
    )
    empty = first.model_copy(update={"soc_end_frac": -3.0})
    return draws.choice(
        [
            plan.model_copy(update={"intervals": (wild, *plan.intervals[1:])}),
            plan.model_copy(update={"intervals": (empty, *plan.intervals[1:])}),
            plan.model_copy(update={"intervals": plan.intervals[: len(plan.intervals) // 2]}),
            plan.model_copy(update={"start_utc": plan.start_utc + timedelta(days=3)}),
        ]
    )


def fault_now(active: Callable[[Fault], bool]) -> Fault | None:
    """Return the planner's fault that is there; the first of two."""
    return next((each for each in Fault if each in PLANNER_FAULTS and active(each)), None)
