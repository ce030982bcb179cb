"""One call from a site's past to a forecast of sun, temperature and demand.

The forecast never sees the future: every series is cut at the issue time before anything is computed, and
``History`` holds measurements only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from forecasting.calibrated import CalibratedPower, calibration_course
from forecasting.clearpower import ClearPower
from forecasting.demand.outlook import RateSample, forecast_demand
from forecasting.held import with_held_filled
from forecasting.history import NOTHING, History
from forecasting.learn.forest import ForestSettings
from forecasting.learn.learner import SkyLearner
from forecasting.learn.night import nightly
from forecasting.learn.skymodel import SETTINGS
from forecasting.measured import sky_series
from forecasting.nwp import NwpRun, late_labels_min, nwp_series
from forecasting.outdoor import forecast_outdoor_c
from forecasting.pv.site import pv_model, usual_states
from forecasting.records import DemandForecast, Forecast, Scenario
from forecasting.scenarios import DRAWS, SLOW_FRAC, draw_levels, mean_of, quantile_function, reduce_draws, values_at
from forecasting.sky import SkyOutlook, kept_days, sky_outlook
from forecasting.sun import Floats
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import HOUR, TimeGrid

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
OUTDOOR_SD_K = 4.0
"""Spread of a day-ahead temperature forecast by day; SRRL Golden 2020 with this module's rule: 4.6 K, a rough climate."""
OUTDOOR_SUN_LINK = 0.6
"""Correlation of a day's temperature error with its sun's departure from the week; SRRL Golden 2020: 0.66."""


def forecast(
    site: Site,
    history: History = NOTHING,
    *,
    issued_utc: datetime,
    grid: TimeGrid,
    levels: tuple[float, ...] = LEVELS,
    scenarios: int = 10,
    days_off: Collection[date] = (),
    learner: SkyLearner | None = None,
    runs: tuple[NwpRun, ...] = (),
    demand: bool = True,
) -> Forecast:
    """Return sun, outdoor temperature and demand over ``grid`` as known at ``issued_utc``.

    Args:
        site: the site.
        history: its measurements; anything after ``issued_utc`` is not looked at.
        issued_utc: the moment of the forecast.
        grid: intervals to forecast, usually starting at ``issued_utc``.
        levels: ascending quantile levels.
        scenarios: joint courses wanted, 0 for none.
        days_off: local dates on which demand runs like on a Sunday.
        learner: what has been learned about the site's sky (``nightly_learner``); without it the prior and the
            history alone.
        runs: weather predictions; those issued after ``issued_utc`` are not looked at.
        demand: whether to forecast the services' request rates too.
    """
    outdoor = forecast_outdoor_c(
        history.outdoor_c, issued_utc=issued_utc, grid=grid, longitude_deg=site.location.longitude
    )
    clear = clear_power(site)
    if clear is not None and learner is not None:
        clear = CalibratedPower(clear, learner.calibration)
    edges = (*grid.starts_utc, grid.end_utc)
    if clear is None:
        steps = len(grid)
        outlook = SkyOutlook(
            quantiles=np.zeros((len(levels), steps)), high=np.zeros(steps), rung="climatology", source="no PV"
        )
        clear_kw = np.zeros(steps)
        ac_limit_kw = 0.0
    else:
        outlook = sky_outlook(
            clear,
            history,
            issued_utc=issued_utc,
            grid=grid,
            levels=np.array(levels),
            outdoor_c=outdoor,
            learner=learner,
            runs=runs,
        )
        clear_kw = clear.mean_kw(edges)
        ac_limit_kw = clear.model.ac_kw
    power = np.minimum(outlook.quantiles * clear_kw, ac_limit_kw)
    high = np.minimum(outlook.high * clear_kw, ac_limit_kw)
    full_levels, full = quantile_function(power, np.array(levels), low=np.zeros(len(grid)), high=high)
    return Forecast(
        issued_utc=issued_utc,
        rung=outlook.rung,
        source=outlook.source,
        nwp_age_h=outlook.nwp_age_h,
        dark_cause=outlook.dark_cause,
        soiling_frac=clear.soiling_frac if isinstance(clear, CalibratedPower) else 0.0,
        start_utc=grid.start_utc,
        hours=grid.hours,
        quantile_levels=levels,
        pv_available_kw=plain(mean_of(full_levels, full)),
        pv_quantiles_kw=tuple(plain(row) for row in power),
        outdoor_c=plain(outdoor),
        scenarios=_scenarios(
            full_levels,
            full,
            outdoor,
            grid=grid,
            issued_utc=issued_utc,
            count=scenarios,
            slow_frac=SLOW_FRAC if learner is None else learner.slow_frac,
        ),
        demand=_demand(site, history, issued_utc=issued_utc, grid=grid, levels=levels, days_off=days_off)
        if demand
        else (),
    )


def nightly_learner(
    site: Site,
    history: History,
    *,
    now_utc: datetime,
    learner: SkyLearner | None = None,
    runs: tuple[NwpRun, ...] = (),
    days: float = 365.0,
    regrow: bool = True,
    settings: ForestSettings = SETTINGS,
) -> SkyLearner:
    """Return the learner after the night that ends at ``now_utc``: scored on the last day, grown from up to
    ``days`` days.

    Args:
        site: the site.
        history: its measurements; anything after ``now_utc`` is not looked at.
        now_utc: the moment.
        learner: state of the night before; nothing learned yet where absent.
        runs: past predictions, one a source, holding for each time what had been predicted for it.
        days: length of the past to learn from.
        regrow: whether to grow new forests, or only to score and correct.
        settings: how forests are grown.
    """
    clear = clear_power(site)
    before = learner or SkyLearner()
    if clear is None:
        return before
    course = calibration_course(clear, history, now_utc=now_utc, days=round(days))
    clear = CalibratedPower(clear, course)
    series = sky_series(clear, history, issued_utc=now_utc, days=kept_days(history, now_utc, days))
    known = tuple(run for run in runs if run.issued_utc <= now_utc)
    late_min = {run.source: late_labels_min(run, clear, now=now_utc) for run in known}
    predictions = {
        run.source: nwp_series(replace(run, offset_min=late_min[run.source]), clear, series) for run in known
    }
    series = with_held_filled(series, predictions)
    after = nightly(before, series, last=len(series.index), predictions=predictions, regrow=regrow, settings=settings)
    return replace(after, late_min=late_min, calibration=course)


@lru_cache(maxsize=16)
def clear_power(site: Site) -> ClearPower | None:
    """Return the clear-sky power of a site's plant, None without PV."""
    model = pv_model(site)
    return None if model is None else ClearPower(model, usual_states(site))


def plain(values: Floats) -> tuple[float, ...]:
    """Return an array as plain floats, rounded to a milliwatt or a micro-kelvin: what a record holds."""
    return tuple(np.round(values, 6).tolist())


def _scenarios(
    levels: Floats,
    quantiles: Floats,
    outdoor_c: Floats,
    *,
    grid: TimeGrid,
    issued_utc: datetime,
    count: int,
    slow_frac: float,
) -> tuple[Scenario, ...]:
    if count <= 0:
        return ()
    hours = np.array(grid.hours)
    middles = np.array(grid.offsets_h[:-1]) + hours / 2
    seed = int.from_bytes(blake2b(issued_utc.isoformat().encode(), digest_size=8).digest(), "big")
    drawn = draw_levels(middles, draws=max(DRAWS, count), seed=seed, slow_frac=slow_frac)
    reduced = reduce_draws(values_at(levels, quantiles, drawn), hours, count=count)
    expected = mean_of(levels, quantiles)
    energy = (reduced.values * hours).sum(axis=1)
    spread = float(np.sqrt((reduced.weights * (energy - (reduced.weights * energy).sum()) ** 2).sum()))
    sunnier = (energy - float((expected * hours).sum())) / spread if spread > 1e-9 else np.zeros(len(energy))
    growing = OUTDOOR_SD_K * OUTDOOR_SUN_LINK * np.minimum(middles / 24.0, 1.0)
    return tuple(
        Scenario(
            weight=float(weight),
            pv_available_kw=plain(row),
            outdoor_c=plain(outdoor_c + growing * warm),
        )
        for weight, row, warm in zip(reduced.weights, reduced.values, sunnier, strict=True)
    )


def _demand(
    site: Site,
    history: History,
    *,
    issued_utc: datetime,
    grid: TimeGrid,
    levels: tuple[float, ...],
    days_off: Collection[date],
) -> tuple[DemandForecast, ...]:
    return tuple(
        forecast_demand(
            service,
            rate_samples(history.rates_rps.get(service.name), issued_utc=issued_utc),
            issued_utc=issued_utc,
            grid=grid,
            levels=levels,
            zone=site.location.time_zone,
            days_off=days_off,
        )
        for service in site.services
    )


def rate_samples(series: TimeSeries | None, *, issued_utc: datetime, days: float = 7.0) -> tuple[RateSample, ...]:
    """Return the finite samples of the last ``days`` that ended by ``issued_utc``."""
    if series is None:
        return ()
    last = min(int((issued_utc - series.start_utc).total_seconds() / series.step_s + 1e-6), len(series.values))
    first = max(0, last - int(days * 86400 / series.step_s))
    step = timedelta(seconds=series.step_s)
    return tuple(
        RateSample(start_utc=series.start_utc + i * step, hours=step / HOUR, rate_rps=series.values[i])
        for i in range(first, max(last, first))
        if np.isfinite(series.values[i])
    )
