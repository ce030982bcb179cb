"""Decisions as they were carried out: the reason is that of the plan in force then, and many approvals share a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.records.views import JobEvent, PlanHead, Review, StoredDecision, StoredPlan
from controller.reports.gather import PeriodReport
from controller.reports.period import Span
from controller.reports.period_tables import people_section
from controller.reports.taken import taken_decisions
from optimizer.plan import Decision, Plan
from tests.controller.reports.measured_day import MIDNIGHT
from tests.controller.reports.test_period_page import day_report as day_report

SPAN = Span(title="", start_utc=MIDNIGHT, end_utc=MIDNIGHT + timedelta(days=1))
HOUR = timedelta(hours=1)


def planned(measured: tuple[str, StoredPlan], at: datetime, review: str, *texts: str) -> tuple[PlanHead, Plan]:
    """Return a plan made at a time whose decisions say ``WHAT|WHY``."""
    stored = measured[1]
    decisions = tuple(
        Decision(what=what, reason_code="SUN_SURPLUS", text=why, cost_of_alternative_usd=1.5)
        for what, why in (each.split("|") for each in texts)
    )
    head = stored.head.model_copy(update={"made_utc": at, "expires_utc": at + 3 * HOUR, "review": review})
    return head, stored.plan.model_copy(update={"start_utc": at, "decisions": decisions})


def events(**started: datetime) -> Callable[[str], list[JobEvent]]:
    """Return the life of jobs that began once and were paused later."""

    def of(name: str) -> list[JobEvent]:
        if name not in started:
            return []
        begun = started[name]
        return [
            JobEvent(at_utc=begun - HOUR, event="submitted", text=""),
            JobEvent(at_utc=begun, event="started", text=""),
            JobEvent(at_utc=begun + HOUR, event="started", text=""),
        ]

    return of


def genset_order(at: datetime, order: str, origin: str) -> StoredDecision:
    return StoredDecision.model_validate(
        {
            "id": f"{at}{order}", "subject": "genset diesel-1", "seq": 1, "order_text": order, "origin": origin,
            "reason_code": "PLAN", "text": "as planned", "plan_id": None, "at_utc": at, "expires_utc": at + HOUR,
            "acted_utc": at,
        }
    )  # fmt: skip


def test_the_reason_is_that_of_the_plan_in_force(measured: tuple[str, StoredPlan]) -> None:
    plans = [
        planned(measured, MIDNIGHT, "auto", "job a starts 15 06:00Z|early", "genset diesel-1 starts 15 07:00Z|dark"),
        planned(measured, MIDNIGHT + HOUR, "rejected", "job a starts 15 06:30Z|never"),
        planned(measured, MIDNIGHT + 2 * HOUR, "approved", "job b starts 15 08:00Z|sun", "job bb starts|no"),
    ]
    life = events(a=MIDNIGHT + 1.5 * HOUR, b=MIDNIGHT + 3 * HOUR, late=SPAN.end_utc, lone=MIDNIGHT + 9 * HOUR)
    orders = [
        genset_order(MIDNIGHT + 1.2 * HOUR, "run", "plan"),
        genset_order(MIDNIGHT + 1.3 * HOUR, "run", "guard"),
        genset_order(MIDNIGHT + 1.4 * HOUR, "stop", "plan"),
    ]
    found = taken_decisions(plans, ["a", "b", "late", "lone", "unborn"], life, orders, SPAN)
    assert [(each.what, each.why) for each in found] == [
        ("genset diesel-1 starts", "dark"),
        ("job a starts", "early"),
        ("job b starts", "sun"),
    ]
    assert found[2].plan_made_utc == MIDNIGHT + 2 * HOUR
    assert found[2].otherwise_usd == 1.5


def test_many_reviews_that_say_the_same_share_a_row(day_report: PeriodReport) -> None:
    def review(hours: float, who: str, why: str) -> Review:
        return Review(plan_id=f"p{hours}", at_utc=MIDNIGHT + hours * HOUR, who=who, verdict="approved", why=why)

    reviews = (*(review(h, "site file", "nobody answered") for h in range(5)), review(2.5, "asha", "looks right"))
    report = day_report.model_copy(update={"reviews": reviews, "overrides": ()})
    rows = [row.cells for row in people_section(report, ZoneInfo("America/New_York")).tables[0].rows]
    assert [(who, what) for _, who, what, _ in rows] == [
        ("site file", "5 plans approved, the last Wed 15 Jan 04:00"),
        ("asha", "plan p2.5 approved"),
    ]
