"""Dirt gathers and is washed off, snow covers and slides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasting.pv.states import MOST_DIRT_FRAC, snow_frac, soiling_frac

HOURS = pd.date_range("2025-01-01", periods=24 * 30, freq="1h", tz="UTC")


def hourly(value: float) -> pd.Series[float]:
    return pd.Series(value, index=HOURS)


def test_dry_days_add_up_and_rain_cleans() -> None:
    rain = hourly(0.0)
    dry = soiling_frac(rain, rate_per_day=0.002)
    assert dry[-1] == pytest.approx(0.002 * 30, rel=0.05)
    rain.iloc[24 * 20] = 10.0
    washed = soiling_frac(rain, rate_per_day=0.002)
    np.testing.assert_allclose(washed[: 24 * 20], dry[: 24 * 20])
    assert washed[24 * 20 + 1] == 0.0
    assert soiling_frac(hourly(0.0), rate_per_day=0.05).max() == pytest.approx(MOST_DIRT_FRAC)


def test_drizzle_does_not_clean() -> None:
    assert soiling_frac(hourly(0.1), rate_per_day=0.002)[-1] > 0.05


def test_snow_covers_and_slides_when_sunny() -> None:
    snowfall = hourly(0.0)
    snowfall.iloc[10:14] = 3.0
    cold = snow_frac(snowfall, hourly(0.0), hourly(-10.0), tilt_deg=30.0)
    assert cold[9] == 0.0
    assert cold[20] == 1.0
    assert cold[-1] == 1.0
    warm = snow_frac(snowfall, hourly(600.0), hourly(3.0), tilt_deg=30.0)
    assert warm[-1] == 0.0
    steep = snow_frac(snowfall, hourly(600.0), hourly(3.0), tilt_deg=60.0)
    assert steep.sum() <= warm.sum()
