"""UTC times in the words of plans and reasons, turned into the site's local times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.reports.charts.words import day_clock

_ISO = re.compile(r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d)?(?:Z|\+00:00)")
_CLOCK = re.compile(r"\b(\d\d):(\d\d)Z")


def local_times(words: str, zone: ZoneInfo, start_utc: datetime) -> str:
    """Return ``words`` with their UTC times in the site's zone; a bare ``04:15Z`` is the first after ``start_utc``."""

    def whole(match: re.Match[str]) -> str:
        return day_clock(datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC), zone)

    def bare(match: re.Match[str]) -> str:
        moment = start_utc.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        return day_clock(moment if moment >= start_utc else moment + timedelta(days=1), zone)

    return _CLOCK.sub(bare, _ISO.sub(whole, words))
