"""What was held back is no cloud: draws above what was metered, and a forecast that is as sunny as without."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from forecasting.clearpower import ClearPower
from forecasting.forecaster import clear_power, forecast, nightly_learner
from forecasting.held import FULL_LEVELS, levels_at, with_held_filled
from forecasting.history import History
from forecasting.learn.features import NWP_EXTRAS, NwpSeries, SkySeries, last_hour_index
from forecasting.learn.forest import ForestSettings
from forecasting.prepare import prepare_period
from sites.schema.site import Site
from sites.times import uniform_grid

START = datetime(2025, 4, 20, tzinfo=UTC)
MIDNIGHT = datetime(2025, 6, 10, 5, tzinfo=UTC)
SMALL = ForestSettings(trees=8, leaf_samples=20, edges=20)


def spell(days: int = 6) -> SkySeries:
    """Days of clear mornings whose afternoons were held at 0.3 of the clear sky."""
    hour = np.arange(days * 24) % 24
    clear = np.clip(np.sin((hour - 5.5) / 12 * np.pi), 0, None) * 100
    lit, held = clear > 3, (hour >= 11) & (clear > 3)
    return SkySeries(
        start=pd.Timestamp("2025-06-01", tz="UTC"),
        step_h=1.0,
        clear=clear,
        index=np.where(lit & ~held, 0.98, np.nan),
        longitude_deg=0.0,
        rating=100.0,
        least=np.where(held, 0.3, np.nan),
    )


def test_draws_lie_above_what_was_metered_and_nothing_else_changes() -> None:
    series = spell()
    filled = with_held_filled(series, {})
    assert filled.filled is not None
    assert series.least is not None
    held, free = np.isfinite(series.least), np.isfinite(series.index)
    np.testing.assert_array_equal(filled.filled[free], series.index[free])
    assert np.isnan(filled.filled[~held & ~free]).all()
    assert (filled.filled[held] >= 0.3).all()
    # after clear mornings the afternoons were mostly clear, not always
    assert 0.75 < filled.filled[held].mean() < 0.97
    assert filled.index is series.index


def test_a_day_is_drawn_alike_whatever_lies_around_it() -> None:
    whole = with_held_filled(spell(6), {})
    cut = with_held_filled(spell(6).until(4 * 24), {})
    assert whole.filled is not None
    assert cut.filled is not None
    np.testing.assert_allclose(cut.filled[72:96], whole.filled[72:96], atol=0.02)


def test_a_prediction_of_cloud_is_heard() -> None:
    series = spell()
    nwp = NwpSeries(index=np.full(len(series.clear), 0.2), extras=np.zeros((len(series.clear), len(NWP_EXTRAS))))
    blind, told = with_held_filled(series, {}), with_held_filled(series, {"service": nwp})
    assert blind.filled is not None
    assert told.filled is not None
    assert np.nanmean(told.filled) < np.nanmean(blind.filled) - 0.05


def test_nothing_held_nothing_drawn() -> None:
    series = replace(spell(), least=None)
    assert with_held_filled(series, {}) is series


def test_last_free_hour_by_hand() -> None:
    state, age_h = last_hour_index(spell(1))
    assert np.isnan(state[6])
    assert age_h[6] == 1000.0
    assert state[13] == pytest.approx(0.98)
    assert age_h[13] == 3.0


def test_levels_at_inverts() -> None:
    quantiles = np.linspace(0.1, 1.0, len(FULL_LEVELS))[:, None]
    assert levels_at(quantiles, np.array([0.1, 1.2, 0.0])[:1])[0] == pytest.approx(0.0)
    assert levels_at(quantiles, quantiles[5])[0] == pytest.approx(FULL_LEVELS[5])


def test_a_site_that_is_held_back_on_sunny_days_is_not_taken_for_a_cloudy_one(container: Site) -> None:
    """Every bright afternoon was cut to 60 kW; left out, tomorrow would come out a fifth darker than it does here."""
    period = prepare_period(container, start_utc=START, end_utc=MIDNIGHT, step_s=900)
    clear = clear_power(container)
    assert isinstance(clear, ClearPower)
    power = np.array(period.pv_available_kw.values)
    index = power / np.maximum(clear.series_kw(START, 900, len(power)), 1.0)
    local = (np.arange(len(power)) / 4 - 5) % 24
    held = (local >= 10) & (local < 18) & (index > 0.5) & (power > 60.0)
    free = History(pv_kw=period.pv_available_kw)
    cut = tuple(np.where(held, 60.0, power).tolist())
    off_grid = History(pv_kw=replace(period.pv_available_kw, values=cut), pv_curtailed=tuple(held.tolist()))
    gaps = tuple(np.where(held, np.nan, power).tolist())
    left_out = History(pv_kw=replace(period.pv_available_kw, values=gaps))
    grid = uniform_grid(MIDNIGHT, hours=1.0, steps=24)
    kwh = []
    for past in (free, off_grid, left_out):
        learner = nightly_learner(container, past, now_utc=MIDNIGHT, settings=SMALL)
        told = forecast(container, past, issued_utc=MIDNIGHT, grid=grid, learner=learner, scenarios=0, demand=False)
        kwh.append(sum(told.pv_available_kw))
    assert kwh[1] > 0.93 * kwh[0]
    assert kwh[2] < 0.9 * kwh[0]
