"""What all time charts share: axes, grid, nights, the present, and one focusable column an interval.

Positions: time runs left to right over ``horizon``; values run bottom to top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

from markupsafe import Markup

from controller.reports.charts.panel import Panel
from controller.reports.charts.patterns import HATCHED
from controller.reports.charts.scales import Scale, TimeScale, clock_ticks, day_text, nice_step, nice_ticks, zone_text
from controller.reports.charts.svg import document, element, group, line, rect, text
from controller.reports.charts.words import clock, day_clock, width_px
from sites.times import TimeGrid

LABEL_GAP = 6.0
BELOW_PX = 6.0
"""From the plot to the tops of clock labels: the lowest label of the value axis reaches half its size below the plot."""
"""Room between two labels of the time axis, px."""


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """The time that a set of charts shows."""

    grid: TimeGrid
    zone: ZoneInfo
    now_utc: datetime | None = None
    """Marked with a line if inside."""
    dark: tuple[bool, ...] = ()
    """Intervals without sun, shaded; empty = none."""
    unknown: tuple[bool, ...] = ()
    """Intervals of which nothing is known, covered; empty = none."""

    @cached_property
    def moments(self) -> tuple[datetime, ...]:
        """Starts of the intervals and the end of the last."""
        return (*self.grid.starts_utc, self.grid.end_utc)

    @cached_property
    def spans(self) -> tuple[str, ...]:
        """``Thu 16 Jan 14:00–14:30`` for each interval, ``Thu 16 Jan`` for one that is a whole day."""
        return tuple(_span_text(start, end, self.zone) for start, end in pairwise(self.moments))


def _span_text(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    whole_day = clock(start, zone) == clock(end, zone) == "00:00"
    return day_text(start.astimezone(zone).date()) if whole_day else f"{day_clock(start, zone)}–{clock(end, zone)}"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A panel with its scales."""

    panel: Panel
    horizon: Horizon
    height: float
    time: TimeScale
    value: Scale
    ticks: tuple[float, ...]
    unit: str

    @property
    def edges(self) -> tuple[float, ...]:
        """Edges of the intervals, px."""
        return tuple(self.time(moment) for moment in self.horizon.moments)

    @property
    def bottom(self) -> float:
        """Lower edge of the plot, px."""
        return self.height - self.panel.bottom


def time_scale(panel: Panel, horizon: Horizon) -> TimeScale:
    """Return the time scale of a panel."""
    grid = horizon.grid
    return TimeScale(start_utc=grid.start_utc, end_utc=grid.end_utc, start_px=panel.left, end_px=panel.plot_end)


def make_frame(
    panel: Panel, horizon: Horizon, *, height: float, low: float, high: float, unit: str, ticks: int = 5
) -> Frame:
    """Return a frame whose value axis covers ``low`` to ``high`` in round steps."""
    values = nice_ticks(low, high, ticks)
    return Frame(
        panel=panel,
        horizon=horizon,
        height=height,
        time=time_scale(panel, horizon),
        value=Scale(low=values[0], high=values[-1], start_px=height - panel.bottom, end_px=panel.top),
        ticks=values,
        unit=unit,
    )


def nights(panel: Panel, horizon: Horizon, *, top: float, bottom: float) -> Markup:
    """Return the shading of intervals without sun."""
    spans = _spans(panel, horizon, horizon.dark)
    return group(
        (rect(left, top, right - left, bottom - top, class_="night") for left, right in spans), aria_hidden="true"
    )


def covers(panel: Panel, horizon: Horizon, *, top: float, bottom: float) -> Markup:
    """Return the hatched cover of intervals of which nothing is known."""
    spans = _spans(panel, horizon, horizon.unknown)
    return group(
        (
            rect(left, top, right - left, bottom - top, class_="unknown", fill=HATCHED["unknown"])
            for left, right in spans
        ),
        aria_hidden="true",
    )


def _spans(panel: Panel, horizon: Horizon, flags: Sequence[bool]) -> list[tuple[float, float]]:
    """Return (left, right) px of each run of flagged intervals."""
    scale = time_scale(panel, horizon)
    spans: list[tuple[float, float]] = []
    for (left, right), flag in zip(pairwise(horizon.moments), flags, strict=False):
        if flag and spans and abs(spans[-1][1] - scale(left)) < 0.01:
            spans[-1] = (spans[-1][0], scale(right))
        elif flag:
            spans.append((scale(left), scale(right)))
    return spans


def time_axis(panel: Panel, horizon: Horizon, *, top: float, bottom: float) -> Markup:
    """Return vertical grid lines, clock labels below ``bottom`` and the zone's name in the corner.

    Where there is no room for all labels, days come before hours; over many days only those with a label have a line.
    """
    scale, grid = time_scale(panel, horizon), horizon.grid
    hours = (grid.end_utc - grid.start_utc).total_seconds() / 3600
    every = max(panel.every_h, 24) if hours > 100 else panel.every_h
    parts: list[Markup] = []
    zone = zone_text(grid.start_utc, grid.end_utc, horizon.zone)
    taken = [(0.0, width_px(zone, panel.text_px))]
    baseline = bottom + panel.text_px + BELOW_PX
    parts.append(text(zone, 0, baseline, class_="tick zone"))
    ticks = clock_ticks(grid.start_utc, grid.end_utc, horizon.zone, every_h=every)
    for tick in sorted(ticks, key=lambda t: (not t.midnight, t.at_utc)):
        x = scale(tick.at_utc)
        half = width_px(tick.label, panel.text_px, bold=tick.midnight) / 2
        free = all(x + half + LABEL_GAP <= left or x - half - LABEL_GAP >= right for left, right in taken)
        labelled = free and x + half <= panel.width
        if labelled or every < 24:
            parts.append(line(x, top, x, bottom, class_="grid day" if tick.midnight else "grid"))
        if labelled:
            css = "tick middle strong" if tick.midnight else "tick middle"
            parts.append(text(tick.label, x, baseline, class_=css))
            taken.append((x - half, x + half))
    return group(parts, aria_hidden="true")


def value_axis(frame: Frame, label: Callable[[float], str]) -> Markup:
    """Return horizontal grid lines with labels and the unit above them."""
    panel = frame.panel
    parts = [text(frame.unit, 0, panel.text_px, class_="tick unit")]
    for tick in frame.ticks:
        y = frame.value(tick)
        parts.append(line(panel.left, y, panel.plot_end, y, class_="zero" if tick == 0 else "grid"))
        parts.append(text(label(tick), panel.left - 6, y + panel.text_px * 0.36, class_="tick end"))
    return group(parts, aria_hidden="true")


def now_line(panel: Panel, horizon: Horizon, *, top: float, bottom: float) -> Markup:
    """Return the line of the present, with what a script needs to move it; nothing if it lies outside."""
    grid, now = horizon.grid, horizon.now_utc
    if now is None or not grid.start_utc <= now <= grid.end_utc:
        return Markup("")
    scale = time_scale(panel, horizon)
    x = scale(now)
    return line(
        x,
        top,
        x,
        bottom,
        class_="present",
        aria_hidden="true",
        data_from_s=grid.start_utc.timestamp(),
        data_to_s=grid.end_utc.timestamp(),
        data_from_px=scale.start_px,
        data_to_px=scale.end_px,
    )


def columns(frame: Frame, told: Sequence[str]) -> Markup:
    """Return one invisible column an interval that says what happens in it, on hover and on focus.

    Only the first can be tabbed to; the page's script moves on with the arrow keys.
    """
    edges, top = frame.edges, frame.panel.top
    return group(
        (
            rect_with_title(left, top, right - left, frame.bottom - top, words, first=index == 0)
            for index, ((left, right), words) in enumerate(zip(pairwise(edges), told, strict=True))
        ),
        class_="columns",
    )


def rect_with_title(x: float, y: float, width: float, height: float, words: str, *, first: bool) -> Markup:
    """Return a focusable rectangle that explains itself."""
    return element(
        "rect",
        element("title", words),
        x=x,
        y=y,
        width=max(width, 0.0),
        height=max(height, 0.0),
        class_="hit",
        tabindex=0 if first else -1,
        role="img",
    )


def chart(
    frame: Frame,
    marks: Sequence[str],
    *,
    label: str,
    tick: Callable[[float], str],
    told: Sequence[str],
    above: Sequence[str] = (),
) -> Markup:
    """Return a whole chart: nights, axes, marks, covers of what is unknown, words ``above`` them, the present, columns."""
    panel, horizon = frame.panel, frame.horizon
    top, bottom = panel.top, frame.bottom
    if horizon.unknown:
        told = [
            f"{span}: not measured" if unknown else words
            for words, span, unknown in zip(told, horizon.spans, horizon.unknown, strict=True)
        ]
    return document(
        [
            nights(panel, horizon, top=top, bottom=bottom),
            value_axis(frame, tick),
            time_axis(panel, horizon, top=top, bottom=bottom),
            *marks,
            covers(panel, horizon, top=top, bottom=bottom),
            *above,
            now_line(panel, horizon, top=top, bottom=bottom),
            columns(frame, told),
        ],
        width=panel.width,
        height=frame.height,
        label=label,
        css_class=f"chart {panel.width_class}",
    )


def axis_label(step: float) -> Callable[[float], str]:
    """Return a formatter with as many decimals as ``step`` needs."""
    digits = 0
    while digits < 4 and abs(round(step, digits) - step) > 1e-9:
        digits += 1
    return lambda value: f"{value:.{digits}f}".replace("-", "\u2212")


def tick_label(frame: Frame) -> Callable[[float], str]:
    """Return the formatter that fits a frame's ticks."""
    step = frame.ticks[1] - frame.ticks[0] if len(frame.ticks) > 1 else nice_step(1, 1)
    return axis_label(step)
