"""The calibrator: clear days only, curtailed hours never, steps found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from forecasting.calibrated import CalibratedPower, calibration_course, given_away_kwh, site_calibration
from forecasting.calibration import Calibration, DaySamples, available_while_held_kw, clear_samples, report, sun_bin
from forecasting.forecaster import clear_power
from forecasting.history import History
from forecasting.prepare import prepare_period
from sites.schema.site import Site
from sites.series import TimeSeries

STEP_H = 0.25
HOURS = np.arange(0, 24, STEP_H)
ELEVATION = np.degrees(np.arcsin(np.clip(np.sin((HOURS - 6) / 12 * np.pi) * 0.9, -1, 1)))
CLEAR = np.clip(np.sin((HOURS - 6) / 12 * np.pi), 0, None) * 100


def day(
    number: int, factor: float, *, cloudy: bool = False, hold_kw: float | None = None, haze: float = 0.02
) -> DaySamples:
    generator = np.random.default_rng(number)
    power = CLEAR * factor * (1 + generator.normal() * 0.02)
    if cloudy:
        power = power * generator.uniform(0.1, 1.0, len(power))
    held = np.zeros(len(power), dtype=bool)
    if hold_kw is not None:
        held = power > hold_kw
        power = np.minimum(power, hold_kw)
    return DaySamples(
        day=(date(2025, 1, 1) + timedelta(days=number)).isoformat(),
        power_kw=power,
        clear_kw=CLEAR,
        held=held,
        elevation_deg=ELEVATION,
        morning=HOURS < 12,
        step_h=STEP_H,
    )


def run(state: Calibration, days: list[DaySamples]) -> Calibration:
    for samples in days:
        state = state.updated(samples)
    return state


def test_learns_the_level_with_an_honest_interval() -> None:
    state = run(Calibration(), [day(i, 0.93) for i in range(30)])
    low, high = state.interval()
    assert state.factor == pytest.approx(0.93, abs=0.02)
    assert low < 0.93 < high
    assert high - low < 0.06


def test_cloudy_days_teach_nothing() -> None:
    state = run(Calibration(), [day(i, 1.0) for i in range(10)])
    assert run(state, [day(i, 1.0, cloudy=True) for i in range(10, 40)]) == state


def test_a_month_of_curtailment_moves_nothing() -> None:
    state = run(Calibration(), [day(i, 0.95) for i in range(30)])
    after = run(state, [day(i, 0.95, hold_kw=35.0) for i in range(30, 60)])
    assert after.factor == pytest.approx(state.factor, rel=0.01)
    # had the meter been believed, midday would have pulled it down
    believed = [day(i, 0.95, hold_kw=70.0) for i in range(30, 60)]
    naive = [DaySamples(**(vars(each) | {"held": np.zeros(len(HOURS), dtype=bool)})) for each in believed]
    assert run(state, naive).factor < 0.97 * state.factor


@pytest.mark.parametrize("step", [0.9, 1.1])
def test_a_step_is_found_within_a_week(step: float) -> None:
    state = run(Calibration(), [day(i, 1.0) for i in range(30)])
    found = run(state, [day(i, step) for i in range(30, 37)])
    assert found.changed_on
    assert found.changed_on[-1] >= "2025-01-31"
    assert found.factor == pytest.approx(step, abs=0.025)


def test_dirt_is_reported_and_washed_off() -> None:
    state = run(Calibration(), [day(i, 1.0) for i in range(20)])
    dirty = run(state, [day(i, 0.9) for i in range(20, 30)])
    assert report(dirty).soiling_frac == pytest.approx(0.1, abs=0.03)
    assert report(dirty).derating_frac == pytest.approx(0.1, abs=0.03)
    found = report(dirty)
    assert found.soiling_low < found.soiling_frac < found.soiling_high
    assert found.soiling_low <= 0.1 <= found.soiling_high
    washed = run(dirty, [day(i, 1.0) for i in range(30, 40)])
    assert report(washed).soiling_frac < 0.03
    assert len(washed.changed_on) == 2


def test_shade_in_the_morning_becomes_shape() -> None:
    days = []
    for i in range(60):
        samples = day(i, 1.0)
        shaded = np.where(HOURS < 12, 0.8 + 0.2 * np.clip((ELEVATION - 8) / 32, 0, 1), 1.0)
        days.append(DaySamples(**(vars(samples) | {"power_kw": samples.power_kw * shaded})))
    state = run(Calibration(), days)
    low_morning = state.factor_at(np.array([15.0]), np.array([True]))[0]
    noon = state.factor_at(np.array([55.0]), np.array([True]))[0]
    assert low_morning / noon < 0.93


def test_clear_samples_leave_out_what_is_held() -> None:
    clear = clear_samples(day(1, 1.0, hold_kw=80.0))
    assert clear.any()
    assert not (clear & day(1, 1.0, hold_kw=80.0).held).any()
    assert not clear[ELEVATION < 8].any()


def test_bins_are_two_halves() -> None:
    bins = sun_bin(np.array([5.0, 25.0, 80.0, 5.0, 80.0]), np.array([True, True, True, False, False]))
    assert bins.tolist() == [0, 2, 5, 6, 11]


def test_available_power_while_held() -> None:
    clear = np.full(8, 100.0)
    power = np.array([80.0, 80.0, 30.0, 30.0, np.nan, 95.0, 50.0, 50.0])
    held = np.array([False, False, True, True, True, False, True, False])
    found = available_while_held_kw(power, clear, held, limit_kw=120.0, step_h=0.25)
    assert found[:2].tolist() == [80.0, 80.0]
    assert 75.0 < found[2] < 80.5
    assert np.isfinite(found[4])
    assert found[5] == 95.0
    assert found[6] > 85.0
    assert found[7] == 50.0
    # what comes later changes nothing before
    changed = available_while_held_kw(np.r_[power[:5], 1.0, 2.0, 3.0], clear, held, limit_kw=120.0, step_h=0.25)
    np.testing.assert_array_equal(found[:5], changed[:5])


def test_a_sites_history_is_calibrated(container: Site) -> None:
    """Two months of typical weather at 90 % of what the site file says, limited and curtailed samples among them."""
    start = datetime(2025, 4, 1, tzinfo=UTC)
    period = prepare_period(container, start_utc=start, end_utc=start + timedelta(days=60), step_s=900)
    clear = clear_power(container)
    assert clear is not None
    full = History(pv_kw=period.pv_available_kw)
    less = replace(period.pv_available_kw, values=tuple(0.9 * value for value in period.pv_available_kw.values))
    cut = tuple(min(value, 350.0) for value in less.values)
    flags = tuple(value > 350.0 for value in less.values)
    now = start + timedelta(days=60)
    reference = site_calibration(clear, full, now_utc=now)
    tenth = site_calibration(clear, History(pv_kw=less), now_utc=now)
    held = site_calibration(clear, History(pv_kw=replace(less, values=cut), pv_curtailed=flags), now_utc=now)
    assert reference.clear_days > 5
    assert tenth.factor / reference.factor == pytest.approx(0.9, abs=0.03)
    assert held.factor / reference.factor == pytest.approx(0.9, abs=0.05)
    assert site_calibration(clear, History(), now_utc=now) == Calibration()


def test_dirt_reaches_the_forecast_and_what_came_before_is_scaled_by_what_was_known(container: Site) -> None:
    """Sunny weeks, 15 % less from day 40 on: three weeks later the scale is 15 % lower, and that of day 30 is not."""
    start = datetime(2025, 4, 1, tzinfo=UTC)
    clear = clear_power(container)
    assert clear is not None
    count = 65 * 96
    hazy = np.repeat(1.0 + 0.01 * np.random.default_rng(0).normal(size=65), 96)
    power = np.minimum(clear.series_kw(start, 900, count) * hazy, clear.model.ac_kw)
    power[40 * 96 :] *= 0.85
    history = History(pv_kw=TimeSeries(start_utc=start, step_s=900, values=tuple(power.tolist())))
    course = calibration_course(clear, history, now_utc=start + timedelta(days=65), days=65)
    scaled = CalibratedPower(clear, course)

    def ratio(day: int) -> float:
        begin = start + timedelta(days=day, hours=4)
        return float(scaled.series_kw(begin, 86400, 1)[0] / clear.series_kw(begin, 86400, 1)[0])

    assert ratio(70) / ratio(30) == pytest.approx(0.85, abs=0.03)
    assert ratio(1) == pytest.approx(ratio(10), abs=0.02)
    assert given_away_kwh(clear, history, now_utc=start + timedelta(days=65), days=7) == 0.0
    held = replace(history, pv_curtailed=tuple(i >= 64 * 96 for i in range(count)))
    cut = replace(held.pv_kw, values=(*power[: 64 * 96].tolist(), *(0.0,) * 96))  # type: ignore[type-var]
    away = given_away_kwh(scaled, replace(held, pv_kw=cut), now_utc=start + timedelta(days=65), days=7)
    assert away > 0.5 * power[64 * 96 :].sum() / 4
