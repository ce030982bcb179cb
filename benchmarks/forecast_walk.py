"""The product's learner walked through a past, night by night: coverage, daily energy, and what bad predictions
cost.

Coverage: SURFRAD hourly, each station alone, learner as in the product (nightly scores and level corrections,
forests grown anew every 15 days from all days before). Forecasts every 3 h from day 100 on; share
of scored hours inside the levels 0.1..0.9 by lead group and month, four stations together. Daily energy: the
midnight forecast's correlated draws, summed over the local day (``benchmarks.forecast_memory``). Which cells lie
outside by chance: see ``cell_rows``.

Bad predictions: PVOD stations 1 and 4 on 30-min steps, 110 days with good predictions, then 30 with bad ones;
scored are the days from the eighth on, all leads 2-26 h. *Stale*: the values that were valid three days before,
said to be 72 h old. *Late*: labels 45 min late. The reference is the same learner without any prediction over
the same days. Nothing is told to the learner but what a site would know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from benchmarks.forecast_memory import Midnight, energy_rows
from benchmarks.forecast_pvod import Plant, plants
from benchmarks.forecast_surfrad import Station, stations
from benchmarks.forecast_table import Row, shared_file
from forecasting.learn.features import NwpSeries, SkySeries
from forecasting.learn.forest import ForestSettings
from forecasting.learn.learner import SkyLearner, group_numbers, learned_quantiles
from forecasting.learn.night import nightly
from forecasting.learn.skymodel import LeadGroup
from forecasting.nwp import label_offset_min
from forecasting.scenarios import quantile_function
from forecasting.sun import Floats
from forecasting.verification import pinball

LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
HOURLY = tuple(LeadGroup(from_h=a, to_h=b) for a, b in ((0, 1), (1, 2), (2, 4), (4, 8), (8, 14), (14, 26), (26, 50)))
FAULTY = tuple(LeadGroup(from_h=a, to_h=b) for a, b in ((2, 4), (4, 8), (8, 14), (14, 26)))
SETTINGS = ForestSettings(trees=40, leaf_samples=10, feature_frac=0.5, edges=60)
Seen = Callable[[int], tuple[Mapping[str, NwpSeries], Mapping[str, float]]]


def nothing_seen(last: int) -> tuple[Mapping[str, NwpSeries], Mapping[str, float]]:
    """Return no prediction."""
    return {}, {}


def walk(
    series: SkySeries,
    *,
    first_day: int,
    last_day: int,
    groups: tuple[LeadGroup, ...],
    score_from_day: int,
    regrow_days: int,
    seen: Seen = nothing_seen,
    energy: bool = False,
) -> tuple[pd.DataFrame, list[Midnight]]:
    """Return scored pairs and the forecasts of whole days.

    Args:
        series: the whole past; only steps before each night are shown to the learner.
        first_day: day from whose night on the learner works.
        last_day: no night after it.
        groups: lead groups.
        score_from_day: first day whose forecasts count.
        regrow_days: days between new forests.
        seen: predictions and their ages as known at a step.
        energy: whether to forecast whole days too.
    """
    day = series.steps_a_day
    learner = SkyLearner()
    pairs: list[pd.DataFrame] = []
    midnights: list[Midnight] = []
    midnight = round(-series.longitude_deg / 15.0 / series.step_h)
    for number in range(first_day, last_day):
        last = number * day + midnight
        predictions, ages = seen(last)
        regrow = (number - first_day) % regrow_days == 0
        learner = nightly(
            learner,
            series,
            last=last,
            predictions=predictions,
            groups=groups,
            settings=SETTINGS,
            regrow=regrow,
            most_samples=4000,
        )
        if number < score_from_day or learner.model is None:
            continue
        known = replace(series, index=series.index[:last])
        for offset in range(0, day, max(1, day // 8)):
            issue_at = last + offset
            shown = replace(series, index=series.index[:issue_at])
            pairs.append(_pairs(learner, shown, series, issue_at, groups, predictions, ages))
        told = _midnight(learner, known, series, last) if energy else None
        if told is not None:
            midnights.append(told)
    return pd.concat(pairs), midnights


def _pairs(
    learner: SkyLearner,
    shown: SkySeries,
    truth: SkySeries,
    issue_at: int,
    groups: tuple[LeadGroup, ...],
    predictions: Mapping[str, NwpSeries],
    ages: Mapping[str, float],
) -> pd.DataFrame:
    horizon = round(groups[-1].to_h / truth.step_h)
    target = np.arange(issue_at, min(issue_at + horizon, len(truth.index)))
    target = target[
        np.isfinite(truth.index[target])
        & (group_numbers(groups, np.asarray((target - issue_at) * truth.step_h, dtype=float)) >= 0)
    ]
    if not len(target):
        return pd.DataFrame()
    issue = np.full(len(target), issue_at)
    quantiles, _ = learned_quantiles(learner, shown, issue, target, levels=LEVELS, predictions=predictions, ages_h=ages)
    month = (truth.start + pd.to_timedelta(target * truth.step_h, unit="h")).month
    table = {"group": group_numbers(groups, (target - issue) * truth.step_h), "month": month, "y": truth.index[target]}
    table["day"] = target // truth.steps_a_day
    table["clear"] = truth.clear[target]
    return pd.DataFrame(table | {f"q{i}": row for i, row in enumerate(quantiles)}).dropna()


def _midnight(learner: SkyLearner, known: SkySeries, truth: SkySeries, last: int) -> Midnight | None:
    """Return the forecast of a local day issued at its midnight; none where the day was not wholly measured."""
    target = np.arange(last, last + truth.steps_a_day)
    if target[-1] >= len(truth.index):
        return None
    target = target[truth.clear[target] > 0.03 * truth.clear.max()]
    if not len(target) or not np.isfinite(truth.index[target]).all():
        return None
    quantiles, _ = learned_quantiles(learner, known, np.full(len(target), last), target, levels=LEVELS)
    full, table = quantile_function(quantiles, LEVELS, low=np.zeros(len(target)), high=np.full(len(target), 1.2))
    return Midnight(
        step=last,
        middles_h=np.asarray((target - last + 0.5) * truth.step_h, dtype=float),
        levels=full,
        quantiles=table,
        measured=truth.index[target],
        clear=truth.clear[target],
        slow_frac=learner.slow_frac,
    )


def coverage_rows(places: list[Station], *, quick: bool) -> list[Row]:
    """Return coverage by lead group and month, and of daily energy."""
    tables, midnights = [], []
    for place in places[: 2 if quick else 4]:
        last_day = len(place.series.index) // 24
        pairs, days = walk(
            place.series,
            first_day=60,
            last_day=190 if quick else last_day,
            groups=HOURLY,
            score_from_day=100,
            regrow_days=15,
            energy=True,
        )
        tables.append(pairs.assign(station=place.name))
        midnights.append(days)
    table = pd.concat(tables)
    table["inside"] = (table["y"] >= table["q1"]) & (table["y"] <= table["q5"])
    groups = table.groupby("group")["inside"].mean()
    months = table.groupby("month")["inside"].mean()
    return [
        Row("80 % interval, lead groups: least", float(groups.min()), "0.75-0.85", bool(groups.min() >= 0.75)),
        Row("80 % interval, lead groups: most", float(groups.max()), "0.75-0.85", bool(groups.max() <= 0.85)),
        Row("80 % interval, months: least", float(months.min()), "0.75-0.85", bool(months.min() >= 0.75)),
        Row("80 % interval, months: most", float(months.max()), "0.75-0.85", bool(months.max() <= 0.85)),
        *cell_rows(table),
        *energy_rows(midnights),
    ]


def cell_rows(table: pd.DataFrame) -> list[Row]:
    """Return how many cells of lead group and month lie outside 0.75-0.85, and outside by more than their own sampling
    error: days at a station are taken as the independent samples (cluster-robust standard error).
    """
    days = table.groupby(["group", "month", "station", "day"])["inside"].agg(["sum", "count"]).reset_index()
    cells = days.groupby(["group", "month"])[["sum", "count"]].sum()
    share = cells["sum"] / cells["count"]
    days["gap"] = (
        days["sum"] - days["count"] * share.loc[list(zip(days["group"], days["month"], strict=True))].to_numpy()
    )
    error = np.sqrt(days.groupby(["group", "month"])["gap"].apply(lambda gap: (gap**2).sum())) / cells["count"]
    outside = np.maximum(0.75 - share, share - 0.85)
    truth = float(table["inside"].mean())
    by_chance = float((norm.cdf((0.75 - truth) / error) + norm.sf((0.85 - truth) / error)).sum())
    beyond = int((outside > 1.96 * error).sum())
    return [
        Row("80 % interval, cells of group and month: number", float(len(share)), "", None),
        Row("80 % interval, cells: least", float(share.min()), "0.75", None),
        Row("80 % interval, cells: most", float(share.max()), "0.85", None),
        Row("80 % interval, cells: median sampling error", float(error.median()), "by days", None),
        Row("80 % interval, cells outside 0.75-0.85", float((outside > 0).sum()), "0", bool((outside <= 0).all())),
        Row("80 % interval, cells outside that chance alone would give", by_chance, "reference", None),
        Row("80 % interval, cells outside by more than chance (95 %)", float(beyond), "0", beyond == 0),
    ]


def half_hourly(plant: Plant) -> tuple[SkySeries, NwpSeries]:
    """Return a plant's series on 30-min steps."""
    count = len(plant.series.index) // 2 * 2

    def pairs(values: Floats) -> Floats:
        return np.asarray(values[:count].reshape(-1, 2, *values.shape[1:]).mean(axis=1), dtype=float)

    series = SkySeries(
        start=plant.series.start,
        step_h=0.5,
        clear=pairs(plant.series.clear),
        index=pairs(plant.series.index),
        longitude_deg=plant.series.longitude_deg,
        rating=plant.series.rating,
    )
    return series, NwpSeries(index=pairs(plant.nwp.index), extras=pairs(plant.nwp.extras))


BREAK_DAY, LAST_DAY = 170, 200
FAULTS: dict[str, Callable[[Floats], Floats]] = {
    "missing": lambda index: np.full_like(index, np.nan),
    "3 days stale": lambda index: np.concatenate([index[:144], index[:-144]]),
    "45 min late": lambda index: (
        (np.concatenate([index[:1], index[:-1]]) + np.concatenate([index[:2], index[:-2]])) / 2
    ),
    "zero-filled": lambda index: np.zeros_like(index),
    "NaN in half of the steps": lambda index: np.where(np.arange(len(index)) % 2 == 0, np.nan, index),
    "good": lambda index: index,
}


def fault_rows(*, quick: bool) -> list[Row]:
    """Return the loss over a learner that knows no prediction, by fault."""
    stations_used = (1,) if quick else (1, 4)
    sites = plants(shared_file("solar/pvod_15min.parquet"), shared_file("solar/pvod_metadata.csv"), stations_used)
    losses: dict[str, list[float]] = {}
    for plant in sites:
        series, nwp = half_hourly(plant)
        alone = _loss(series, nothing_seen)
        for name, fault in FAULTS.items():
            losses.setdefault(name, []).append(_loss(series, _seen(series, nwp, fault, name)) / alone - 1.0)
    rows = []
    for name, worse in losses.items():
        most = max(worse)
        if name == "good":
            rows.append(Row("NWP good: pinball against history only, mean", float(np.mean(worse)), "gain", None))
        else:
            rows.append(Row(f"NWP {name}: pinball against history only, worst plant", most, "<= +0.02", most <= 0.02))
    return rows


def _loss(series: SkySeries, seen: Seen) -> float:
    pairs, _ = walk(
        series,
        first_day=60,
        last_day=LAST_DAY,
        groups=FAULTY,
        score_from_day=BREAK_DAY + 7,
        regrow_days=20,
        seen=seen,
    )
    quantiles = pairs[[f"q{i}" for i in range(len(LEVELS))]].to_numpy()
    loss = pinball(pairs["y"], quantiles, LEVELS).mean(axis=1)
    return float((loss * pairs["clear"]).sum() / pairs["clear"].sum())


def _seen(series: SkySeries, nwp: NwpSeries, fault: Callable[[Floats], Floats], name: str) -> Seen:
    """Return what the site is shown: good before the break, faulty after it, the usual checks applied."""
    begin = BREAK_DAY * series.steps_a_day
    faulty = fault(nwp.index)
    shown = np.where(np.arange(len(nwp.index)) < begin, nwp.index, faulty)
    shown = np.where(_dark_days(shown, series.clear, series.steps_a_day), np.nan, shown)

    def at(last: int) -> tuple[Mapping[str, NwpSeries], Mapping[str, float]]:
        age = 72.0 if name == "3 days stale" and last >= begin else 6.0
        week = slice(max(0, last - 10 * series.steps_a_day), last)
        late = label_offset_min(shown[week] * series.clear[week], series.clear[week], step_min=30.0)
        moved = shown
        if abs(late) > 20.0:
            steps = late / 30.0
            at_steps = np.arange(len(shown)) + steps
            moved = np.interp(at_steps, np.arange(len(shown)), shown)
        return {"nwp": NwpSeries(index=moved, extras=nwp.extras)}, {"nwp": age}

    return at


def _dark_days(index: Floats, clear: Floats, day: int) -> np.ndarray:
    """Return which steps lie in days whose predicted energy cannot be."""
    count = len(index) // day * day
    energy = np.nansum((index * clear)[:count].reshape(-1, day), axis=1)
    possible = np.where(np.isfinite(index), clear, 0.0)[:count].reshape(-1, day).sum(axis=1)
    dark = np.repeat(energy < 0.02 * possible, day)
    return np.concatenate([dark, np.zeros(len(index) - count, dtype=bool)])


def run(*, quick: bool) -> list[Row]:
    """Return the table's rows."""
    places = stations(shared_file("solar/surfrad_2018_1h.parquet"))
    return coverage_rows(places, quick=quick) + fault_rows(quick=quick)
