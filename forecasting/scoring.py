"""Forecasts against what came: one sample a forecast interval, and scores by lead, season and state of the
weather prediction.

Samples hold only intervals whose mean was wholly measured, with the sun up and the plant not held back.
References are made from what was known at issue: smart persistence (last index of daylight), CLIPER (that index
drawn to the mean by the measured correlation at that lead) and CH-PeEn (all past indices at that time of day).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd

from forecasting.clearpower import ClearPower
from forecasting.history import History
from forecasting.learn.features import SkySeries
from forecasting.measured import sky_series
from forecasting.records import Forecast, Score
from forecasting.sky import STALE_AFTER_H
from forecasting.sun import Floats
from forecasting.verification import bias, coverage_frac, crps, mae, reliability, rmse, skill
from sites.series import TimeSeries
from sites.times import HOUR

LEAD_EDGES_H = (0.0, 1.0, 2.0, 4.0, 8.0, 14.0, 26.0, 50.0, 98.0)
SEASONS = {12: "winter", 1: "winter", 2: "winter", 3: "spring", 4: "spring", 5: "spring"} | {
    6: "summer",
    7: "summer",
    8: "summer",
    9: "autumn",
    10: "autumn",
    11: "autumn",
}
"""Meteorological seasons of the northern hemisphere; south of the equator they are swapped."""
REFERENCES = ("smart", "cliper")
LEAST_CLEAR_FRAC = 0.03


def forecast_samples(forecasts: Iterable[Forecast], history: History, clear: ClearPower) -> pd.DataFrame:
    """Return one row a scored interval of the forecasts: issue, lead, measured, mean, quantiles ``q0 ..``,
    references.

    Args:
        forecasts: as issued; all with the same quantile levels.
        history: measurements that reach past the forecasts.
        clear: the plant's clear-sky power.
    """
    issued = sorted(forecasts, key=lambda each: each.issued_utc)
    if history.pv_kw is None or not issued:
        return pd.DataFrame()
    end = history.pv_kw.end_utc
    days = (end - min(issued[0].issued_utc, history.pv_kw.start_utc)) / HOUR / 24 + 1
    series = sky_series(clear, history, issued_utc=end, days=float(np.ceil(days)))
    parts = [part for each in issued if (part := _samples_of(each, series, history, clear)) is not None]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _samples_of(forecast: Forecast, series: SkySeries, history: History, clear: ClearPower) -> pd.DataFrame | None:
    edges = np.concatenate([[0.0], np.cumsum(forecast.hours)])
    measured = np.array([_mean(history.pv_kw, forecast.start_utc, a, b, history) for a, b in pairwise(edges)])
    moments = tuple(forecast.start_utc + float(edge) * HOUR for edge in edges)
    clear_kw = clear.mean_kw(moments)
    scored = np.isfinite(measured) & (clear_kw > LEAST_CLEAR_FRAC * clear.model.ac_kw)
    if not scored.any():
        return None
    now = round((forecast.issued_utc - series.start.to_pydatetime()) / HOUR / series.step_h)
    known = series.index[:now]
    lead_h = (np.array([(m - forecast.issued_utc) / HOUR for m in moments[:-1]]) + np.array(forecast.hours) / 2)[scored]
    references = reference_index(series, known, now, lead_h)
    power = clear_kw[scored]
    table = {
        "issued_utc": pd.Timestamp(forecast.issued_utc),
        "lead_h": lead_h,
        "month": [moment.month for moment, use in zip(moments[:-1], scored, strict=True) if use],
        "state": nwp_state(forecast),
        "measured": measured[scored],
        "mean": np.array(forecast.pv_available_kw)[scored],
        "smart": references[0] * power,
        "cliper": references[1] * power,
    }
    for number, row in enumerate(forecast.pv_quantiles_kw):
        table[f"q{number}"] = np.array(row)[scored]
    climate = ch_peen(series, known, now, lead_h, np.array(forecast.quantile_levels))
    for number in range(len(forecast.quantile_levels)):
        table[f"c{number}"] = climate[:, number] * power
    return pd.DataFrame(table)


def _mean(series: TimeSeries | None, start: datetime, from_h: float, to_h: float, history: History) -> float:
    assert series is not None
    first = (start + from_h * HOUR - series.start_utc).total_seconds() / series.step_s
    last = (start + to_h * HOUR - series.start_utc).total_seconds() / series.step_s
    low, high = int(np.floor(first + 1e-6)), int(np.ceil(last - 1e-6))
    if low < 0 or high > len(series.values) or any(history.pv_curtailed[low:high]):
        return float("nan")
    return float(np.mean(series.values[low:high]))


def nwp_state(forecast: Forecast) -> str:
    """Return ``none``, ``fresh`` or ``stale``: the weather prediction behind a forecast."""
    if forecast.nwp_age_h is None:
        return "none"
    return "fresh" if forecast.nwp_age_h <= STALE_AFTER_H else "stale"


def reference_index(series: SkySeries, known: Floats, now: int, lead_h: Floats) -> tuple[Floats, Floats]:
    """Return the index that smart persistence and CLIPER foresee at each lead from the ``known`` past."""
    finite = np.flatnonzero(np.isfinite(known))
    if not len(finite):
        return np.full(len(lead_h), 0.7), np.full(len(lead_h), 0.7)
    last, mean = float(known[finite[-1]]), float(known[finite].mean())
    steps = np.maximum((lead_h / series.step_h).astype(int), 1)
    recent = known[-60 * series.steps_a_day :]
    correlation = {step: _correlation(recent, step) for step in np.unique(steps)}
    rho = np.array([correlation[step] for step in steps])
    return np.full(len(lead_h), last), mean + rho * (last - mean)


def _correlation(index: Floats, step: int) -> float:
    early, late = index[:-step], index[step:]
    both = np.isfinite(early) & np.isfinite(late)
    if both.sum() < 20 or early[both].std() < 1e-6 or late[both].std() < 1e-6:
        return float(np.exp(-step / 20.0))
    return float(np.corrcoef(early[both], late[both])[0, 1])


def ch_peen(series: SkySeries, known: Floats, now: int, lead_h: Floats, levels: Floats) -> Floats:
    """Return quantiles of the past indices at each target's time of day; of all past where fewer than ten are
    known.
    """
    day = series.steps_a_day
    finite = known[np.isfinite(known)]
    everything = np.quantile(finite, levels) if len(finite) >= 5 else np.quantile([0.1, 0.5, 0.9, 1.0], levels)
    rows = []
    for lead in lead_h:
        target = now + int(lead / series.step_h)
        same = known[target % day :: day]
        same = same[np.isfinite(same)]
        rows.append(np.quantile(same, levels) if len(same) >= 10 else everything)
    return np.array(rows)


def scores(samples: pd.DataFrame, levels: Sequence[float], *, southern: bool = False) -> tuple[Score, ...]:
    """Return scores of all samples, by lead, by season and by state of the weather prediction."""
    if samples.empty:
        return ()
    lead = pd.cut(samples["lead_h"], LEAD_EDGES_H, right=False, labels=_lead_names())
    month = (samples["month"] + 5) % 12 + 1 if southern else samples["month"]
    season = month.map(SEASONS)
    found = [_score(samples, levels)]
    found += [_score(part, levels, leads=str(name)) for name, part in samples.groupby(lead, observed=True)]
    found += [_score(part, levels, season=str(name)) for name, part in samples.groupby(season)]
    found += [_score(part, levels, state=str(name)) for name, part in samples.groupby("state")]
    return tuple(found)


def _lead_names() -> list[str]:
    return [f"{a:g}-{b:g} h" for a, b in pairwise(LEAD_EDGES_H)]


def _score(
    part: pd.DataFrame, levels: Sequence[float], *, leads: str = "all", season: str = "all", state: str = "all"
) -> Score:
    y, mean = part["measured"].to_numpy(dtype=float), part["mean"].to_numpy(dtype=float)
    at = np.array(levels, dtype=float)
    q = part[[f"q{i}" for i in range(len(levels))]].to_numpy(dtype=float)
    climate = part[[f"c{i}" for i in range(len(levels))]].to_numpy(dtype=float)
    error = rmse(y, mean)
    low, high = (np.array([np.interp(level, at, row) for row in q]) for level in (0.1, 0.9))
    own = float(crps(y, q, at).mean())
    return Score(
        leads=leads,
        season=season,
        state=state,
        samples=len(part),
        nrmse=error / max(float(y.mean()), 1e-9),
        mae_kw=mae(y, mean),
        bias_kw=bias(y, mean),
        skill_persistence=_known(skill(error, rmse(y, part["smart"]))),
        skill_cliper=_known(skill(error, rmse(y, part["cliper"]))),
        pinball_kw=own / 2,
        crps_kw=own,
        crps_skill=_known(skill(own, float(crps(y, climate, at).mean()))),
        coverage_80=float(coverage_frac(y, low, high).mean()),
        reliability=tuple(float(share) for share in reliability(y, q)),
    )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
