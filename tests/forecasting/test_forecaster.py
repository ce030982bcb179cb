"""The whole forecast: never the future, always an answer, bounds kept, fast enough to be called every hour."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecasting.demand.arrivals import actual_rate_rps
from forecasting.forecaster import LEVELS, clear_power, forecast, nightly_learner
from forecasting.history import NOTHING, History
from forecasting.learn.forest import ForestSettings
from forecasting.nwp import NwpRun
from forecasting.nwp_archive import known_runs
from forecasting.prepare import PreparedPeriod, prepare_period
from forecasting.sun import clear_sky, sun_path
from forecasting.weather.predictions import OpenMeteo
from sites.load import load_site
from sites.ports import SystemClock
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import planning_grid, uniform_grid

START = datetime(2025, 5, 1, tzinfo=UTC)
NOON = datetime(2025, 6, 10, 16, tzinfo=UTC)
MIDNIGHT = datetime(2025, 6, 10, 4, tzinfo=UTC)
SMALL = ForestSettings(trees=6, leaf_samples=20, edges=20)


@pytest.fixture(scope="module")
def actual(container: Site) -> PreparedPeriod:
    return prepare_period(container, start_utc=START, end_utc=datetime(2025, 6, 15, tzinfo=UTC), step_s=900)


@pytest.fixture(scope="module")
def past(container: Site, actual: PreparedPeriod) -> History:
    rates = {
        service.name: actual_rate_rps(
            service, start_utc=START, end_utc=actual.outdoor_c.end_utc, zone=container.location.time_zone, seed=1
        )
        for service in container.services
    }
    return History(pv_kw=actual.pv_available_kw, outdoor_c=actual.outdoor_c, rates_rps=rates)


def spoiled(series: TimeSeries, after: datetime, value: float) -> TimeSeries:
    kept = round((after - series.start_utc).total_seconds() / series.step_s)
    return replace(series, values=series.values[:kept] + (value,) * (len(series.values) - kept))


def run_of(actual: PreparedPeriod, issued: datetime) -> NwpRun:
    return NwpRun(source="service", issued_utc=issued, ghi_w_m2=actual.ghi_w_m2, temp_air_c=actual.outdoor_c)


@pytest.mark.parametrize("issued", [NOON, MIDNIGHT, NOON + timedelta(minutes=7, seconds=13)])
def test_never_sees_the_future(container: Site, past: History, issued: datetime) -> None:
    assert past.pv_kw is not None
    assert past.outdoor_c is not None
    other = History(
        pv_kw=spoiled(past.pv_kw, issued, 1e3),
        pv_curtailed=(),
        outdoor_c=spoiled(past.outdoor_c, issued, -40.0),
        rates_rps={name: spoiled(series, issued, 1e5) for name, series in past.rates_rps.items()},
    )
    grid = planning_grid(issued)
    assert forecast(container, past, issued_utc=issued, grid=grid) == forecast(
        container, other, issued_utc=issued, grid=grid
    )


def test_learner_never_sees_the_future(container: Site, past: History, actual: PreparedPeriod) -> None:
    assert past.pv_kw is not None
    other = replace(past, pv_kw=spoiled(past.pv_kw, MIDNIGHT, 77.0))
    later = run_of(actual, MIDNIGHT + timedelta(hours=1))
    grid = uniform_grid(MIDNIGHT, hours=1.0, steps=30)
    made = []
    for each, runs in ((past, ()), (other, (later,))):
        learner = nightly_learner(container, each, now_utc=MIDNIGHT, runs=runs, settings=SMALL)
        made.append(forecast(container, each, issued_utc=MIDNIGHT, grid=grid, learner=learner, runs=runs, demand=False))
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["container", "cabinet", "clinic", "cell-tower", "jetson-box"])
def test_first_minute_of_any_site(name: str) -> None:
    site = load_site(name)
    outlook = forecast(site, NOTHING, issued_utc=NOON, grid=planning_grid(NOON))
    assert outlook.rung == "climatology"
    assert len(outlook.scenarios) == 10
    assert sum(scenario.weight for scenario in outlook.scenarios) == pytest.approx(1.0)
    assert {demand.service for demand in outlook.demand} == {service.name for service in site.services}


def test_bounds_and_order(container: Site, past: History) -> None:
    outlook = forecast(container, past, issued_utc=NOON, grid=planning_grid(NOON))
    clear = clear_power(container)
    assert clear is not None
    quantiles = np.array(outlook.pv_quantiles_kw)
    assert (np.diff(quantiles, axis=0) >= -1e-9).all()
    assert quantiles.min() >= 0.0
    assert quantiles.max() <= clear.model.ac_kw + 1e-6
    night = np.array([moment.hour in (3, 4, 5, 6, 7) for moment in planning_grid(NOON).starts_utc])
    assert quantiles[:, night].max() == 0.0
    # by day zero needs a cause
    assert quantiles[0, :8].min() > 0.0
    mean = np.array(outlook.pv_available_kw)
    assert (mean >= quantiles[0] - 1e-6).all()
    assert (mean <= quantiles[-1] + 1e-6).all()


def test_scenarios_agree_with_the_mean(container: Site, past: History) -> None:
    grid = planning_grid(NOON)
    outlook = forecast(container, past, issued_utc=NOON, grid=grid)
    hours = np.array(grid.hours)
    weighted = sum(s.weight * np.array(s.pv_available_kw) for s in outlook.scenarios)
    assert (weighted * hours).sum() == pytest.approx((np.array(outlook.pv_available_kw) * hours).sum(), rel=0.04)
    energy = [float((np.array(s.pv_available_kw) * hours).sum()) for s in outlook.scenarios]
    warmth = [float((np.array(s.outdoor_c) * hours).sum()) for s in outlook.scenarios]
    assert max(energy) > 1.15 * min(energy)
    assert np.corrcoef(energy, warmth)[0, 1] > 0.9


def test_same_question_same_answer(container: Site, past: History) -> None:
    grid = planning_grid(NOON)
    one = forecast(container, past, issued_utc=NOON, grid=grid)
    assert one == forecast(container, past, issued_utc=NOON, grid=grid)


def test_curtailed_hours_are_not_believed(container: Site, past: History) -> None:
    """Held at a tenth from nine to three on every sunny day of three weeks; told so, the forecast hardly moves."""
    assert past.pv_kw is not None
    values = np.array(past.pv_kw.values)
    starts = [past.pv_kw.start_utc + timedelta(seconds=900 * i) for i in range(len(values))]
    held = np.array([13 <= moment.hour < 19 and moment > NOON - timedelta(days=21) for moment in starts])
    held &= values > 50.0
    throttled = replace(past.pv_kw, values=tuple(np.where(held, 0.1 * values, values).tolist()))
    told = replace(past, pv_kw=throttled, pv_curtailed=tuple(held.tolist()))
    untold = replace(past, pv_kw=throttled)
    grid = uniform_grid(MIDNIGHT + timedelta(days=1), hours=1.0, steps=24)
    issued = MIDNIGHT + timedelta(days=1)

    def energy(history: History) -> float:
        return sum(forecast(container, history, issued_utc=issued, grid=grid, scenarios=0).pv_available_kw)

    assert energy(told) == pytest.approx(energy(past), rel=0.12)
    assert energy(untold) < 0.88 * energy(past)


def test_gaps_are_not_zero(container: Site, past: History) -> None:
    assert past.pv_kw is not None
    values = np.array(past.pv_kw.values)
    values[-96 * 12 :: 3] = np.nan
    gappy = replace(past, pv_kw=replace(past.pv_kw, values=tuple(values.tolist())))
    grid = uniform_grid(MIDNIGHT, hours=1.0, steps=24)
    ask = {"issued_utc": MIDNIGHT, "grid": grid, "scenarios": 0, "demand": False}
    whole, holes = forecast(container, past, **ask), forecast(container, gappy, **ask)  # type: ignore[arg-type]
    assert sum(holes.pv_available_kw) == pytest.approx(sum(whole.pv_available_kw), rel=0.1)


def test_rungs_of_the_ladder(container: Site, past: History, actual: PreparedPeriod) -> None:
    run = run_of(actual, MIDNIGHT - timedelta(hours=6))
    learner = nightly_learner(container, past, now_utc=MIDNIGHT, runs=(run,), settings=SMALL)
    grid = uniform_grid(MIDNIGHT, hours=1.0, steps=30)

    def made(*runs: NwpRun) -> str:
        ask = forecast(
            container, past, issued_utc=MIDNIGHT, grid=grid, learner=learner, runs=runs, scenarios=0, demand=False
        )
        return ask.rung

    assert made(run) == "blend"
    assert made(replace(run, issued_utc=MIDNIGHT - timedelta(hours=40))) == "stale_nwp"
    assert made() == "history"
    assert made(replace(run, ghi_w_m2=replace(run.ghi_w_m2, values=(0.0,) * len(run.ghi_w_m2.values)))) == "history"
    assert forecast(container, issued_utc=MIDNIGHT, grid=grid).rung == "climatology"


def test_splitting_steps_keeps_energy(container: Site, past: History) -> None:
    coarse = uniform_grid(NOON, hours=1.0, steps=6)
    fine = uniform_grid(NOON, hours=0.25, steps=24)
    ask = {"issued_utc": NOON, "scenarios": 0, "demand": False}
    one = sum(forecast(container, past, grid=coarse, **ask).pv_available_kw)  # type: ignore[arg-type]
    four = sum(forecast(container, past, grid=fine, **ask).pv_available_kw) / 4  # type: ignore[arg-type]
    assert one == pytest.approx(four, rel=0.02)


def test_levels_are_those_asked_for(container: Site, past: History) -> None:
    grid = uniform_grid(NOON, hours=1.0, steps=4)
    outlook = forecast(container, past, issued_utc=NOON, grid=grid, levels=(0.2, 0.8))
    assert outlook.quantile_levels == (0.2, 0.8)
    assert len(outlook.demand[0].quantiles_rps) == 2
    assert len(LEVELS) == 7


def test_temperature_follows_the_thermometer(container: Site, past: History, actual: PreparedPeriod) -> None:
    """A day ahead better than the mean of the past, over three weeks of mornings."""
    errors, plain = [], []
    known = np.array(actual.outdoor_c.values)
    for day in range(20):
        issued = datetime(2025, 5, 20, 12, tzinfo=UTC) + timedelta(days=day)
        grid = uniform_grid(issued, hours=1.0, steps=24)
        made = forecast(container, past, issued_utc=issued, grid=grid, scenarios=0, demand=False).outdoor_c
        truth = [actual.outdoor_c.mean(a, a + timedelta(hours=1)) for a in grid.starts_utc]
        now = round((issued - START).total_seconds() / 900)
        errors.append(np.mean(np.abs(np.array(made) - truth)))
        plain.append(np.mean(np.abs(known[:now].mean() - np.array(truth))))
    assert np.mean(errors) < 0.75 * np.mean(plain)


def test_zero_by_day_has_a_cause(container: Site, past: History) -> None:
    """A plant that has given nothing for two sunny hours may go on giving nothing; the source says why."""
    assert past.pv_kw is not None
    values = np.array(past.pv_kw.values)
    now = round((NOON - past.pv_kw.start_utc).total_seconds() / 900)
    values[now - 8 : now] = 0.0
    silent = replace(past, pv_kw=replace(past.pv_kw, values=tuple(values.tolist())))
    grid = uniform_grid(NOON, hours=1.0, steps=30)
    outlook = forecast(container, silent, issued_utc=NOON, grid=grid, demand=False)
    usual = forecast(container, past, issued_utc=NOON, grid=grid, demand=False)
    assert outlook.dark_cause == "outage"
    assert "outage" in outlook.source
    assert "outage" not in usual.source
    assert max(row[0] for row in outlook.pv_quantiles_kw[:6]) == 0.0
    assert outlook.pv_quantiles_kw[-1][22] > 0.0
    # the silent hours are not taken for cloud: once it is over, the rest of the past speaks as before
    values[now - 1] = values[now - 9]
    again = replace(past, pv_kw=replace(past.pv_kw, values=tuple(values.tolist())))
    assert "outage" not in forecast(container, again, issued_utc=NOON, grid=grid, demand=False).source


@pytest.mark.parametrize("late_min", [0, 45, -60])
def test_late_labels_are_found_and_taken_out(
    container: Site, past: History, actual: PreparedPeriod, late_min: int
) -> None:
    run = run_of(actual, MIDNIGHT - timedelta(hours=6))
    moved = replace(run.ghi_w_m2, start_utc=run.ghi_w_m2.start_utc + timedelta(minutes=late_min))
    learner = nightly_learner(container, past, now_utc=MIDNIGHT, runs=(replace(run, ghi_w_m2=moved),), settings=SMALL)
    assert learner.late_min["service"] == pytest.approx(late_min, abs=12)


def test_a_service_whose_labels_are_late_is_found_out_from_its_own_answers(
    container: Site, past: History, actual: PreparedPeriod
) -> None:
    """Twenty daily answers of a service that labels its hours 45 minutes late; the run in use is read at the right time."""
    hourly = np.array(actual.ghi_w_m2.values[: len(actual.ghi_w_m2.values) // 4 * 4]).reshape(-1, 4).mean(axis=1)
    first_s = actual.ghi_w_m2.start_utc.timestamp()
    service = OpenMeteo(latitude_deg=36.1, longitude_deg=-79.95, clock=SystemClock(), source="service")
    runs = []
    for day in range(19, 39):
        now = START + timedelta(days=day, hours=4)
        hours = range(24 * day, 24 * (day + 3))
        times = [int(first_s + 3600 * (hour + 1) + 2700) for hour in hours]
        document = {"hourly": {"time": times, "shortwave_radiation": [float(hourly[hour]) for hour in hours]}}
        run = service.read(json.dumps(document).encode(), now)
        assert isinstance(run, NwpRun)
        runs.append(run)
    known = known_runs(runs, now=MIDNIGHT)
    learner = nightly_learner(container, past, now_utc=MIDNIGHT, runs=known, settings=SMALL)
    assert learner.late_min["service"] == pytest.approx(45, abs=12)


@pytest.mark.parametrize(("share", "age_h"), [(0.15, 3.0), (1.0, 3.0), (0.15, 24.0 * 6)])
def test_a_prediction_counts_before_anything_has_been_learned(container: Site, share: float, age_h: float) -> None:
    """On the first day a fresh prediction moves the forecast its way; one of last week does not."""
    place = {"latitude_deg": 36.1, "longitude_deg": -79.95, "altitude_m": 270.0}
    middle = pd.date_range(MIDNIGHT - timedelta(days=7), periods=24 * 12, freq="1h") + pd.Timedelta(minutes=30)
    ghi = clear_sky(middle, sun_path(middle, **place), **place).ghi_w_m2 * share
    series = TimeSeries(start_utc=MIDNIGHT - timedelta(days=7), step_s=3600.0, values=tuple(ghi.tolist()))
    run = NwpRun(source="model", issued_utc=MIDNIGHT - timedelta(hours=age_h), ghi_w_m2=series)
    grid = uniform_grid(MIDNIGHT, hours=1.0, steps=24)
    blind = forecast(container, issued_utc=MIDNIGHT, grid=grid, demand=False)
    told = forecast(container, issued_utc=MIDNIGHT, grid=grid, demand=False, runs=(run,))
    ratio = sum(told.pv_available_kw) / sum(blind.pv_available_kw)
    if age_h > 24:
        assert ratio == pytest.approx(1.0, abs=0.02)
        assert told.rung == "climatology"
    else:
        assert told.rung == "blend"
        assert told.nwp_age_h == pytest.approx(age_h)
        assert (ratio < 0.8) if share < 0.5 else (ratio > 1.05)
