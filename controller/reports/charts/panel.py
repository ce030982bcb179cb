"""The sizes a chart is drawn in.

A chart is drawn once a width class, so that text keeps its size on a phone and on a wide screen; the style sheet
shows the one that fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WidthClass = Literal["narrow", "medium", "wide"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Room for a time chart, in px."""

    width_class: WidthClass
    width: float
    text_px: float
    """Size of labels."""
    left: float
    """Margin for the value axis."""
    right: float
    top: float = 20.0
    """Margin for the unit of the value axis."""
    bottom: float = 22.0
    """Margin for the time axis."""
    every_h: int = 6
    """Hours between clock ticks over two days."""

    @property
    def plot_end(self) -> float:
        """Right edge of the plot."""
        return self.width - self.right


NARROW = Panel(width_class="narrow", width=342, text_px=11, left=40, right=8, every_h=12)
MEDIUM = Panel(width_class="medium", width=640, text_px=12, left=44, right=12)
WIDE = Panel(width_class="wide", width=940, text_px=12, left=48, right=14)
PANELS: tuple[Panel, ...] = (NARROW, MEDIUM, WIDE)
