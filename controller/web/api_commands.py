"""Commands under ``/v1``: what the console's forms do, for programs. Each is one POST of a JSON document by an operator.

Commands that change orders or deliveries say in ``If-Match`` which version they have seen (428 without, 412 when it is no
longer the newest); ``*`` says that it does not matter. Jobs and plans guard themselves: a job that is over, a plan that waits
no longer, answers 409.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from controller.access.roles import Role
from controller.operator_desk import OperatorDesk
from controller.overrides.orders import Order, Standing
from controller.records.reading import Reader
from controller.records.views import Alarm
from controller.reports.fuel_outlook import FuelOutlook
from controller.reports.why_not_now import why_not_now
from controller.web.access import body, needs
from controller.web.api import (
    JobAnswer,
    JobsAnswer,
    OverridesAnswer,
    PlanAnswer,
    PreviewAnswered,
    document_response,
    fuel_answer,
    job_answer,
    overrides_answer,
    plan_answer,
    preview_answer,
)
from controller.web.desk import Desk, DeskReader
from controller.web.jobs_page import standpoint_of
from controller.web.problems import refusals
from controller.web.seat import seat, store_of
from optimizer.problem import JobProblem
from sites.errors import InputError
from sites.load import validation_faults
from sites.record import Record
from sites.times import Utc

LONGEST_H = 168.0
VERSION_DIGITS = 18
"""A longer number is no version of ours, and no number that may be read."""


class JobsAsked(Record):
    """Jobs to queue, all or none."""

    jobs: tuple[JobProblem, ...] = Field(min_length=1, max_length=500)
    """``release_utc`` may be left out: then a job may start now. Times without offset are local times of the site."""


class WhyAsked(Record):
    """A command with its reason."""

    why: str = Field(default="", max_length=500)
    """Kept with your name; a rejection needs one."""


class Nothing(Record):
    """A command that needs no more than its address."""


class OrderAsked(Record):
    """An order above the plan."""

    order: Order
    from_utc: Utc | None = None
    """When it begins; none = at once. Only for orders about a genset, the battery, a tier or a service."""
    expires_utc: Utc | None = None
    """When it ends; or say ``hours``."""
    hours: float | None = Field(default=None, gt=0, le=LONGEST_H)
    """How long it stands from now (or from ``from_utc``); or say ``expires_utc``."""
    why: str = Field(min_length=1, max_length=500)
    """Kept with your name."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.hours is None) == (self.expires_utc is None):
            raise ValueError("say either hours or expires_utc")
        return self

    def standing(self, now: datetime) -> Standing:
        """Return the order with its time."""
        begin = self.from_utc or now
        end = self.expires_utc if self.hours is None else begin + timedelta(hours=self.hours)
        assert end is not None
        return Standing(order=self.order, from_utc=self.from_utc, expires_utc=end)


class OrderGiven(OrderAsked):
    """An order above the plan that is to act."""

    unchecked: bool = False
    """Give it at once, without a plan under it: where safety does not wait, or no planner runs. Guards narrow it all the same."""


class DeliveryAsked(Record):
    """Diesel that will come, or came."""

    at_utc: Utc
    litres: float = Field(gt=0)
    usd_per_l: float | None = Field(default=None, ge=0, le=1000)
    """What it costs; none = the site file's price."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command on its way."""

    desk: OperatorDesk
    path: dict[str, Any]
    asked: Any
    """The document sent, read."""
    seen: int | None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a command leads to."""

    read: Callable[[Reader, Desk], BaseModel]
    """Reads the answer, after the command."""
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class CommandRoute:
    """One address that commands."""

    path: str
    summary: str
    asked: type[BaseModel]
    model: type[BaseModel]
    act: Callable[[Call], Answered]
    status: int = 200
    locks: bool = False
    """Whether ``If-Match`` has to say which version was seen."""
    raw: bool = False
    """Whether the document is read by the command itself, with the site's time zone."""


def _submit(call: Call) -> Answered:
    document = call.asked.get("jobs") if isinstance(call.asked, dict) and "jobs" in call.asked else call.asked
    jobs = call.desk.submit(document, source="jobs")
    names = {job.name for job in jobs}

    def read(reader: Reader, desk: Desk) -> JobsAnswer:
        found = tuple(each for each in (reader.job(name) for name in sorted(names)) if each is not None)
        seen = standpoint_of(desk)
        return JobsAnswer(jobs=found, why=tuple(why_not_now(each, seen) for each in found))

    return Answered(read=read, location=f"/v1/jobs/{jobs[0].name}" if len(jobs) == 1 else "/v1/jobs")


def _cancel(call: Call) -> Answered:
    name = call.path["name"]
    call.desk.cancel(name)
    return Answered(read=lambda reader, desk: job_answer(reader, desk, name))


def _approve(call: Call) -> Answered:
    return _judged(call, approve=True)


def _reject(call: Call) -> Answered:
    return _judged(call, approve=False)


def _judged(call: Call, *, approve: bool) -> Answered:
    identity = call.path["id"]
    call.desk.judge(identity, approve=approve, why=call.asked.why)

    def read(reader: Reader, desk: Desk) -> PlanAnswer:
        stored = reader.plan(identity)
        assert stored is not None
        return plan_answer(stored, desk)

    return Answered(read=read)


def _ask(call: Call) -> Answered:
    identity = call.desk.ask(call.asked.standing(call.desk.now), why=call.asked.why)
    return Answered(read=lambda reader, desk: preview_answer(reader, identity), location=f"/v1/previews/{identity}")


def _give_previewed(call: Call) -> Answered:
    call.desk.give_previewed(call.path["id"], seen=call.seen)
    return Answered(read=overrides_answer)


def _give(call: Call) -> Answered:
    give = call.desk.give_unchecked if call.asked.unchecked else call.desk.give
    give(call.asked.standing(call.desk.now), why=call.asked.why, seen=call.seen)
    return Answered(read=overrides_answer)


def _withdraw(call: Call) -> Answered:
    call.desk.withdraw(call.path["id"], seen=call.seen)
    return Answered(read=overrides_answer)


def _deliver(call: Call) -> Answered:
    asked = call.asked
    call.desk.deliver(asked.at_utc, asked.litres, usd_per_l=asked.usd_per_l, seen=call.seen)
    return Answered(read=fuel_answer)


def _withdraw_delivery(call: Call) -> Answered:
    call.desk.withdraw_delivery(call.path["id"], seen=call.seen)
    return Answered(read=fuel_answer)


def _acknowledge(call: Call) -> Answered:
    identity = call.path["id"]
    call.desk.acknowledge(identity)

    def read(reader: Reader, desk: Desk) -> Alarm:
        found = next((each for each in reader.alarms(open_only=False) if each.id == identity), None)
        if found is None:
            raise HTTPException(404, "no such alarm")
        return found

    return Answered(read=read)


COMMANDS: tuple[CommandRoute, ...] = (
    CommandRoute(
        path="/v1/jobs", summary="Queue jobs, all or none", asked=JobsAsked, model=JobsAnswer, act=_submit, status=201,
        raw=True,
    ),
    CommandRoute(
        path="/v1/jobs/{name}/cancel", summary="Cancel a job that is not over", asked=Nothing, model=JobAnswer,
        act=_cancel,
    ),
    CommandRoute(
        path="/v1/plans/{id}/approve", summary="Let a plan that waits be followed", asked=WhyAsked, model=PlanAnswer,
        act=_approve,
    ),
    CommandRoute(
        path="/v1/plans/{id}/reject", summary="Reject a plan that waits", asked=WhyAsked, model=PlanAnswer, act=_reject,
    ),
    CommandRoute(
        path="/v1/previews", summary="Ask what an order would change in cost, fuel and lateness", asked=OrderAsked,
        model=PreviewAnswered, act=_ask, status=202,
    ),
    CommandRoute(
        path="/v1/previews/{id}/give", summary="Give an order that was shown with its cost", asked=Nothing,
        model=OverridesAnswer, act=_give_previewed, status=201, locks=True,
    ),
    CommandRoute(
        path="/v1/overrides", summary="Give an order: pin (force) or hold a job, run or forbid a genset, hold the charge, "
        "cap a pool, disable a device, shed a tier, stop a service; answers when the planner has found a plan under it",
        asked=OrderGiven, model=OverridesAnswer, act=_give, status=201, locks=True,
    ),
    CommandRoute(
        path="/v1/overrides/{id}/withdraw", summary="End an order before its time (releases a held job)", asked=Nothing,
        model=OverridesAnswer, act=_withdraw, locks=True,
    ),
    CommandRoute(
        path="/v1/deliveries", summary="Announce diesel that comes, or note what came", asked=DeliveryAsked,
        model=FuelOutlook, act=_deliver, status=201, locks=True,
    ),
    CommandRoute(
        path="/v1/deliveries/{id}/withdraw", summary="Withdraw a delivery", asked=Nothing, model=FuelOutlook,
        act=_withdraw_delivery, locks=True,
    ),
    CommandRoute(
        path="/v1/alarms/{id}/acknowledge", summary="Note that you have seen an alarm", asked=Nothing, model=Alarm,
        act=_acknowledge,
    ),
)  # fmt: skip


def command_view(route: CommandRoute, reader: DeskReader) -> Callable[[Request], Response]:
    """Return the view of one command."""

    def command(request: Request) -> Response:
        asked = _asked(route, request)
        call = Call(desk=seat(request, reader), path=request.path_params, asked=asked, seen=_seen(route, request))
        with refusals(changed=412 if route.locks else 409):
            answered = route.act(call)
            reader.look_again()
            document = answered.read(store_of(reader), reader.current())
        return document_response(document, status=route.status, location=answered.location)

    return needs(Role.OPERATOR)(command)


def _asked(route: CommandRoute, request: Request) -> Any:
    """Return the document sent, read; an empty body is an empty document."""
    sent = body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent and kind != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        document = json.loads(sent) if sent else {}
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"this is no JSON: {error}") from error
    if route.raw:
        return document
    try:
        return route.asked.model_validate(document)
    except ValidationError as error:
        with refusals():
            raise InputError(validation_faults(error, source="body")) from error


def _seen(route: CommandRoute, request: Request) -> int | None:
    """Return the version that ``If-Match`` names; none where it does not matter."""
    given = request.headers.get("if-match", "").strip()
    if not route.locks or given == "*":
        return None
    if not given:
        raise HTTPException(
            428, "say in If-Match which version you have seen: the ETag of /v1/overrides, /v1/fuel or the preview"
        )
    text = given.removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > VERSION_DIGITS:
        raise HTTPException(412, f"no version of ours: {given[:40]}")
    return int(text)
