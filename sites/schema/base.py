"""Common ground of the site file's sections."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the site file: frozen, unknown fields refused, NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A name: lower-case letters, digits and dashes."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Celsius = Annotated[float, Field(ge=-80, le=120)]
Points = Annotated[tuple[tuple[float, float], ...], Field(min_length=2)]
"""A curve as points ascending in the first number."""


def clock_times(value: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return two clock times as they are.

    Raises:
        ValueError: one is none.
    """
    for text in value or ():
        hour, _, minute = text.partition(":")
        if not (hour.isdigit() and minute.isdigit() and len(minute) == 2 and int(hour) < 24 and int(minute) < 60):
            raise ValueError(f"{text!r} is not a clock time; write it quoted, as in '22:00'")
    return value
