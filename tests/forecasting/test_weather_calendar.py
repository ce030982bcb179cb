"""Typical years on a calendar, and finer intervals that keep the energy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecasting.weather.calendar import spread_energy, weather_for_period
from forecasting.weather.files import WeatherFile
from forecasting.weather.record import Weather
from sites.errors import InputError


@pytest.fixture(scope="module")
def greensboro() -> Weather:
    return WeatherFile(path="pvlib:723170TYA.CSV", kind="tmy3").read()


def hours(weather: Weather, start: datetime, days: int) -> pd.DataFrame:
    return weather_for_period(weather, start_utc=start, end_utc=start + timedelta(days=days), step_s=3600)


def test_leap_day_repeats_the_28th(greensboro: Weather) -> None:
    leap = hours(greensboro, datetime(2024, 2, 28, 5, tzinfo=UTC), 3)
    assert leap["ghi_w_m2"].iloc[:24].tolist() == leap["ghi_w_m2"].iloc[24:48].tolist()
    plain = hours(greensboro, datetime(2023, 2, 28, 5, tzinfo=UTC), 2)
    assert plain["ghi_w_m2"].iloc[24:48].tolist() == leap["ghi_w_m2"].iloc[48:72].tolist()


def test_year_wraps(greensboro: Weather) -> None:
    turn = hours(greensboro, datetime(2024, 12, 31, 5, tzinfo=UTC), 2)
    first = hours(greensboro, datetime(2030, 1, 1, 5, tzinfo=UTC), 1)
    assert turn["temp_air_c"].iloc[24:].tolist() == first["temp_air_c"].tolist()


@pytest.mark.parametrize("year", [2023, 2024])
def test_every_year_has_every_hour(greensboro: Weather, year: int) -> None:
    start = datetime(year, 1, 1, 5, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, 5, tzinfo=UTC)
    year_of = weather_for_period(greensboro, start_utc=start, end_utc=end, step_s=3600)
    assert len(year_of) == (end - start) / timedelta(hours=1)
    assert not year_of.isna().any().any()


@pytest.mark.parametrize("step_s", [300, 900])
def test_finer_intervals_keep_each_hours_energy(greensboro: Weather, step_s: int) -> None:
    start, end = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 15, tzinfo=UTC)
    fine = weather_for_period(greensboro, start_utc=start, end_utc=end, step_s=step_s)
    coarse = weather_for_period(greensboro, start_utc=start, end_utc=end, step_s=3600)
    for column in ("ghi_w_m2", "dni_w_m2", "dhi_w_m2"):
        back = fine[column].resample("1h").mean()
        assert np.abs(back - coarse[column]).max() < 1e-9


def test_finer_intervals_follow_the_sun(greensboro: Weather) -> None:
    start = datetime(2025, 6, 10, tzinfo=UTC)
    fine = weather_for_period(greensboro, start_utc=start, end_utc=start + timedelta(days=5), step_s=300)
    lit = fine["ghi_w_m2"] > 0
    # the sun is down in Greensboro from about 00:45 to 10:00 UTC in June
    night = (fine.index.hour > 1) & (fine.index.hour < 9)
    assert not (lit & night).any()


def test_period_outside_a_record_is_refused(greensboro: Weather) -> None:
    frame = greensboro.frame.copy()
    frame.index = pd.date_range("2021-01-01", periods=8760, freq="1h", tz="UTC")
    record = Weather(
        source="measured.csv",
        latitude_deg=36.1,
        longitude_deg=-79.95,
        altitude_m=273.0,
        utc_offset_h=-5.0,
        typical=False,
        step_s=3600,
        frame=frame,
    )
    with pytest.raises(InputError, match="covers"):
        hours(record, datetime(2021, 12, 30, tzinfo=UTC), 5)
    assert len(hours(record, datetime(2021, 12, 30, tzinfo=UTC), 2)) == 48


def test_step_must_divide(greensboro: Weather) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    with pytest.raises(InputError, match="divide"):
        weather_for_period(greensboro, start_utc=start, end_utc=start + timedelta(days=1), step_s=700)


@settings(max_examples=60, deadline=None)
@given(
    means=arrays(float, 6, elements=st.floats(0, 1200)),
    shape=arrays(float, 24, elements=st.floats(0, 1000)),
)
def test_spread_keeps_energy_whatever_the_shape(means: np.ndarray, shape: np.ndarray) -> None:
    fine = spread_energy(means, shape=shape, lit=np.ones(24, dtype=bool))
    assert fine.min() >= 0
    np.testing.assert_allclose(fine.reshape(6, 4).mean(axis=1), means, rtol=1e-6, atol=1e-6)
