"""The loop's side of planning: when to ask for a plan or for more of the world, and what to do with the answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from uuid import uuid4

from controller.cycle import Records
from controller.daemon.deciding import Ladder, PlanInForce, plan_faults
from controller.daemon.messages import (
    Failed,
    Planned,
    PlanRequest,
    Prepare,
    Prepared,
    Previewed,
    PreviewRequest,
    Progress,
)
from controller.daemon.planner_process import Planner, WorkerLost
from controller.daemon.reporting import Alarms, told_by_planning
from controller.daemon.reviewing import review_reasons
from controller.overrides.comparing import PreviewAnswer
from controller.overrides.orders import Standing
from controller.records.entries import PlanEntry, PreviewEntry, ReviewEntry
from controller.records.views import PreviewState, ReviewState
from controller.snapshot import Snapshot
from optimizer.problem import FuelDelivery, JobProblem
from sites.ports import Clock
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
PREPARE_DAYS = 8
PREPARE_DEADLINE_S = 240.0
PLAN_DEADLINE_S = 60.0
"""Host time for a forecast and a plan, besides the solve itself."""
PREVIEW_SOLVES = 6
"""Plans that a preview may take, one that looks for the nearest order that works included."""
NEWS_AFTER = timedelta(minutes=5)
"""Jobs that came or went bring the next plan forward, but not more often than this."""
RETRY_S = 10.0


class PlanningDesk:
    """Asks the worker and takes its answers."""

    def __init__(
        self, site: Site, planner: Planner, ladder: Ladder, records: Records, alarms: Alarms, clock: Clock
    ) -> None:
        self._site, self._planner, self._ladder = site, planner, ladder
        self._records, self._alarms, self._clock = records, alarms, clock
        self._next_id = 1
        self._due = True
        self._asked_utc: datetime | None = None
        self._not_before_s = 0.0
        self._storing: tuple[Future[None], PlanInForce] | None = None
        self._orders: tuple[Standing, ...] | None = None
        """Orders that the last plan was asked for under."""
        self._deliveries: tuple[FuelDelivery, ...] = ()
        """Diesel that the last plan counts on."""
        self._previewing = ""
        self._answered: dict[str, None] = {}
        """Previews that were answered; the store may not say so yet."""
        self.planning = False
        """Whether a plan is being made or stored."""

    @property
    def interval(self) -> timedelta:
        """Time between plans."""
        return timedelta(minutes=self._site.planning.interval_minutes)

    @property
    def owing(self) -> bool:
        """Whether a plan is wanted or being made, and neither a failure nor a person has to be waited for."""
        failing = self._clock.monotonic_s() < self._not_before_s
        return self.planning or (self._due and not failing and not self.waits)

    def take_site(self, site: Site) -> None:
        """Go by another site file from now on; a plan by it is wanted at once."""
        self._site, self._due = site, True

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
        orders: Sequence[Standing] = (),
    ) -> bool:
        """Ask for a plan if one is wanted; returns whether the worker was asked.

        A change of the orders or of the diesel to come wants one at once; a plan that waits for a person is otherwise left to
        them.
        """
        by_news = news and (self._asked_utc is None or now - self._asked_utc >= NEWS_AFTER)
        by_order = self._orders != tuple(orders) or _to_come(self._deliveries, now) != _to_come(deliveries, now)
        wanted = by_order or ((self._due or by_news) and not self.waits)
        if not wanted or not self._ready():
            return False
        self._planner.ask(
            self._request(now, snapshot, jobs, deliveries, orders),
            deadline_s=PLAN_DEADLINE_S + 4 * self._site.planning.solve_seconds,
        )
        self._due, self._asked_utc, self.planning = False, now, True
        self._orders, self._deliveries = tuple(orders), tuple(deliveries)
        return True

    def _request(
        self,
        now: datetime,
        snapshot: Snapshot,
        jobs: Sequence[JobProblem],
        deliveries: Sequence[FuelDelivery],
        orders: Sequence[Standing],
    ) -> PlanRequest:
        previous = self._ladder.approved
        return PlanRequest(
            id=self._take_id(),
            at_utc=now,
            snapshot=snapshot,
            jobs=tuple(jobs),
            deliveries=tuple(deliveries),
            orders=tuple(orders),
            previous_problem=previous.problem if previous else None,
            previous_plan=previous.plan if previous else None,
        )

    def preview(
        self,
        now: datetime,
        snapshot: Snapshot,
        jobs: Sequence[JobProblem],
        deliveries: Sequence[FuelDelivery],
        *,
        orders: Sequence[Standing],
        asked: Sequence[tuple[str, Standing]],
    ) -> bool:
        """Ask what the oldest open preview's order would change; returns whether the worker was asked."""
        waiting = [each for each in asked if each[0] not in self._answered]
        if not waiting or not self._ready():
            return False
        identity, proposed = waiting[0]
        request = self._request(now, snapshot, jobs, deliveries, orders)
        self._planner.ask(
            PreviewRequest(id=request.id, preview_id=identity, now=request, proposed=proposed),
            deadline_s=PLAN_DEADLINE_S + PREVIEW_SOLVES * self._site.planning.solve_seconds,
        )
        self._previewing = identity
        self._told(identity, "working", "the planner has taken it up")
        return True

    def tell(self, progress: Progress) -> None:
        """Pass on how far a preview is."""
        if progress.preview_id:
            self._records.post(PreviewEntry(id=progress.preview_id, state="working", progress=progress.text))

    @property
    def waits(self) -> bool:
        """Whether the newest plan waits for an answer: a person's in time, the site file's after."""
        newest = self._ladder.newest
        return newest is not None and newest.review == "pending"

    def answer_for_nobody(self, now: datetime) -> None:
        """Give the site file's answer to a plan that nobody has answered for in time."""
        newest = self._ladder.newest
        if newest is None or not self.waits or now < self._answer_by(newest) or newest.id in self._answered:
            return
        self._answered[newest.id] = None
        approve = self._site.planning.unanswered == "approve"
        minutes = self._site.planning.answer_minutes
        why = f"nobody answered within {minutes:g} minute{'' if minutes == 1 else 's'}"
        entry = ReviewEntry(plan_id=newest.id, approve=approve, why=why, at_utc=now)
        self._records.commit((entry,), timeout_s=0.0)

    def _answer_by(self, plan: PlanInForce) -> datetime:
        return plan.made_utc + timedelta(minutes=self._site.planning.answer_minutes)

    def _told(self, identity: str, state: PreviewState, progress: str, answer: PreviewAnswer | None = None) -> None:
        if state in ("done", "failed"):
            self._previewing = ""
            self._answered[identity] = None
            while len(self._answered) > 1000:
                self._answered.pop(next(iter(self._answered)))
        self._records.post(PreviewEntry(id=identity, state=state, progress=progress, answer=answer))

    def take(self, event: Prepared | Planned | Previewed | Failed | WorkerLost, now: datetime) -> None:
        """Take an answer to a request, or the failure of the worker."""
        if isinstance(event, Planned):
            self._records.post(*told_by_planning(event, self._alarms, now))
        match event:
            case Previewed(preview_id=identity, answer=answer):
                self._told(identity, "done", "", answer)
            case Failed(text=text) | WorkerLost(text=text) if self._previewing:
                LOG.warning("no preview: %s", text)
                self._told(self._previewing, "failed", f"it could not be worked out: {text}")
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
            LOG.info("plan %s stored, %s, review %s", plan.id, plan.plan.level.value, plan.review)
            self._storing, self.planning = None, False
            self._records.post(*self._alarms.put("PLANNER_LOST", "planner", False, "", now))

    def _store(self, event: Planned, now: datetime) -> None:
        in_force = self._ladder.approved
        held = in_force is not None and now < in_force.expires_utc
        reasons = review_reasons(self._site, event.plan, event.problem, in_force.plan if in_force and held else None)
        review: ReviewState = "pending" if reasons else "auto"
        answering = timedelta(minutes=self._site.planning.answer_minutes) if reasons else timedelta(0)
        plan = PlanInForce(
            id=uuid4().hex,
            made_utc=event.plan.start_utc,
            expires_utc=event.plan.start_utc + answering + 2 * self.interval + timedelta(minutes=5),
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
            review_why="; ".join(reasons),
            answer_by_utc=self._answer_by(plan) if reasons else None,
        )
        self._storing = (self._records.commit((entry,), timeout_s=0.0), plan)

    def _failed(self, text: str, now: datetime) -> None:
        LOG.warning("no plan: %s", text)
        self.planning = False
        self._due, self._orders = True, None
        self._not_before_s = self._clock.monotonic_s() + RETRY_S
        self._records.post(*self._alarms.put("PLANNER_LOST", "planner", True, text, now))

    def _ready(self) -> bool:
        return self._planner.ready and self._storing is None and self._clock.monotonic_s() >= self._not_before_s

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id


def _to_come(deliveries: Sequence[FuelDelivery], now: datetime) -> tuple[FuelDelivery, ...]:
    return tuple(each for each in deliveries if each.at_utc > now)
