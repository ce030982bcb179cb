"""Machine-readable twins of the pages under ``/v1``: every answer one JSON document, every error problem+json (RFC 9457).

What is read is listed here; what commands is in :mod:`controller.web.api_commands`; both are described by
:mod:`controller.web.openapi`. An answer with a ``version`` carries it as its entity tag too: a command sends it back as
``If-Match``, so that nobody overrules what they have not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from controller.records.reading import Reader
from controller.records.views import (
    Alarm,
    AuditEntry,
    JobEvent,
    Override,
    PlanHead,
    Review,
    SiteNow,
    StoredJob,
    StoredPlan,
    StoredPreview,
)
from controller.reports.fuel_outlook import FuelOutlook, fuel_outlook
from controller.reports.gather import PeriodReport
from controller.reports.why_not_now import WhyNow, why_not_now
from controller.web.desk import Desk, DeskReader
from controller.web.forecast_page import DayScore, day_scores
from controller.web.history_page import DayCache, wanted_day
from controller.web.jobs_page import standpoint_of
from controller.web.review_page import recent_plans
from forecasting.records import Forecast
from optimizer.plan import Plan
from sites.record import Record

NOTHING_RECORDED = "nothing has been recorded yet"
MOST_ROWS = 500


class NowAnswer(SiteNow):
    """The present as of the last cycle, with open alarms."""

    alarms: tuple[Alarm, ...]


class PlanAnswer(PlanHead):
    """A plan."""

    followed: bool
    """Whether it is in force."""
    plan: Plan


class PlansAnswer(Record):
    """Heads of plans, newest first."""

    pending: tuple[PlanHead, ...]
    """Those that wait for a person."""
    recent: tuple[PlanHead, ...]
    """Those of the last two days."""
    reviews: tuple[Review, ...]
    """The last verdicts."""


class JobAnswer(StoredJob):
    """One job with the steps in its life, and what becomes of it now."""

    events: tuple[JobEvent, ...]
    why: WhyNow


class JobsAnswer(Record):
    """Jobs, newest submission first."""

    jobs: tuple[StoredJob, ...]
    why: tuple[WhyNow, ...]
    """What becomes of each now, in the same order."""


class AlarmsAnswer(Record):
    """Alarms, newest first, those that are over included."""

    alarms: tuple[Alarm, ...]


class OverridesAnswer(Record):
    """Orders of people, newest first."""

    version: int
    """Of orders and deliveries; a command sends it back as ``If-Match``."""
    overrides: tuple[Override, ...]
    """Those in force; with ``all=true`` those that have ended too."""


class PreviewAnswered(StoredPreview):
    """An order that somebody thinks of giving, and what the planner says to it."""


class ForecastAnswer(Record):
    """What is expected, and how it did."""

    forecast: Forecast | None
    """The one behind the plan shown."""
    scores: tuple[DayScore, ...]
    """Past days, newest first."""


class AuditAnswer(Record):
    """Who commanded what, newest first."""

    entries: tuple[AuditEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Query:
    """A parameter in an address."""

    name: str
    words: str
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class Route:
    """One address: what it answers, and how."""

    path: str
    summary: str
    model: type[BaseModel]
    answer: Callable[[Reader, Desk, Request], BaseModel]
    query: tuple[Query, ...] = ()


def _now(reader: Reader, desk: Desk, request: Request) -> NowAnswer:
    if desk.now is None:
        raise HTTPException(404, "no cycle has been completed yet")
    return NowAnswer(**dict(desk.now), alarms=desk.alarms)


def _plan(reader: Reader, desk: Desk, request: Request) -> PlanAnswer:
    if desk.plan is None:
        raise HTTPException(404, "no plan has been made yet")
    return plan_answer(desk.plan, desk)


def plan_answer(stored: StoredPlan, desk: Desk) -> PlanAnswer:
    """Return a stored plan as an answer."""
    followed = desk.now is not None and desk.now.plan_id == stored.head.id
    return PlanAnswer(**dict(stored.head), followed=followed, plan=stored.plan)


def _plans(reader: Reader, desk: Desk, request: Request) -> PlansAnswer:
    return PlansAnswer(
        pending=reader.pending_plans(), recent=recent_plans(reader, desk), reviews=reader.reviews(limit=50)
    )


def _plan_by_id(reader: Reader, desk: Desk, request: Request) -> PlanAnswer:
    stored = reader.plan(request.path_params["id"])
    if stored is None:
        raise HTTPException(404, "no such plan")
    return plan_answer(stored, desk)


def _jobs(reader: Reader, desk: Desk, request: Request) -> JobsAnswer:
    jobs, seen = reader.jobs(request.query_params.getlist("state")), standpoint_of(desk)
    return JobsAnswer(jobs=jobs, why=tuple(why_not_now(job, seen) for job in jobs))


def _job(reader: Reader, desk: Desk, request: Request) -> JobAnswer:
    return job_answer(reader, desk, request.path_params["name"])


def job_answer(reader: Reader, desk: Desk, name: str) -> JobAnswer:
    """Return a job as an answer; 404 where there is none."""
    job = reader.job(name)
    if job is None:
        raise HTTPException(404, "no such job")
    return JobAnswer(**dict(job), events=reader.job_events(job.name), why=why_not_now(job, standpoint_of(desk)))


def _alarms(reader: Reader, desk: Desk, request: Request) -> AlarmsAnswer:
    return AlarmsAnswer(alarms=reader.alarms(open_only=False))


def _overrides(reader: Reader, desk: Desk, request: Request) -> OverridesAnswer:
    ended_too = request.query_params.get("all") == "true" or desk.now is None
    return overrides_answer(reader, None if ended_too else desk)


def overrides_answer(reader: Reader, desk: Desk | None) -> OverridesAnswer:
    """Return the overrides in force at a desk, all without one; the version is read first, so it is never too new."""
    version = reader.order_version()
    at_utc = desk.now.at_utc if desk is not None and desk.now is not None else None
    return OverridesAnswer(version=version, overrides=reader.overrides(at_utc))


def _preview(reader: Reader, desk: Desk, request: Request) -> PreviewAnswered:
    return preview_answer(reader, request.path_params["id"])


def preview_answer(reader: Reader, identity: str) -> PreviewAnswered:
    """Return a preview as an answer; 404 where there is none."""
    shown = reader.preview(identity)
    if shown is None:
        raise HTTPException(404, "no such preview; they are kept for a day")
    return PreviewAnswered(**dict(shown))


def _fuel(reader: Reader, desk: Desk, request: Request) -> FuelOutlook:
    return fuel_answer(reader, desk)


def fuel_answer(reader: Reader, desk: Desk) -> FuelOutlook:
    """Return the fuel as an answer; 404 where there is no tank or nothing measured."""
    if desk.site.tank is None:
        raise HTTPException(404, "this site has no tank")
    outlook = fuel_outlook(reader, desk.site, desk.site.tank, desk.plan)
    if outlook is None:
        raise HTTPException(404, "no cycle has been completed yet")
    return outlook


def _forecast(reader: Reader, desk: Desk, request: Request) -> ForecastAnswer:
    zone = ZoneInfo(desk.site.location.time_zone)
    return ForecastAnswer(
        forecast=desk.plan.forecast if desk.plan is not None else None,
        scores=day_scores(reader, desk.now.at_utc, zone) if desk.now is not None else (),
    )


def _audit(reader: Reader, desk: Desk, request: Request) -> AuditAnswer:
    return AuditAnswer(entries=reader.audit(limit=MOST_ROWS))


class Api:
    """The addresses under ``/v1`` that are read."""

    def __init__(self, reader: DeskReader, days: DayCache) -> None:
        self._reader = reader
        self._days = days
        state = Query(name="state", words="Only jobs in this state; give it again for more.", many=True)
        ended = Query(name="all", words="true = those that have ended too.")
        self.routes: tuple[Route, ...] = (
            Route(path="/v1/now", summary="The present and open alarms", model=NowAnswer, answer=_now),
            Route(path="/v1/plan", summary="The plan shown on the desk", model=PlanAnswer, answer=_plan),
            Route(path="/v1/plans", summary="Plans that wait, recent ones, verdicts", model=PlansAnswer, answer=_plans),
            Route(path="/v1/plans/{id}", summary="Any stored plan", model=PlanAnswer, answer=_plan_by_id),
            Route(
                path="/v1/jobs", summary="Jobs, and why not now", model=JobsAnswer, answer=_jobs, query=(state,)
            ),
            Route(path="/v1/jobs/{name}", summary="One job, why not now, its life", model=JobAnswer, answer=_job),
            Route(
                path="/v1/overrides", summary="Orders of people and their version", model=OverridesAnswer,
                answer=_overrides, query=(ended,),
            ),
            Route(path="/v1/previews/{id}", summary="What an order would change", model=PreviewAnswered, answer=_preview),
            Route(path="/v1/fuel", summary="Tank, days left, deliveries", model=FuelOutlook, answer=_fuel),
            Route(path="/v1/forecast", summary="What is expected, and skill", model=ForecastAnswer, answer=_forecast),
            Route(path="/v1/alarms", summary="Alarms", model=AlarmsAnswer, answer=_alarms),
            Route(path="/v1/audit", summary="Who commanded what", model=AuditAnswer, answer=_audit),
            Route(path="/v1/days/{day}", summary="A local day added up", model=PeriodReport, answer=self._day),
        )  # fmt: skip

    def _day(self, reader: Reader, desk: Desk, request: Request) -> PeriodReport:
        return self._days.report(reader, desk, wanted_day(request.path_params["day"], desk))

    def view(self, route: Route) -> Callable[[Request], Response]:
        """Return the view of one address."""

        def answer(request: Request) -> Response:
            desk, reader = self._reader.current(), self._reader.reader()
            if reader is None:
                raise HTTPException(404, NOTHING_RECORDED)
            return document_response(route.answer(reader, desk, request))

        return answer


def document_response(document: BaseModel, *, status: int = 200, location: str = "") -> Response:
    """Return a record as an answer, with its version as the entity tag where it has one."""
    headers = {"location": location} if location else {}
    version = getattr(document, "version", None)
    if version is not None:
        headers["etag"] = f'"{version}"'
    return Response(document.model_dump_json(), status_code=status, headers=headers, media_type="application/json")
