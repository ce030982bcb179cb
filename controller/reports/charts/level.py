"""One quantity over time as a line, with gaps where it was not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from controller.reports.charts.frame import Horizon, chart, make_frame, tick_label
from controller.reports.charts.panel import Panel
from controller.reports.charts.svg import Point, element, line, polyline_path


def level_chart(
    panel: Panel,
    horizon: Horizon,
    values: Sequence[float | None],
    *,
    unit: str,
    label: str,
    css_class: str,
    told: Callable[[float], str],
    high: float,
    mark: float | None = None,
    height: float = 170,
) -> Markup:
    """Return the line through the interval means ``values``, from 0 to ``high``; ``mark`` is a level to watch."""
    frame = make_frame(panel, horizon, height=height, low=0.0, high=high, unit=unit, ticks=4)
    edges = frame.edges
    runs: list[list[Point]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(((edges[index] + edges[index + 1]) / 2, frame.value(value)))
    marks = [element("path", d=polyline_path(run), class_=f"curve {css_class}") for run in runs if len(run) > 1]
    if mark is not None:
        y = frame.value(mark)
        marks.append(line(panel.left, y, panel.plot_end, y, class_="reserve"))
    words = [
        f"{span}: {'not measured' if value is None else told(value)}"
        for span, value in zip(horizon.spans, values, strict=True)
    ]
    return chart(frame, marks, label=label, tick=tick_label(frame), told=words)
