"""Small line drawings of the equipment, 24 x 24, drawn with the current text colour."""

from __future__ import annotations

import math
from typing import Final

from markupsafe import Markup

from controller.reports.charts.svg import element, group, line, number, rect

_TEETH: Final = 8


def icon(name: str, x: float, y: float, size_px: float = 24.0) -> Markup:
    """Return the drawing called ``name`` with its upper left corner at (x, y).

    Raises:
        KeyError: no such drawing.
    """
    scale = number(size_px / 24)
    return group(
        _DRAWINGS[name],
        class_=f"icon {name}",
        transform=f"translate({number(x)} {number(y)}) scale({scale})",
        aria_hidden="true",
    )


def _sun() -> tuple[Markup, ...]:
    rays = []
    for index in range(_TEETH):
        angle = 2 * math.pi * index / _TEETH
        dx, dy = math.cos(angle), math.sin(angle)
        rays.append(line(12 + 7.5 * dx, 12 + 7.5 * dy, 12 + 10.5 * dx, 12 + 10.5 * dy))
    return (element("circle", cx=12, cy=12, r=4.5), *rays)


def _snowflake() -> tuple[Markup, ...]:
    arms = []
    for index in range(3):
        angle = math.pi * index / 3 + math.pi / 2
        dx, dy = 9.5 * math.cos(angle), 9.5 * math.sin(angle)
        arms.append(line(12 - dx, 12 - dy, 12 + dx, 12 + dy))
    return (*arms, element("circle", cx=12, cy=12, r=3))


_DRAWINGS: Final[dict[str, tuple[Markup, ...]]] = {
    "sun": _sun(),
    "snowflake": _snowflake(),
    "battery": (
        rect(2, 7, 18, 11, rx=2),
        line(22, 11, 22, 14),
        line(6, 10.5, 6, 14.5),
        line(10, 10.5, 10, 14.5),
    ),
    "engine": (
        element("path", d="M3 10h3l2-3h7l2 3h2v8H9l-2-2H3z"),
        line(11, 7, 11, 4),
        line(8.5, 4, 13.5, 4),
        line(21.5, 11, 21.5, 17),
    ),
    "chip": (
        rect(6, 6, 12, 12, rx=1.5),
        rect(10, 10, 4, 4),
        element("path", d="M9 3v3M15 3v3M9 18v3M15 18v3M3 9h3M3 15h3M18 9h3M18 15h3"),
    ),
    "plug": (element("path", d="M8 3v5M16 3v5M5 8h14v3a7 7 0 0 1-14 0zM12 18v4"),),
    "drop": (element("path", d="M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z"),),
}
