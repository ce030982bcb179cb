"""The quick sun position against SPA."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasting.sun import quick_sun_path, sun_path


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg"), [(33.45, -111.98), (61.2, -149.9), (-33.9, 18.4), (0.3, 32.6)]
)
@pytest.mark.parametrize("year", [2021, 2025, 2049])
def test_within_a_hundredth_of_a_degree_of_spa(latitude_deg: float, longitude_deg: float, year: int) -> None:
    times = pd.date_range(f"{year}-01-01 00:30", periods=8760, freq="h", tz="UTC")
    quick = quick_sun_path(times, latitude_deg=latitude_deg, longitude_deg=longitude_deg)
    exact = sun_path(times, latitude_deg=latitude_deg, longitude_deg=longitude_deg, altitude_m=0.0)
    assert np.abs(quick.elevation_deg - exact.elevation_deg).max() < 0.01
    up = exact.elevation_deg > 0.0
    assert np.abs(quick.zenith_deg - exact.zenith_deg)[up].max() < 0.02
    turned = np.abs((quick.azimuth_deg - exact.azimuth_deg + 180.0) % 360.0 - 180.0)
    assert (turned * np.sin(np.radians(exact.zenith_deg)))[up].max() < 0.02
