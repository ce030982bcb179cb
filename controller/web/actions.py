"""What people do to the site in the console: judge plans, give and withdraw orders, cancel jobs.

Each is one form, one command in the store, one line in the audit trail, and leads back to the page it came from. What cannot be
done is refused with the reason; nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from controller.access.roles import Role
from controller.overrides.checking import check_order
from controller.overrides.giving import OVER, give_order
from controller.overrides.orders import Standing
from controller.overrides.reading import read_order
from controller.records.commands import Commands
from controller.records.override_commands import ChangedMeanwhileError, OverrideCommands
from controller.records.reading import Reader
from controller.web.access import asker, form, needs
from controller.web.desk import DeskReader
from sites.errors import InputError

LONGEST_H = 168.0

View = Callable[[Request], Response]
Action = Callable[[Request], str]
"""Carries out a command; returns where to go then."""


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
            "/jobs/{name}/cancel": self._cancel,
        }
        return {path: needs(Role.OPERATOR)(_told(view)) for path, view in views.items()}

    def _approve(self, request: Request) -> str:
        return self._judge(request, approve=True)

    def _reject(self, request: Request) -> str:
        return self._judge(request, approve=False)

    def _judge(self, request: Request, *, approve: bool) -> str:
        who, why = asker(request), _text(request, "why")
        with Commands(self._desk.url, self._site, role=who.role.value) as commands:
            commands.review_plan(request.path_params["id"], approve=approve, who=who.name, why=why, at_utc=self._now())
        return "/review"

    def _withdraw(self, request: Request) -> str:
        who = asker(request)
        with OverrideCommands(self._desk.url, self._site, role=who.role.value) as commands:
            commands.withdraw(request.path_params["id"], who=who.name, at_utc=self._now(), seen=_whole(request, "seen"))
        return "/review"

    def _ask(self, request: Request) -> str:
        """Ask what an order would change; one that the site cannot follow is refused at once."""
        site, now, why = self._desk.site, self._now(), _text(request, "why")
        hours = _hours(request)
        order = read_order(_text(request, "subject"), _text(request, "order"), zone=site.location.time_zone, now=now)
        standing = Standing(order=order, expires_utc=now + timedelta(hours=hours))
        reader = self._reader()
        jobs = {job.name: job.job for job in reader.jobs() if job.state not in OVER}
        check_order(standing, site, now, why=why, jobs=jobs, others=[each.standing for each in reader.overrides(now)])
        with OverrideCommands(self._desk.url, self._site) as commands:
            return f"/previews/{commands.ask(standing, who=asker(request).name, why=why, at_utc=now)}"

    def _give(self, request: Request) -> str:
        """Give an order that was shown with its cost, if nobody changed the overrides since."""
        who, shown = asker(request), self._reader().preview(request.path_params["id"])
        if shown is None:
            raise HTTPException(404, "no such preview")
        give_order(
            self._desk.url,
            self._desk.site,
            shown.standing,
            who=who.name,
            why=shown.why,
            now=self._now(),
            role=who.role.value,
            seen=_whole(request, "seen"),
        )
        return "/review"

    def _cancel(self, request: Request) -> str:
        who, name = asker(request), request.path_params["name"]
        with Commands(self._desk.url, self._site, role=who.role.value) as commands:
            commands.cancel_job(name, who=who.name, at_utc=self._now())
        return "/jobs"

    @property
    def _site(self) -> str:
        return self._desk.site.name

    def _reader(self) -> Reader:
        reader = self._desk.reader()
        if reader is None:
            raise HTTPException(409, "nothing has been recorded yet")
        return reader

    def _now(self) -> datetime:
        """Return site time: it runs ahead of the host's clock when speeded up."""
        now = self._reader().now()
        if now is None:
            raise HTTPException(409, "no cycle has been completed yet")
        return now.at_utc


def _told(action: Action) -> View:
    """Return the view of an action: back to a page, or the reason why not."""

    def view(request: Request) -> Response:
        try:
            return RedirectResponse(action(request), status_code=303)
        except ChangedMeanwhileError as error:
            raise HTTPException(409, str(error)) from error
        except InputError as error:
            raise HTTPException(422, "; ".join(str(fault) for fault in error.faults)) from error

    return view


def _text(request: Request, name: str) -> str:
    return str(form(request).get(name, "")).strip()


def _whole(request: Request, name: str) -> int:
    text = _text(request, name)
    if not text.isdecimal():
        raise HTTPException(422, f"{name}: found {text!r}; load the page again")
    return int(text)


def _hours(request: Request) -> float:
    text = _text(request, "hours")
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0.0 < hours <= LONGEST_H:
        raise InputError.single(
            source="override", field="hours", found=text, mend=f"give hours above 0 and up to {LONGEST_H:g}"
        )
    return hours
