"""Where energy came from and where it went: ribbons from sources into the bus and from the bus to its uses.

A ribbon's thickness is proportional to its energy; small ones get room for their words, not more thickness.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from controller.reports.charts.panel import Panel
from controller.reports.charts.svg import document, element, group, number, rect, text
from controller.reports.charts.words import energy_text, fit
from sites.record import Record

BAR_PX = 10.0
GAP_PX = 6.0


class Share(Record):
    """A source or a use."""

    name: str
    css_class: str
    kwh: float


def sankey_chart(
    panel: Panel, sources: Sequence[Share], uses: Sequence[Share], *, label: str, height: float = 230
) -> Markup:
    """Return the drawing; shares without energy are left out."""
    left, right = [s for s in sources if s.kwh > 1e-6], [s for s in uses if s.kwh > 1e-6]
    slot = panel.text_px + 4
    scale = min(_scale(left, height, slot), _scale(right, height, slot))
    total = max(sum(s.kwh for s in left), sum(s.kwh for s in right), 1e-9)
    bus_height = total * scale
    bus_top = (height - bus_height) / 2
    middle = panel.width / 2
    parts = [
        *_side(left, bar_x=0.0, bus_x=middle - BAR_PX / 2, bus_top=bus_top, scale=scale, panel=panel, height=height),
        *_side(
            right,
            bar_x=panel.width - BAR_PX,
            bus_x=middle + BAR_PX / 2,
            bus_top=bus_top,
            scale=scale,
            panel=panel,
            height=height,
        ),
        rect(middle - BAR_PX / 2, bus_top, BAR_PX, bus_height, class_="bus"),
    ]
    told = "; ".join(f"{share.name} {energy_text(share.kwh)}" for share in (*left, *right))
    return document(
        parts,
        width=panel.width,
        height=height,
        label=f"{label}: {told}",
        css_class=f"chart sankey {panel.width_class}",
        role="img",
    )


def _scale(shares: Sequence[Share], height: float, slot: float) -> float:
    """Return px per kWh such that all shares fit with at least ``slot`` px for the words of each."""
    if not shares:
        return float("inf")
    low, high = 0.0, height / sum(share.kwh for share in shares)
    for _ in range(50):
        middle = (low + high) / 2
        needed = sum(max(share.kwh * middle, slot) for share in shares) + GAP_PX * (len(shares) - 1)
        low, high = (middle, high) if needed <= height else (low, middle)
    return low


def _side(
    shares: Sequence[Share], *, bar_x: float, bus_x: float, bus_top: float, scale: float, panel: Panel, height: float
) -> list[Markup]:
    slot = panel.text_px + 4
    slots = [max(share.kwh * scale, slot) for share in shares]
    y = (height - sum(slots) - GAP_PX * (len(shares) - 1)) / 2
    bus_y = bus_top
    parts = []
    for share, room in zip(shares, slots, strict=True):
        thick = share.kwh * scale
        top = y + (room - thick) / 2
        near = bar_x + BAR_PX if bar_x < bus_x else bar_x
        parts.append(
            group(
                [
                    element("path", d=_ribbon(near, top, bus_x, bus_y, thick), class_=f"ribbon {share.css_class}"),
                    rect(bar_x, top, BAR_PX, thick, class_=f"area {share.css_class}"),
                    _words(share, near, y + room / 2 + panel.text_px * 0.36, panel, leftwards=bar_x > bus_x),
                ]
            )
        )
        y += room + GAP_PX
        bus_y += thick
    return parts


def _words(share: Share, x: float, baseline: float, panel: Panel, *, leftwards: bool) -> Markup:
    words = fit(f"{share.name} {energy_text(share.kwh)}", panel.width / 2 - BAR_PX * 2 - 8, panel.text_px)
    css = "ribbon-name end" if leftwards else "ribbon-name"
    return text(words, x - 6 if leftwards else x + 6, baseline, class_=css)


def _ribbon(x1: float, y1: float, x2: float, y2: float, thick: float) -> str:
    bend = (x1 + x2) / 2
    points = {
        "start": (x1, y1), "a": (bend, y1), "b": (bend, y2), "end": (x2, y2),
        "back": (x2, y2 + thick), "c": (bend, y2 + thick), "d": (bend, y1 + thick), "home": (x1, y1 + thick),
    }  # fmt: skip
    p = {name: f"{number(x)},{number(y)}" for name, (x, y) in points.items()}
    return f"M{p['start']}C{p['a']} {p['b']} {p['end']}L{p['back']}C{p['c']} {p['d']} {p['home']}Z"
