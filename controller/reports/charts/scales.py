"""Scales and ticks: values and times to px, round numbers for axes, clock ticks in a site's zone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A straight line from values to px."""

    low: float
    high: float
    start_px: float
    """Where ``low`` lies."""
    end_px: float
    """Where ``high`` lies."""

    def __call__(self, value: float) -> float:
        """Return the position of ``value``, held inside the range."""
        if self.high <= self.low:
            return self.start_px
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return self.start_px + share * (self.end_px - self.start_px)


@dataclass(frozen=True, kw_only=True)
class TimeScale:
    """A straight line from instants to px."""

    start_utc: datetime
    end_utc: datetime
    start_px: float
    end_px: float

    def __call__(self, moment: datetime) -> float:
        """Return the position of ``moment``, held inside the range."""
        whole = (self.end_utc - self.start_utc).total_seconds()
        share = min(max((moment - self.start_utc).total_seconds() / whole, 0.0), 1.0)
        return self.start_px + share * (self.end_px - self.start_px)


@dataclass(frozen=True, kw_only=True)
class ClockTick:
    """A tick of a time axis."""

    at_utc: datetime
    label: str
    """``06:00``, or the day at midnight, e.g. ``Thu 16 Jan``."""
    midnight: bool


def nice_step(span: float, count: int) -> float:
    """Return a step of 1, 2 or 5 x 10^k, or 25, that divides ``span`` into at most ``count`` parts."""
    if span <= 0:
        return 1.0
    raw = span / max(count, 1)
    scale = 10.0 ** math.floor(math.log10(raw))
    factors = (1.0, 2.0, 2.5, 5.0, 10.0) if scale == 10.0 else (1.0, 2.0, 5.0, 10.0)
    return next(factor * scale for factor in factors if factor * scale >= raw * (1 - 1e-9))


def nice_ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return round values from at or below ``low`` to at or above ``high``, about ``count`` steps apart."""
    step = nice_step(high - low, count)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return tuple(round(index * step, 10) for index in range(first, max(last, first + 1) + 1))


def clock_ticks(start_utc: datetime, end_utc: datetime, zone: ZoneInfo, *, every_h: int) -> tuple[ClockTick, ...]:
    """Return ticks at local hours divisible by ``every_h``; days of 23 or 25 hours keep their clock times."""
    ticks: list[ClockTick] = []
    day = start_utc.astimezone(zone).date()
    while datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) < end_utc:
        for hour in range(0, 24, every_h):
            moment = datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)
            if start_utc <= moment < end_utc and moment.astimezone(zone).hour == hour:
                ticks.append(ClockTick(at_utc=moment, label=_clock_label(day, hour), midnight=hour == 0))
        day += timedelta(days=1)
    return tuple(ticks)


def _clock_label(day: date, hour: int) -> str:
    return day_text(day) if hour == 0 else f"{hour:02d}:00"


def day_text(day: date) -> str:
    """Return ``Thu 16 Jan``, in English whatever the host's locale."""
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day.weekday()]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[day.month - 1]
    return f"{weekday} {day.day} {month}"


def zone_text(start_utc: datetime, end_utc: datetime, zone: ZoneInfo) -> str:
    """Return the short name of the zone between two instants: ``EST``, ``EST/EDT``, or ``UTC+05:30`` without one."""
    names = [_zone_name(moment.astimezone(zone)) for moment in (start_utc, end_utc)]
    return names[0] if names[0] == names[1] else "/".join(names)


def _zone_name(local: datetime) -> str:
    name = local.tzname() or ""
    if name and not name.startswith(("+", "-")):
        return name
    offset = local.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}" if offset[3:5] != "00" else f"UTC{offset[:3]}"
