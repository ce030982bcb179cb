"""Figures about a span that has passed: where energy came from and went, power, charge against its plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from controller.reports.charts import power, soc
from controller.reports.charts.frame import Horizon
from controller.reports.charts.panel import MEDIUM, NARROW, Panel
from controller.reports.charts.sankey import Share, sankey_chart
from controller.reports.charts.words import energy_text, percent
from controller.reports.coarse import FEW, coarse, coarse_grid, coarse_groups
from controller.reports.energy import EnergyBalance
from controller.reports.figures import Figure
from controller.reports.gather import PeriodReport
from optimizer.plan import Interval
from sites.schema.energy import Battery
from sites.schema.site import Site

REPORT_PANELS: tuple[Panel, ...] = (NARROW, MEDIUM)
"""Widths of a file that is also printed."""
DAY_H, SOC_H = 24.0, 3.0
"""How coarse the charts of a month are."""


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a chart shows: intervals, and which of them are dark or unknown."""

    horizon: Horizon
    happened: tuple[Interval, ...]
    planned: tuple[Interval | None, ...]


def after_figures(report: PeriodReport, site: Site, panels: tuple[Panel, ...] = REPORT_PANELS) -> tuple[Figure, ...]:
    """Return the figures; none if nothing was measured."""
    if not any(report.happened):
        return ()
    found = [_sankey(report.energy, panels), _power(_shown(report, site, DAY_H), panels)]
    if site.battery is not None:
        found.append(_soc(_shown(report, site, SOC_H), report, site.battery, panels))
    return tuple(found)


def _shown(report: PeriodReport, site: Site, hours: float) -> _Shown:
    """Return the report's intervals, of a long span made coarser to ``hours``."""
    zone, grid = ZoneInfo(site.location.time_zone), report.grid
    happened, planned = report.happened, report.planned
    if len(grid) > FEW:
        groups = coarse_groups(grid, zone, hours)
        happened, planned = coarse(happened, groups, grid), coarse(planned, groups, grid)
        grid = coarse_grid(grid, groups)
    unknown = tuple(each is None for each in happened)
    intervals = tuple(
        each or _blank(start, h) for each, start, h in zip(happened, grid.starts_utc, grid.hours, strict=True)
    )
    dark = tuple(each.pv_available_kw <= 0.01 for each in intervals)
    horizon = Horizon(grid=grid, zone=zone, dark=dark if not all(dark) else (), unknown=unknown if any(unknown) else ())
    return _Shown(horizon=horizon, happened=intervals, planned=planned)


def _blank(start: datetime, hours: float) -> Interval:
    """Return what stands under the cover of an interval that was not measured."""
    return Interval(
        start_utc=start,
        hours=hours,
        pv_available_kw=0.0,
        pv_used_kw=0.0,
        battery_kw=0.0,
        soc_end_frac=0.0,
        gensets=(),
        load_kw=0.0,
        it_kw=0.0,
        cooling_kw=0.0,
        shed_kw=0.0,
        reserve_kw=0.0,
        price_usd_per_kwh=0.0,
    )


def _draw(panels: tuple[Panel, ...], draw: Callable[[Panel], Markup]) -> tuple[Markup, ...]:
    return tuple(draw(panel) for panel in panels)


def _sankey(energy: EnergyBalance, panels: tuple[Panel, ...]) -> Figure:
    sources = (
        Share(name="Sun", css_class="pv", kwh=energy.pv_used_kwh),
        Share(name="Gensets", css_class="genset", kwh=energy.genset_kwh),
        Share(name="Battery gives", css_class="battery", kwh=energy.battery_out_kwh),
    )
    uses = (
        Share(name="Computers", css_class="it", kwh=energy.it_kwh),
        Share(name="Cooling", css_class="cooling", kwh=energy.cooling_kwh),
        Share(name="Other load", css_class="other", kwh=max(energy.other_kwh, 0.0)),
        Share(name="Battery takes", css_class="charge", kwh=energy.battery_in_kwh),
    )
    lead = f"{energy_text(energy.load_kwh)} of load served"
    if energy.pv_available_kwh > power.NOTHING_KW:
        lead += f"; {percent(energy.pv_used_kwh / energy.pv_available_kwh)} of the sun used"
    return Figure(
        name="balance",
        title="Energy balance",
        lead=lead,
        legend=(),
        drawings=_draw(panels, lambda panel: sankey_chart(panel, sources, uses, label="Energy balance")),
    )


def _power(shown: _Shown, panels: tuple[Panel, ...]) -> Figure:
    horizon, intervals = shown.horizon, shown.happened
    means = ", means of days" if max(horizon.grid.hours) > DAY_H - 2 else ""
    drawn = {
        name
        for each in intervals
        for name, kw in (*power.supply_layers(each), *power.use_layers(each))
        if kw > power.NOTHING_KW
    }
    drawn |= {"dark"} if any(horizon.dark) else set()
    legend = tuple(entry for entry in power.LEGEND if entry[0] in drawn)
    return Figure(
        name="power",
        title="Power",
        lead="Above the line what fed the bus, below it what drew from it" + means,
        legend=(*legend, ("unknown", "not measured")) if horizon.unknown else legend,
        drawings=_draw(panels, lambda panel: power.power_chart(panel, horizon, intervals)),
    )


def _soc(shown: _Shown, report: PeriodReport, battery: Battery, panels: tuple[Panel, ...]) -> Figure:
    limits = soc.SocLimits(
        soc_min_frac=battery.soc_min_frac,
        soc_reserve_frac=battery.soc_reserve_frac,
        soc_max_frac=battery.soc_max_frac,
        capacity_kwh=battery.capacity_kwh,
    )
    planned = tuple(None if each is None else each.soc_end_frac for each in shown.planned)
    return Figure(
        name="soc",
        title="Battery charge",
        lead=f"Between {percent(report.soc_low_frac)} and {percent(report.soc_high_frac)}",
        legend=(("battery", "happened"), ("planned", "planned"), ("reserve", "reserve"), ("limit", "limits")),
        drawings=_draw(
            panels,
            lambda panel: soc.soc_chart(
                panel, shown.horizon, shown.happened, limits, soc_now_frac=None, planned=planned
            ),
        ),
    )
