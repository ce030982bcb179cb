"""The PV chain against other people's figures, and what must hold whatever the weather."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from forecasting.pv.chain import available_ac_kw, clear_sky_ac_kw
from forecasting.pv.model import ArrayState, PvModel
from forecasting.pv.plane import diffuse_iam, sky_view_frac
from forecasting.pv.site import pv_model, usual_states
from forecasting.weather.calendar import weather_for_period
from forecasting.weather.files import WeatherFile
from sites.schema.site import Site
from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    weather = WeatherFile(path="pvlib:723170TYA.CSV", kind="tmy3").read()
    start, end = datetime(2019, 1, 1, 5, tzinfo=UTC), datetime(2020, 1, 1, 5, tzinfo=UTC)
    return weather_for_period(weather, start_utc=start, end_utc=end, step_s=3600)


PVWATTS_WIND = 8.42
"""Faiman's wind-borne heat loss [W/m2K per m/s] fitted to the cell temperatures of the reference's own hourly run."""


def reference_plant(name: str, plant: PvModel, year: pd.DataFrame) -> tuple[PvModel, pd.DataFrame, dict[str, float]]:
    """PVWatts' plant at a place of the reference with its weather and its annual figures."""
    figures = json.loads(shared_path("reference/pv/annual_energy.json").read_text())[name]
    rack = replace(plant, arrays=(replace(plant.arrays[0], u1_w_m2_k_per_m_s=PVWATTS_WIND),))
    if name.startswith("Greensboro"):
        return rack, year, figures
    weather = pd.read_csv(shared_path("reference/pv/phoenix_az_psm3_tmy.csv"), skiprows=2)
    names = {"GHI": "ghi_w_m2", "DNI": "dni_w_m2", "DHI": "dhi_w_m2", "Temperature": "temp_air_c"}
    names |= {"Wind Speed": "wind_m_s", "Surface Albedo": "albedo_frac"}
    frame = weather[list(names)].rename(columns=names).astype(float)
    frame.index = pd.date_range("2019-01-01 07:00", periods=len(frame), freq="h", tz="UTC")
    return replace(rack, latitude_deg=33.45, longitude_deg=-111.98, altitude_m=358.0), frame, figures


@pytest.mark.parametrize("name", ["Greensboro NC TMY3", "Phoenix AZ NSRDB PSM3 TMY"])
def test_annual_energy_of_pvwatts(name: str, plant: PvModel, year: pd.DataFrame) -> None:
    model, weather, figures = reference_plant(name, plant, year)
    single = available_ac_kw(model, weather, step_s=3600).sum()
    assert single == pytest.approx(figures["sam_ac_kwh_noselfshade"], rel=0.002)
    rows = replace(model, arrays=(replace(model.arrays[0], ground_cover_frac=0.4),))
    assert available_ac_kw(rows, weather, step_s=3600).sum() == pytest.approx(figures["sam_ac_kwh_gcr04"], rel=0.005)


def test_hay_davies_gives_less_than_perez_as_in_the_reference(plant: PvModel, year: pd.DataFrame) -> None:
    model, weather, figures = reference_plant("Greensboro NC TMY3", plant, year)
    energy = [
        available_ac_kw(replace(model, transposition=sky), weather, step_s=3600).sum() for sky in ("haydavies", "perez")
    ]
    theirs = figures["pvlib_haydavies_ac_kwh"] / figures["pvlib_perez_ac_kwh"]
    assert energy[0] / energy[1] == pytest.approx(theirs, rel=0.002)


def test_limits_and_night(plant: PvModel, year: pd.DataFrame) -> None:
    power = available_ac_kw(plant, year, step_s=3600)
    assert power.min() >= 0.0
    assert power.max() <= plant.ac_kw + 1e-9
    assert power[(year["ghi_w_m2"] == 0).to_numpy()].max() == 0.0
    free = available_ac_kw(plant, year, step_s=3600, limited=False)
    np.testing.assert_allclose(np.minimum(free, plant.ac_kw), power, atol=1e-9)


def test_dirt_and_snow_take_what_they_say(plant: PvModel, year: pd.DataFrame) -> None:
    week = year.iloc[4000:4168]
    clean = available_ac_kw(plant, week, step_s=3600, limited=False).sum()
    snow = available_ac_kw(plant, week, step_s=3600, states={"roof": ArrayState(snow_frac=1.0)}, limited=False)
    assert snow.max() == 0.0
    dirty = available_ac_kw(plant, week, step_s=3600, states={"roof": ArrayState(soiling_frac=0.1)}, limited=False)
    # a little less than 10 %: dirty modules run cooler
    assert 0.89 < dirty.sum() / clean < 0.92


def test_horizon_blocks_the_low_sun(plant: PvModel) -> None:
    middle = pd.date_range("2025-12-20 12:00", periods=120, freq="5min", tz="UTC")
    walled = replace(plant, arrays=(replace(plant.arrays[0], horizon=((0.0, 30.0), (180.0, 30.0))),))
    open_kw = clear_sky_ac_kw(plant, middle, temp_air_c=15.0)
    shut_kw = clear_sky_ac_kw(walled, middle, temp_air_c=15.0)
    assert (shut_kw <= open_kw + 1e-9).all()
    assert shut_kw.sum() < 0.6 * open_kw.sum()
    assert sky_view_frac(((0.0, 30.0), (180.0, 30.0))) == pytest.approx(np.cos(np.radians(30)) ** 2)


def test_tracker_gains_in_summer(plant: PvModel) -> None:
    middle = pd.date_range("2025-06-20 08:00", periods=200, freq="5min", tz="UTC")
    tracker = replace(plant.arrays[0], tracker=True, tilt_deg=0.0, ground_cover_frac=0.35)
    following = clear_sky_ac_kw(replace(plant, arrays=(tracker,)), middle, temp_air_c=15.0)
    fixed = clear_sky_ac_kw(plant, middle, temp_air_c=15.0)
    assert 1.1 < following.sum() / fixed.sum() < 1.5


def test_diffuse_reflection_golden() -> None:
    """Marion's integrals of the physical model of bare glass at 20 degrees, as in pvlib's documentation of ``marion_diffuse``."""
    sky, ground = diffuse_iam(20.0, 1.526)
    assert sky == pytest.approx(0.9539, abs=1e-4)
    assert ground == pytest.approx(0.6387, abs=1e-4)


def test_site_file_becomes_the_plant(container: Site) -> None:
    model = pv_model(container)
    assert model is not None
    assert container.pv is not None
    assert sum(array.dc_kw for array in model.arrays) == pytest.approx(sum(a.kwp for a in container.pv.arrays))
    assert {name for inverter in model.inverters for name in inverter.arrays} == {a.name for a in model.arrays}
    assert set(usual_states(container)) == {a.name for a in model.arrays}
