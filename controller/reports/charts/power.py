"""Stacked power: what feeds the bus above the line, what draws from it below.

Above: used PV, battery discharge, gensets, and hatched on top the PV that is curtailed. Below: IT, cooling, other
load, battery charge. By the site's energy balance both sides are equally high, the hatched part aside.
"""

from __future__ import annotations

from markupsafe import Markup

from controller.reports.charts.frame import Frame, Horizon, chart, make_frame, tick_label
from controller.reports.charts.panel import Panel
from controller.reports.charts.patterns import HATCHED
from controller.reports.charts.svg import element, step_area_path, step_path
from controller.reports.charts.words import power_text, power_unit
from optimizer.plan import Interval

LEGEND: tuple[tuple[str, str], ...] = (
    ("pv", "sun used"),
    ("curtailed", "sun curtailed"),
    ("battery", "battery gives"),
    ("genset", "gensets"),
    ("it", "IT"),
    ("cooling", "cooling"),
    ("other", "other load"),
    ("charge", "battery takes"),
    ("dark", "no sun"),
)
"""Classes and names of the layers."""
NOTHING_KW = 0.002
"""Below this a flow is not worth a word."""


def genset_kw(interval: Interval) -> float:
    """Return the power of all gensets."""
    return sum(genset.kw for genset in interval.gensets)


def supply_layers(interval: Interval) -> tuple[tuple[str, float], ...]:
    """Return (class, kW) of what feeds the bus, from the axis upwards."""
    return (
        ("pv", interval.pv_used_kw),
        ("battery", max(interval.battery_kw, 0.0)),
        ("genset", genset_kw(interval)),
        ("curtailed", max(interval.pv_available_kw - interval.pv_used_kw, 0.0)),
    )


def use_layers(interval: Interval) -> tuple[tuple[str, float], ...]:
    """Return (class, kW) of what draws from the bus, from the axis downwards."""
    return (
        ("it", interval.it_kw),
        ("cooling", interval.cooling_kw),
        ("other", max(interval.load_kw - interval.it_kw - interval.cooling_kw, 0.0)),
        ("charge", max(-interval.battery_kw, 0.0)),
    )


def told(horizon: Horizon, index: int, interval: Interval) -> str:
    """Return one interval's flows in words."""
    curtailed = interval.pv_available_kw - interval.pv_used_kw
    parts = [f"sun {power_text(interval.pv_used_kw)}"]
    if curtailed > NOTHING_KW:
        parts.append(f"{power_text(curtailed)} curtailed")
    if abs(interval.battery_kw) > NOTHING_KW:
        verb = "gives" if interval.battery_kw > 0 else "takes"
        parts.append(f"battery {verb} {power_text(abs(interval.battery_kw))}")
    parts += [f"{genset.name} {power_text(genset.kw)}" for genset in interval.gensets if genset.on]
    used = f"IT {power_text(interval.it_kw)}, cooling {power_text(interval.cooling_kw)}"
    parts.append(f"load {power_text(interval.load_kw)} ({used})")
    if interval.shed_kw > NOTHING_KW:
        parts.append(f"{power_text(interval.shed_kw)} not served")
    return f"{horizon.spans[index]}: " + ", ".join(parts)


def power_chart(panel: Panel, horizon: Horizon, intervals: tuple[Interval, ...], *, height: float = 280) -> Markup:
    """Return the stacked power chart in kW, of a small site in W."""
    high = max((sum(kw for _, kw in supply_layers(each)) for each in intervals), default=1.0)
    low = max((sum(kw for _, kw in use_layers(each)) for each in intervals), default=1.0)
    unit, factor = power_unit(max(low, high))
    high, low = max(high * factor, 1.0), low * factor
    frame = make_frame(panel, horizon, height=height, low=-low, high=high, unit=unit, ticks=7)
    supply = [tuple((name, kw * factor) for name, kw in supply_layers(each)) for each in intervals]
    uses = [tuple((name, -kw * factor) for name, kw in use_layers(each)) for each in intervals]
    marks = [*_stack(frame, uses), *_stack(frame, supply)]
    load = [frame.value(-each.load_kw * factor) for each in intervals]
    marks.append(element("path", d=step_path(frame.edges, load), class_="edge-load"))
    label = tick_label(frame)
    return chart(
        frame,
        marks,
        label=f"Power into and out of the site bus, {unit}",
        tick=lambda value: label(abs(value)),
        told=[told(horizon, index, each) for index, each in enumerate(intervals)],
    )


def _stack(frame: Frame, rows: list[tuple[tuple[str, float], ...]]) -> list[Markup]:
    base = [0.0] * len(rows)
    areas: list[Markup] = []
    for layer in range(len(rows[0]) if rows else 0):
        top = [low + row[layer][1] for low, row in zip(base, rows, strict=True)]
        if any(abs(high - low) > 1e-6 for high, low in zip(top, base, strict=True)):
            path = step_area_path(frame.edges, [frame.value(v) for v in base], [frame.value(v) for v in top])
            name = rows[0][layer][0]
            areas.append(element("path", d=path, class_=f"area {name}", fill=HATCHED.get(name)))
        base = top
    return areas
