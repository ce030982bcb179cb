"""The forecast: what is expected, from which rung of its ladder, and how it did over the last weeks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import TelemetryPoint
from controller.reports.charts.panel import PANELS
from controller.reports.charts.pv_band import LEGEND, pv_band, pv_chart, resample
from controller.reports.charts.scales import day_text
from controller.reports.charts.words import day_clock, energy_text, percent
from controller.reports.figures import Figure, PlanView
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.reports.period import local_midnight
from controller.reports.skill import skill_section
from controller.web.desk import Desk
from forecasting.records import Forecast, ForecastRung
from sites.record import Record
from sites.times import HOUR, TimeGrid, uniform_grid

DAYS = 14
NO_SUN_KW = 0.001
ISSUED_WITHIN = timedelta(hours=6)
"""A day is held against the newest forecast that was issued at most this long before it began."""
RUNGS: dict[ForecastRung, str] = {
    "blend": "weather model and site history",
    "stale_nwp": "old weather model, widened",
    "history": "site history and clear sky",
    "climatology": "clear-sky climatology",
    "perfect": "perfect foresight",
}


class DayScore(Record):
    """One local day against the forecast made as it began, over hours that were measured."""

    day: str
    rung: ForecastRung
    forecast_kwh: float
    happened_kwh: float
    error_kwh: float
    """Sum over hours of the absolute error."""
    hours_inside: int
    """Hours with sun inside P10 to P90."""
    hours: int
    """Hours with sun."""


UNSCORED = Section(
    title="How good it was", words="Nothing to compare yet: a day is scored against its forecast once it is over."
)


def forecast_page(reader: Reader, desk: Desk) -> Page:
    """Return the page."""
    zone = ZoneInfo(desk.site.location.time_zone)
    if desk.now is None:
        return Page(title="Forecast", subtitle="Nothing has been forecast yet.", facts=(), sections=())
    scores = day_scores(reader, desk.now.at_utc, zone)
    figures = _figure(desk, zone)
    skilled = tuple(skill_section(night, zone) for night in reader.night_scores())
    return Page(
        title="Forecast",
        subtitle=_source_words(desk, zone),
        facts=_facts(scores),
        sections=(
            *((Section(title="Expected sun", figures=figures),) if figures else ()),
            *((Section(title=f"The last {DAYS} days", tables=(_grid(scores),)),) if scores else ()),
            *(skilled if scores or skilled else (UNSCORED,)),
        ),
    )


def _source_words(desk: Desk, zone: ZoneInfo) -> str:
    forecast = desk.plan.forecast if desk.plan is not None else None
    if forecast is None:
        return "The plan shown was made without a stored forecast."
    return f"Issued {day_clock(forecast.issued_utc, zone)} from {RUNGS[forecast.rung]} ({forecast.source})."


def _figure(desk: Desk, zone: ZoneInfo) -> tuple[Figure, ...]:
    stored = desk.plan
    if stored is None or stored.forecast is None or desk.now is None or not stored.forecast.quantile_levels:
        return ()
    view = PlanView(
        plan=stored.plan, problem=stored.problem, forecast=stored.forecast, zone=zone, now_utc=desk.now.at_utc
    )
    band = pv_band(stored.forecast, stored.plan.grid)
    drawings = tuple(pv_chart(panel, view.horizon, band, stored.plan.intervals) for panel in PANELS)
    return (Figure(name="pv", title="Available sun", lead="", legend=LEGEND, drawings=drawings),)


def day_scores(reader: Reader, now: datetime, zone: ZoneInfo) -> tuple[DayScore, ...]:
    """Return the scores of the last whole days that have a forecast and measurements, newest first."""
    today = now.astimezone(zone).date()
    points = reader.rolled_up(local_midnight(today - timedelta(days=DAYS), zone), now)
    found = []
    for back in range(1, DAYS + 1):
        day = today - timedelta(days=back)
        start, end = local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone)
        issued = reader.forecasts(start - ISSUED_WITHIN, start + timedelta(minutes=5), limit=1)
        inside = [point for point in points if start <= point.at_utc < end and point.pv_available_kw is not None]
        if issued and inside:
            found.append(score(day_text(day), issued[0], inside))
    return tuple(found)


def score(day: str, forecast: Forecast, points: Sequence[TelemetryPoint]) -> DayScore:
    """Return one day's score from hourly means."""
    start = points[0].at_utc
    places = [round((point.at_utc - start) / HOUR) for point in points]
    grid = uniform_grid(start, hours=1.0, steps=places[-1] + 1)
    band = pv_band(forecast, grid)
    issued = TimeGrid(start_utc=forecast.start_utc, hours=forecast.hours)
    means = resample(issued, forecast.pv_available_kw, grid)
    rows = [
        (band.low_kw[place], means[place], band.high_kw[place], point.pv_available_kw or 0.0)
        for place, point in zip(places, points, strict=True)
    ]
    sunny = [row for row in rows if max(row[2], row[3]) > NO_SUN_KW]
    return DayScore(
        day=day,
        rung=forecast.rung,
        forecast_kwh=sum(mean for _, mean, _, _ in sunny),
        happened_kwh=sum(real for *_, real in sunny),
        error_kwh=sum(abs(mean - real) for _, mean, _, real in sunny),
        hours_inside=sum(low <= real <= high for low, _, high, real in sunny),
        hours=len(sunny),
    )


def _facts(scores: Sequence[DayScore]) -> tuple[Fact, ...]:
    there = sum(each.happened_kwh for each in scores)
    hours = sum(each.hours for each in scores)
    if there <= 0 or not hours:
        return ()
    inside = sum(each.hours_inside for each in scores) / hours
    error = sum(each.error_kwh for each in scores) / there
    bias = sum(each.forecast_kwh for each in scores) / there - 1
    days = f"{len(scores)} day{'s' * (len(scores) != 1)}"
    return (
        Fact(name="Mean absolute error", value=percent(error, digits=1), note=f"of the sun there, {days}"),
        Fact(name="Bias", value=percent(bias, digits=1), note="forecast less happened"),
        Fact(name="Inside P10 to P90", value=percent(inside), note=f"of {hours} sunny hours; 80 % is right"),
    )


def _grid(scores: Sequence[DayScore]) -> Grid:
    rows = tuple(
        Row(
            cells=(
                each.day,
                RUNGS[each.rung],
                energy_text(each.forecast_kwh),
                energy_text(each.happened_kwh),
                percent(each.error_kwh / each.happened_kwh if each.happened_kwh > 0 else None, digits=1),
                f"{each.hours_inside} of {each.hours}",
            )
        )
        for each in scores
    )
    heads = ("day", "from", "forecast at its start", "there", "error", "hours inside the band")
    return Grid(heads=heads, rows=rows, numeric=(2, 3, 4, 5))
