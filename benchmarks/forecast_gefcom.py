"""GEFCom2014 solar: three plants near Canberra, day-ahead ECMWF fields, monthly tasks.

Protocol as in the competition (Hong et al. 2016, doi:10.1016/j.ijforecast.2016.02.001): for task k every
forecast of month k is made from power before that month and the ECMWF run of its own day; score is the mean
pinball loss of the levels 0.01 .. 0.99 over all hours, nights included, and all three plants. Tasks 4-15 count;
everything here was chosen on tasks 1-3 only.

Accumulated fields (VAR169 surface solar, 175 thermal, 178 top solar, 228 rain) become hourly means by
differences within a run; labels are hour ends, so the sun is taken half an hour before. One forest a plant:
target is power over the clear-sky irradiance of the hour (at least 100 W/m2), weighted with it, so that seasons
are comparable. Without predictions: CH-PeEn (past power over clear-sky at that hour
within 20 days of the day of the year), and the mean of its quantiles and those of a forest on the sun's
position alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecast_table import Row, shared_file
from forecasting.learn.forest import ForestSettings, grow_forest
from forecasting.sun import Floats, clear_sky, sun_path
from forecasting.verification import pinball

LEVELS = np.arange(1, 100) / 100
PLACE = {"latitude_deg": -35.3, "longitude_deg": 149.1, "altitude_m": 600.0}
"""The plants' coordinates are not published; Canberra's sun fits their nights."""
FIRST_TASK = pd.Timestamp("2013-04-01 01:00")
FLOOR_W_M2 = 100.0
WINDOW_DAYS = 20
WITH_NWP = ForestSettings(trees=200, leaf_samples=3, feature_frac=0.8, edges=200)
WITHOUT = ForestSettings(trees=100, leaf_samples=40, feature_frac=1.0, edges=200)
SUN = ("elevation", "azimuth", "clear")
ACCUMULATED = {"VAR169": 1 / 3600, "VAR175": 1 / 3600, "VAR178": 1 / 3600, "VAR228": 1000.0}
INSTANT = ("VAR134", "VAR157", "VAR164", "VAR165", "VAR166", "VAR167", "VAR78", "VAR79")


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One plant's hours."""

    power: Floats
    """Share of capacity."""
    features: pd.DataFrame
    """Sun and prediction of each hour."""


def plants(path: Path) -> tuple[pd.DatetimeIndex, list[Plant]]:
    """Return the hours' labels (hour end, UTC) and the three plants."""
    table = pd.read_csv(path, header=[0, 1], index_col=[0, 1])
    valid = pd.DatetimeIndex(pd.to_datetime(table.index.get_level_values(1)))
    middle = valid.tz_localize("UTC") - pd.Timedelta(minutes=30)
    sun = sun_path(middle, **PLACE)
    clear = clear_sky(middle, sun, **PLACE).ghi_w_m2
    frames = [
        _features(pd.DataFrame(table[name]), valid, sun.elevation_deg, sun.azimuth_deg, clear)
        for name in ("Site1", "Site2", "Site3")
    ]
    for i, frame in enumerate(frames):
        for column in ("index", "index_day"):
            frame[f"near_{column}"] = (frames[i - 1][column] + frames[i - 2][column]) / 2
        frame["index_over_near"] = frame["index"] - frame["near_index"]
    return valid, [
        Plant(power=table[name]["Power"].to_numpy(dtype=float), features=frame)
        for name, frame in zip(("Site1", "Site2", "Site3"), frames, strict=True)
    ]


def _features(
    site: pd.DataFrame, valid: pd.DatetimeIndex, elevation: Floats, azimuth: Floats, clear: Floats
) -> pd.DataFrame:
    first, last = valid.hour == 1, valid.hour == 0
    day = np.arange(len(valid)) // 24
    columns: dict[str, Floats] = {}
    for name, scale in ACCUMULATED.items():
        total = site[name].to_numpy(dtype=float)
        columns[name] = np.where(first, total, np.diff(total, prepend=0.0)) * scale
    for name in INSTANT:
        columns[name] = site[name].to_numpy(dtype=float)
    frame = pd.DataFrame(columns)
    frame["hour"] = valid.hour
    frame["elevation"] = elevation
    frame["azimuth"] = np.where(azimuth > 180, azimuth - 360, azimuth)
    frame["clear"] = clear
    frame["day_of_year"] = valid.day_of_year
    frame["index"] = np.where(clear > 20, frame["VAR169"] / np.maximum(clear, 20), 0.0)
    frame["wind"] = np.hypot(frame["VAR165"], frame["VAR166"])
    for name in ("VAR169", "VAR164", "VAR157"):
        frame[f"{name}_before"] = frame[name].shift(1).where(~first, frame[name])
        frame[f"{name}_after"] = frame[name].shift(-1).where(~last, frame[name])
    frame["sum_day"] = frame.groupby(day)["VAR169"].transform("sum")
    frame["index_day"] = frame["sum_day"] / frame.groupby(day)["clear"].transform("sum")
    frame["cloud_day"] = frame.groupby(day)["VAR164"].transform("mean")
    frame["rain_day"] = frame.groupby(day)["VAR228"].transform("sum")
    around = frame["clear"].shift(1).fillna(0) + clear + frame["clear"].shift(-1).fillna(0)
    three = frame["VAR169_before"] + frame["VAR169"] + frame["VAR169_after"]
    frame["index_3h"] = three / np.maximum(around, 60)
    return frame


def task_losses(valid: pd.DatetimeIndex, sites: list[Plant], task: int) -> tuple[float, float, float]:
    """Return the task's mean pinball loss of (forest with NWP, forest without, CH-PeEn)."""
    begin = FIRST_TASK + pd.DateOffset(months=task - 1)
    end = begin + pd.DateOffset(months=1)
    past, now = np.asarray(valid < begin), np.asarray((valid >= begin) & (valid < end))
    losses = []
    for number, plant in enumerate(sites):
        day = plant.features["elevation"].to_numpy() > -1.0
        scale = np.maximum(plant.features["clear"].to_numpy(), FLOOR_W_M2)
        learn, ask = past & day, now & day
        target, weight = plant.power[learn] / scale[learn], scale[learn]
        row = []
        for columns, settings in ((list(plant.features.columns), WITH_NWP), (list(SUN), WITHOUT)):
            table = plant.features[columns].to_numpy(dtype=float)
            forest = grow_forest(table[learn], target, weight, replace(settings, seed=number))
            quantiles = np.zeros((len(valid), len(LEVELS)))
            quantiles[ask] = np.clip(forest.quantiles(table[ask], LEVELS) * scale[ask][:, None], 0.0, 1.0)
            row.append(quantiles)
        climate = _ch_peen(plant, valid, scale, learn, ask)
        row[1] = (row[1] + climate) / 2
        row.append(climate)
        losses.append([pinball(plant.power[now], quantiles[now], LEVELS).mean() for quantiles in row])
    with_nwp, without, ch_peen = np.mean(losses, axis=0)
    return float(with_nwp), float(without), float(ch_peen)


def _ch_peen(plant: Plant, valid: pd.DatetimeIndex, scale: Floats, learn: np.ndarray, ask: np.ndarray) -> Floats:
    """Return quantiles of past power over clear-sky at that hour within ``WINDOW_DAYS`` of the day of the year."""
    quantiles = np.zeros((len(valid), len(LEVELS)))
    hour, day = np.asarray(valid.hour), np.asarray(valid.day_of_year)
    index = plant.power / scale
    for row in np.flatnonzero(ask):
        apart = np.abs(day - day[row])
        near = learn & (hour == hour[row]) & (np.minimum(apart, 365 - apart) <= WINDOW_DAYS)
        if near.any():
            quantiles[row] = np.quantile(index[near], LEVELS) * scale[row]
    return quantiles


def run(*, quick: bool) -> list[Row]:
    """Return the table's rows: tasks 4-15, or tasks 1-3 (the ones used for tuning) when quick."""
    valid, sites = plants(shared_file("solar/gefcom2014-solar.csv.gz"))
    tasks = range(1, 4) if quick else range(4, 16)
    scores = pd.read_csv(shared_file("solar/gefcom2014-solar-scores.csv"), index_col=0)
    official = scores.iloc[[task - 1 for task in tasks]].mean()
    with_nwp, without, ch_peen = np.mean([task_losses(valid, sites, task) for task in tasks], axis=0)
    name = f"GEFCom2014 tasks {tasks[0]}-{tasks[-1]}"
    scored = not quick
    return [
        Row(f"{name}: mean pinball", with_nwp, "<= 0.0122 (0.0120)", with_nwp <= 0.0122 if scored else None),
        Row(f"{name}: winner (Gang-gang)", official["Gang-gang"], "reference", None),
        Row(f"{name}: official benchmark", official["Benchmark - Solar"], "reference", None),
        Row(f"{name}: without NWP", without, "<= 0.0202", without <= 0.0202 if scored else None),
        Row(f"{name}: CH-PeEn", ch_peen, "0.0202", None),
    ]
