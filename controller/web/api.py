"""Machine-readable twins of the pages under ``/v1``, and their OpenAPI description, generated from the records.

Every answer is one JSON document; every error is problem+json (RFC 9457). Reading only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from controller.records.reading import Reader
from controller.records.views import Alarm, JobEvent, PlanHead, SiteNow, StoredJob
from controller.reports.gather import PeriodReport
from controller.web.desk import Desk, DeskReader
from controller.web.history_page import DayCache, wanted_day
from optimizer.plan import Plan
from sites.record import Record

NOTHING_RECORDED = "nothing has been recorded yet"


class NowAnswer(SiteNow):
    """The present as of the last cycle, with open alarms."""

    alarms: tuple[Alarm, ...]


class PlanAnswer(PlanHead):
    """The plan shown on the desk."""

    followed: bool
    """Whether it is in force."""
    plan: Plan


class JobAnswer(StoredJob):
    """One job with the steps in its life."""

    events: tuple[JobEvent, ...]


class JobsAnswer(Record):
    """Jobs, newest submission first."""

    jobs: tuple[StoredJob, ...]


class AlarmsAnswer(Record):
    """Alarms, newest first, those that are over included."""

    alarms: tuple[Alarm, ...]


class Problem(Record):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    instance: str


@dataclass(frozen=True, kw_only=True)
class Route:
    """One address: what it answers, and how."""

    path: str
    summary: str
    model: type[BaseModel]
    answer: Callable[[Reader, Desk, Request], BaseModel]


def _now(reader: Reader, desk: Desk, request: Request) -> NowAnswer:
    if desk.now is None:
        raise HTTPException(404, "no cycle has been completed yet")
    return NowAnswer(**dict(desk.now), alarms=desk.alarms)


def _plan(reader: Reader, desk: Desk, request: Request) -> PlanAnswer:
    if desk.plan is None:
        raise HTTPException(404, "no plan has been made yet")
    return PlanAnswer(**dict(desk.plan.head), followed=desk.followed, plan=desk.plan.plan)


def _jobs(reader: Reader, desk: Desk, request: Request) -> JobsAnswer:
    return JobsAnswer(jobs=reader.jobs(request.query_params.getlist("state")))


def _job(reader: Reader, desk: Desk, request: Request) -> JobAnswer:
    job = reader.job(request.path_params["name"])
    if job is None:
        raise HTTPException(404, "no such job")
    return JobAnswer(**dict(job), events=reader.job_events(job.name))


def _alarms(reader: Reader, desk: Desk, request: Request) -> AlarmsAnswer:
    return AlarmsAnswer(alarms=reader.alarms(open_only=False))


class Api:
    """The addresses under ``/v1``."""

    def __init__(self, reader: DeskReader, days: DayCache) -> None:
        self._reader = reader
        self._days = days
        self.routes: tuple[Route, ...] = (
            Route(path="/v1/now", summary="The present and open alarms", model=NowAnswer, answer=_now),
            Route(path="/v1/plan", summary="The plan shown", model=PlanAnswer, answer=_plan),
            Route(path="/v1/jobs", summary="Jobs; narrow with ?state=", model=JobsAnswer, answer=_jobs),
            Route(path="/v1/jobs/{name}", summary="One job and its events", model=JobAnswer, answer=_job),
            Route(path="/v1/alarms", summary="Alarms", model=AlarmsAnswer, answer=_alarms),
            Route(path="/v1/days/{day}", summary="A local day added up", model=PeriodReport, answer=self._day),
        )

    def _day(self, reader: Reader, desk: Desk, request: Request) -> PeriodReport:
        return self._days.report(reader, desk, wanted_day(request.path_params["day"], desk))

    def view(self, route: Route) -> Callable[[Request], Response]:
        """Return the view of one address."""

        def answer(request: Request) -> Response:
            desk, reader = self._reader.current(), self._reader.reader()
            if reader is None:
                raise HTTPException(404, NOTHING_RECORDED)
            document = route.answer(reader, desk, request)
            return Response(document.model_dump_json(), media_type="application/json")

        return answer

    def describe(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return JSONResponse(openapi(self.routes))


def openapi(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of ``routes``."""
    models: list[type[BaseModel]] = [*(route.model for route in routes), Problem]
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "offgrid-mdc console", "version": version("offgrid-mdc")},
        "paths": {route.path: {"get": _operation(route)} for route in routes},
        "components": {"schemas": schemas["$defs"]},
    }


def _operation(route: Route) -> dict[str, Any]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return {
        "summary": route.summary,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {
            "200": _content(route.summary, "application/json", route.model),
            "404": _content("Not there", "application/problem+json", Problem),
        },
    }


def _content(words: str, media_type: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": words, "content": {media_type: {"schema": schema}}}
