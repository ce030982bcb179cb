"""Hatchings: what colour alone must not say. One hidden drawing a page defines them for all its charts."""

from __future__ import annotations

from markupsafe import Markup

from controller.reports.charts.svg import element, line, rect

HATCHED: dict[str, str] = {"curtailed": "url(#hatch-curtailed)", "unknown": "url(#hatch-unknown)"}
"""Fill of the classes that are hatched."""


def pattern_drawing() -> Markup:
    """Return the hidden drawing that defines the hatchings; put it once on each page."""
    return element(
        "svg",
        element("defs", _stripes("hatch-curtailed", "stripe-curtailed"), _stripes("hatch-unknown", "stripe-unknown")),
        xmlns="http://www.w3.org/2000/svg",
        width=0,
        height=0,
        class_="patterns",
        aria_hidden="true",
        focusable="false",
    )


def _stripes(name: str, css_class: str) -> Markup:
    return element(
        "pattern",
        rect(0, 0, 6, 6, class_=f"{css_class} ground"),
        line(0, 0, 0, 6, class_=css_class),
        id=name,
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
