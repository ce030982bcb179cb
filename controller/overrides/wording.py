"""Orders in plain words, times local to the site."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never
from zoneinfo import ZoneInfo

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
    Standing,
    StopService,
)


def order_words(order: Order, zone: ZoneInfo) -> str:
    """Return an order as a sentence without its end."""
    match order:
        case RunGenset(genset=name):
            return f"Run genset {name}"
        case ForbidGenset(genset=name):
            return f"Keep genset {name} off"
        case Disable(device=device):
            return f"Disable {'the sun' if device == 'pv' else device}"
        case HoldSoc(soc_frac=soc):
            return f"Hold the battery at {soc:.0%} or above"
        case CapPool(pool=name, limit_w=limit_w):
            return f"Cap pool {name} at {limit_w:.0f} W a GPU"
        case PinJob(job=name, start_utc=start, gpus=gpus):
            size = f" on {gpus:g} GPUs" if gpus is not None else ""
            return f"Start job {name} at {moment_words(start, zone)}{size}"
        case HoldJob(job=name):
            return f"Hold job {name}"
        case ShedTier(tier=name):
            return f"Leave {name} without power"
        case StopService(service=name):
            return f"Stop service {name}"
        case _:
            assert_never(order)


def short_words(order: Order) -> str:
    """Return an order in a few words without its subject, times in UTC: for tables and logs."""
    match order:
        case RunGenset():
            return "run"
        case ForbidGenset() | StopService():
            return "stop"
        case Disable():
            return "disable"
        case HoldSoc(soc_frac=soc):
            return f"hold at {soc:.0%}"
        case CapPool(limit_w=limit_w):
            return f"cap at {limit_w:.0f} W"
        case PinJob(start_utc=start):
            return f"start at {start:%Y-%m-%d %H:%M}Z"
        case HoldJob():
            return "pause"
        case ShedTier():
            return "shed"
        case _:
            assert_never(order)


def span_words(standing: Standing, zone: ZoneInfo) -> str:
    """Return from when until when an order acts."""
    until = f"until {moment_words(standing.expires_utc, zone)}"
    if standing.from_utc is None:
        return until
    return f"from {moment_words(standing.from_utc, zone)} {until}"


def moment_words(moment: datetime, zone: ZoneInfo) -> str:
    """Return a local time with its weekday and day, and its zone."""
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M %Z}"
