"""What people do to the site in the console, one form a command, carried out at the operator's desk.

Each leads back to a page, or is refused with the reason; nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from controller.access.roles import Role
from controller.operator_desk import OperatorDesk
from controller.overrides.orders import Standing
from controller.overrides.reading import read_order
from controller.web.access import form, needs
from controller.web.api_commands import LONGEST_H
from controller.web.desk import DeskReader
from controller.web.problems import refusals
from controller.web.seat import seat
from sites.errors import InputError
from sites.load import validation_faults
from sites.times import parse_time

View = Callable[[Request], Response]
Action = Callable[[Request], str]
"""Carries out a command; returns where to go then."""
JOB_NUMBERS = ("work_gpu_h", "gpus_min", "gpus_max", "value_usd", "late_usd_per_h", "priority")


class Actions:
    """The views of commands over one site's store."""

    def __init__(self, desk: DeskReader) -> None:
        self._desk = desk

    def routes(self) -> dict[str, View]:
        """Return the addresses that take a form, each for an operator."""
        views: dict[str, Action] = {
            "/review/{id}/approve": self._approve,
            "/review/{id}/reject": self._reject,
            "/overrides/{id}/withdraw": self._withdraw,
            "/previews": self._ask,
            "/previews/{id}/give": self._give,
            "/jobs": self._submit,
            "/jobs/{name}/cancel": self._cancel,
            "/deliveries": self._deliver,
            "/deliveries/{id}/withdraw": self._withdraw_delivery,
            "/alarms/{id}/acknowledge": self._acknowledge,
        }
        return {path: needs(Role.OPERATOR)(self._told(view)) for path, view in views.items()}

    def _told(self, action: Action) -> View:
        """Return the view of an action: back to a page, or the reason why not."""

        def view(request: Request) -> Response:
            with refusals():
                where = action(request)
            self._desk.look_again()
            return RedirectResponse(where, status_code=303)

        return view

    def _approve(self, request: Request) -> str:
        return self._judge(request, approve=True)

    def _reject(self, request: Request) -> str:
        return self._judge(request, approve=False)

    def _judge(self, request: Request, *, approve: bool) -> str:
        seat(request, self._desk).judge(request.path_params["id"], approve=approve, why=_text(request, "why"))
        return "/review"

    def _withdraw(self, request: Request) -> str:
        seat(request, self._desk).withdraw(request.path_params["id"], seen=_whole(request, "seen"))
        return _back(request, "/review")

    def _ask(self, request: Request) -> str:
        """Ask what an order would change; one that the site cannot follow is refused at once."""
        desk = seat(request, self._desk)
        return f"/previews/{desk.ask(self._standing(request, desk), why=_text(request, 'why'))}"

    def _standing(self, request: Request, desk: OperatorDesk) -> Standing:
        """Return the order of a form: one that was offered as a whole, or its subject, words and times."""
        if offered := _text(request, "standing"):
            return _offered(offered)
        zone, now = desk.site.location.time_zone, desk.now
        words = " ".join(part for part in (_text(request, "order"), _text(request, "at")) if part)
        begin = _moment(request, "from", zone)
        return Standing(
            order=read_order(_text(request, "subject"), words, zone=zone, now=now),
            from_utc=begin,
            expires_utc=(begin or now) + timedelta(hours=_hours(request)),
        )

    def _give(self, request: Request) -> str:
        """Give an order that was shown with its cost, if nobody changed orders or deliveries since."""
        unchecked = _text(request, "unchecked") == "yes"
        desk, seen = seat(request, self._desk), _whole(request, "seen")
        desk.give_previewed(request.path_params["id"], seen=seen, unchecked=unchecked)
        return "/review"

    def _submit(self, request: Request) -> str:
        (job,) = seat(request, self._desk).submit(_job(request), source="job")
        return f"/jobs/{quote(job.name, safe='')}"

    def _cancel(self, request: Request) -> str:
        seat(request, self._desk).cancel(request.path_params["name"])
        return "/jobs"

    def _deliver(self, request: Request) -> str:
        desk = seat(request, self._desk)
        at_utc, litres, usd_per_l = read_delivery(request, desk.site.location.time_zone, desk.now, _text)
        desk.deliver(at_utc, litres, usd_per_l=usd_per_l, seen=_whole(request, "seen"))
        return "/fuel"

    def _withdraw_delivery(self, request: Request) -> str:
        seat(request, self._desk).withdraw_delivery(request.path_params["id"], seen=_whole(request, "seen"))
        return "/fuel"

    def _acknowledge(self, request: Request) -> str:
        seat(request, self._desk).acknowledge(request.path_params["id"])
        return "/alarms"


def read_delivery(
    request: Request, zone: str, now: datetime, text: Callable[[Request, str], str]
) -> tuple[datetime, float, float | None]:
    """Return when, litres and price of the delivery that a form is about; no time means now.

    Raises:
        InputError: not a time, or not a number.
    """
    when, price = text(request, "at"), text(request, "usd_per_l")
    at_utc = parse_time(when, zone, source="delivery", field="at") if when else now
    litres = _number("delivery", "litres", text(request, "litres"))
    return at_utc, litres, _number("delivery", "usd_per_l", price) if price else None


def asked_text(request: Request, name: str) -> str:
    """Return a field of an address's query."""
    return request.query_params.get(name, "").strip()


def _job(request: Request) -> dict[str, Any]:
    """Return the job of a form as a document: what was left empty is left out, several pools are allowed."""
    sent = form(request)
    texts = {name: _text(request, name) for name in ("name", "profile", "release_utc", "deadline_utc")}
    numbers = {name: _text(request, name) for name in JOB_NUMBERS}
    pools = [str(each) for each in sent.getlist("pool") if str(each)]
    return {
        **{name: text for name, text in texts.items() if text},
        **{name: _number("job", name, text) for name, text in numbers.items() if text},
        "pools": [{"pool": pool, "speed": 1.0} for pool in pools],
        "hard": "hard" in sent,
        "preemptible": "rigid" not in sent,
        "surplus_only": "surplus_only" in sent,
    }


def _offered(text: str) -> Standing:
    try:
        return Standing.model_validate_json(text)
    except ValidationError as error:
        raise InputError(validation_faults(error, source="override")) from error


def _back(request: Request, otherwise: str) -> str:
    """Return the page of the console that a form names to go back to."""
    where = _text(request, "back")
    return where if where.startswith("/jobs/") and "//" not in where and where.isprintable() else otherwise


def _text(request: Request, name: str) -> str:
    return str(form(request).get(name, "")).strip()


def _whole(request: Request, name: str) -> int:
    text = _text(request, name)
    if not text.isdecimal():
        raise HTTPException(422, f"{name}: found {text!r}; load the page again")
    return int(text)


def _moment(request: Request, name: str, zone: str) -> datetime | None:
    text = _text(request, name)
    return parse_time(text, zone, source="override", field=name) if text else None


def _number(source: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError.single(source=source, field=name, found=text, mend="give a number") from error


def _hours(request: Request) -> float:
    text = _text(request, "hours")
    hours = _number("override", "hours", text)
    if not 0.0 < hours <= LONGEST_H:
        raise InputError.single(
            source="override", field="hours", found=text, mend=f"give hours above 0 and up to {LONGEST_H:g}"
        )
    return hours
