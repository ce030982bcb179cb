"""Rows of bars over time: the layout that the schedule of jobs and the power limits share.

A row is a line of text above a thin bar, so that names need no margin and time lines up with the other charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from controller.reports.charts.frame import Horizon, nights, now_line, rect_with_title, time_axis, time_scale
from controller.reports.charts.panel import Panel
from controller.reports.charts.svg import document, group, line, rect, span, text, text_of
from controller.reports.charts.words import fit, whole_words, width_px
from sites.record import Record
from sites.times import Utc

ROW_PX = 32.0
BAR_PX = 10.0


class Bar(Record):
    """A piece of a row."""

    start_utc: Utc
    end_utc: Utc
    css_class: str
    strength: int = 4
    """Shade from 1 (faint) to 4 (full)."""
    label: str = ""
    """Written inside where it fits."""


class Row(Record):
    """One row: name, bars, and what there is to say about it."""

    name: str
    note: str = ""
    """Written after the name where it fits."""
    told: str
    """The row in words, on hover and focus."""
    bars: tuple[Bar, ...]
    due_utc: Utc | None = None
    """Marked with a flag."""
    late: bool = False


def rows_chart(panel: Panel, horizon: Horizon, rows: Sequence[Row], *, label: str, bar_px: float = BAR_PX) -> Markup:
    """Return the rows from top to bottom under one time axis."""
    row_px = ROW_PX + bar_px - BAR_PX
    top = 4.0
    bottom = top + row_px * len(rows) + 4
    parts = [
        nights(panel, horizon, top=top, bottom=bottom),
        time_axis(panel, horizon, top=top, bottom=bottom),
        now_line(panel, horizon, top=top, bottom=bottom),
        *(
            _row(panel, horizon, row, top=top + row_px * index, bar_px=bar_px, row_px=row_px, first=index == 0)
            for index, row in enumerate(rows)
        ),
    ]
    return document(
        parts,
        width=panel.width,
        height=bottom + panel.bottom,
        label=label,
        css_class=f"chart rows {panel.width_class}",
    )


def _row(panel: Panel, horizon: Horizon, row: Row, *, top: float, bar_px: float, row_px: float, first: bool) -> Markup:
    scale, size = time_scale(panel, horizon), panel.text_px
    bar_top = top + row_px - bar_px - 3
    parts = [rect(panel.left, bar_top, panel.plot_end - panel.left, bar_px, rx=2, class_="rail")]
    for bar in row.bars:
        left, right = scale(bar.start_utc), scale(bar.end_utc)
        css = f"bar {bar.css_class} shade-{bar.strength}"
        parts.append(rect(left, bar_top, max(right - left, 1.5), bar_px, rx=2, class_=css))
        if bar.label and width_px(bar.label, size - 2) + 6 <= right - left:
            parts.append(text(bar.label, (left + right) / 2, bar_top + bar_px - 3, class_="bar-label middle"))
    if row.due_utc is not None and horizon.grid.start_utc < row.due_utc <= horizon.grid.end_utc:
        x = scale(row.due_utc)
        css = "due late" if row.late else "due"
        parts.append(line(x, bar_top - 4, x, bar_top + bar_px + 3, class_=css))
    parts.append(_words(panel, scale(_first(row, horizon)), row, baseline=bar_top - 4))
    parts.append(rect_with_title(panel.left, top, panel.plot_end - panel.left, row_px, row.told, first=first))
    return group(parts, class_="row")


def _first(row: Row, horizon: Horizon) -> datetime:
    return min((bar.start_utc for bar in row.bars), default=horizon.grid.start_utc)


def _words(panel: Panel, start_px: float, row: Row, *, baseline: float) -> Markup:
    """Return name and note, beginning over the first bar or as far left of it as they need."""
    size, gap = panel.text_px, 6.0
    room = panel.plot_end - panel.left
    name = fit(row.name, room, size, bold=True)
    name_px = width_px(name, size, bold=True)
    note = whole_words(row.note, room - name_px - gap, size)
    needed = name_px + (gap + width_px(note, size) if note else 0.0)
    x = max(min(start_px, panel.plot_end - needed), panel.left)
    parts = [span(name, class_="row-name")]
    if note:
        parts.append(span(note, dx=gap, class_="row-note late" if row.late else "row-note"))
    return text_of(parts, x, baseline, class_="row-words", aria_hidden="true")
