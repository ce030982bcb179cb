"""The week's shape of request rates and how far real rates stray from it.

Model of a service's rate over an interval: ``rate = mean_rps * shape(hour of local week) * exp(x - v/2)`` with
``x = slow + fast``: two stationary first-order autoregressions (spread and correlation times in
``forecasting/data/demand_shape.yaml``, derived by ``benchmarks/forecast_demand_shape.py`` from two measured
weeks), ``v`` the variance of ``x``, so that the rate's expectation is the shape itself.

Shapes: ``chat`` is measured. ``flat`` is 1. ``office`` (working hours, quiet weekend) and ``clinic`` (working
hours, a night and weekend floor for emergencies) are *estimated* from opening hours; their spread is the
measured one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import yaml

from forecasting.sun import Floats
from sites.schema.workload import Demand
from sites.times import HOUR

SHAPE_FILE = Path(__file__).parent.parent / "data" / "demand_shape.yaml"
HOURS_A_WEEK = 168
SUNDAY_H = 144
HOURS_A_YEAR = 8766.0


@dataclass(frozen=True, kw_only=True)
class DemandShape:
    """A week's shape and the spread around it."""

    hourly: tuple[float, ...]
    """168 factors from Monday 00:00 local, mean 1; a factor holds at the middle of its hour."""
    slow_sd_log: float
    """Standard deviation of the slow part of the log rate."""
    slow_correlation_h: float
    """Time in which the slow part's correlation falls to 1/e."""
    fast_sd_log: float
    """Standard deviation of 10-minute windows within their hour (log rate)."""
    fast_lag1_10min: float
    """Correlation of the fast part between neighbouring 10-minute windows."""


@lru_cache(maxsize=8)
def demand_shape(name: str) -> DemandShape:
    """Return the shape called ``name``: chat, flat, office or clinic."""
    measured = yaml.safe_load(SHAPE_FILE.read_text(encoding="utf-8"))
    hour = np.arange(HOURS_A_WEEK) % 24 + 0.5
    weekend = np.arange(HOURS_A_WEEK) >= 120
    working = np.exp(-(((hour - 13.0) / 4.2) ** 4))
    weeks = {
        "chat": np.array(measured["hourly_from_monday"], dtype=float),
        "flat": np.ones(HOURS_A_WEEK),
        "office": np.where(weekend, 0.12, 0.12 + 0.88 * working),
        "clinic": np.where(weekend, 0.30, 0.25 + 0.75 * working),
    }
    week = weeks[name]
    return DemandShape(
        hourly=tuple(float(value) for value in week / week.mean()),
        slow_sd_log=float(measured["slow_sd_log"]),
        slow_correlation_h=float(measured["slow_correlation_h"]),
        fast_sd_log=float(measured["fast_sd_log"]),
        fast_lag1_10min=float(measured["fast_lag1_10min"]),
    )


def shape_rate_rps(
    demand: Demand,
    starts_utc: tuple[datetime, ...],
    hours: tuple[float, ...],
    *,
    zone: str,
    since_utc: datetime | None = None,
    days_off: Collection[date] = (),
) -> Floats:
    """Return the expected rate [1/s] in each interval.

    Args:
        demand: shape, mean and growth of a service.
        starts_utc: interval starts.
        hours: interval lengths, at most a week.
        zone: the site's time zone: the week runs on local clocks, also across clock changes.
        since_utc: moment from which growth counts; no growth where absent.
        days_off: local dates that run like a Sunday.
    """
    local_zone = ZoneInfo(zone)
    local = [start.astimezone(local_zone) for start in starts_utc]
    hour = np.array([t.weekday() * 24 + t.hour + t.minute / 60 + t.second / 3600 for t in local])
    if days_off:
        off = np.array([t.date() in days_off for t in local])
        hour = np.where(off, SUNDAY_H + hour % 24, hour)
    length = np.array(hours)
    integral = _weekly_integral(demand.shape)
    quarter = np.arange(len(integral)) / 4
    rate = (np.interp(hour + length, quarter, integral) - np.interp(hour, quarter, integral)) / length
    if since_utc is not None and demand.growth_per_year_frac:
        years = np.array([(start - since_utc) / HOUR / HOURS_A_YEAR for start in starts_utc])
        rate = rate * (1.0 + demand.growth_per_year_frac) ** years
    return np.asarray(rate * demand.mean_rps, dtype=float)


@lru_cache(maxsize=8)
def _weekly_integral(name: str) -> Floats:
    """Return the integral of a shape [h] at each quarter hour of two weeks from Monday 00:00."""
    week = np.array(demand_shape(name).hourly)
    middle_h = (np.arange(2 * HOURS_A_WEEK * 4) + 0.5) / 4
    quarter = np.interp(middle_h, np.arange(HOURS_A_WEEK) + 0.5, week, period=HOURS_A_WEEK)
    return np.concatenate([[0.0], np.cumsum(quarter) / 4])
