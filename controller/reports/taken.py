"""Decisions that were carried out in a span, each with the reason of the plan that was in force when it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from controller.records.views import JobEvent, PlanHead, StoredDecision
from controller.reports.period import Span
from optimizer.plan import Decision, Plan
from sites.record import Record
from sites.times import Utc


class TakenDecision(Record):
    """One decision as it was carried out."""

    at_utc: Utc
    what: str
    why: str
    """The plan's words, times in UTC."""
    reason_code: str
    plan_made_utc: Utc
    otherwise_usd: float | None
    """What the other choice would have cost more, as the plan said."""
    exact: bool


def taken_decisions(
    plans: Sequence[tuple[PlanHead, Plan]],
    jobs: Sequence[str],
    events_of: Callable[[str], Sequence[JobEvent]],
    orders: Sequence[StoredDecision],
    span: Span,
) -> tuple[TakenDecision, ...]:
    """Return the first starts of jobs, and the starts and stops of gensets, that a plan decided and gave a reason for.

    Args:
        plans: what was planned, in order of time.
        jobs: names of the jobs that moved in the span.
        events_of: the steps in a job's life.
        orders: orders that were given in the span.
        span: the time.
    """
    found = [*_of_jobs(plans, jobs, events_of, span), *_of_gensets(plans, orders)]
    return tuple(sorted(found, key=lambda each: each.at_utc))


def _of_jobs(
    plans: Sequence[tuple[PlanHead, Plan]],
    jobs: Sequence[str],
    events_of: Callable[[str], Sequence[JobEvent]],
    span: Span,
) -> Iterator[TakenDecision]:
    for name in jobs:
        started = next((each.at_utc for each in events_of(name) if each.event == "started"), None)
        if started is not None and span.start_utc <= started < span.end_utc:
            yield from _taken(plans, started, f"job {name} starts")


def _of_gensets(plans: Sequence[tuple[PlanHead, Plan]], orders: Sequence[StoredDecision]) -> Iterator[TakenDecision]:
    verbs = {"run": "starts", "stop": "stops"}
    for each in orders:
        verb = verbs.get(each.order_text.split(" ")[0], "")
        if verb and each.origin == "plan" and each.subject.startswith("genset "):
            yield from _taken(plans, each.at_utc, f"{each.subject} {verb}")


def _taken(plans: Sequence[tuple[PlanHead, Plan]], at: datetime, what: str) -> Iterator[TakenDecision]:
    made = [plan for head, plan in plans if head.made_utc <= at < head.expires_utc and head.review != "rejected"]
    decision = _first(made[-1], what) if made else None
    if decision is not None:
        yield TakenDecision(
            at_utc=at,
            what=what,
            why=decision.text,
            reason_code=decision.reason_code,
            plan_made_utc=made[-1].start_utc,
            otherwise_usd=decision.cost_of_alternative_usd,
            exact=decision.exact,
        )


def _first(plan: Plan, begins: str) -> Decision | None:
    return next((each for each in plan.decisions if each.what.startswith(begins + " ")), None)
