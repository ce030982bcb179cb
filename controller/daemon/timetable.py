"""When to plan, to keep house and to report: APScheduler's triggers on the site's clock.

On the host's clock APScheduler's own thread fires the jobs, with a generous misfire grace, ``coalesce`` and
one instance at a time; a fast clock asks the same triggers itself, since no scheduler can know when a clock
waits. Jobs only raise a flag that the loop takes down: nothing of the site is touched from another thread.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

MISFIRE_GRACE_S = 300
SET_BACK = timedelta(minutes=1)
"""A clock that goes back further than this was set: intervals begin anew, or nothing would fall due until it catches up."""


class Timetable:
    """Named intervals and times of day that fall due; ``live`` uses APScheduler's thread, else ``due`` asks the triggers.

    Args:
        intervals_s: names and lengths of the intervals.
        start_utc: when the intervals begin.
        live: whether the site's clock is the host's.
        daily: names and local times of day, e.g. ``00:20``, once a local day.
        zone: the site's time zone.
    """

    def __init__(
        self,
        intervals_s: dict[str, float],
        *,
        start_utc: datetime,
        live: bool,
        daily: Mapping[str, str] | None = None,
        zone: str = "UTC",
    ) -> None:
        self._intervals_s = dict(intervals_s)
        self._seen_utc = start_utc
        self._triggers: dict[str, BaseTrigger] = {
            name: _every(seconds, start_utc) for name, seconds in intervals_s.items()
        }
        for name, time in (daily or {}).items():
            hour, minute = time.split(":")
            self._triggers[name] = CronTrigger(hour=int(hour), minute=int(minute), timezone=ZoneInfo(zone))
        self._next: dict[str, datetime | None] = {
            name: trigger.get_next_fire_time(None, start_utc + timedelta(microseconds=1))
            for name, trigger in self._triggers.items()
        }
        self._flags = {name: threading.Event() for name in self._triggers}
        self._scheduler: BackgroundScheduler | None = None
        if live:
            self._scheduler = BackgroundScheduler(
                timezone=UTC,
                job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": MISFIRE_GRACE_S},
            )
            for name, trigger in self._triggers.items():
                self._scheduler.add_job(self._flags[name].set, trigger, id=name)
            self._scheduler.start()

    def due(self, name: str, now: datetime) -> bool:
        """Return whether an interval has fallen due since it was last asked for; asking takes the flag down."""
        if now < self._seen_utc - SET_BACK:
            self._begin_anew(now)
        self._seen_utc = now
        if self._scheduler is None:
            following = self._next[name]
            if following is None or now < following:
                return False
            while following is not None and following <= now:
                following = self._triggers[name].get_next_fire_time(following, now)
            self._next[name] = following
            return True
        if not self._flags[name].is_set():
            return False
        self._flags[name].clear()
        return True

    def _begin_anew(self, now: datetime) -> None:
        """Have every interval due now, and follow from now on."""
        for name, seconds in self._intervals_s.items():
            self._triggers[name] = _every(seconds, now)
            self._next[name] = now
            if self._scheduler is not None:
                self._scheduler.reschedule_job(name, trigger=self._triggers[name])
                self._flags[name].set()

    def close(self) -> None:
        """End the scheduler's thread."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)


def _every(seconds: float, start_utc: datetime) -> IntervalTrigger:
    return IntervalTrigger(seconds=max(round(seconds), 1), start_date=start_utc, timezone=UTC)
