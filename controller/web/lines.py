"""What the templates print: tiles, lines and steps, with nothing left to decide there."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

NOTHING = Markup("")


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A figure with its name and what it is measured against."""

    name: str
    value: str
    note: str
    drawing: Markup = NOTHING
    css_class: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """An entry of a list: when, what and why."""

    when: str
    what: str
    why: str
    aside: str = ""
    css_class: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of getting ready."""

    name: str
    done: bool
