"""What an order must fulfil: first against the site as it is described, then against the plan made under it.

A fault says what is wrong and the nearest that works. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.overrides.orders import (
    WINDOWED,
    CapPool,
    Disable,
    ForbidGenset,
    HoldJob,
    HoldSoc,
    Order,
    PinJob,
    RunGenset,
    ShedTier,
    Standing,
    StopService,
    subject_of,
)
from controller.overrides.wording import moment_words, order_words
from optimizer.problem import JobProblem
from sites.compute.pool_gpu import pool_gpu
from sites.errors import InputError, InputFault, shorten
from sites.schema.site import Site

LONGEST = timedelta(days=7)
"""An order that stands longer belongs into the site file."""
SLACK = timedelta(minutes=1)
READING = timedelta(hours=1)
"""A start that lies no further back than this means now: people read what an order changes before they give it."""
Fault = tuple[str, object, str]
"""Field, what was found, and what would be right."""


def check_order(
    standing: Standing,
    site: Site,
    now: datetime,
    *,
    why: str,
    jobs: Mapping[str, JobProblem],
    others: Sequence[Standing] = (),
) -> None:
    """Refuse an order that the site cannot follow, with every fault.

    Args:
        standing: the order.
        site: where it is to act.
        now: site time.
        why: the reason given.
        jobs: jobs that are not over, by name.
        others: orders that stand already.

    Raises:
        InputError: the site has no such thing, the order is out of its limits, its time is none, or another order
            about the same thing stands.
    """
    faults = [
        *_time(standing, site, now, why),
        *_order(standing.order, site, now, jobs),
        *_others(standing, site, others),
    ]
    if faults:
        raise InputError(InputFault(source="override", field=f, found=shorten(x), mend=m) for f, x, m in faults)


def _time(standing: Standing, site: Site, now: datetime, why: str) -> Iterator[Fault]:
    zone = ZoneInfo(site.location.time_zone)
    if not why.strip():
        yield "why", why, "say why: others will read it"
    if standing.expires_utc <= now:
        over = f"the site has {moment_words(now, zone)}"
        yield "expires", moment_words(standing.expires_utc, zone), f"it is over: {over}"
    elif standing.expires_utc - now > LONGEST:
        yield "expires", moment_words(standing.expires_utc, zone), f"at most {LONGEST.days} days from now"
    if standing.from_utc is not None:
        if not isinstance(standing.order, WINDOWED):
            yield "from", moment_words(standing.from_utc, zone), "leave it out: this order begins at once"
        elif standing.from_utc >= standing.expires_utc:
            yield "from", moment_words(standing.from_utc, zone), "before it expires"


def _order(order: Order, site: Site, now: datetime, jobs: Mapping[str, JobProblem]) -> Iterator[Fault]:
    match order:
        case RunGenset(genset=name) | ForbidGenset(genset=name):
            yield from _known("genset", name, [each.name for each in site.gensets])
        case Disable(device=device):
            yield from _device(device, site)
        case HoldSoc(soc_frac=soc):
            yield from _soc(soc, site)
        case CapPool(pool=name, limit_w=limit_w):
            yield from _known("pool", name, [each.name for each in site.pools]) or _limit(name, limit_w, site)
        case PinJob(job=name, start_utc=start):
            yield from _known("job", name, list(jobs)) or _start(jobs[name], start, site, now)
        case HoldJob(job=name):
            yield from _known("job", name, list(jobs))
        case ShedTier(tier=name):
            yield from _known("tier", name, [each.name for each in site.tiers if not each.critical])
        case StopService(service=name):
            yield from _known("service", name, [each.name for each in site.services])


def _known(field: str, name: str, names: Sequence[str]) -> list[Fault]:
    if name in names:
        return []
    return [(field, name, f"name one of: {', '.join(names[:8])}" if names else f"there is no {field} to name")]


def _device(device: str, site: Site) -> Iterator[Fault]:
    kind, _, name = device.partition(" ")
    if kind == "battery":
        yield "device", device, "the battery forms the grid; hold its state of charge instead"
    elif kind == "genset":
        yield from _known("device", name, [each.name for each in site.gensets])
    elif kind == "pool":
        yield from _known("device", name, [each.name for each in site.pools])
    elif device != "pv" or site.pv is None:
        known = [*(f"genset {each.name}" for each in site.gensets), *(f"pool {each.name}" for each in site.pools)]
        yield "device", device, f"name one of: {', '.join([*known, *(['pv'] if site.pv else [])])}"


def _soc(soc_frac: float, site: Site) -> Iterator[Fault]:
    battery = site.battery
    if battery is None:
        yield "soc", f"{soc_frac:.0%}", "this site has no battery"
    elif not battery.soc_min_frac <= soc_frac <= battery.soc_max_frac:
        nearest = min(max(soc_frac, battery.soc_min_frac), battery.soc_max_frac)
        yield "soc", f"{soc_frac:.0%}", f"the cells allow it to {nearest:.0%}"


def _limit(pool: str, limit_w: float, site: Site) -> list[Fault]:
    described = next(each for each in site.pools if each.name == pool)
    limits, each = pool_gpu(described).limits, " for a part of a GPU" if described.mig_parts > 1 else ""
    if limits.min_limit_w <= limit_w <= limits.max_limit_w:
        return []
    nearest = limits.min_limit_w if limit_w < limits.min_limit_w else limits.max_limit_w
    return [("limit", f"{limit_w:g} W", f"the driver takes nothing beyond {nearest:g} W{each}")]


def _start(job: JobProblem, start: datetime, site: Site, now: datetime) -> list[Fault]:
    zone = ZoneInfo(site.location.time_zone)
    said = moment_words(start, zone)
    if start < now - READING:
        return [("start", said, f"it is over; the nearest is now, {moment_words(now, zone)}")]
    if start < job.release_utc - SLACK and job.release_utc > now:
        return [("start", said, f"it is released later; the nearest is {moment_words(job.release_utc, zone)}")]
    speeds = [each.speed for each in job.pools]
    needed = timedelta(hours=job.work_gpu_h / (job.gpus_max * max(speeds, default=1.0)))
    if job.hard and start + needed > job.deadline_utc:
        latest = job.deadline_utc - needed
        if latest < now:
            return [("start", said, f"it needs {needed / timedelta(hours=1):.1f} h and its deadline leaves less")]
        return [("start", said, f"its deadline leaves too little; the latest is {moment_words(latest, zone)}")]
    return []


def _others(standing: Standing, site: Site, others: Sequence[Standing]) -> Iterator[Fault]:
    zone = ZoneInfo(site.location.time_zone)
    begin = standing.from_utc
    for other in others:
        if subject_of(other.order) != subject_of(standing.order) or other.id == standing.id:
            continue
        apart = (begin is not None and other.expires_utc <= begin) or (
            other.from_utc is not None and standing.expires_utc <= other.from_utc
        )
        if not apart:
            words = f"{order_words(other.order, zone)} until {moment_words(other.expires_utc, zone)}"
            yield "order", order_words(standing.order, zone), f"withdraw first what {other.who} ordered: {words}"
