"""What differs between the designs of a study, and what a study asks besides."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from sites.schema.base import NonNegative, Positive, Section

SIZE_AXES = ("pv_kwp", "battery_kwh", "genset_kw", "genset_count", "cooling_kw", "tank_l")
QUESTION_AXES = ("fuel_usd_per_l", "shed_tolerance_frac")
CapPolicy = Literal["at-once", "wait", "wait-and-cap"]
Chemistry = Literal["lfp", "nmc"]
Strategy = Literal["load-following", "cycle-charging"]


class Span(Section):
    """Evenly spaced values."""

    start: NonNegative
    stop: Positive
    step: Positive

    @model_validator(mode="after")
    def _not_empty(self) -> Span:
        if self.stop <= self.start:
            raise ValueError(f"stop {self.stop:g} must be above start {self.start:g}; for one value write the number")
        return self

    @property
    def count(self) -> int:
        """Number of values."""
        return math.floor((self.stop - self.start) / self.step + 1e-9) + 1

    def values(self) -> tuple[float, ...]:
        """Return the values, ``stop`` included where a whole number of steps reaches it."""
        return tuple(float(round(self.start + index * self.step, 9)) for index in range(self.count))


def _axis_kind(value: object) -> str:
    if isinstance(value, dict | Span):
        return "span"
    return "list" if isinstance(value, list | tuple) else "value"


Axis = Annotated[
    Annotated[Span, Tag("span")]
    | Annotated[tuple[NonNegative, ...], Tag("list")]
    | Annotated[NonNegative, Tag("value")],
    Discriminator(_axis_kind),
]


def axis_values(axis: Axis) -> tuple[float, ...]:
    """Return the values of an axis."""
    if isinstance(axis, Span):
        return axis.values()
    return tuple(axis) if isinstance(axis, tuple) else (float(axis),)


class Vary(Section):
    """What differs between designs. A field left out keeps what the base site has."""

    pv_kwp: Axis | None = None
    battery_kwh: Axis | None = None
    genset_kw: Axis | None = None
    """Rating of one unit; 0 = none."""
    genset_count: Axis | None = None
    cooling_kw: Axis | None = None
    tank_l: Axis | None = None
    tilt_deg: tuple[float, ...] = ()
    chemistry: tuple[Chemistry, ...] = ()
    strategy: tuple[Strategy, ...] = ("load-following",)
    cap_policy: tuple[CapPolicy, ...] = ("wait-and-cap",)
    nodes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Pool to numbers of nodes."""
    gpu: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Pool to kinds of GPU."""
    fuel_usd_per_l: Axis | None = None
    """Diesel prices for which the best design is asked; the study's own price stays the report's."""
    shed_tolerance_frac: Axis | None = None
    """Limits to loss of load for which the best design is asked."""

    @field_validator(*SIZE_AXES, *QUESTION_AXES)
    @classmethod
    def _some_values(cls, value: Axis | None) -> Axis | None:
        if isinstance(value, tuple) and not value:
            raise ValueError("give at least one value")
        return value

    @field_validator("shed_tolerance_frac")
    @classmethod
    def _shares(cls, value: Axis | None) -> Axis | None:
        if value is not None and (value.stop if isinstance(value, Span) else max(axis_values(value))) > 1.0:
            raise ValueError("a tolerance is a share between 0 and 1")
        return value

    @field_validator("tilt_deg")
    @classmethod
    def _tilts(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0.0 <= tilt <= 90.0 for tilt in value):
            raise ValueError("tilts lie between 0 and 90 degrees")
        return value


def axis_count(axis: Axis | None) -> int:
    """Return how many values an axis has, without making them; 1 where nothing varies."""
    if isinstance(axis, Span):
        return axis.count
    return len(axis) if isinstance(axis, tuple) else 1
