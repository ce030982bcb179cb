"""UTC times in the words of plans and reasons, turned into the site's local times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.reports.charts.words import day_clock

_ISO = re.compile(r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d)?(?:Z|\+00:00)")
_CLOCK = re.compile(r"(?:\b(\d\d) )?\b(\d\d):(\d\d)Z")
MONTH_DAYS = 31


def local_times(words: str, zone: ZoneInfo, start_utc: datetime) -> str:
    """Return ``words`` with their UTC times in the site's zone.

    Understood are ISO times, ``16 04:15Z`` (day of the month and time) and a bare ``04:15Z``; the latter two mean the
    first such moment that is not before ``start_utc``.
    """

    def whole(match: re.Match[str]) -> str:
        return day_clock(datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC), zone)

    def part(match: re.Match[str]) -> str:
        day = int(match[1]) if match[1] else None
        first = start_utc.replace(hour=int(match[2]), minute=int(match[3]), second=0, microsecond=0)
        for later in range(MONTH_DAYS + 1):
            moment = first + timedelta(days=later)
            if moment >= start_utc.replace(second=0, microsecond=0) and day in (None, moment.day):
                return day_clock(moment, zone)
        return match[0]

    return _CLOCK.sub(part, _ISO.sub(whole, words))
