"""What the arrays give against what the model says: a factor that learns, forgets and notices steps.

Without an irradiance sensor only clear skies tell the plant from the weather. A stretch of two hours is clear
when the power index ``k = P / P_clear`` moves smoothly: the spread of its 15-min steps is below 1.2 % and of
itself below 8 % of its mean (a slow ramp of shade or haze may pass; broken cloud never does). A *clear day* has
at least two hours of such samples, none curtailed, none at the inverters' limit: off-grid, a full battery
throttles PV on most sunny days, and whoever learns from that is biased low for ever.

Each clear day gives a level ``d = median ln(k / shape(sun))`` over its clear samples; ``shape`` is a factor by
sun position (morning or afternoon x elevation band) that forgets with 60 clear days and is held to geometric
mean 1. The level forgets with 15 clear days. A two-sided CUSUM on the days' deviations (slack 0.75, threshold
5, both in standard deviations; Page 1954, doi:10.1093/biomet/41.1-2.100) finds steps: then the level starts
anew from the last three days. Haze moves clear-sky models by some percent, which is why a single day never
moves the level far; weeks of smoke look like dirt, and nothing but a sensor or a cloth can tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd

from forecasting.sun import Bools, Floats

BANDS_DEG = (10.0, 20.0, 30.0, 45.0, 60.0)
BINS = 2 * (len(BANDS_DEG) + 1)
RAMP_SPREAD = 0.08
ROUGHNESS = 0.012
SMOOTH_H = 2.0
LEAST_ELEVATION_DEG = 12.0
LEAST_CLEAR_H = 2.0
FULL_CLEAR_H = 4.0
"""Days with fewer clear hours count for less, in proportion."""
LEAST_OF_EXPECTED = 0.65
"""Smooth but darker than this share of the expected factor is an even overcast, not a clear sky."""
FORGET_DAYS = 15.0
SHAPE_FORGET_DAYS = 60.0
SLACK = 0.75
THRESHOLD = 5.0
PRIOR_SD = 0.03
"""Spread of clear days' levels assumed before it is measured: haze against a monthly turbidity."""
PRIOR_DAYS = 3.0
"""Clear days that the site file's own figures are worth."""


@dataclass(frozen=True, kw_only=True)
class DaySamples:
    """One day of samples of a plant, arrays of one length."""

    day: str
    """Local or UTC date, for the report."""
    power_kw: Floats
    """Measured AC power, NaN where missing."""
    clear_kw: Floats
    """Unlimited clear-sky AC power of the model."""
    held: Bools
    """Curtailed, or at the inverters' limit."""
    elevation_deg: Floats
    """Sun's elevation."""
    morning: Bools
    """Before solar noon."""
    step_h: float
    """Length of a sample."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What has been learned so far; ``updated`` returns the next state."""

    level_log: float = 0.0
    """ln of the factor."""
    days: float = 0.0
    """Clear days' worth of evidence behind the level."""
    variance: float = PRIOR_SD**2
    """Variance of a clear day's level about the level."""
    shape_log: tuple[float, ...] = (0.0,) * BINS
    """ln of the factor by sun position; its mean is 0."""
    shape_days: tuple[float, ...] = (0.0,) * BINS
    """Evidence behind each."""
    up: float = 0.0
    """CUSUM of rises, in standard deviations."""
    down: float = 0.0
    """CUSUM of falls."""
    excursion: tuple[float, ...] = ()
    """Levels of the days since the larger CUSUM left zero."""
    best_log: float = 0.0
    """Highest level that was held for five clear days: what cleaning could bring back."""
    changed_on: tuple[str, ...] = ()
    """Days on which a step was found."""
    clear_days: int = 0
    """Clear days seen."""

    @property
    def factor(self) -> float:
        """Measured over modelled clear-sky power."""
        return float(np.exp(self.level_log))

    def interval(self) -> tuple[float, float]:
        """Return the factor's 95 % interval."""
        half = 1.96 * float(np.sqrt(self.variance / (self.days + PRIOR_DAYS)))
        return float(np.exp(self.level_log - half)), float(np.exp(self.level_log + half))

    def soiling_frac(self) -> float:
        """Return the share of power lost since the plant was at its best: dirt, or anything else that came
        since.
        """
        return max(0.0, 1.0 - float(np.exp(self.level_log - self.best_log)))

    def soiling_interval(self) -> tuple[float, float]:
        """Return the 95 % interval of ``soiling_frac``: the factor's, against the best that was held."""
        low, high = (max(0.0, 1.0 - factor / float(np.exp(self.best_log))) for factor in self.interval())
        return high, low

    def factor_at(self, elevation_deg: Floats, morning: Bools) -> Floats:
        """Return the factor for sun positions."""
        shape = np.array(self.shape_log)[sun_bin(elevation_deg, morning)]
        return np.asarray(np.exp(self.level_log + shape), dtype=float)

    def updated(self, samples: DaySamples) -> Calibration:
        """Return the state after a day; the same state when the day was not clear."""
        clear = clear_samples(samples, expected=self.factor)
        if clear.sum() * samples.step_h < LEAST_CLEAR_H:
            return self
        ratio_log = np.log(samples.power_kw[clear] / samples.clear_kw[clear])
        bins = sun_bin(samples.elevation_deg[clear], samples.morning[clear])
        flat = ratio_log - np.array(self.shape_log)[bins]
        day_log = float(np.median(flat))
        trust = min(1.0, float(clear.sum()) * samples.step_h / FULL_CLEAR_H)
        return self._with_day(day_log, samples.day, trust)._with_shape(ratio_log - day_log, bins)

    def _with_day(self, day_log: float, day: str, trust: float) -> Calibration:
        spread = float(np.sqrt(self.variance))
        gap = trust * (day_log - self.level_log) / spread
        settled = self.days >= PRIOR_DAYS
        up = max(0.0, self.up + min(gap, 3.0) - SLACK) if settled else 0.0
        down = max(0.0, self.down + min(-gap, 3.0) - SLACK) if settled else 0.0
        excursion = (*self.excursion, day_log) if max(up, down) > 0 else ()
        if max(up, down) > THRESHOLD and len(excursion) >= 3:
            fresh = excursion[-3:]
            return replace(
                self,
                level_log=float(np.median(fresh)),
                days=float(len(fresh)),
                up=0.0,
                down=0.0,
                excursion=(),
                best_log=max(self.best_log, float(np.median(fresh))) if up > down else self.best_log,
                changed_on=(*self.changed_on, day)[-20:],
                clear_days=self.clear_days + 1,
            )
        kept = min(self.days, FORGET_DAYS)
        weight = trust / (kept + PRIOR_DAYS * (self.clear_days < FORGET_DAYS) + 1.0)
        step = (
            float(np.clip(day_log - self.level_log, -2 * spread, 2 * spread)) if settled else day_log - self.level_log
        )
        level = self.level_log + weight * step
        inside = float(np.clip(day_log - self.level_log, -3 * spread, 3 * spread))
        variance = max(0.01**2, self.variance + (inside**2 - self.variance) / (min(self.clear_days, 30) + 5.0))
        held = self.clear_days + 1 >= 5
        return replace(
            self,
            level_log=level,
            days=kept + 1.0,
            variance=variance,
            up=up,
            down=down,
            excursion=excursion,
            best_log=level if self.clear_days < 5 else (max(self.best_log, level) if held else self.best_log),
            clear_days=self.clear_days + 1,
        )

    def _with_shape(self, offset_log: Floats, bins: np.ndarray) -> Calibration:
        shape, evidence = np.array(self.shape_log), np.array(self.shape_days)
        for number in np.unique(bins):
            here = float(np.clip(np.median(offset_log[bins == number]), -0.5, 0.5))
            kept = min(evidence[number], SHAPE_FORGET_DAYS)
            shape[number] += (here - shape[number]) / (kept + PRIOR_DAYS + 1.0)
            evidence[number] = kept + 1.0
        if evidence.sum() > 0:
            shape = np.where(evidence > 0, shape - (shape * evidence).sum() / evidence.sum(), 0.0)
        return replace(self, shape_log=tuple(shape.tolist()), shape_days=tuple(evidence.tolist()))


@dataclass(frozen=True, kw_only=True)
class DayState:
    """What the calibrator knew as a local day began."""

    start_utc: datetime
    """Local midnight by the sun."""
    state: Calibration


def sun_bin(elevation_deg: Floats, morning: Bools) -> np.ndarray:
    """Return the number of the sun-position bin."""
    band = np.searchsorted(np.array(BANDS_DEG), elevation_deg)
    return np.asarray(band + np.where(morning, 0, len(BANDS_DEG) + 1), dtype=int)


def clear_samples(samples: DaySamples, *, expected: float = 1.0) -> Bools:
    """Return which samples are uncurtailed and under a steadily clear sky, given the factor expected."""
    usable = (
        np.isfinite(samples.power_kw)
        & ~samples.held
        & (samples.elevation_deg > LEAST_ELEVATION_DEG)
        & (samples.clear_kw > 0.05 * max(float(samples.clear_kw.max()), 1e-9))
    )
    index = np.divide(samples.power_kw, samples.clear_kw, out=np.full_like(samples.clear_kw, np.nan), where=usable)
    window = max(4, round(SMOOTH_H / samples.step_h))
    rolling = pd.Series(index).rolling(window, center=True, min_periods=window)
    spread, mean = rolling.std().to_numpy(), rolling.mean().to_numpy()
    steps = pd.Series(index).diff().rolling(window, center=True, min_periods=window - 1).std().to_numpy()
    rough = steps * np.sqrt(0.25 / samples.step_h)
    smooth = (
        np.isfinite(spread)
        & (spread < RAMP_SPREAD * mean)
        & (rough < ROUGHNESS * mean)
        & (mean > LEAST_OF_EXPECTED * expected)
    )
    # a window that is smooth vouches for all of its samples
    spread_out = pd.Series(smooth.astype(float)).rolling(window, center=True, min_periods=1).max().to_numpy() > 0
    return np.asarray(spread_out & usable & (index > LEAST_OF_EXPECTED * expected), dtype=bool)


def available_while_held_kw(
    power_kw: Floats,
    clear_kw: Floats,
    held: Bools,
    *,
    limit_kw: float,
    step_h: float,
    fade_h: float = 4.0,
    usual: float = 0.75,
) -> Floats:
    """Return available power: as measured where free, estimated where held back. Uses nothing later than each
    sample.

    While held, the sky's last free index fades towards ``usual`` with ``fade_h``; the estimate is never below
    what is measured.
    """
    available = np.empty_like(power_kw)
    state, age_h = usual, 1e9
    for i, (power, clear, stopped) in enumerate(zip(power_kw, clear_kw, held, strict=True)):
        if not stopped and np.isfinite(power):
            available[i] = power
            if clear > 0.03 * limit_kw:
                state, age_h = min(power / clear, 1.2), 0.0
            continue
        age_h += step_h
        index = usual + (state - usual) * float(np.exp(-age_h / fade_h))
        measured = power if np.isfinite(power) else 0.0
        available[i] = max(measured, min(index * clear, limit_kw))
    return available


@dataclass(frozen=True, kw_only=True)
class CalibrationReport:
    """What the calibrator says to a person."""

    factor: float
    """Measured over modelled clear-sky power."""
    factor_low: float
    """Lower end of its 95 % interval."""
    factor_high: float
    """Upper end."""
    soiling_frac: float
    """Power lost since the plant was at its best."""
    soiling_low: float
    """Lower end of its 95 % interval."""
    soiling_high: float
    """Upper end."""
    derating_frac: float
    """Power missing against the site file's figures; its interval is that of the factor."""
    clear_days: int
    """Clear days learned from."""
    changed_on: tuple[str, ...] = field(default=())
    """Days on which a step was found."""


def report(calibration: Calibration) -> CalibrationReport:
    """Return the figures for a person."""
    low, high = calibration.interval()
    soiling_low, soiling_high = calibration.soiling_interval()
    return CalibrationReport(
        factor=calibration.factor,
        factor_low=low,
        factor_high=high,
        soiling_frac=calibration.soiling_frac(),
        soiling_low=soiling_low,
        soiling_high=soiling_high,
        derating_frac=max(0.0, 1.0 - calibration.factor),
        clear_days=calibration.clear_days,
        changed_on=calibration.changed_on,
    )
