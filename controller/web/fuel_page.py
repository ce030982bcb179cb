"""Diesel: level, how long it lasts, what was burnt, what comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import Delivery, TelemetryPoint
from controller.reports.charts.frame import Horizon
from controller.reports.charts.level import level_chart
from controller.reports.charts.panel import PANELS
from controller.reports.charts.scales import day_text
from controller.reports.charts.words import day_clock, duration, figure, money
from controller.reports.energy import fuel_used_l
from controller.reports.figures import Figure
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.reports.period import Span, local_midnight
from controller.reports.summary import planned_fuel_l
from controller.web.desk import Desk
from sites.record import Record
from sites.schema.energy import Tank
from sites.times import HOUR, Utc

DAYS = 14
STEP_H = 6.0


class DayUse(Record):
    """Litres burnt on one local day."""

    day: str
    start_utc: Utc
    litres: float


def fuel_page(reader: Reader, desk: Desk) -> Page:
    """Return the page; a site without a tank says so."""
    tank, now = desk.site.tank, desk.now
    if tank is None or now is None:
        return Page(title="Fuel", subtitle="This site has no tank.", facts=(), sections=())
    zone = ZoneInfo(desk.site.location.time_zone)
    today = local_midnight(now.at_utc.astimezone(zone).date(), zone)
    begin = today - timedelta(days=DAYS)
    points = reader.rolled_up(begin, now.at_utc)
    deliveries = reader.deliveries(limit=200)
    uses = daily_uses(points, deliveries, today, zone)
    reserve = figure(tank.reserve_l, "L", digits=0)
    return Page(
        title="Fuel",
        subtitle=f"Tank of {figure(tank.capacity_l, 'L', digits=0)}, {reserve} kept in reserve.",
        facts=(
            Fact(
                name="In the tank",
                value=figure(now.snapshot.tank_l, "L", digits=0),
                note=f"{money(_worth(now.snapshot.tank_l, desk))} at today's price",
            ),
            *_left(uses, now.snapshot.tank_l, tank),
            *_planned(desk),
        ),
        sections=(
            Section(title=f"The last {DAYS} days", figures=_figures(points, tank, begin, now.at_utc, zone)),
            *_use_section(uses),
            *_delivery_section(deliveries, now.at_utc, zone),
        ),
    )


def _worth(litres: float | None, desk: Desk) -> float | None:
    return None if litres is None else litres * desk.site.prices.diesel_usd_per_l


def daily_uses(
    points: Sequence[TelemetryPoint], deliveries: Sequence[Delivery], today: datetime, zone: ZoneInfo
) -> tuple[DayUse, ...]:
    """Return litres burnt on each whole local day before ``today`` with readings at both ends, oldest first."""
    found = []
    for back in range(DAYS, 0, -1):
        day = (today - timedelta(days=back) + timedelta(hours=12)).astimezone(zone).date()
        start, end = local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone)
        inside = [point for point in points if start <= point.at_utc <= end and point.tank_l is not None]
        if len(inside) < 2 or (inside[-1].at_utc - inside[0].at_utc) / HOUR < 22:
            continue
        came = sum(each.litres for each in deliveries if start <= each.at_utc < end)
        litres = fuel_used_l(inside, came)
        if litres is not None:
            found.append(DayUse(day=day_text(day), start_utc=start, litres=max(litres, 0.0)))
    return tuple(found)


def _left(uses: Sequence[DayUse], tank_l: float | None, tank: Tank) -> tuple[Fact, ...]:
    """Return how many days are left at the use of past days: at their P90, median and P10."""
    if not uses or tank_l is None:
        return ()
    ordered = sorted(each.litres for each in uses)
    low, middle, high = (ordered[round(level * (len(ordered) - 1))] for level in (0.1, 0.5, 0.9))
    spare = max(tank_l - tank.reserve_l, 0.0)

    def days(litres: float) -> str:
        return "over a year" if litres <= spare / 365 else duration(24 * spare / litres)

    note = f"from {len(uses)} past days; P10 {days(high)}, P90 {days(low)}"
    return (Fact(name="Days left, P50", value=days(middle), note=note),)


def _planned(desk: Desk) -> tuple[Fact, ...]:
    if desk.plan is None:
        return ()
    litres = planned_fuel_l(desk.plan.plan, desk.plan.problem.gensets)
    hours = sum(desk.plan.plan.grid.hours)
    return (Fact(name="Planned", value=figure(litres, "L"), note=f"in the next {duration(hours)}"),)


def _figures(
    points: Sequence[TelemetryPoint], tank: Tank, begin: datetime, end: datetime, zone: ZoneInfo
) -> tuple[Figure, ...]:
    span = Span(title="", start_utc=begin, end_utc=end)
    grid = span.grid(STEP_H)
    means: list[float | None] = []
    for start, hours in zip(grid.starts_utc, grid.hours, strict=True):
        levels = [p.tank_l for p in points if start <= p.at_utc < start + hours * HOUR and p.tank_l is not None]
        means.append(sum(levels) / len(levels) if levels else None)
    if not any(mean is not None for mean in means):
        return ()
    horizon = Horizon(grid=grid, zone=zone)
    drawings = tuple(
        level_chart(
            panel,
            horizon,
            means,
            unit="L",
            label="Diesel in the tank, L",
            css_class="fuel",
            told=lambda litres: figure(litres, "L", digits=0),
            high=tank.capacity_l,
            mark=tank.reserve_l or None,
        )
        for panel in PANELS
    )
    return (
        Figure(name="tank", title="Tank level", lead="The broken line is the reserve", legend=(), drawings=drawings),
    )


def _use_section(uses: Sequence[DayUse]) -> tuple[Section, ...]:
    rows = tuple(Row(cells=(each.day, figure(each.litres, "L"))) for each in reversed(uses))
    if not rows:
        return ()
    return (Section(title="Burnt a day", tables=(Grid(heads=("day", "burnt"), rows=rows, numeric=(1,)),)),)


def _delivery_section(deliveries: Sequence[Delivery], now: datetime, zone: ZoneInfo) -> tuple[Section, ...]:
    rows = tuple(
        Row(
            cells=(
                day_clock(each.at_utc, zone),
                "to come" if each.at_utc > now else "delivered",
                figure(each.litres, "L", digits=0),
                "" if each.usd_per_l is None else f"{money(each.usd_per_l)} a litre",
                each.who,
            )
        )
        for each in deliveries
    )
    if not rows:
        return ()
    heads = ("when", "", "litres", "price", "noted by")
    return (Section(title="Deliveries", tables=(Grid(heads=heads, rows=rows, numeric=(2, 3)),)),)
