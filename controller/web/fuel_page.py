"""Diesel: level, how long it lasts, what was burnt, what comes; and what a delivery would change, before it is announced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import Delivery, TelemetryPoint
from controller.reports.charts.frame import Horizon
from controller.reports.charts.level import level_chart
from controller.reports.charts.panel import PANELS
from controller.reports.charts.words import day_clock, duration, figure, money
from controller.reports.figures import Figure
from controller.reports.fuel_outlook import DAYS, DayUse, DeliveryEffect, FuelOutlook, fuel_outlook
from controller.reports.page import Fact, Grid, Page, Row, Section
from controller.reports.period import Span, local_midnight
from controller.web.desk import Desk
from sites.schema.energy import Tank
from sites.times import HOUR

STEP_H = 6.0


def fuel_page(reader: Reader, desk: Desk) -> Page:
    """Return the page; a site without a tank says so."""
    tank, now = desk.site.tank, desk.now
    outlook = fuel_outlook(reader, desk.site, tank, desk.plan) if tank is not None else None
    if tank is None or now is None or outlook is None:
        words = "This site has no tank." if tank is None else "Nothing has been measured yet."
        return Page(title="Fuel", subtitle=words, facts=(), sections=())
    zone = ZoneInfo(desk.site.location.time_zone)
    begin = local_midnight(now.at_utc.astimezone(zone).date(), zone) - timedelta(days=DAYS)
    points = reader.rolled_up(begin, now.at_utc)
    reserve = figure(tank.reserve_l, "L", digits=0)
    figures = _figures(points, tank, begin, now.at_utc, zone)
    return Page(
        title="Fuel",
        subtitle=f"Tank of {figure(tank.capacity_l, 'L', digits=0)}, {reserve} kept in reserve.",
        facts=(
            Fact(
                name="In the tank",
                value=figure(outlook.tank_l, "L", digits=0),
                note=f"{money(_worth(outlook.tank_l, desk))} at today's price",
            ),
            *_left(outlook),
            *_next(outlook, zone),
            *_planned(outlook),
        ),
        sections=(
            *((Section(title=f"The last {DAYS} days", figures=figures),) if figures else ()),
            *_delivery_section(outlook.deliveries, now.at_utc, zone),
            *_use_section(outlook.uses),
        ),
    )


def delivery_page(effect: DeliveryEffect, outlook: FuelOutlook, zone: ZoneInfo) -> Page:
    """Return what a delivery would change."""
    comes = effect.at_utc > outlook.at_utc
    tank = (
        Fact(
            name="In the tank then", value=figure(effect.level_before_l, "L", digits=0), note=f"at the {_use(outlook)}"
        ),
        Fact(
            name="Fits in",
            value=figure(effect.fits_l, "L", digits=0),
            note=f"of {figure(effect.litres, 'L', digits=0)}",
            css_class="bad" * (effect.fits_l < effect.litres - 0.5),
        ),
    )
    facts = (
        *(tank if comes and effect.level_before_l is not None else ()),
        Fact(
            name="Days left with it",
            value=days_words(effect.days_left_with, outlook),
            note=f"{days_words(effect.days_left_without, outlook)} without",
        ),
    )
    words = []
    if effect.empty_before:
        words.append(f"At the {_use(outlook)} the tank is at its reserve before this comes: bring it forward.")
    if effect.fits_l < effect.litres - 0.5:
        words.append(f"{figure(effect.litres - effect.fits_l, 'L', digits=0)} of it would find no room then.")
    words.append(
        "The next plan counts on it from then on." if comes else "It is noted as delivered; the plan goes by the level."
    )
    return Page(
        title=f"{figure(effect.litres, 'L', digits=0)} of diesel {'comes' if comes else 'came'} "
        f"{day_clock(effect.at_utc, zone)}",
        subtitle="Nothing is announced yet.",
        facts=facts,
        sections=(Section(title="What it changes", words=" ".join(words)),),
    )


def _use(outlook: FuelOutlook) -> str:
    return "plan's use" if outlook.by_plan else "use of past days"


def days_words(days: float | None, outlook: FuelOutlook) -> str:
    """Return days left in words."""
    if outlook.l_per_day is None or outlook.tank_l is None:
        return "not known"
    return "over a year" if days is None else duration(24 * days)


def _worth(litres: float | None, desk: Desk) -> float | None:
    return None if litres is None else litres * desk.site.prices.diesel_usd_per_l


def _left(outlook: FuelOutlook) -> tuple[Fact, ...]:
    """Return how many days are left at the use of past days: at their P90, median and P10."""
    if outlook.days_left is None:
        return ()
    low, middle, high = (days_words(days, outlook) for days in outlook.days_left)
    past = len(outlook.uses)
    source = "at the plan's use" if outlook.by_plan else f"from {past} past day{'s' * (past != 1)}"
    note = source if low == high else f"P10 {low}, P90 {high}; {source}"
    return (Fact(name="Days left, P50", value=middle, note=note),)


def _next(outlook: FuelOutlook, zone: ZoneInfo) -> tuple[Fact, ...]:
    coming = [each for each in outlook.deliveries if each.at_utc > outlook.at_utc]
    if not coming:
        return (Fact(name="Next delivery", value="none", note="announced"),)
    soonest = min(coming, key=lambda each: each.at_utc)
    return (
        Fact(
            name="Next delivery",
            value=figure(soonest.litres, "L", digits=0),
            note=f"{day_clock(soonest.at_utc, zone)}" + (f", {len(coming) - 1} more after" if len(coming) > 1 else ""),
        ),
    )


def _planned(outlook: FuelOutlook) -> tuple[Fact, ...]:
    if outlook.planned_l is None or outlook.planned_h is None:
        return ()
    return (
        Fact(name="Planned", value=figure(outlook.planned_l, "L"), note=f"in the next {duration(outlook.planned_h)}"),
    )


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
