"""The figures of a plan: each chart with its title, a sentence that says what to see, and its legend.

The console and the reports show the same figures; both get them here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from markupsafe import Markup

from controller.reports.charts import caps, jobs, power, price, pv_band, soc
from controller.reports.charts.frame import Horizon
from controller.reports.charts.panel import PANELS, Panel
from controller.reports.charts.words import day_clock, energy_text, money, percent
from controller.reports.summary import PlanSummary, summarise
from forecasting.records import Forecast
from optimizer.plan import Plan
from optimizer.problem import Problem

Legend = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart as a page shows it."""

    name: str
    title: str
    lead: str
    """What to see, in one sentence."""
    legend: Legend
    """(class of the swatch, words) of each entry."""
    drawings: tuple[Markup, ...]
    """The same chart, one a width class."""


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """A plan and what is drawn of it."""

    plan: Plan
    problem: Problem
    forecast: Forecast | None
    zone: ZoneInfo
    now_utc: datetime | None
    panels: tuple[Panel, ...] = PANELS

    @cached_property
    def horizon(self) -> Horizon:
        """The time shown; dark where there is no sun."""
        dark = tuple(interval.pv_available_kw <= 0.01 for interval in self.plan.intervals)
        return Horizon(grid=self.plan.grid, zone=self.zone, now_utc=self.now_utc, dark=dark if not all(dark) else ())


def plan_figures(view: PlanView) -> tuple[Figure, ...]:
    """Return the figures of a plan, those that have nothing to show left out."""
    summary = summarise(view.plan, view.problem)
    made = (
        _power(view, summary),
        _soc(view, summary),
        _pv(view, summary),
        _schedule(view, summary),
        _caps(view),
        _price(view, summary),
    )
    return tuple(each for each in made if each is not None)


def _draw(view: PlanView, draw: Callable[[Panel], Markup]) -> tuple[Markup, ...]:
    return tuple(draw(panel) for panel in view.panels)


def _power(view: PlanView, summary: PlanSummary) -> Figure:
    from_sun = (summary.load_kwh - summary.genset_kwh) / summary.load_kwh if summary.load_kwh > 0 else None
    lead = f"{energy_text(summary.load_kwh)} of load"
    if summary.genset_kwh > power.NOTHING_KW:
        lead += f"; gensets give {energy_text(summary.genset_kwh)}, {percent(1 - (from_sun or 0.0))} of it"
    else:
        lead += ", no diesel"
    drawn = {
        name
        for interval in view.plan.intervals
        for name, kw in (*power.supply_layers(interval), *power.use_layers(interval))
        if kw > power.NOTHING_KW
    }
    if any(view.horizon.dark):
        drawn.add("dark")
    return Figure(
        name="power",
        title="Power",
        lead=lead,
        legend=tuple(entry for entry in power.LEGEND if entry[0] in drawn),
        drawings=_draw(view, lambda panel: power.power_chart(panel, view.horizon, view.plan.intervals)),
    )


def _soc(view: PlanView, summary: PlanSummary) -> Figure | None:
    battery = view.problem.battery
    if battery is None or battery.capacity_kwh <= 0:
        return None
    limits = soc.SocLimits(
        soc_min_frac=battery.soc_min_frac,
        soc_reserve_frac=battery.soc_reserve_frac,
        soc_max_frac=battery.soc_max_frac,
        capacity_kwh=battery.capacity_kwh,
    )
    return Figure(
        name="soc",
        title="Battery charge",
        lead=f"Lowest {percent(summary.soc_low_frac)}, {day_clock(summary.soc_low_utc, view.zone)}",
        legend=soc.LEGEND,
        drawings=_draw(
            view,
            lambda panel: soc.soc_chart(
                panel, view.horizon, view.plan.intervals, limits, soc_now_frac=battery.soc_frac
            ),
        ),
    )


def _pv(view: PlanView, summary: PlanSummary) -> Figure | None:
    if view.forecast is None or not view.forecast.quantile_levels:
        return None
    band = pv_band.pv_band(view.forecast, view.plan.grid)
    if max(band.high_kw) <= 0:
        return None
    low, high = (
        sum(kw * hours for kw, hours in zip(row, view.plan.grid.hours, strict=True))
        for row in (band.low_kw, band.high_kw)
    )
    lead = f"{energy_text(summary.pv_available_kwh)} expected, between {energy_text(low)} and {energy_text(high)}"
    return Figure(
        name="pv",
        title="Sun forecast",
        lead=f"{lead}; source: {view.forecast.source}",
        legend=pv_band.LEGEND,
        drawings=_draw(view, lambda panel: pv_band.pv_chart(panel, view.horizon, band, view.plan.intervals)),
    )


def _schedule(view: PlanView, summary: PlanSummary) -> Figure | None:
    horizon = view.horizon
    limits = [level.limit_w for pool in view.problem.pools for profile in pool.levels for level in profile.levels]
    rows = [
        *jobs.genset_rows(horizon, view.plan.intervals),
        *jobs.job_rows(
            horizon, view.plan.jobs, view.problem.jobs, highest_w=max(limits, default=0.0), shown=jobs.SHOWN
        ),
    ]
    if not rows:
        return None
    return Figure(
        name="schedule",
        title="Jobs and gensets",
        lead=_schedule_lead(summary),
        legend=jobs.LEGEND
        if any(genset.on for each in view.plan.intervals for genset in each.gensets)
        else jobs.LEGEND[1:],
        drawings=_draw(view, lambda panel: jobs.schedule_chart(panel, horizon, rows)),
    )


def _schedule_lead(summary: PlanSummary) -> str:
    parts = [f"{summary.jobs_running} {_plural('job runs', 'jobs run', summary.jobs_running)}"]
    if summary.jobs_running > jobs.SHOWN:
        parts[0] += f", the first {jobs.SHOWN} shown"
    parts.append(f"{summary.jobs_late} late" if summary.jobs_late else "none late")
    if summary.jobs_waiting:
        parts.append(f"{summary.jobs_waiting} {_plural('waits', 'wait', summary.jobs_waiting)} beyond the plan")
    return ", ".join(parts)


def _plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _caps(view: PlanView) -> Figure | None:
    rows = caps.cap_rows(view.horizon, view.plan.jobs, view.plan.services, view.problem.services)
    if not rows:
        return None
    return Figure(
        name="caps",
        title="GPU power limits",
        lead="Watts a GPU, mean of those at work; darker is higher",
        legend=caps.LEGEND,
        drawings=_draw(view, lambda panel: caps.caps_chart(panel, view.horizon, rows)),
    )


def _price(view: PlanView, summary: PlanSummary) -> Figure:
    when = day_clock(summary.price_high_utc, view.zone)
    return Figure(
        name="price",
        title="Price of energy",
        lead=f"What one more kWh costs; at most {money(summary.price_high_usd_per_kwh)}, {when}",
        legend=(),
        drawings=_draw(view, lambda panel: price.price_chart(panel, view.horizon, view.plan.intervals)),
    )
