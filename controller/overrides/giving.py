"""Giving an order: checked against the site, the jobs and what stands already, then written, all or nothing."""

from __future__ import annotations

from datetime import datetime

from controller.access.roles import SHELL
from controller.overrides.checking import check_order
from controller.overrides.orders import Standing
from controller.records.override_commands import OverrideCommands
from controller.records.reading import Reader
from sites.schema.site import Site

OVER = ("done", "failed", "cancelled")


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
) -> str:
    """Give an order and return its id.

    Args:
        url: the store.
        site: where it is to act.
        standing: the order with its time.
        who: who gives it.
        why: the reason.
        now: site time.
        role: what entitles them.
        seen: version of the overrides that they looked at; the present one if absent.

    Raises:
        InputError: the site cannot follow it, or somebody changed the overrides since.
    """
    with Reader(url, site.name) as reader, OverrideCommands(url, site.name, role=role) as commands:
        version = commands.version() if seen is None else seen
        jobs = {job.name: job.job for job in reader.jobs() if job.state not in OVER}
        others = [each.standing for each in reader.overrides(now)]
        check_order(standing, site, now, why=why, jobs=jobs, others=others)
        return commands.give(standing, who=who, why=why, at_utc=now, seen=version)
