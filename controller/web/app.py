"""The console's pages and their machine-readable twins.

``/`` is the desk: now and the hours to come. ``/fragments/…`` are its parts, which the page's script asks for again
when ``/v1/events`` says that they changed. The other pages list jobs, days, the forecast, fuel, alarms and commands.
``/healthz`` answers for this process alone: it says whether the store can be read and how old the newest cycle is,
and never fails because the site does; ``/readyz`` does fail then. ``/metrics`` is for Prometheus.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from controller.access.roles import Role
from controller.operator_desk import check_delivery
from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS
from controller.records.views import StoredJob, StoredPlan, StoredPreview
from controller.reports.after import REPORT_PANELS
from controller.reports.charts.panel import PANELS, Panel
from controller.reports.charts.patterns import pattern_drawing
from controller.reports.fuel_outlook import delivery_effect, fuel_outlook
from controller.reports.page import Page, to_html
from controller.reports.plan_page import plan_page
from controller.web.access import SAFE_METHODS, AccessControl, asker, csrf
from controller.web.actions import Actions, asked_text, read_delivery
from controller.web.api import Api
from controller.web.api_commands import COMMANDS, command_view
from controller.web.assets import asset_path, assets
from controller.web.desk import Desk, DeskReader
from controller.web.forecast_page import forecast_page
from controller.web.forms import (
    Form,
    alarm_forms,
    delivery_form,
    fuel_forms,
    job_forms,
    jobs_forms,
    judge_forms,
    review_forms,
)
from controller.web.fuel_page import delivery_page, fuel_page
from controller.web.gate import Gate
from controller.web.head_section import header, preparing
from controller.web.headers import SecurityHeaders
from controller.web.history_page import DayCache, day_links, wanted_day
from controller.web.jobs_page import job_page, jobs_page
from controller.web.log_pages import alarms_page, audit_page
from controller.web.metrics import CONTENT_TYPE, exposition
from controller.web.now_section import now_context
from controller.web.openapi import openapi
from controller.web.plan_section import FigureCache, plan_context
from controller.web.preview_page import preview_forms, preview_page
from controller.web.problems import problem_document, refusals
from controller.web.review_page import review_page
from controller.web.sign_in import SignIn

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]", "testserver")
EVENT_EVERY_S = 1.0
LATE_S = 30.0
"""Age of the newest cycle from which on the site is not looked after."""
YEAR_S = 31_536_000
NOT_YET = "Nothing has been recorded yet"

View = Callable[[Request], Response]


def templates() -> Environment:
    """Return the page templates: everything escaped, a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("controller.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset_path
    environment.globals["patterns"] = pattern_drawing()
    environment.filters["zip"] = zip
    return environment


PLACES: tuple[tuple[str, str], ...] = (
    ("/", "Desk"),
    ("/jobs", "Jobs"),
    ("/review", "Review"),
    ("/history", "History"),
    ("/forecast", "Forecast"),
    ("/fuel", "Fuel"),
    ("/alarms", "Alarms"),
    ("/audit", "Audit"),
)
"""Path and name of each page, as the navigation lists them."""

PageOf = Callable[[Reader, Desk], Page]
PAGES: dict[str, PageOf] = {
    "/jobs": jobs_page,
    "/review": review_page,
    "/forecast": forecast_page,
    "/fuel": fuel_page,
    "/alarms": alarms_page,
    "/audit": audit_page,
}


FormsOf = Callable[[Reader, Desk], tuple[Form, ...]]


FORMS: dict[str, FormsOf] = {
    "/jobs": jobs_forms,
    "/review": review_forms,
    "/fuel": fuel_forms,
    "/alarms": alarm_forms,
}


def no_forms(reader: Reader, desk: Desk) -> tuple[Form, ...]:
    """Return no forms: a page that is only read."""
    return ()


class Console:
    """The views over one site's desk."""

    def __init__(self, reader: DeskReader) -> None:
        self._reader = reader
        self._templates = templates()
        self._drawn = FigureCache()
        self._rendered: dict[str, tuple[Desk, str]] = {}
        self._days = DayCache()
        self.api = Api(reader, self._days)

    def page(self, request: Request) -> Response:
        """Return the desk, or what is still being prepared."""
        return self._shared("desk.html", lambda desk: {**now_context(desk), **plan_context(desk, self._drawn)})

    def head_fragment(self, request: Request) -> Response:
        """Return the head: clock, speed, rung of the ladder."""
        return self._shared("head.html", lambda desk: {})

    def now_fragment(self, request: Request) -> Response:
        """Return the present."""
        return self._shared("now.html", now_context)

    def plan_fragment(self, request: Request) -> Response:
        """Return the hours to come."""
        return self._shared("plan.html", lambda desk: plan_context(desk, self._drawn))

    def _shared(self, name: str, context: Callable[[Desk], dict[str, object]]) -> Response:
        """Return a page that is the same for everybody who looks at the same desk: it is rendered once a reading."""
        desk = self._reader.current()
        kept = self._rendered.get(name)
        if kept is None or kept[0] is not desk:
            words = self._templates.get_template(name).render({**self._frame(desk, "/"), **context(desk)})
            kept = (desk, words)
            self._rendered[name] = kept
        return HTMLResponse(kept[1])

    def listing(self, request: Request) -> Response:
        """Return one of :data:`PAGES`."""
        path = request.url.path
        return self._paged(request, path, PAGES[path], FORMS.get(path, no_forms))

    def delivery(self, request: Request) -> Response:
        """Return what a delivery would change, before it is announced."""
        desk, tank = self._reader.current(), self._reader.site.tank
        if desk.now is None or tank is None:
            raise HTTPException(404, "this site has no tank" if tank is None else NOT_YET)
        zone, now = ZoneInfo(desk.site.location.time_zone), desk.now.at_utc
        with refusals():
            at_utc, litres, usd_per_l = read_delivery(request, zone.key, now, asked_text)
            check_delivery(desk.site, now, at_utc, litres)

        def found(reader: Reader, desk: Desk) -> Page:
            outlook = fuel_outlook(reader, desk.site, tank, desk.plan)
            assert outlook is not None
            return delivery_page(delivery_effect(outlook, at_utc, litres), outlook, zone)

        return self._paged(
            request,
            "/fuel",
            found,
            lambda reader, desk: (delivery_form(at_utc.astimezone(zone), litres, usd_per_l, reader.order_version()),),
        )

    def job(self, request: Request) -> Response:
        """Return the page of one job."""

        def wanted(reader: Reader) -> StoredJob:
            job = reader.job(request.path_params["name"])
            if job is None:
                raise HTTPException(404, "no such job")
            return job

        def found(reader: Reader, desk: Desk) -> Page:
            job = wanted(reader)
            return job_page(job, reader.job_events(job.name), desk)

        return self._paged(request, "/jobs", found, lambda reader, desk: job_forms(wanted(reader), reader, desk))

    def preview(self, request: Request) -> Response:
        """Return what an order would change; the page comes again by itself until that is known."""

        def wanted(reader: Reader) -> StoredPreview:
            shown = reader.preview(request.path_params["id"])
            if shown is None:
                raise HTTPException(404, "no such preview")
            return shown

        answer = self._paged(
            request,
            "/review",
            lambda reader, desk: preview_page(wanted(reader), desk),
            lambda reader, desk: preview_forms(wanted(reader)),
        )
        reader = self._reader.reader()
        if reader is not None and wanted(reader).state not in ("done", "failed"):
            answer.headers["refresh"] = "2"
        return answer

    def plan_by_id(self, request: Request) -> Response:
        """Return any stored plan in full."""

        def wanted(reader: Reader) -> StoredPlan:
            stored = reader.plan(request.path_params["id"])
            if stored is None:
                raise HTTPException(404, "no such plan")
            return stored

        def found(reader: Reader, desk: Desk) -> Page:
            return plan_page(wanted(reader), desk.site, desk.now.at_utc if desk.now is not None else None, PANELS)

        def judged(reader: Reader, desk: Desk) -> tuple[Form, ...]:
            return judge_forms(wanted(reader).head, ZoneInfo(desk.site.location.time_zone))

        return self._paged(request, "/review", found, judged)

    def _paged(self, request: Request, here: str, made: PageOf, forms: FormsOf = no_forms) -> Response:
        """Return a page, with forms for who may send them."""
        desk, reader = self._reader.current(), self._reader.reader()
        page = made(reader, desk) if reader is not None else Page(title=NOT_YET, subtitle="", facts=(), sections=())
        who, own = asker(request), csrf(request)
        token = own if who.role.covers(Role.OPERATOR) else ""
        shown = forms(reader, desk) if reader is not None and token else ()
        context = {"page": page, "forms": shown, "csrf": token, "own_csrf": own, "who": who, "path": request.url.path}
        return self._html("page.html", {**self._frame(desk, here), **context})

    def history(self, request: Request) -> Response:
        """Return the frame of a day; the day itself follows as a fragment, so that the page is there at once."""
        desk = self._reader.current()
        day = wanted_day(request.query_params.get("day"), desk)
        return self._html("history.html", {**self._frame(desk, "/history"), **day_links(day, desk)})

    def history_fragment(self, request: Request) -> Response:
        """Return what happened on a day."""
        return self._html("sections.html", {"page": self._day(request, PANELS)})

    def history_report(self, request: Request) -> Response:
        """Return the report about a day as a file to keep."""
        name = f"{self._reader.current().site.name}-{request.path_params['day']}.html"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return HTMLResponse(to_html(self._day(request, REPORT_PANELS)), headers=headers)

    def _day(self, request: Request, panels: tuple[Panel, ...]) -> Page:
        desk, reader = self._reader.current(), self._reader.reader()
        if reader is None:
            raise HTTPException(404, NOT_YET)
        return self._days.page(reader, desk, wanted_day(request.path_params["day"], desk), panels)

    def _frame(self, desk: Desk, here: str) -> dict[str, object]:
        return {
            "site": desk.site,
            "head": header(desk),
            "steps": preparing(desk),
            "versions": versions(desk),
            "places": PLACES,
            "here": here,
        }

    def describe(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return JSONResponse(openapi(self.api.routes, COMMANDS))

    def health(self, request: Request) -> Response:
        """Return whether the store can be read, and the time of the newest cycle."""
        desk = self._reader.current()
        newest = desk.now.at_utc.isoformat() if desk.now else None
        return JSONResponse(
            {
                "status": "ok",
                "store_ready": desk.store_ready,
                "store_readable": not desk.stale,
                "newest_cycle_utc": newest,
            }
        )

    def ready(self, request: Request) -> Response:
        """Return 200 while the site is looked after: the store can be read and its newest cycle is not old; else 503."""
        desk = self._reader.current()
        late = desk.now is None or (
            desk.now.speed == 1.0 and (self._reader.host_utc() - desk.now.at_utc).total_seconds() > LATE_S
        )
        why = "the store cannot be read" if desk.stale or not desk.store_ready else "no recent cycle" if late else ""
        return JSONResponse({"ready": not why, "why": why}, status_code=503 if why else 200)

    def metrics(self, request: Request) -> Response:
        """Return what Prometheus scrapes."""
        found = exposition(self._reader.current(), self._reader.host_utc())
        return Response(found, headers={"content-type": CONTENT_TYPE})

    async def events(self, request: Request) -> Response:
        """Return an endless stream that says which halves of the page have changed."""
        return StreamingResponse(self._events(request), media_type="text/event-stream")

    async def _events(self, request: Request) -> AsyncIterator[str]:
        last = ""
        while not await request.is_disconnected():
            desk = await anyio.to_thread.run_sync(self._reader.current)
            data = json.dumps(versions(desk))
            yield f"event: versions\ndata: {data}\n\n" if data != last else ": still here\n\n"
            last = data
            await anyio.sleep(EVENT_EVERY_S)

    def asset(self, request: Request) -> Response:
        """Return the style sheet, the script or the mark."""
        found = assets().get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "no such file")
        lasting = f"public, max-age={YEAR_S}, immutable"
        return Response(found.content, media_type=found.media_type, headers={"cache-control": lasting})

    def _html(self, name: str, context: Mapping[str, object]) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(context))


def versions(desk: Desk) -> dict[str, str | float | None]:
    """Return what tells one state of the page's halves from another, and the site's time in seconds."""
    plan = f"{desk.plan.head.id} {desk.plan.head.review} {desk.followed}" if desk.plan else ""
    now = desk.now.at_utc if desk.now else None
    return {
        "now": f"{now.isoformat() if now else 'none'} {desk.store_ready} {desk.stale}",
        "now_s": now.timestamp() if now else None,
        "plan": plan or "none",
    }


async def problem(request: Request, error: Exception) -> Response:
    """Return an error as problem+json for machines (RFC 9457), as a short page for people."""
    found = problem_document(error, request.url.path)
    headers = error.headers if isinstance(error, HTTPException) else None
    if request.url.path.startswith("/v1/"):
        return Response(
            found.model_dump_json(), status_code=found.status, headers=headers, media_type="application/problem+json"
        )
    commanded = request.method not in SAFE_METHODS
    back = commanded and found.status in (409, 422)
    page = templates().get_template("problem.html").render(problem=found, commanded=commanded, back=back)
    return HTMLResponse(page, status_code=found.status, headers=headers)


def make_app(reader: DeskReader, gate: Gate, *, allowed_hosts: tuple[str, ...] = LOCAL_HOSTS) -> Starlette:
    """Return the console over ``reader`` behind ``gate``; requests for other hosts than ``allowed_hosts`` are refused."""
    console = Console(reader)
    door = SignIn(gate, lambda name, context: templates().get_template(name).render(context))
    routes: dict[str, View] = {
        "/": console.page,
        "/fragments/head": console.head_fragment,
        "/fragments/now": console.now_fragment,
        "/fragments/plan": console.plan_fragment,
        **dict.fromkeys(PAGES, console.listing),
        "/jobs/{name}": console.job,
        "/fuel/delivery": console.delivery,
        "/plans/{id}": console.plan_by_id,
        "/previews/{id}": console.preview,
        "/history": console.history,
        "/history/{day}/report": console.history_report,
        "/fragments/history/{day}": console.history_fragment,
        **{route.path: console.api.view(route) for route in console.api.routes},
        "/v1/openapi.json": console.describe,
        "/v1/me": door.me,
        "/login": door.page,
        "/enter": door.link,
        "/healthz": console.health,
        "/readyz": console.ready,
        "/metrics": console.metrics,
        "/static/{name}": console.asset,
    }
    commands: dict[str, View] = {
        "/login": door.enter,
        "/logout": door.leave,
        **Actions(reader).routes(),
        **{command.path: command_view(command, reader) for command in COMMANDS},
    }

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        reader.close()
        gate.close()

    return Starlette(
        routes=[
            *(Route(path, view, methods=["POST"]) for path, view in commands.items()),
            *(Route(path, view, methods=["GET"]) for path, view in routes.items()),
            Route("/v1/events", console.events),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts)),
            Middleware(GZipMiddleware, minimum_size=500, compresslevel=5),
            Middleware(AccessControl, gate=gate, refuse=problem),
        ],
        exception_handlers={HTTPException: problem, Exception: problem, **dict.fromkeys(STORE_FAULTS, problem)},
        lifespan=lifespan,
    )
