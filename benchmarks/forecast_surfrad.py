"""SURFRAD hourly irradiance without any weather prediction: skill of the history forecaster.

Protocol, one for all figures. Data: four stations, hourly mean GHI of 2018 and McClear clear-sky GHI, label =
start of the hour. A forecast is issued before every hour of day and night and knows the hours before it; lead h
is the h-th hour after the issue. Index = GHI / clear where clear > 20 W/m2, cut to 0..1.3 for persistence.
Smart persistence: last known daylight index times clear-sky GHI. CH-PeEn: the station's own past indices at
that hour of day times clear-sky GHI. Model: one forest a lead, grown anew each month on all hours *before* that
month of all four stations. Scored: all hours of April to December with the sun up and a measured value; RMSE
and CRPS (mean pinball of 19 levels, times 2) in W/m2, skill a station, mean of the four; nRMSE over the mean
measured GHI of the scored hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecast_table import Row, shared_file
from forecasting.learn.features import SkySeries, clipped_index
from forecasting.learn.forest import ForestSettings
from forecasting.learn.skymodel import LeadGroup, Lesson, SkyModel, fit_sky_model, predict_index
from forecasting.sun import Floats
from forecasting.verification import coverage_frac, crps, rmse, skill

LEVELS = np.arange(1, 20) / 20
LEADS = (1, 3, 6, 24)
RMSE_TARGET = {1: 0.04, 3: 0.12, 6: 0.22, 24: 0.19}
CRPS_TARGET = {1: 0.50, 3: 0.25, 6: 0.12, 24: 0.04}
PERSISTENCE = {1: ".22-.24", 3: ".37-.38", 6: ".50", 24: ".49-.52"}
LONGITUDE = {"Bondville_IL": -88.37, "Desert_Rock_NV": -116.02, "Fort_Peck_MT": -105.10, "Goodwin_Creek_MS": -89.87}
SETTINGS = ForestSettings(trees=80, leaf_samples=20, feature_frac=0.5, edges=80)


@dataclass(frozen=True, kw_only=True)
class Station:
    """One station's year."""

    name: str
    """Name in the file."""
    ghi: Floats
    """Measured [W/m2], NaN where missing."""
    up: np.ndarray
    """Whether the sun is up."""
    series: SkySeries
    """Index and clear-sky GHI."""


def stations(path: Path) -> list[Station]:
    """Return the four stations."""
    table = pd.read_parquet(path)
    found = []
    for name, part in table.groupby("site"):
        clear = part["ghi_clear_mcclear"].to_numpy(dtype=float)
        ghi = part["ghi"].to_numpy(dtype=float)
        index = np.minimum(clipped_index(ghi, clear, np.ones(len(ghi), dtype=bool), floor=20.0), 1.3)
        series = SkySeries(
            start=pd.Timestamp(part["time_utc"].iloc[0]),
            step_h=1.0,
            clear=clear,
            index=index,
            longitude_deg=LONGITUDE[str(name)],
            rating=1000.0,
        )
        found.append(Station(name=str(name), ghi=ghi, up=part["sun_up"].to_numpy(dtype=bool), series=series))
    return found


def month_edges(start: pd.Timestamp, months: range) -> list[tuple[int, int]]:
    """Return (first, last) hour of each month counted from ``start``."""
    firsts = [pd.Timestamp(year=2018, month=m, day=1, tz="UTC") for m in months]
    ends = [first + pd.DateOffset(months=1) for first in firsts]
    return [
        (int((a - start) / pd.Timedelta(hours=1)), int((b - start) / pd.Timedelta(hours=1)))
        for a, b in zip(firsts, ends, strict=True)
    ]


def run(*, quick: bool) -> list[Row]:
    """Return the table's rows."""
    places = stations(shared_file("solar/surfrad_2018_1h.parquet"))
    months = range(6, 13, 3) if quick else range(4, 13)
    rows: list[Row] = []
    for lead in LEADS:
        rows += _lead(places, lead, months)
    if quick:
        # three months are too few to hold against targets that are means over nine
        return [row._replace(met=None) for row in rows]
    return rows


def _lead(places: list[Station], lead: int, months: range) -> list[Row]:
    scored: dict[str, list[pd.DataFrame]] = {place.name: [] for place in places}
    group = LeadGroup(from_h=lead - 1, to_h=lead)
    for first, last in month_edges(places[0].series.start, months):
        lessons = [Lesson(series=place.series, last=first) for place in places]
        model = fit_sky_model(lessons, groups=(group,), settings=SETTINGS, most_samples=1_000_000)
        for place in places:
            scored[place.name].append(_month(place, model, lead, first, min(last, len(place.ghi))))
    tables = {name: pd.concat(parts) for name, parts in scored.items()}
    persistence = _mean([rmse(t.y, t.smart) / t.y.mean() for t in tables.values()])
    rmse_skill = _mean([skill(rmse(t.y, t["mean"]), rmse(t.y, t.smart)) for t in tables.values()])
    crps_skill = _mean([skill(t.crps.mean(), t.crps_ch.mean()) for t in tables.values()])
    covered = _mean([t.covered.mean() for t in tables.values()])
    hours = f"SURFRAD {lead:>2} h"
    return [
        Row(
            f"{hours}: RMSE skill over smart persistence",
            rmse_skill,
            f">= {RMSE_TARGET[lead]:.2f}",
            rmse_skill >= RMSE_TARGET[lead],
        ),
        Row(
            f"{hours}: CRPS skill over CH-PeEn",
            crps_skill,
            f">= {CRPS_TARGET[lead]:.2f}",
            crps_skill >= CRPS_TARGET[lead],
        ),
        Row(f"{hours}: 80 % interval covers", covered, "0.75-0.85", 0.75 <= covered <= 0.85),
        Row(f"{hours}: smart persistence nRMSE (reference)", persistence, PERSISTENCE[lead], None),
    ]


def _month(place: Station, model: SkyModel, lead: int, first: int, last: int) -> pd.DataFrame:
    series = place.series
    issue = np.arange(first, last - lead + 1)
    target = issue + lead - 1
    known = place.up[target] & np.isfinite(place.ghi[target]) & (series.clear[target] > 0)
    issue, target = issue[known], target[known]
    quantiles, means = predict_index(model, series, issue, target, levels=LEVELS)
    clear = series.clear[target]
    last_index = pd.Series(series.index).ffill().to_numpy()[issue - 1]
    hour = (np.arange(len(series.index)) + series.start.hour) % 24
    climate = np.array([_past_quantiles(series.index[:first][hour[:first] == h]) for h in range(24)])
    y = place.ghi[target]
    q = quantiles * clear[:, None]
    return pd.DataFrame(
        {
            "y": y,
            "mean": means * clear,
            "smart": last_index * clear,
            "crps": crps(y, q, LEVELS),
            "crps_ch": crps(y, climate[hour[target]] * clear[:, None], LEVELS),
            "covered": coverage_frac(y, q[:, 1], q[:, 17]),
        }
    )


def _past_quantiles(index: Floats) -> Floats:
    known = index[np.isfinite(index)]
    return np.quantile(known, LEVELS) if len(known) >= 5 else np.quantile([0.1, 0.5, 0.9], LEVELS)


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
