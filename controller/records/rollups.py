"""Averages of telemetry over intervals: for charts, and kept when the detail is dropped.

Means are over the samples that were read; a value read in no sample stays missing, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from controller.records.views import TelemetryPoint

MEASURED = tuple(name for name in TelemetryPoint.model_fields if name != "at_utc")
"""Names of the measured columns."""
ROLLUP_STEPS_S = (300, 3600)
"""Lengths of the stored roll-ups: five minutes and an hour."""


def average(points: Iterable[TelemetryPoint], *, start_utc: datetime, step_s: float) -> Iterator[TelemetryPoint]:
    """Yield the mean of each interval of ``step_s`` from ``start_utc`` on that holds a point.

    Points ascend in time.
    """
    for index, group in groupby(points, lambda point: int((point.at_utc - start_utc).total_seconds() // step_s)):
        yield mean_point(tuple(group), start_utc + timedelta(seconds=index * step_s))


def mean_point(points: tuple[TelemetryPoint, ...], at_utc: datetime) -> TelemetryPoint:
    """Return the mean of at least one point, labelled ``at_utc``."""
    values: dict[str, float | None] = {}
    for name in MEASURED:
        read = [value for point in points if (value := getattr(point, name)) is not None]
        values[name] = sum(read) / len(read) if read else None
    return TelemetryPoint(at_utc=at_utc, **values)
