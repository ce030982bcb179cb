"""Giving an order, or asking what it would change: checked against the site, the jobs and what stands already, then written."""

from __future__ import annotations

from datetime import datetime

from controller.access.roles import SHELL
from controller.overrides.checking import check_order
from controller.overrides.orders import Standing
from controller.records.override_commands import OverrideCommands
from controller.records.reading import Reader
from controller.records.views import LIVE
from sites.schema.site import Site

MOST_JOBS = 100_000


def give_order(
    url: str,
    site: Site,
    standing: Standing,
    *,
    who: str,
    why: str,
    now: datetime,
    role: str = SHELL,
    seen: int | None = None,
    note: str = "",
) -> str:
    """Give an order and return its id. Whether a plan can carry it out has been asked before, or is not known.

    Args:
        url: the store.
        site: where it is to act.
        standing: the order with its time.
        who: who gives it.
        why: the reason.
        now: site time.
        role: what entitles them.
        seen: version of the orders that they looked at; the present one if absent.
        note: what the audit trail says besides.

    Raises:
        ChangedMeanwhileError: somebody changed orders or deliveries since.
        InputError: the site cannot follow it.
    """
    with Reader(url, site.name) as reader, OverrideCommands(url, site.name, role=role) as commands:
        version = commands.version() if seen is None else seen
        _check(reader, site, standing, why, now)
        return commands.give(standing, who=who, why=why, at_utc=now, seen=version, note=note)


def ask_order(
    url: str,
    site: Site,
    standing: Standing,
    *,
    who: str,
    why: str,
    now: datetime,
    role: str = SHELL,
    seen: int | None = None,
) -> str:
    """Ask the planner what an order would change; returns the preview's id.

    Raises:
        ChangedMeanwhileError: somebody changed orders or deliveries since ``seen``.
        InputError: the site cannot follow it.
    """
    with Reader(url, site.name) as reader, OverrideCommands(url, site.name, role=role) as commands:
        _check(reader, site, standing, why, now)
        return commands.ask(standing, who=who, why=why, at_utc=now, seen=seen)


def _check(reader: Reader, site: Site, standing: Standing, why: str, now: datetime) -> None:
    jobs = {job.name: job.job for job in reader.jobs(LIVE, limit=MOST_JOBS)}
    others = [each.standing for each in reader.overrides(now)]
    check_order(standing, site, now, why=why, jobs=jobs, others=others)
