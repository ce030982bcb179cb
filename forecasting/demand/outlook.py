"""Forecast of a service's request rate: the week's shape, moved by how far the last hours strayed from it.

With ``x = ln(rate / shape)`` (see ``forecasting.demand.shape``) measured up to the issue time, the part that
persists is estimated as the mean of the last hour, the level of the service as the mean of ``x`` over the
history with a prior worth one day of data. For lead h: ``E[x] = level + (x0 - level) rho``, ``Var[x] = slow^2
(1 - rho^2) + level uncertainty + fast^2 / n`` with ``rho = exp(-h / correlation time)`` and n the number of
independent 10-minute windows in the interval. Quantiles are those of the log-normal distribution, rows ordered
by level.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from scipy.special import ndtri

from forecasting.demand.shape import demand_shape, shape_rate_rps
from forecasting.records import DemandForecast
from forecasting.sun import Floats
from sites.schema.workload import Service
from sites.times import HOUR, TimeGrid

PRIOR_H = 24.0
"""Hours of history that the site file's mean rate is worth."""
SMALLEST_SHARE = 0.02
"""A measured rate of less than this share of the shape counts as this share: zero has no logarithm."""


@dataclass(frozen=True, kw_only=True)
class RateSample:
    """Measured mean request rate of a service over an interval."""

    start_utc: datetime
    """Start of the interval."""
    hours: float
    """Its length."""
    rate_rps: float
    """Requests that arrived, served or not, per second."""


def forecast_demand(
    service: Service,
    samples: Sequence[RateSample],
    *,
    issued_utc: datetime,
    grid: TimeGrid,
    levels: tuple[float, ...],
    zone: str,
    days_off: Collection[date] = (),
) -> DemandForecast:
    """Return mean and quantiles of the request rate in each interval of ``grid``.

    Samples that end after ``issued_utc`` are not looked at.
    """
    shape = demand_shape(service.demand.shape)
    expected = shape_rate_rps(service.demand, grid.starts_utc, grid.hours, zone=zone, days_off=days_off)
    known = [s for s in samples if s.start_utc + s.hours * HOUR <= issued_utc + timedelta(seconds=1)]
    level, level_var, recent, age_h = _learned(service, known, issued_utc=issued_utc, zone=zone, days_off=days_off)
    hours = np.array(grid.hours)
    lead_h = np.array(grid.offsets_h[:-1]) + hours / 2 + (grid.start_utc - issued_utc) / HOUR
    rho = np.exp(-np.maximum(lead_h + age_h, 0.0) / shape.slow_correlation_h)
    windows = np.maximum(hours * 6 * (1 - shape.fast_lag1_10min) / (1 + shape.fast_lag1_10min), 1.0)
    variance = shape.slow_sd_log**2 * (1 - rho**2) + level_var + shape.fast_sd_log**2 / windows
    middle = level + (recent - level) * rho
    total_var = shape.slow_sd_log**2 + shape.fast_sd_log**2
    median = expected * np.exp(middle - total_var / 2)
    spread = np.sqrt(variance)
    rows = tuple(tuple(float(v) for v in median * np.exp(ndtri(level_) * spread)) for level_ in levels)
    mean = median * np.exp(variance / 2)
    return DemandForecast(service=service.name, rate_rps=tuple(float(v) for v in mean), quantiles_rps=rows)


def _learned(
    service: Service,
    samples: Sequence[RateSample],
    *,
    issued_utc: datetime,
    zone: str,
    days_off: Collection[date],
) -> tuple[float, float, float, float]:
    """Return (level of x, its variance, recent x, age of the newest sample in hours)."""
    shape = demand_shape(service.demand.shape)
    if not samples or service.demand.mean_rps <= 0.0:
        return 0.0, 0.05**2, 0.0, 1e9
    kept = samples[-3 * 1008 :]
    hours = np.array([sample.hours for sample in kept])
    expected = shape_rate_rps(
        service.demand,
        tuple(sample.start_utc for sample in kept),
        tuple(sample.hours for sample in kept),
        zone=zone,
        days_off=days_off,
    )
    rate = np.array([sample.rate_rps for sample in kept])
    total_var = shape.slow_sd_log**2 + shape.fast_sd_log**2
    x: Floats = np.log(np.maximum(rate / expected, SMALLEST_SHARE)) + total_var / 2
    ends_h = np.array([(issued_utc - sample.start_utc) / HOUR - sample.hours for sample in kept])
    level = float((x * hours).sum() / (hours.sum() + PRIOR_H))
    effective = hours.sum() / (2 * shape.slow_correlation_h) + PRIOR_H / (2 * shape.slow_correlation_h)
    level_var = shape.slow_sd_log**2 / effective
    age_h = float(ends_h.min())
    last = ends_h <= age_h + 1.0
    recent = float((x[last] * hours[last]).sum() / hours[last].sum())
    return level, float(level_var), recent, age_h
