"""What holds for every chart: it parses, and nothing that is drawn or written lies outside its view box."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, fromstring

from controller.reports.charts.words import width_px

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"narrow": 11.0, "medium": 12.0, "wide": 12.0, "gauge": 11.0, "flows": 12.0, "squares": 11.0}
BOLD = {"strong", "row-name", "card-value"}
SMALL = {"bar-label": 10.0, "card-value": 18.0, "card-note": 11.0, "note": 11.0}


def parsed(drawing: str) -> Element:
    """Return the drawing's root; raises if it is not well-formed."""
    root = fromstring(drawing)
    assert root.tag == f"{SVG}svg"
    return root


def box(root: Element) -> tuple[float, float]:
    """Return width and height of the view box."""
    left, top, width, height = (float(part) for part in root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    return width, height


def text_spans(root: Element) -> Iterator[tuple[str, float, float, float]]:
    """Yield (text, left, right, baseline) of every label, its width estimated on the safe side."""
    kinds = root.attrib["class"].split()
    size = next(SIZES[kind] for kind in kinds if kind in SIZES)
    for label in root.iter(f"{SVG}text"):
        classes = set(label.attrib.get("class", "").split())
        px = next((SMALL[name] for name in SMALL if name in classes), size)
        if "flows" in kinds and "narrow" in kinds:
            px = {"card-value": 16.0, "card-note": 10.0}.get(next(iter(classes)), 11.0)
        words = "".join(label.itertext())
        wide = width_px(label.text or "", px, bold=bool(classes & BOLD)) + sum(
            float(each.attrib.get("dx", 0.0)) + width_px(each.text or "", px, bold=each.attrib["class"] in BOLD)
            for each in label
        )
        x = float(label.attrib["x"])
        left = x - wide / 2 if "middle" in classes else x - wide if "end" in classes else x
        yield words, left, left + wide, float(label.attrib["y"])


def assert_inside(drawing: str) -> Element:
    """Check that labels, rectangles, lines and paths lie inside the view box; returns the root."""
    root = parsed(drawing)
    width, height = box(root)
    for words, left, right, baseline in text_spans(root):
        assert left >= -0.5, f"{words!r} begins at {left:.1f}"
        assert right <= width + 0.5, f"{words!r} ends at {right:.1f} of {width}"
        assert 0 < baseline <= height, f"{words!r} stands at {baseline:.1f} of {height}"
    for shape in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(shape.attrib.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert -0.5 <= x <= x + w <= width + 2.1, shape.attrib
        assert -0.5 <= y <= y + h <= height + 0.5, shape.attrib
    for path in root.iter(f"{SVG}path"):
        if "L" not in path.attrib["d"]:
            continue
        for x, y in coordinates(path.attrib["d"]):
            assert -0.5 <= x <= width + 0.5, path.attrib
            assert -0.5 <= y <= height + 0.5, path.attrib
    return root


def coordinates(data: str) -> list[tuple[float, float]]:
    """Return the points of path data made of M and L commands."""
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", data)]


def by_class(root: Element, *names: str) -> list[Element]:
    """Return the elements that have all of the classes."""
    return [each for each in root.iter() if set(names) <= set(each.attrib.get("class", "").split())]


def told(root: Element) -> list[str]:
    """Return what the focusable marks say, in order."""
    return [each.findtext(f"{SVG}title") or "" for each in by_class(root, "hit")]
