"""Any day that has passed: planned against happened. Days that are over never change and are added up once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from controller.records.reading import Reader
from controller.reports.charts.panel import Panel
from controller.reports.gather import PeriodReport, gather
from controller.reports.page import Page
from controller.reports.period import day_span
from controller.reports.period_page import period_page
from controller.web.desk import Desk

KEPT_DAYS = 32
SETTLED = timedelta(hours=1)
"""After the end of a day its records may still be on their way for this long."""


def wanted_day(text: str | None, desk: Desk) -> date:
    """Return the day asked for; today at the site if none is.

    Raises:
        HTTPException: 404, not a day.
    """
    if text:
        try:
            return datetime.fromisoformat(text).date()
        except ValueError as error:
            raise HTTPException(404, f"not a day: {text[:20]}; write one such as 2026-01-15") from error
    return today(desk) or date(2000, 1, 1)


def today(desk: Desk) -> date | None:
    """Return the present day of the site; none before its first cycle."""
    if desk.now is None:
        return None
    return desk.now.at_utc.astimezone(ZoneInfo(desk.site.location.time_zone)).date()


def day_links(day: date, desk: Desk) -> dict[str, str | None]:
    """Return the day and its neighbours as ISO dates; no link into the future."""
    latest = today(desk)
    following = day + timedelta(days=1)
    return {
        "day": day.isoformat(),
        "earlier": (day - timedelta(days=1)).isoformat(),
        "later": following.isoformat() if latest is not None and following <= latest else None,
        "latest": latest.isoformat() if latest is not None else None,
    }


class DayCache:
    """Days that are over, added up once; the newest asked for are kept."""

    def __init__(self) -> None:
        self._reports: dict[date, PeriodReport] = {}

    def page(self, reader: Reader, desk: Desk, day: date, panels: tuple[Panel, ...]) -> Page:
        """Return the page of a day, drawn for ``panels``."""
        report = self.report(reader, desk, day)
        if not any(report.happened):
            words = "The store holds no telemetry of this day."
            return Page(title=report.span.title, subtitle=words, facts=(), sections=())
        return period_page(report, desk.site, panels)

    def report(self, reader: Reader, desk: Desk, day: date) -> PeriodReport:
        """Return what happened on a day."""
        return self._reports.get(day) or self._gather(reader, desk, day)

    def _gather(self, reader: Reader, desk: Desk, day: date) -> PeriodReport:
        report = gather(reader, desk.site, day_span(day, ZoneInfo(desk.site.location.time_zone)))
        if desk.now is not None and desk.now.at_utc > report.span.end_utc + SETTLED:
            while len(self._reports) >= KEPT_DAYS:
                self._reports.pop(next(iter(self._reports)))
            self._reports[day] = report
        return report
