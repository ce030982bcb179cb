"""What the site has measured, as the forecaster reads it: from the store, and before its first day from the
prepared past.

Only samples that were complete at the moment of the forecast are given. PV counts as curtailed when it was
metered below what was available; such a sample says nothing about the sky.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from controller.records.views import ServicePoint, TelemetryPoint
from forecasting.history import History
from sites.series import TimeSeries
from sites.world import World

STEP_S = 900
DAYS = 14
CURTAILED_FRAC, CURTAILED_OF_TOP_FRAC = 0.03, 0.02
"""Metered below available by more than both shares, of what is available and of the most that was: held back."""


def history(
    now: datetime,
    telemetry: Sequence[TelemetryPoint],
    services: Sequence[ServicePoint],
    world: World | None,
    *,
    days: int = DAYS,
) -> History:
    """Return the last ``days`` days before ``now``; a simulated ``world`` stands in for what was never stored."""
    last = datetime.fromtimestamp(now.timestamp() // STEP_S * STEP_S, tz=UTC)
    count = days * 86400 // STEP_S
    start = last - timedelta(seconds=count * STEP_S)

    def place(moment: datetime) -> int:
        return int((moment - start).total_seconds() // STEP_S)

    pv = _means(count, [(place(each.at_utc), each.pv_kw) for each in telemetry])
    outdoor = _means(count, [(place(each.at_utc), each.outdoor_c) for each in telemetry])
    curtailed = [False] * count
    top_kw = max((each.pv_available_kw or 0.0 for each in telemetry), default=0.0)
    for point in telemetry:
        index = place(point.at_utc)
        if 0 <= index < count and _curtailed(point, top_kw):
            curtailed[index] = True
    rates = {
        name: _means(count, [(place(each.at_utc), each.rate_rps) for each in services if each.service == name])
        for name in sorted({each.service for each in services} | set(world.rate_rps if world else ()))
    }
    if world is not None:
        _fill(pv, world.pv_available_kw, start)
        _fill(outdoor, world.outdoor_c, start)
        for name, series in world.rate_rps.items():
            _fill(rates[name], series, start)
    return History(
        pv_kw=_series(start, pv),
        pv_curtailed=tuple(curtailed),
        outdoor_c=_series(start, outdoor),
        rates_rps=_all(start, rates),
    )


def _curtailed(point: TelemetryPoint, top_kw: float) -> bool:
    if point.pv_kw is None or point.pv_available_kw is None:
        return False
    missing_kw = point.pv_available_kw - point.pv_kw
    return missing_kw > max(CURTAILED_OF_TOP_FRAC * top_kw, CURTAILED_FRAC * point.pv_available_kw)


def _means(count: int, samples: Sequence[tuple[int, float | None]]) -> list[float]:
    sums, numbers = [0.0] * count, [0] * count
    for index, value in samples:
        if value is not None and 0 <= index < count:
            sums[index] += value
            numbers[index] += 1
    return [total / number if number else math.nan for total, number in zip(sums, numbers, strict=True)]


def _fill(values: list[float], series: TimeSeries, start: datetime) -> None:
    for index, value in enumerate(values):
        begin = start + timedelta(seconds=index * STEP_S)
        end = begin + timedelta(seconds=STEP_S)
        if math.isnan(value) and series.start_utc <= begin and end <= series.end_utc:
            values[index] = series.mean(begin, end)


def _series(start: datetime, values: list[float]) -> TimeSeries:
    return TimeSeries(start_utc=start, step_s=STEP_S, values=tuple(values))


def _all(start: datetime, rates: Mapping[str, list[float]]) -> dict[str, TimeSeries]:
    return {name: _series(start, values) for name, values in rates.items()}
