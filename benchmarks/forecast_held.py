"""What being held back on every bright day does to a site's forecasts: off-grid, a full battery throttles PV.

PVOD station 1, winter: history from July 2018, forecasts at local midnight and at 8:00 from 15 December on, learner
scored every night and grown anew every ten days, as in the product. *Free*: the plant as measured. *Held*: the same
plant with every quarter hour from 11:00 to 17:00 whose index is above 0.6 cut to 100 kW and marked as held back, over the
whole history; a third of the daylight. *Left out*: the same hours as gaps. All are scored against what was really
there: energy of the 24 h after each forecast, bias over the mean, error of the mean, cover of the scenarios' 80 %
interval.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.forecast_table import Row
from benchmarks.forecast_worth import STEP_S, archive
from forecasting.forecaster import clear_power, forecast, nightly_learner
from forecasting.history import History
from forecasting.learn.learner import SkyLearner
from forecasting.records import Forecast
from forecasting.sun import Bools, Floats
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import planning_grid

STATION = 1
START = datetime(2018, 12, 14, 16, tzinfo=UTC)
UTC_OFFSET_H = 8
DAYS, QUICK_DAYS = 40, 10
REGROW_DAYS = 10
ISSUE_H = (0, 8)
HELD_KW, BRIGHT = 100.0, 0.6
HELD_HOURS = (11, 17)
SCENARIOS = 30


class Energy(NamedTuple):
    """How the next day's energy was forecast."""

    bias: float
    """Mean error over the mean energy."""
    mae_kwh: float
    """Mean absolute error."""
    cover: float
    """Share inside the 80 % interval."""


def run(*, quick: bool) -> list[Row]:
    """Return the table's rows."""
    site, rows = archive("container", STATION)
    power, held = _power(rows), _held(site, rows)
    days = QUICK_DAYS if quick else DAYS
    free = _energy(site, rows, power, np.zeros(len(power), dtype=bool), days)
    cut = _energy(site, rows, np.where(held, np.minimum(power, HELD_KW), power), held, days)
    out = _energy(site, rows, np.where(held, np.nan, power), np.zeros(len(power), dtype=bool), days)
    ratio = cut.mae_kwh / free.mae_kwh
    return [
        Row("24 h energy, plant never held back: bias", free.bias, "reference", None),
        Row("24 h energy, bright hours held back: bias", cut.bias, "near that", None),
        Row("24 h energy, bright hours held back: error over never held", ratio, "<= 1.15 (ours)", ratio <= 1.15),
        Row("24 h energy, the same hours left out as unknown: bias", out.bias, "reference", None),
        Row("24 h energy, left out: error over never held", out.mae_kwh / free.mae_kwh, "reference", None),
        Row("24 h energy, left out: 80 % interval covers", out.cover, "reference", None),
        Row("24 h energy, never held back: 80 % interval covers", free.cover, "0.76-0.86", None),
        Row("24 h energy, bright hours held back: 80 % interval covers", cut.cover, "0.76-0.86", None),
    ]


def _power(rows: pd.DataFrame) -> Floats:
    return rows["pv_kw"].to_numpy(dtype=float)


def _held(site: Site, rows: pd.DataFrame) -> Bools:
    clear = clear_power(site)
    assert clear is not None
    first = rows.index[0].to_pydatetime()
    index = _power(rows) / np.maximum(clear.series_kw(first, STEP_S, len(rows)), 1.0)
    local_h = (first.hour + UTC_OFFSET_H + np.arange(len(rows)) * STEP_S / 3600) % 24
    return np.asarray((local_h >= HELD_HOURS[0]) & (local_h < HELD_HOURS[1]) & (index > BRIGHT), dtype=bool)


def _energy(site: Site, rows: pd.DataFrame, shown_kw: Floats, held: Bools, days: int) -> Energy:
    """Return the scores of a site that is shown ``shown_kw``, against the plant's own power."""
    first = rows.index[0].to_pydatetime()
    history = History(
        pv_kw=TimeSeries(start_utc=first, step_s=STEP_S, values=tuple(shown_kw.tolist())),
        pv_curtailed=tuple(held.tolist()),
    )
    power, learner = _power(rows), SkyLearner()
    errors, came, inside = [], [], []
    for day in range(days):
        night = START + timedelta(days=day)
        learner = nightly_learner(site, history, now_utc=night, learner=learner, regrow=day % REGROW_DAYS == 0)
        for hour in ISSUE_H:
            now = night + timedelta(hours=hour)
            told = forecast(
                site,
                history,
                issued_utc=now,
                grid=planning_grid(now),
                learner=learner,
                scenarios=SCENARIOS,
                demand=False,
            )
            step = round((now - first).total_seconds() / STEP_S)
            actual = float(power[step : step + 96].sum()) * STEP_S / 3600
            mean, low, high = _day_kwh(told)
            errors.append(mean - actual)
            came.append(actual)
            inside.append(low <= actual <= high)
    return Energy(
        bias=float(np.mean(errors) / np.mean(came)),
        mae_kwh=float(np.mean(np.abs(errors))),
        cover=float(np.mean(inside)),
    )


def _day_kwh(told: Forecast) -> tuple[float, float, float]:
    """Return mean and 80 % interval of the first day's energy."""
    hours = np.array(told.hours)
    day = np.where(np.cumsum(hours) <= 24.0 + 1e-9, hours, 0.0)
    mean = float((np.array(told.pv_available_kw) * day).sum())
    energies = np.array([(np.array(each.pv_available_kw) * day).sum() for each in told.scenarios])
    order = np.argsort(energies)
    share = np.cumsum(np.array([each.weight for each in told.scenarios])[order])
    low, high = (
        float(energies[order][min(int(np.searchsorted(share, level)), len(order) - 1)]) for level in (0.1, 0.9)
    )
    return mean, low, high
