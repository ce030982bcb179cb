"""The marginal price of energy: what one more kWh on the bus would cost in each interval."""

from __future__ import annotations

from markupsafe import Markup

from controller.reports.charts.frame import Horizon, chart, make_frame, tick_label
from controller.reports.charts.panel import Panel
from controller.reports.charts.svg import element, step_area_path, step_path
from optimizer.plan import Interval
from sites.reasons import REASONS

LEGEND: tuple[tuple[str, str], ...] = (("price", "one more kWh"),)


def price_chart(panel: Panel, horizon: Horizon, intervals: tuple[Interval, ...], *, height: float = 150) -> Markup:
    """Return the marginal price in $ per kWh."""
    prices = [each.price_usd_per_kwh for each in intervals]
    low, high = min((*prices, 0.0)), max((*prices, 0.1))
    frame = make_frame(panel, horizon, height=height, low=low, high=high, unit="$ per kWh", ticks=4)
    edges, heights = frame.edges, [frame.value(price) for price in prices]
    floor = [frame.value(0.0)] * len(prices)
    marks = [
        element("path", d=step_area_path(edges, floor, heights), class_="area price soft"),
        element("path", d=step_path(edges, heights), class_="curve price"),
    ]
    told = [f"{horizon.spans[index]}: {_price_words(each)}" for index, each in enumerate(intervals)]
    return chart(frame, marks, label="Marginal price of energy, $ per kWh", tick=tick_label(frame), told=told)


def _price_words(interval: Interval) -> str:
    words = f"one more kWh costs ${interval.price_usd_per_kwh:.3f}"
    reason = REASONS.get(interval.bound_by)
    return f"{words}; {reason}" if reason else words
