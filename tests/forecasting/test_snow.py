"""Snow that is predicted, and silence in the cold: zero by day with its cause, and light again as the snow slides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting.forecaster import forecast
from forecasting.history import History
from forecasting.nwp import NwpRun
from forecasting.prepare import PreparedPeriod, prepare_period
from forecasting.pv.chain import available_ac_kw
from forecasting.pv.site import pv_model, usual_states
from forecasting.records import Forecast
from forecasting.snow import mixture
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import uniform_grid

START = datetime(2025, 1, 1, tzinfo=UTC)
NOON = datetime(2025, 1, 20, 17, tzinfo=UTC)
EVENING = datetime(2025, 1, 21, 0, tzinfo=UTC)
LEVELS = np.array([0.1, 0.5, 0.9])


@pytest.fixture(scope="module")
def actual(container: Site) -> PreparedPeriod:
    return prepare_period(container, start_utc=START, end_utc=NOON + timedelta(days=4), step_s=900)


def told(site: Site, history: History, issued: datetime, run: NwpRun | None = None) -> Forecast:
    runs = () if run is None else (run,)
    grid = uniform_grid(issued, hours=1.0, steps=60)
    return forecast(site, history, issued_utc=issued, grid=grid, runs=runs, scenarios=0, demand=False)


def history_of(actual: PreparedPeriod, *, outdoor_c: float, silent_steps: int = 0) -> History:
    now = round((NOON - START).total_seconds() / 900)
    power = np.array(actual.pv_available_kw.values)
    power[now - silent_steps : now] = 0.0
    air = replace(actual.outdoor_c, values=(outdoor_c,) * len(power))
    return History(pv_kw=replace(actual.pv_available_kw, values=tuple(power.tolist())), outdoor_c=air)


def run_with_snow(actual: PreparedPeriod, issued: datetime, *, falls_cm: float, air_c: float) -> NwpRun:
    """Return a prediction of two sunny days with snow in the six hours after the issue."""
    hours = 72
    start = issued.replace(minute=0)
    depth = np.clip(np.arange(hours) / 6.0, 0.0, 1.0) * falls_cm
    return NwpRun(
        source="service",
        issued_utc=issued - timedelta(hours=1),
        ghi_w_m2=actual.ghi_w_m2,
        temp_air_c=TimeSeries(start_utc=start, step_s=3600, values=(air_c,) * hours),
        snow_cm=TimeSeries(start_utc=start, step_s=3600, values=tuple(depth.tolist())),
    )


@pytest.mark.parametrize(("outdoor_c", "cause"), [(-6.0, "snow"), (9.0, "outage"), (float("nan"), "outage or snow")])
def test_silence_by_day_is_named(container: Site, actual: PreparedPeriod, outdoor_c: float, cause: str) -> None:
    found = told(container, history_of(actual, outdoor_c=outdoor_c, silent_steps=8), NOON)
    assert found.dark_cause == cause
    assert cause in found.source
    assert found.pv_quantiles_kw[0][1] == 0.0
    assert found.pv_quantiles_kw[-1][-9] > 0.0


def test_in_hard_frost_snow_lies_longer_than_an_outage_lasts(container: Site, actual: PreparedPeriod) -> None:
    frozen = told(container, history_of(actual, outdoor_c=-25.0, silent_steps=8), NOON)
    thaw = told(container, history_of(actual, outdoor_c=1.0, silent_steps=8), NOON)
    second_day = slice(18, 30)
    assert sum(frozen.pv_available_kw[second_day]) < 0.5 * sum(thaw.pv_available_kw[second_day])


def test_a_prediction_without_snow_makes_frosty_silence_an_outage(container: Site, actual: PreparedPeriod) -> None:
    bare = run_with_snow(actual, NOON, falls_cm=0.0, air_c=-6.0)
    assert told(container, history_of(actual, outdoor_c=-6.0, silent_steps=8), NOON, bare).dark_cause == "outage"


@pytest.mark.parametrize(("falls_cm", "air_c", "dark"), [(30.0, -25.0, True), (2.0, -25.0, False), (0.0, -25.0, False)])
def test_predicted_snow_darkens_the_days_after(
    container: Site, actual: PreparedPeriod, falls_cm: float, air_c: float, dark: bool
) -> None:
    past = history_of(actual, outdoor_c=air_c)
    plain = told(
        container, past, EVENING, replace(run_with_snow(actual, EVENING, falls_cm=0, air_c=air_c), snow_cm=None)
    )
    found = told(container, past, EVENING, run_with_snow(actual, EVENING, falls_cm=falls_cm, air_c=air_c))
    assert found.dark_cause == ("snow" if dark else "")
    share = sum(found.pv_available_kw) / sum(plain.pv_available_kw)
    assert share < 0.6 if dark else share == pytest.approx(1.0)


def test_a_weather_record_with_snow_covers_the_simulated_plant(container: Site) -> None:
    model = pv_model(container)
    assert model is not None
    index = pd.date_range("2025-01-10", periods=96, freq="1h", tz="UTC")
    frame = pd.DataFrame(
        {"ghi_w_m2": 300.0, "dni_w_m2": 400.0, "dhi_w_m2": 80.0, "temp_air_c": -8.0, "wind_m_s": 2.0}, index=index
    )
    bare = available_ac_kw(model, frame, step_s=3600, states=usual_states(container))
    deep = frame.assign(snow_cm=np.where(np.arange(96) < 30, 0.0, 12.0))
    snowed = available_ac_kw(model, deep, step_s=3600, states=usual_states(container))
    np.testing.assert_allclose(snowed[:30], bare[:30])
    assert bare[36:48].max() > 50.0
    assert snowed[36:40].max() == 0.0


def test_mixture_by_hand() -> None:
    nothing, full = np.zeros((3, 1)), np.full((3, 1), 2.0)
    mixed = mixture(nothing, full, LEVELS, weight=0.6)[:, 0]
    np.testing.assert_allclose(mixed, [0.0, 0.0, 2.0], atol=1e-5)
    same = mixture(np.array([[0.1], [0.5], [0.9]]), np.array([[0.1], [0.5], [0.9]]), LEVELS, weight=0.3)[:, 0]
    np.testing.assert_allclose(same, [0.1, 0.5, 0.9], atol=1e-5)
