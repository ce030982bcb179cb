"""The sun's power as forecast: a band between outer quantiles, the median, and what the plan uses of it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from controller.reports.charts.frame import Horizon, chart, make_frame, tick_label
from controller.reports.charts.panel import Panel
from controller.reports.charts.svg import element, step_area_path, step_path
from controller.reports.charts.words import power_text, power_unit
from forecasting.records import Forecast
from optimizer.plan import Interval
from sites.record import Record
from sites.times import HOUR, TimeGrid

LEGEND: tuple[tuple[str, str], ...] = (
    ("band", "P10 to P90"),
    ("median", "P50"),
    ("pv-line", "used by the plan"),
)


class PvBand(Record):
    """Quantiles of available PV power on a plan's intervals, kW."""

    low_kw: tuple[float, ...]
    median_kw: tuple[float, ...]
    high_kw: tuple[float, ...]
    low_level: float
    high_level: float


def pv_band(forecast: Forecast, grid: TimeGrid) -> PvBand:
    """Return the forecast's 0.1, 0.5 and 0.9 quantiles, or those nearest, averaged over the intervals of ``grid``."""
    levels = forecast.quantile_levels
    rows = dict(zip(levels, forecast.pv_quantiles_kw, strict=True))
    low, median, high = (min(levels, key=lambda level: abs(level - wanted)) for wanted in (0.1, 0.5, 0.9))
    source = TimeGrid(start_utc=forecast.start_utc, hours=forecast.hours)
    return PvBand(
        low_kw=resample(source, rows[low], grid),
        median_kw=resample(source, rows[median], grid),
        high_kw=resample(source, rows[high], grid),
        low_level=low,
        high_level=high,
    )


def resample(source: TimeGrid, values: Sequence[float], target: TimeGrid) -> tuple[float, ...]:
    """Return time-weighted means of ``values`` over the intervals of ``target``; 0 where ``source`` says nothing."""
    shift = (source.start_utc - target.start_utc) / HOUR
    edges = [shift + offset for offset in source.offsets_h]
    means: list[float] = []
    for start, hours in zip(target.offsets_h, target.hours, strict=False):
        end = start + hours
        parts = (
            value * max(min(right, end) - max(left, start), 0.0)
            for left, right, value in zip(edges, edges[1:], values, strict=False)
        )
        means.append(sum(parts) / hours)
    return tuple(means)


def pv_chart(
    panel: Panel,
    horizon: Horizon,
    band: PvBand,
    intervals: tuple[Interval, ...],
    *,
    height: float = 170,
) -> Markup:
    """Return the PV forecast in kW, of a small site in W, with its band."""
    high = max((*band.high_kw, *(each.pv_used_kw for each in intervals)))
    unit, factor = power_unit(high)
    frame = make_frame(panel, horizon, height=height, low=0, high=max(high * factor, 1.0), unit=unit, ticks=4)
    edges, value = frame.edges, frame.value
    lower, middle, upper = ([value(kw * factor) for kw in row] for row in (band.low_kw, band.median_kw, band.high_kw))
    used = [value(each.pv_used_kw * factor) for each in intervals]
    marks = [
        element("path", d=step_area_path(edges, lower, upper), class_="area band"),
        element("path", d=step_path(edges, middle), class_="curve median"),
        element("path", d=step_path(edges, used), class_="curve pv-line"),
    ]
    names = tuple(f"P{level * 100:.0f}" for level in (band.low_level, band.high_level))
    told = [
        f"{horizon.spans[index]}: sun {power_text(band.median_kw[index])} likely,"
        f" {names[0]} {power_text(band.low_kw[index])}, {names[1]} {power_text(band.high_kw[index])};"
        f" the plan uses {power_text(each.pv_used_kw)}"
        for index, each in enumerate(intervals)
    ]
    return chart(frame, marks, label=f"Forecast of available PV power, {unit}", tick=tick_label(frame), told=told)
