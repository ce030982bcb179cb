"""SVG as text: elements, paths and numbers, with everything that is not markup escaped.

Only presentation attributes and classes are written, never ``style``: pages that show these charts forbid inline
style in their content security policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

Point = tuple[float, float]
Attribute = str | float | int | bool | None


def number(value: float) -> str:
    """Return a coordinate with at most two decimals and no needless zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def element(tag: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Return ``<tag …>children</tag>``.

    ``class_`` and ``data_x`` become ``class`` and ``data-x``; attributes that are ``None`` or ``False`` are left
    out. Children that are not :class:`~markupsafe.Markup` are escaped.
    """
    parts = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        text = number(value) if isinstance(value, int | float) and value is not True else str(value)
        parts.append(f'{name.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inner = "".join(escape(child) for child in children)
    head = " ".join(parts)
    return Markup(f"<{head}>{inner}</{tag}>") if inner else Markup(f"<{head}/>")


def group(children: Iterable[str], **attributes: Attribute) -> Markup:
    """Return a ``<g>`` around ``children``."""
    return element("g", *children, **attributes)


def text(content: str, x: float, y: float, **attributes: Attribute) -> Markup:
    """Return a text label; ``y`` is its baseline."""
    return element("text", content, x=x, y=y, **attributes)


def text_of(parts: Iterable[Markup], x: float, y: float, **attributes: Attribute) -> Markup:
    """Return a text label of several :func:`span`; each begins where the one before it ends."""
    return element("text", *parts, x=x, y=y, **attributes)


def span(content: str, **attributes: Attribute) -> Markup:
    """Return a piece of a text label, ``dx`` px after the one before it."""
    return element("tspan", content, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Attribute) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def rect(x: float, y: float, width: float, height: float, **attributes: Attribute) -> Markup:
    """Return a rectangle; negative sizes become 0."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), **attributes)


def polyline_path(points: Sequence[Point]) -> str:
    """Return path data through ``points``; empty for none."""
    return "M" + "L".join(f"{number(x)},{number(y)}" for x, y in points) if points else ""


def step_path(edges: Sequence[float], values: Sequence[float]) -> str:
    """Return path data of a staircase: ``values[i]`` from ``edges[i]`` to ``edges[i + 1]``, all in px."""
    return polyline_path(_steps(edges, values))


def step_area_path(edges: Sequence[float], lower: Sequence[float], upper: Sequence[float]) -> str:
    """Return closed path data between two staircases over the same edges, all in px."""
    if not upper:
        return ""
    return polyline_path([*_steps(edges, upper), *reversed(_steps(edges, lower))]) + "Z"


def _steps(edges: Sequence[float], values: Sequence[float]) -> list[Point]:
    points: list[Point] = []
    for (left, right), value in zip(pairwise(edges), values, strict=True):
        if points and abs(points[-1][1] - value) < 0.005:
            points[-1] = (right, value)
        else:
            points += [(left, value), (right, value)]
    return points


def document(
    children: Iterable[str], *, width: float, height: float, label: str, css_class: str, role: str = "group"
) -> Markup:
    """Return an ``<svg>`` with a view box of ``width`` x ``height`` px and an accessible name."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role=role,
        aria_label=label,
        class_=css_class,
    )
