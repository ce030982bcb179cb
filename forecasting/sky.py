"""Outlook of the sky state from the site's own past: quantiles of the power index k = P / P_clear.

Three sources, each taking over as the past grows:

1. the prior of ``forecasting.skyprior`` by lead and last hour's state, moved rank by rank from its climate's
   distribution to the site's own (weight ``days / (days + 5)``), which takes dirt, a clear-sky model that is
   off and a cloudier climate along: what a site has on its first day;
2. the site's own distribution of the last 60 days (complete-history persistence), which counts at long leads:
   weight ``days / (days + 15) * (1 - exp(-h / 6 h))``;
3. a trained learner, weight ``days / (days + 10)`` with the days that it learned from;
4. weather predictions for which no forest has been grown yet (``forecasting.nwp_prior``).

Quantiles are averaged at equal level. What is cut at the inverters' limit is cut after this, in power.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from scipy.special import ndtr, ndtri

from forecasting.clearpower import ClearPower, midnight
from forecasting.held import with_held_filled
from forecasting.history import History
from forecasting.learn.features import SkySeries, clipped_index, last_hour_index
from forecasting.learn.learner import SkyLearner, learned_quantiles
from forecasting.measured import SILENT_H, SILENT_INDEX, STEP_S, measured_steps, sky_series
from forecasting.nwp import NwpRun, nwp_series, on_steps
from forecasting.nwp_prior import with_unlearned
from forecasting.outdoor import coldest_c
from forecasting.records import DarkCause, ForecastRung
from forecasting.skyprior import LEVELS as PRIOR_LEVELS
from forecasting.skyprior import climate_weights, marginal_quantiles, prior_quantiles
from forecasting.snow import TRUST, SnowTold, mixture, silence_cause, snow_rows
from forecasting.sun import Floats
from sites.times import HOUR, TimeGrid

KEPT_DAYS = 60
ENHANCEMENT = 1.25
"""Largest 15-min index before a site has its own: 99.8 % quantile at four SURFRAD stations, 1.19 .. 1.28."""
LEAST_INDEX = 0.01
"""By day never zero: the thickest cloud lets some light through. Zero needs a cause, see ``_darkened``."""
SILENT_CLEAR_FRAC = 0.1
OUTAGE_FADE_H = 24.0
MOST_OUTAGE = 0.97
OWN_DAYS = 15.0
MAP_DAYS = 5.0
EARLY_WIDER = 1.3
"""Spread of 1. and 2. in normal scores: four climates and few days do not hold what a new site may meet. With the two
numbers of days above chosen on the first fourteen days at Greensboro and two PVOD plants: cover .64/.79/.71 at 1.0,
.70/.85/.77 at 1.25, .77/.88/.85 at 1.5; CRPS least at 1.25 and 1.5.
"""
OWN_FADE_H = 6.0
LEARNED_DAYS = 10.0
STALE_AFTER_H = 30.0
"""Age from which a prediction counts as stale: the second run of the day has been missed."""


@dataclass(frozen=True, kw_only=True)
class SkyOutlook:
    """Quantiles of the power index over a grid."""

    quantiles: Floats
    """One row a level, one column an interval."""
    high: Floats
    """Largest index thought possible in each interval."""
    rung: ForecastRung
    """Rung of the forecast ladder."""
    source: str
    """Where it comes from, in words."""
    nwp_age_h: float | None = None
    """Age of the newest prediction used."""
    dark_cause: DarkCause = ""
    """Why there may be no power by day; empty = there will be some."""


def sky_outlook(
    clear: ClearPower,
    history: History,
    *,
    issued_utc: datetime,
    grid: TimeGrid,
    levels: Floats,
    outdoor_c: Floats,
    learner: SkyLearner | None = None,
    runs: tuple[NwpRun, ...] = (),
) -> SkyOutlook:
    """Return the outlook as known at ``issued_utc``; predictions issued later than that are not looked at.

    ``outdoor_c`` is the temperature expected in each interval, for snow that slides.
    """
    lengths = np.array(grid.hours)
    lead_h = np.array(grid.offsets_h[:-1]) + lengths / 2 + (grid.start_utc - issued_utc) / HOUR
    days = kept_days(history, issued_utc, KEPT_DAYS)
    told = Told(clear, history, issued_utc, days, lead_h, lengths, learner, runs)
    series = told.series
    known = np.isfinite(series.likely)
    high = np.full(len(grid), enhancement(series))
    hours = float(known.sum()) * series.step_h
    if hours < 1.0:
        prior = prior_quantiles(float("nan"), lead_h, wider(levels), climate_weights(0.0, 0.0))
        quantiles, words, rung = prior, "clear sky and a prior by climate", "climatology"
    else:
        quantiles = _early(series, lead_h, wider(levels))
        words, rung = f"clear sky and {hours:.0f} h of measured daylight", "history"
    used: frozenset[str] = frozenset()
    if learner is not None and learner.model is not None and hours >= 1.0:
        learned, used = told.learned(learner, levels)
        share = learner.days / (learner.days + LEARNED_DAYS)
        quantiles = np.where(np.isfinite(learned), share * learned + (1 - share) * quantiles, quantiles)
        words = f"{words}, forest of {learner.days:.0f} days"
    quantiles, unlearned = with_unlearned(quantiles, levels, lead_h, told.unlearned(learner), told.ages_h)
    used |= unlearned
    age_h = min((told.ages_h[name] for name in used), default=None)
    if age_h is not None:
        rung = "blend" if age_h <= STALE_AFTER_H else "stale_nwp"
        words = f"{words}, {' + '.join(sorted(used))}"
    quantiles = np.clip(np.sort(quantiles, axis=0), LEAST_INDEX, high)
    quantiles, dark_cause, why = _darkened(clear, history, told, quantiles, levels, lead_h, outdoor_c, issued_utc)
    return SkyOutlook(
        quantiles=quantiles,
        high=high,
        rung=rung,  # type: ignore[arg-type]  # one of the ladder's words
        source=f"{words}{why}",
        nwp_age_h=age_h,
        dark_cause=dark_cause,
    )


def _darkened(
    clear: ClearPower,
    history: History,
    told: Told,
    quantiles: Floats,
    levels: Floats,
    lead_h: Floats,
    outdoor_c: Floats,
    issued_utc: datetime,
) -> tuple[Floats, DarkCause, str]:
    """Return quantiles of a plant that may give nothing by day, the cause and words for it; as they are without one."""
    silent_h = silent_hours(clear, history, issued_utc=issued_utc)
    snow = told.snow(history, outdoor_c, issued_utc)
    cause: DarkCause = silence_cause(snow, told.now) if silent_h > 0.0 else ""
    other = quantiles
    if cause:
        other = with_outage(quantiles, levels, np.minimum(np.exp(-lead_h / OUTAGE_FADE_H), MOST_OUTAGE))
    why = f"; nothing measured for {silent_h:.1f} h of daylight: {cause}" if cause else ""
    if cause in {"", "snow"}:
        lying = snow_rows(clear.model, told.series, snow, quantiles, told.target, covered=cause == "snow")
        if lying is not None:
            snowed = np.sort(quantiles * (1.0 - lying), axis=0)
            return mixture(snowed, other, levels, weight=TRUST), "snow", why or "; snow is predicted"
    return other, cause, why


class Told:
    """Weather predictions on the steps of the site's past and of the grid, as known at the issue time."""

    def __init__(
        self,
        clear: ClearPower,
        history: History,
        issued_utc: datetime,
        days: float,
        lead_h: Floats,
        lengths: Floats,
        learner: SkyLearner | None,
        runs: tuple[NwpRun, ...],
    ) -> None:
        late_min = learner.late_min if learner is not None else {}
        usable = tuple(
            replace(run, offset_min=late_min.get(run.source, run.offset_min))
            for run in runs
            if run.issued_utc <= issued_utc
        )
        ahead_h = float(lead_h[-1] + lengths[-1])
        measured = sky_series(clear, history, issued_utc=issued_utc, days=days, ahead_h=ahead_h)
        self.predictions = {run.source: nwp_series(run, clear, measured) for run in usable}
        self.series = with_held_filled(measured, self.predictions)
        self.ages_h = {run.source: (issued_utc - run.issued_utc) / HOUR for run in usable}
        self.runs = usable
        self.now = len(self.series.index)
        target = self.now + (lead_h / self.series.step_h).astype(int)
        self.target = np.clip(target, self.now, len(self.series.clear) - 1)

    def learned(self, learner: SkyLearner, levels: Floats) -> tuple[Floats, frozenset[str]]:
        """Return what the learner makes of past and predictions, and the predictions that had a part."""
        issue = np.full(len(self.target), self.now)
        return learned_quantiles(
            learner,
            self.series,
            issue,
            self.target,
            levels=levels,
            predictions=self.predictions,
            ages_h=self.ages_h,
        )

    def snow(self, history: History, outdoor_c: Floats, issued_utc: datetime) -> SnowTold:
        """Return what is known of snow and frost; ``outdoor_c`` is the temperature expected in each interval."""
        steps = np.arange(self.now, len(self.series.clear))
        interval = np.clip(np.searchsorted(self.target, steps, side="right") - 1, 0, len(self.target) - 1)
        air_c = np.concatenate([np.full(self.now, np.nan), outdoor_c[interval]])
        depth_cm = None
        for run in sorted((run for run in self.runs if run.snow_cm is not None), key=lambda run: run.issued_utc):
            depth_cm = on_steps(run.snow_cm, self.series, offset_min=0.0)
            predicted_c = on_steps(run.temp_air_c, self.series, offset_min=0.0)
            air_c = np.where(np.isfinite(predicted_c), predicted_c, air_c)
        return SnowTold(depth_cm=depth_cm, temp_air_c=air_c, coldest_c=coldest_c(history.outdoor_c, issued_utc))

    def unlearned(self, learner: SkyLearner | None) -> dict[str, Floats]:
        """Return the predicted index of each interval by source, where no forest has been grown for it yet."""
        known = learner.informed if learner is not None else {}
        return {name: nwp.index[self.target] for name, nwp in self.predictions.items() if name not in known}


def kept_days(history: History, issued_utc: datetime, most: float) -> float:
    """Return how many whole days of the past to look at: what was measured, at least one day and at most ``most``."""
    if history.pv_kw is None:
        return 1.0
    measured = np.ceil((issued_utc - history.pv_kw.start_utc) / HOUR / 24.0)
    return float(np.clip(measured, 1.0, most))


def wider(levels: Floats) -> Floats:
    """Return the levels to ask prior and own distribution for, so that ``levels`` hold in the first weeks."""
    return np.asarray(ndtr(ndtri(levels) * EARLY_WIDER), dtype=float)


def enhancement(series: SkySeries) -> float:
    """Return the largest index thought possible: the site's own 99.8 % quantile once it has ten days, within
    reason."""
    index = series.likely[np.isfinite(series.likely)]
    if len(index) * series.step_h < 100.0:
        return ENHANCEMENT
    return float(np.clip(np.quantile(index, 0.998), 1.05, 1.5))


def silent_hours(clear: ClearPower, history: History, *, issued_utc: datetime) -> float:
    """Return the daylight hours up to now in which the plant gave nothing; 0 when the last daylight step gave
    some."""
    step_h = STEP_S / 3600
    end = midnight(issued_utc) + int((issued_utc - midnight(issued_utc)).total_seconds() // STEP_S) * step_h * HOUR
    steps = round(72 / step_h)
    start = end - 72 * HOUR
    power, held = measured_steps(history, start=start, end=end, steps=steps, issued_utc=issued_utc)
    floor = SILENT_CLEAR_FRAC * clear.model.ac_kw
    index = clipped_index(power, clear.series_kw(start, STEP_S, steps), ~held, floor=floor)
    known = index[np.isfinite(index)]
    given = np.flatnonzero(known >= SILENT_INDEX)
    trailing = len(known) - (given[-1] + 1 if len(given) else 0)
    return trailing * step_h if trailing * step_h >= SILENT_H else 0.0


def with_outage(quantiles: Floats, levels: Floats, chance: Floats) -> Floats:
    """Return quantiles of a plant that gives nothing with ``chance`` (one an interval), else as ``quantiles``
    say."""
    result = np.zeros_like(quantiles)
    for column, silent in enumerate(chance):
        left = np.clip((levels - silent) / (1.0 - silent), 0.0, 1.0)
        result[:, column] = np.where(levels <= silent, 0.0, np.interp(left, levels, quantiles[:, column]))
    return result


def _early(series: SkySeries, lead_h: Floats, levels: Floats) -> Floats:
    """Return the blend of prior and own distribution."""
    known = np.isfinite(series.likely)
    index, weight = series.likely[known], series.clear[: len(known)][known]
    days = len(np.unique(np.flatnonzero(known) // series.steps_a_day))
    mean = float((index * weight).sum() / weight.sum())
    weights = climate_weights(mean, float(days))
    states, ages_h = last_hour_index(series)
    state, waited_h = float(states[-1]), float(ages_h[-1]) - series.step_h
    climate = marginal_quantiles(weights) + np.arange(len(PRIOR_LEVELS)) * 1e-9
    share = days / (days + MAP_DAYS)
    mapped = (1 - share) * climate + share * np.quantile(index, PRIOR_LEVELS)
    prior = prior_quantiles(
        _moved(np.array([state]), mapped, climate)[0], lead_h + min(waited_h, 12.0), levels, weights
    )
    prior = _moved(prior, climate, mapped)
    own = np.quantile(index, levels)[:, None]
    far = days / (days + OWN_DAYS) * (1 - np.exp(-lead_h / OWN_FADE_H))
    return np.asarray(far * own + (1 - far) * prior, dtype=float)


def _moved(values: Floats, start: Floats, end: Floats) -> Floats:
    """Return values with the same rank in the distribution ``end`` as they have in ``start``; ends move in proportion."""
    ratio_low, ratio_high = end[0] / max(start[0], 1e-6), end[-1] / max(start[-1], 1e-6)
    inside = np.interp(values, start, end)
    inside = np.where(values < start[0], values * min(ratio_low, 1.0), inside)
    return np.asarray(np.where(values > start[-1], values * ratio_high, inside), dtype=float)
