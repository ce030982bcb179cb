"""Orders as people type them: what it is about, and what to do, in a few words.

| subject | words |
|---|---|
| ``genset NAME`` | ``run``, ``stop``, ``disable`` |
| ``battery`` | ``hold 60`` (percent) |
| ``pool NAME`` | ``cap 300`` (watts a GPU), ``disable`` |
| ``job NAME`` | ``hold``, ``start``, ``start 2026-01-15T14:00`` (local time) |
| ``tier NAME`` | ``shed`` |
| ``service NAME`` | ``stop`` |
| ``pv`` | ``disable`` |
"""

from __future__ import annotations

from datetime import datetime

from controller.overrides.orders import (
    CapPool,
    Disable,
    ForbidGenset,
    HoldJob,
    HoldSoc,
    Order,
    PinJob,
    RunGenset,
    ShedTier,
    StopService,
)
from sites.errors import InputError
from sites.schema.site import Site
from sites.times import parse_time

SAYINGS = {
    "genset": "run, stop or disable",
    "battery": "hold 60 (percent)",
    "pool": "cap 300 (watts a GPU) or disable",
    "job": "hold, start, or start 2026-01-15T14:00",
    "tier": "shed",
    "service": "stop",
    "pv": "disable",
}
"""What can be said about each kind of subject."""


def subjects(site: Site) -> tuple[str, ...]:
    """Return what orders at a site can be about, jobs aside."""
    return (
        *(f"genset {each.name}" for each in site.gensets),
        *(("battery",) if site.battery is not None else ()),
        *(f"pool {each.name}" for each in site.pools),
        *(f"tier {each.name}" for each in site.tiers if not each.critical),
        *(f"service {each.name}" for each in site.services),
        *(("pv",) if site.pv is not None else ()),
    )


def read_order(subject: str, words: str, *, zone: str, now: datetime) -> Order:
    """Return the order that ``words`` give about ``subject``.

    Args:
        subject: e.g. ``genset diesel-1``.
        words: e.g. ``stop``.
        zone: the site's time zone.
        now: site time; a job that starts without a time starts now.

    Raises:
        InputError: nothing of this kind can be ordered.
    """
    kind, _, name = subject.strip().partition(" ")
    verb, _, rest = words.strip().partition(" ")
    match kind, verb:
        case "genset", "run":
            return RunGenset(genset=name)
        case "genset", "stop":
            return ForbidGenset(genset=name)
        case (("genset" | "pool"), "disable"):
            return Disable(device=f"{kind} {name}")
        case "pv", "disable":
            return Disable(device="pv")
        case "battery", "hold":
            return HoldSoc(soc_frac=min(max(_number(rest, "percent") / 100.0, 0.0), 1.0))
        case "pool", "cap":
            return CapPool(pool=name, limit_w=max(_number(rest, "watts"), 1e-3))
        case "job", "hold":
            return HoldJob(job=name)
        case "job", "start":
            start = parse_time(rest, zone, source="override", field="order") if rest else now
            return PinJob(job=name, start_utc=start)
        case "tier", "shed":
            return ShedTier(tier=name)
        case "service", "stop":
            return StopService(service=name)
    if kind not in SAYINGS:
        raise InputError.single(
            source="override", field="subject", found=subject, mend=f"begin with one of: {', '.join(SAYINGS)}"
        )
    raise InputError.single(source="override", field="order", found=words, mend=f"of a {kind} say {SAYINGS[kind]}")


def _number(text: str, unit: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError.single(
            source="override", field="order", found=text, mend=f"give a number of {unit}"
        ) from error
