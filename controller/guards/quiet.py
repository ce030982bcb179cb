"""Quiet hours: local clock times between which a genset is not started."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sites.schema.energy import Genset


def is_quiet(genset: Genset, now: datetime, zone: str) -> bool:
    """Return whether ``now`` lies in a genset's quiet hours."""
    if genset.quiet_hours is None:
        return False
    begin, end = (text.zfill(5) for text in genset.quiet_hours)
    clock = f"{now.astimezone(ZoneInfo(zone)):%H:%M}"
    return begin <= clock < end if begin <= end else clock >= begin or clock < end
