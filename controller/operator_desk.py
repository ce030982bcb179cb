"""What an operator does to a site, one function a command: the console's forms, the HTTP interface and the command line call
nothing else.

Each is checked whole, then written in one transaction with its line in the audit trail. ``seen`` is the version of the orders
that the person looked at (:mod:`controller.records.order_version`): with it, nobody's change is overruled unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from controller.access.roles import SHELL
from controller.job_desk import check_jobs
from controller.jobs_file import parse_jobs
from controller.overrides.answering import check_answer, wait_for_answer
from controller.overrides.giving import ask_order, give_order
from controller.overrides.orders import Standing
from controller.overrides.wording import moment_words
from controller.records.commands import Commands
from controller.records.fuel_commands import FuelCommands
from controller.records.override_commands import OverrideCommands
from controller.records.reading import Reader
from controller.records.views import SiteNow, StoredPreview
from optimizer.problem import JobProblem
from sites.errors import InputError
from sites.ports import Clock, SystemClock
from sites.schema.site import Site

FARTHEST = timedelta(days=366)
"""A delivery farther away than this is a slip of the pen."""


@dataclass(frozen=True, kw_only=True)
class OperatorDesk:
    """One person's commands to one site, at one moment."""

    url: str
    """The store."""
    site: Site
    who: str
    now: datetime
    """Site time."""
    role: str = SHELL
    """What entitles them."""
    clock: Clock = field(default_factory=SystemClock)
    """The host's, by which the planner is waited for."""

    def submit(self, document: Any, *, source: str) -> tuple[JobProblem, ...]:
        """Queue one job or a list of them, all or none; a job without ``release_utc`` may start now.

        Raises:
            InputError: with every fault of every job.
        """
        jobs = parse_jobs(self._released(document), self.site, source=source)
        check_jobs(jobs, self.site, self.now, source=source)
        with Commands(self.url, self.site.name, role=self.role) as commands:
            commands.submit_jobs(jobs, who=self.who, at_utc=self.now, source=source)
        return jobs

    def _released(self, document: Any) -> Any:
        if isinstance(document, list):
            return [self._released(each) for each in document]
        return {"release_utc": self.now.isoformat(), **document} if isinstance(document, dict) else document

    def cancel(self, job: str) -> None:
        """Cancel a job that is not over.

        Raises:
            ChangedMeanwhileError: it is over already.
            InputError: no such job.
        """
        with Commands(self.url, self.site.name, role=self.role) as commands:
            commands.cancel_job(job, who=self.who, at_utc=self.now)

    def judge(self, plan_id: str, *, approve: bool, why: str) -> None:
        """Approve or reject a plan that waits.

        Raises:
            ChangedMeanwhileError: it waits no longer.
            InputError: no such plan, or no reason was given for a rejection.
        """
        with Commands(self.url, self.site.name, role=self.role) as commands:
            commands.review_plan(plan_id, approve=approve, who=self.who, why=why, at_utc=self.now)

    def ask(self, standing: Standing, *, why: str, seen: int | None = None) -> str:
        """Ask what an order would change; returns the preview's id. One that the site cannot follow is refused at once.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: with every fault.
        """
        return ask_order(self.url, self.site, standing, who=self.who, why=why, now=self.now, role=self.role, seen=seen)

    def answered(self, preview_id: str, tell: Callable[[str], None] = lambda text: None) -> StoredPreview:
        """Wait for the planner's answer to an order; ``tell`` is told how far it is.

        Raises:
            InputError: nobody works it out, or it failed.
        """
        return wait_for_answer(self.url, self.site, preview_id, clock=self.clock, tell=tell)

    def give(self, standing: Standing, *, why: str, seen: int | None = None) -> str:
        """Give an order once the planner has found a plan under it; returns its id. That takes it some seconds.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: it cannot be carried out, with the reason and the nearest that works; or nobody plans there.
        """
        identity = self.ask(standing, why=why, seen=seen)
        self.answered(identity)
        return self.give_previewed(identity, seen=seen)

    def give_unchecked(self, standing: Standing, *, why: str, seen: int | None = None) -> str:
        """Give an order at once, checked against the site alone; the audit trail says so. Returns its id.

        For where somebody's safety does not wait for a planner, or where none runs. Guards narrow it like any other.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: the site cannot follow it.
        """
        return self._give(standing, why=why, seen=seen, note=" (no plan was made under it before)")

    def _give(self, standing: Standing, *, why: str, seen: int | None, note: str = "") -> str:
        return give_order(
            self.url, self.site, standing, who=self.who, why=why, now=self.now, role=self.role, seen=seen, note=note
        )

    def give_previewed(self, preview_id: str, *, seen: int | None = None, unchecked: bool = False) -> str:
        """Give an order whose cost was shown; returns its id. ``seen`` is that of the preview if absent.

        ``unchecked`` gives one that the planner has failed to answer for.

        Raises:
            ChangedMeanwhileError: somebody changed orders or deliveries since it was worked out.
            InputError: no such preview, it is not worked out yet, or it cannot be carried out.
        """
        with Reader(self.url, self.site.name) as reader:
            shown = reader.preview(preview_id)
        if shown is None:
            raise InputError.single(source="preview", field="id", found=preview_id, mend="ask for it again")
        seen = shown.version if seen is None else seen
        if unchecked and shown.state == "failed":
            return self.give_unchecked(shown.standing, why=shown.why, seen=seen)
        check_answer(shown, ZoneInfo(self.site.location.time_zone))
        return self._give(shown.standing, why=shown.why, seen=seen)

    def withdraw(self, override_id: str, *, seen: int | None = None) -> None:
        """End an override before its time.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: no such override in force.
        """
        with OverrideCommands(self.url, self.site.name, role=self.role) as commands:
            commands.withdraw(override_id, who=self.who, at_utc=self.now, seen=seen)

    def deliver(
        self, delivered_utc: datetime, litres: float, *, usd_per_l: float | None = None, seen: int | None = None
    ) -> str:
        """Announce diesel that will come or note what came; returns the delivery's id.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: no tank, more than it holds, or a day that is too far away.
        """
        check_delivery(self.site, self.now, delivered_utc, litres)
        with FuelCommands(self.url, self.site.name, role=self.role) as commands:
            return commands.add(delivered_utc, litres, who=self.who, at_utc=self.now, usd_per_l=usd_per_l, seen=seen)

    def withdraw_delivery(self, delivery_id: str, *, seen: int | None = None) -> None:
        """Withdraw a delivery: nothing counts on it any more.

        Raises:
            ChangedMeanwhileError: with ``seen``, somebody changed orders or deliveries since.
            InputError: no such delivery.
        """
        with FuelCommands(self.url, self.site.name, role=self.role) as commands:
            commands.withdraw(delivery_id, who=self.who, at_utc=self.now, seen=seen)

    def acknowledge(self, alarm_id: str) -> None:
        """Note that a person has seen an alarm.

        Raises:
            InputError: no such alarm.
        """
        with Commands(self.url, self.site.name, role=self.role) as commands:
            commands.acknowledge_alarm(alarm_id, who=self.who, at_utc=self.now)


def site_time(newest: SiteNow | None, host_utc: datetime) -> datetime:
    """Return the time at a site: that of its newest cycle when its clock runs ahead of the host's, else the host's."""
    return newest.at_utc if newest is not None and newest.speed != 1.0 else host_utc


def check_delivery(site: Site, now: datetime, delivered_utc: datetime, litres: float) -> None:
    """Refuse a delivery that cannot be.

    Raises:
        InputError: no tank, no amount, more than the tank holds, or a day that is too far away.
    """
    tank = site.tank
    if tank is None:
        raise InputError.single(source="delivery", field="", found=f"{litres:g} L", mend="this site has no tank")
    if not 0 < litres <= tank.capacity_l:
        raise InputError.single(
            source="delivery",
            field="litres",
            found=litres,
            mend=f"above 0 and up to the {tank.capacity_l:g} L of the tank",
        )
    if abs(delivered_utc - now) > FARTHEST:
        zone = ZoneInfo(site.location.time_zone)
        found, here = moment_words(delivered_utc, zone), moment_words(now, zone)
        mend = f"within {FARTHEST.days} days of now, {here}"
        raise InputError.single(source="delivery", field="at", found=found, mend=mend)
