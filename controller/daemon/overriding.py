"""Overrides in the control cycle: a person's order stands above the plan and below the guards.

The next plan is solved around it; until then, and under rules, the cycle keeps to it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from controller.guards.gensets_called import TURNING, command_of, with_command
from controller.guards.records import GuardResult
from controller.overrides.orders import (
    CapPool,
    Disable,
    ForbidGenset,
    HoldJob,
    PinJob,
    RunGenset,
    ShedTier,
    Standing,
    StopService,
)
from controller.setpoints import GensetCommand, Setpoints
from controller.snapshot import Snapshot
from sites.schema.site import Site


def overridden(setpoints: Setpoints, overrides: Iterable[Standing], site: Site) -> Setpoints:
    """Return setpoints with every order applied that acts now; orders to what the site does not have are ignored."""
    for each in overrides:
        if each.acts(setpoints.at_utc):
            setpoints = _with_order(setpoints, each, site)
    return setpoints


def _with_order(setpoints: Setpoints, standing: Standing, site: Site) -> Setpoints:
    match standing.order:
        case RunGenset(genset=name):
            return _run_genset(setpoints, name, site)
        case ForbidGenset(genset=name):
            return _stop_genset(setpoints, name, site)
        case Disable(device=device):
            return _disabled(setpoints, device, site)
        case CapPool(pool=name, limit_w=limit_w):
            jobs = tuple(
                job.model_copy(update={"limit_w": min(job.limit_w, limit_w)}) if job.pool == name else job
                for job in setpoints.jobs
            )
            return setpoints.model_copy(update={"jobs": jobs})
        case PinJob(job=name, start_utc=start) if setpoints.at_utc < start:
            return _without_job(setpoints, name)
        case HoldJob(job=name):
            return _without_job(setpoints, name)
        case StopService(service=name):
            on = tuple(service for service in setpoints.services if service.name != name)
            return setpoints.model_copy(update={"services": on})
        case ShedTier(tier=name):
            tiers = tuple(dict.fromkeys((*setpoints.shed_tiers, name)))
            return setpoints.model_copy(update={"shed_tiers": tiers})
        case _:
            return setpoints


def _without_job(setpoints: Setpoints, name: str) -> Setpoints:
    return setpoints.model_copy(update={"jobs": tuple(job for job in setpoints.jobs if job.name != name)})


def _stop_genset(setpoints: Setpoints, name: str, site: Site) -> Setpoints:
    if any(genset.name == name for genset in site.gensets):
        return with_command(setpoints, GensetCommand(name=name, run=False, reason_code="OPERATOR"))
    return setpoints


def _run_genset(setpoints: Setpoints, name: str, site: Site) -> Setpoints:
    for genset in site.gensets:
        asked = command_of(setpoints, name)
        if genset.name == name and (asked is None or not asked.run):
            kw = 0.5 * genset.rating_kw
            setpoints = with_command(setpoints, GensetCommand(name=name, run=True, kw=kw, reason_code="OPERATOR"))
    return setpoints


def _disabled(setpoints: Setpoints, device: str, site: Site) -> Setpoints:
    kind, _, name = device.partition(" ")
    if kind == "genset":
        return _stop_genset(setpoints, name, site)
    if kind == "pool":
        jobs = tuple(job for job in setpoints.jobs if job.pool != name)
        services = tuple(service for service in setpoints.services if service.mode.pool != name)
        return setpoints.model_copy(update={"jobs": jobs, "services": services})
    return setpoints.model_copy(update={"pv_limit_kw": 0.0})


def without_disabled(snapshot: Snapshot, overrides: Iterable[Standing], now: datetime) -> Snapshot:
    """Return what guards may count on: a disabled genset at rest is as if its panel were in MANUAL."""
    out = {each.order.device for each in overrides if isinstance(each.order, Disable) and each.acts(now)}
    if not any(f"genset {reading.name}" in out for reading in snapshot.gensets):
        return snapshot
    gensets = tuple(
        reading.model_copy(update={"remote_allowed": False})
        if f"genset {reading.name}" in out and reading.phase not in TURNING
        else reading
        for reading in snapshot.gensets
    )
    return snapshot.model_copy(update={"gensets": gensets})


def as_read(guarded: GuardResult, snapshot: Snapshot) -> GuardResult:
    """Return what guards decided, with gensets as they were read."""
    if guarded.snapshot.gensets == snapshot.gensets:
        return guarded
    return replace(guarded, snapshot=guarded.snapshot.model_copy(update={"gensets": snapshot.gensets}))
