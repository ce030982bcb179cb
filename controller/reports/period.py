"""Days, weeks and months of a site, from local midnight to local midnight: 23 or 25 hours when the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from controller.reports.charts.scales import day_text
from sites.record import Record
from sites.times import HOUR, TimeGrid, Utc


class Span(Record):
    """A stretch of time that a report is about."""

    title: str
    start_utc: Utc
    end_utc: Utc

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.end_utc - self.start_utc) / HOUR

    def grid(self, step_h: float) -> TimeGrid:
        """Return equal steps over it; the last one is shorter if need be."""
        whole, rest = divmod(self.hours, step_h)
        lengths = (step_h,) * round(whole) + ((rest,) if rest > 1e-9 else ())
        return TimeGrid(start_utc=self.start_utc, hours=lengths)


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of a local day as aware UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def day_span(day: date, zone: ZoneInfo) -> Span:
    """Return one local day."""
    return Span(
        title=f"{day_text(day)} {day.year}",
        start_utc=local_midnight(day, zone),
        end_utc=local_midnight(day + timedelta(days=1), zone),
    )


def week_span(day: date, zone: ZoneInfo) -> Span:
    """Return the week from Monday to Sunday that holds ``day``."""
    monday = day - timedelta(days=day.weekday())
    sunday = monday + timedelta(days=6)
    return Span(
        title=f"{day_text(monday)} to {day_text(sunday)} {sunday.year}",
        start_utc=local_midnight(monday, zone),
        end_utc=local_midnight(monday + timedelta(days=7), zone),
    )


def month_span(day: date, zone: ZoneInfo) -> Span:
    """Return the calendar month that holds ``day``."""
    first = day.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return Span(
        title=f"{first:%B} {first.year}",
        start_utc=local_midnight(first, zone),
        end_utc=local_midnight(after, zone),
    )


def days_of(span: Span, zone: ZoneInfo) -> tuple[tuple[date, Span], ...]:
    """Return the local days of a span, in order."""
    found = []
    day = span.start_utc.astimezone(zone).date()
    while local_midnight(day, zone) < span.end_utc:
        found.append((day, day_span(day, zone)))
        day += timedelta(days=1)
    return tuple(found)
