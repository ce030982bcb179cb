"""The loop's side of planning: when to ask for a plan or for more of the world, and what to do with the answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from uuid import uuid4

from controller.cycle import Records
from controller.daemon.deciding import Ladder, PlanInForce, plan_faults
from controller.daemon.messages import Failed, Planned, PlanRequest, Prepare, Prepared
from controller.daemon.planner_process import PlannerProcess, WorkerLost
from controller.daemon.reporting import Alarms, told_by_planning
from controller.records.entries import PlanEntry
from controller.records.views import ReviewState
from controller.snapshot import Snapshot
from optimizer.records import FuelDelivery, JobProblem, Level, Plan, Status
from sites.ports import Clock
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
PREPARE_DAYS = 8
PREPARE_DEADLINE_S = 240.0
PLAN_DEADLINE_S = 60.0
"""Host time for a forecast and a plan, besides the solve itself."""
NEWS_AFTER = timedelta(minutes=5)
"""Jobs that came or went bring the next plan forward, but not more often than this."""
RETRY_S = 10.0


class PlanningDesk:
    """Asks the worker and takes its answers."""

    def __init__(
        self, site: Site, planner: PlannerProcess, ladder: Ladder, records: Records, alarms: Alarms, clock: Clock
    ) -> None:
        self._site, self._planner, self._ladder = site, planner, ladder
        self._records, self._alarms, self._clock = records, alarms, clock
        self._next_id = 1
        self._due = True
        self._asked_utc: datetime | None = None
        self._not_before_s = 0.0
        self._storing: tuple[Future[None], PlanInForce] | None = None
        self.planning = False
        """Whether a plan is being made or stored."""

    @property
    def interval(self) -> timedelta:
        """Time between plans."""
        return timedelta(minutes=self._site.planning.interval_minutes)

    @property
    def owing(self) -> bool:
        """Whether a plan is wanted or being made, and there is no failure that has to be waited out."""
        failing = self._clock.monotonic_s() < self._not_before_s
        return self.planning or (self._due and not failing)

    def want(self) -> None:
        """Take note that the interval is over."""
        self._due = True

    def prepare(self, start_utc: datetime) -> bool:
        """Ask for the world from a moment on; returns whether the worker took it."""
        if not self._ready():
            return False
        end = start_utc + timedelta(days=PREPARE_DAYS)
        self._planner.ask(Prepare(id=self._take_id(), start_utc=start_utc, end_utc=end), deadline_s=PREPARE_DEADLINE_S)
        return True

    def plan(
        self,
        now: datetime,
        snapshot: Snapshot,
        jobs: Sequence[JobProblem],
        deliveries: Sequence[FuelDelivery],
        *,
        news: bool,
    ) -> bool:
        """Ask for a plan if one is wanted; returns whether the worker was asked."""
        by_news = news and (self._asked_utc is None or now - self._asked_utc >= NEWS_AFTER)
        if not (self._due or by_news) or not self._ready():
            return False
        previous = self._ladder.approved
        request = PlanRequest(
            id=self._take_id(),
            at_utc=now,
            snapshot=snapshot,
            jobs=tuple(jobs),
            deliveries=tuple(deliveries),
            previous_problem=previous.problem if previous else None,
            previous_plan=previous.plan if previous else None,
        )
        self._planner.ask(request, deadline_s=PLAN_DEADLINE_S + 4 * self._site.planning.solve_seconds)
        self._due, self._asked_utc, self.planning = False, now, True
        return True

    def take(self, event: Prepared | Planned | Failed | WorkerLost, now: datetime) -> None:
        """Take an answer to a plan request, or the failure of the worker."""
        if isinstance(event, Planned):
            self._records.post(*told_by_planning(event, self._alarms, now))
        match event:
            case Planned():
                faults = plan_faults(event.plan, event.problem)
                if faults:
                    self._failed("the plan is nonsense: " + "; ".join(faults[:3]), now)
                else:
                    self._store(event, now)
            case Failed(text=text) | WorkerLost(text=text):
                self._failed(text, now)
            case Prepared():
                return

    def settle(self, now: datetime) -> None:
        """Let a plan that is on the disk be followed."""
        if self._storing is not None and self._storing[0].done():
            plan = self._storing[1]
            self._ladder.take(plan)
            self._storing, self.planning = None, False
            self._records.post(*self._alarms.put("PLANNER_LOST", "planner", False, "", now))

    def _store(self, event: Planned, now: datetime) -> None:
        review = _review(self._site.planning.review, event.plan)
        plan = PlanInForce(
            id=uuid4().hex,
            made_utc=event.plan.start_utc,
            expires_utc=event.plan.start_utc + 2 * self.interval + timedelta(minutes=5),
            review=review,
            plan=event.plan,
            problem=event.problem,
            forecast=event.forecast,
        )
        entry = PlanEntry(
            id=plan.id,
            made_utc=plan.made_utc,
            expires_utc=plan.expires_utc,
            review=review,
            forecast=event.forecast,
            problem=event.problem,
            plan=event.plan,
        )
        self._storing = (self._records.commit((entry,), timeout_s=0.0), plan)

    def _failed(self, text: str, now: datetime) -> None:
        LOG.warning("no plan: %s", text)
        self.planning = False
        self._due = True
        self._not_before_s = self._clock.monotonic_s() + RETRY_S
        self._records.post(*self._alarms.put("PLANNER_LOST", "planner", True, text, now))

    def _ready(self) -> bool:
        return self._planner.ready and self._storing is None and self._clock.monotonic_s() >= self._not_before_s

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id


def _review(mode: str, plan: Plan) -> ReviewState:
    """Return where a new plan stands: with ``review-if`` a person sees the ones that give something up."""
    gives_up = plan.status is Status.INFEASIBLE_AS_POSED or plan.level in (Level.RELAXED, Level.SAFE_STATE)
    if mode == "review" or (mode == "review-if" and gives_up):
        return "pending"
    return "auto"
