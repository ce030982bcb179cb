"""What the site has measured, as the forecaster reads it: from the store, and before its first day from the
prepared past.

Only samples that were complete at the moment of the forecast are given. PV counts as curtailed when it was
metered below what was available; such a sample says nothing about the sky. The sun is read from the roll-ups and only
the last hours, which are not rolled up yet, in detail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from controller.records.reading import Reader
from controller.records.views import TelemetryPoint
from forecasting.history import History
from sites.series import TimeSeries
from sites.world import World

STEP_S = 900
FULL_FRAC, IDLE_FRAC = 0.97, 0.05
"""A battery this full that takes less than this share of the sun's power does not want more."""
ROLLED_S = 300
DAYS = 60
"""Days of the past that a forecast and its learner look at."""
RATE_DAYS = 8
"""Days of request rates: a week's shape and a day."""
MOST_POINTS = 20_000
Rates = Mapping[str, Sequence[tuple[datetime, float]]]
"""Means of request rates by service: start of the step and rate."""
CURTAILED_FRAC, CURTAILED_OF_TOP_FRAC = 0.03, 0.02
"""Metered below available by more than both shares, of what is available and of the most that was: held back."""


def stored_history(reader: Reader, now: datetime, world: World | None = None, *, days: int = DAYS) -> History:
    """Return what the store holds of the last ``days`` days before ``now``."""
    begin = datetime.fromtimestamp((now - timedelta(days=days)).timestamp() // STEP_S * STEP_S, tz=UTC)
    rolled = reader.rolled_up(begin, now, step_s=ROLLED_S)
    since = rolled[-1].at_utc + timedelta(seconds=ROLLED_S) if rolled else begin
    detail = reader.telemetry(since, now, max_points=MOST_POINTS)
    rates_begin = max(begin, begin + timedelta(days=days - RATE_DAYS))
    rates = reader.service_means(rates_begin, now, step_s=STEP_S)
    return history(now, (*rolled, *detail), rates, world, days=days)


def history(
    now: datetime, telemetry: Sequence[TelemetryPoint], rates: Rates, world: World | None, *, days: int = DAYS
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
    by_service = {
        name: _means(count, [(place(at), rate) for at, rate in rates.get(name, ())])
        for name in sorted({*rates, *(world.rate_rps if world else ())})
    }
    if world is not None:
        _fill(pv, world.pv_available_kw, start)
        _fill(outdoor, world.outdoor_c, start)
        for name, series in world.rate_rps.items():
            _fill(by_service[name], series, start)
    return History(
        pv_kw=_series(start, pv),
        pv_curtailed=tuple(curtailed),
        outdoor_c=_series(start, outdoor),
        rates_rps=_all(start, by_service),
    )


def _curtailed(point: TelemetryPoint, top_kw: float) -> bool:
    """Return whether the plant was held back, or may have been: equipment that cannot tell what is available is taken
    to be held back while the battery is full and takes nothing.
    """
    if point.pv_kw is None:
        return False
    if point.pv_available_kw is None:
        full = point.soc_frac is not None and point.soc_frac >= FULL_FRAC
        return full and point.battery_kw is not None and point.battery_kw > -IDLE_FRAC * point.pv_kw
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
