"""State of charge over the horizon, with the limits it has to keep and the reserve it should keep."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from controller.reports.charts.frame import Frame, Horizon, chart, make_frame
from controller.reports.charts.panel import Panel
from controller.reports.charts.svg import Point, element, line, polyline_path, rect, text
from controller.reports.charts.words import energy_text, percent, width_px
from optimizer.plan import Interval
from sites.record import Record

LEGEND: tuple[tuple[str, str], ...] = (("battery", "state of charge"), ("reserve", "reserve"), ("limit", "limits"))


class SocLimits(Record):
    """What the state of charge is held against; fractions of usable capacity."""

    soc_min_frac: float
    soc_reserve_frac: float
    soc_max_frac: float
    capacity_kwh: float


def soc_chart(
    panel: Panel,
    horizon: Horizon,
    intervals: tuple[Interval, ...],
    limits: SocLimits,
    *,
    soc_now_frac: float | None,
    planned: Sequence[float | None] = (),
    height: float = 170,
) -> Markup:
    """Return the state-of-charge chart in percent of usable capacity.

    ``planned`` are fractions at the ends of the intervals, drawn broken beside what happened; none = no plan then.
    """
    frame = make_frame(panel, horizon, height=height, low=0, high=100, unit="% of usable capacity", ticks=4)
    value = frame.value
    ends = [each.soc_end_frac * 100 for each in intervals]
    start = ends[0] if soc_now_frac is None else soc_now_frac * 100
    runs = _known_runs(frame, [start, *ends], horizon.unknown or (False,) * len(ends))
    floor = value(0)
    reserve_y, low_y, high_y = (
        value(each * 100) for each in (limits.soc_reserve_frac, limits.soc_min_frac, limits.soc_max_frac)
    )
    reserve_words = f"reserve {percent(limits.soc_reserve_frac)}"
    right = panel.plot_end
    known_end = max((run[-1][0] for run in runs), default=right)
    words_x = max(known_end - width_px(reserve_words, panel.text_px) - 2, panel.left)
    marks = [
        rect(panel.left, low_y, right - panel.left, floor - low_y, class_="forbidden"),
        rect(panel.left, panel.top, right - panel.left, high_y - panel.top, class_="forbidden"),
        *(_area(run, floor) for run in runs),
        line(panel.left, reserve_y, right, reserve_y, class_="reserve"),
        *(element("path", d=polyline_path(run), class_="curve battery") for run in runs),
        *_planned_curves(frame, planned),
    ]
    told = [
        f"{horizon.spans[index]}: {percent(before / 100)} to {percent(after / 100)}"
        f" ({energy_text(after / 100 * limits.capacity_kwh)} stored)"
        for index, (before, after) in enumerate(zip([start, *ends], ends, strict=False))
    ]
    return chart(
        frame,
        marks,
        label="Battery state of charge, percent of usable capacity",
        tick=lambda tick: f"{tick:.0f}",
        told=told,
        above=(text(reserve_words, words_x, reserve_y - 4, class_="note"),),
    )


def _known_runs(frame: Frame, charges: Sequence[float], unknown: Sequence[bool]) -> list[list[Point]]:
    """Return the line at the edges of the intervals, in pieces where some were not measured."""
    runs: list[list[Point]] = []
    for index, hidden in enumerate(unknown):
        if hidden:
            continue
        if index == 0 or unknown[index - 1]:
            before = charges[index] if index == 0 else charges[index + 1]
            runs.append([(frame.edges[index], frame.value(before))])
        runs[-1].append((frame.edges[index + 1], frame.value(charges[index + 1])))
    return runs


def _area(run: Sequence[Point], floor: float) -> Markup:
    path = polyline_path([(run[0][0], floor), *run, (run[-1][0], floor)]) + "Z"
    return element("path", d=path, class_="area battery soft")


def _planned_curves(frame: Frame, planned: Sequence[float | None]) -> list[Markup]:
    """Return one broken line for each run of intervals that had a plan."""
    runs: list[list[Point]] = [[]]
    for x, frac in zip(frame.edges[1:], planned, strict=False):
        if frac is None:
            runs.append([])
        else:
            runs[-1].append((x, frame.value(frac * 100)))
    return [element("path", d=polyline_path(run), class_="curve planned") for run in runs if len(run) > 1]
