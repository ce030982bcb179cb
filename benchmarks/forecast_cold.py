"""The first fourteen days of a site: what a forecast is worth before there is a past.

A site that has measured nothing is walked on: every three hours a forecast for 48 h from what has been measured since its
first day; a learner as the daemon keeps it (none before the seventh day). *Sand Point*: the example cabinet in Alaska
(typical year, PV chain), a climate that the prior does not hold, from 1 March and from 1 July. *PVOD 1*: measured power
of a real plant, from 1 October and from 1 December. Scored as ``mdc forecast backtest`` does, all leads together: smart
persistence and CH-PeEn know the same days.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd

from benchmarks.forecast_table import Row
from benchmarks.forecast_worth import archive, series
from forecasting.backtest import backtest_grid
from forecasting.forecaster import LEVELS, clear_power, forecast
from forecasting.history import History
from forecasting.keeper import LearnerKeeper
from forecasting.prepare import prepare_period
from forecasting.records import Score
from forecasting.scoring import forecast_samples, scores
from sites.load import load_site
from sites.schema.site import Site
from sites.series import TimeSeries

DAYS = 14
EVERY_H = 3.0
STARTS = {"Sand Point": ("2025-03-01", "2025-07-01"), "PVOD 1": ("2018-10-01", "2018-12-01")}
LOCAL_H = {"Sand Point": -11.0, "PVOD 1": 8.0}
"""Local time by the sun minus UTC."""


def run(*, quick: bool) -> list[Row]:
    """Return the table's rows."""
    rows: list[Row] = []
    for place, starts in STARTS.items():
        for text in starts[: 1 if quick else None]:
            start = datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=LOCAL_H[place])
            site, power = _plant(place, start)
            bias, found = first_days(site, power, start)
            name = f"cold start {place} {text[5:]}"
            skill, crps_skill = found.skill_persistence or 0.0, found.crps_skill or 0.0
            rows += [
                Row(f"{name}: bias over mean power", bias, "0", None),
                Row(f"{name}: RMSE skill over smart persistence", skill, "> 0 (ours)", skill > 0),
                Row(f"{name}: CRPS skill over CH-PeEn", crps_skill, "> 0 (ours)", crps_skill > 0),
                Row(f"{name}: 80 % interval covers", found.coverage_80, "0.75-0.85", None),
            ]
    return rows


def _plant(place: str, start: datetime) -> tuple[Site, TimeSeries]:
    """Return the site and its power from ``start`` until all forecasts have come true."""
    end = start + timedelta(days=DAYS + 3)
    if place == "PVOD 1":
        site, table = archive("container", 1)
        return site, series(table["pv_kw"], start, end)
    site = load_site("cabinet")
    return site, prepare_period(site, start_utc=start, end_utc=end, step_s=900).pv_available_kw


def first_days(site: Site, power: TimeSeries, start: datetime) -> tuple[float, Score]:
    """Return bias over mean power, and the scores of all leads together."""
    history, clear, keeper = History(pv_kw=power), clear_power(site), LearnerKeeper(site)
    assert clear is not None
    issued = []
    for step in range(round(DAYS * 24 / EVERY_H)):
        now = start + timedelta(hours=step * EVERY_H)
        learner = keeper.at(history, now)
        told = forecast(
            site, history, issued_utc=now, grid=backtest_grid(now), learner=learner, scenarios=0, demand=False
        )
        issued.append(told)
    samples: pd.DataFrame = forecast_samples(issued, history, clear)
    bias = float((samples["mean"] - samples["measured"]).mean() / samples["measured"].mean())
    return bias, scores(samples, LEVELS)[0]
