"""Gauges: how full a battery or tank is against its marks, and what each GPU of a pool does."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from controller.reports.charts.scales import Scale
from controller.reports.charts.svg import document, line, rect, text
from controller.reports.charts.words import width_px
from sites.record import Record

WIDTH = 300.0


class Mark(Record):
    """A mark on a gauge."""

    frac: float
    label: str


def level_gauge(frac: float | None, marks: Sequence[Mark], *, label: str, css_class: str) -> Markup:
    """Return a horizontal bar filled to ``frac``, with marks named below it; hollow if there is no reading."""
    scale = Scale(low=0, high=1, start_px=1, end_px=WIDTH - 1)
    parts = [rect(1, 1, WIDTH - 2, 20, rx=4, class_="gauge-rail")]
    if frac is not None:
        parts.append(rect(1, 1, scale(frac) - 1, 20, rx=4, class_=f"gauge-fill {css_class}"))
    free_from = 0.0
    for mark in sorted(marks, key=lambda each: each.frac):
        x = scale(mark.frac)
        parts.append(line(x, 0, x, 25, class_="gauge-mark"))
        wide = width_px(mark.label, 11)
        left = max(min(max(x - wide / 2, 0.0), WIDTH - wide), free_from)
        if left + wide <= WIDTH:
            parts.append(text(mark.label, left, 36, class_="tick"))
            free_from = left + wide + 5
    return document(parts, width=WIDTH, height=40, label=label, css_class="gauge", role="img")


class PoolUse(Record):
    """What the GPUs of a pool do now."""

    name: str
    gpu: str
    """Kind of GPU in words."""
    gpus: int
    gpus_ok: int
    serving: float
    """GPUs held by services."""
    batch: float
    """GPUs at work for batch jobs."""
    draw_kw: float | None
    limit_w: float | None
    nodes: int
    nodes_on: int

    @property
    def idle(self) -> float:
        """Ready GPUs without work."""
        return max(self.gpus_ok - self.serving - self.batch, 0.0)


def pool_squares(use: PoolUse) -> Markup:
    """Return one square a GPU: serving, batch, idle, out of service, in that order."""
    count = max(use.gpus, 1)
    across = min(count, 16)
    side, gap = (15.0, 3.75) if count > 4 else (24.0, 6.0)
    rows = -(-count // across)
    kinds = ["service"] * round(use.serving) + ["job"] * round(use.batch) + ["idle"] * round(use.idle) + ["out"] * count
    parts = [
        rect(
            1 + index % across * (side + gap),
            1 + index // across * (side + gap),
            side,
            side,
            rx=3,
            class_=f"gpu {kind}",
        )
        for index, kind in enumerate(kinds[: use.gpus])
    ]
    words = f"{use.name}: {round(use.serving)} GPUs serve, {round(use.batch)} run batch work, {round(use.idle)} idle"
    return document(
        parts,
        width=max(across * (side + gap) - gap, WIDTH) + 2,
        height=rows * (side + gap) - gap + 2,
        label=words,
        css_class="squares",
        role="img",
    )
