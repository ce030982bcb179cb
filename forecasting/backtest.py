"""Backtest on a plant's own past: the forecaster is walked through it as if each day were today.

Every night the learner sees what has been measured so far (and nothing later); every few hours a forecast is
issued and later scored. What a user's file says about itself (column, unit, time zone, label) is stated by the
user and checked here: power against the plant's size, labels against the sun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from forecasting.clearpower import midnight
from forecasting.forecaster import LEVELS, clear_power, forecast, nightly_learner
from forecasting.history import History
from forecasting.learn.forest import ForestSettings
from forecasting.learn.learner import SkyLearner
from forecasting.learn.skymodel import SETTINGS
from forecasting.nwp import LARGEST_OFFSET_MIN, label_offset_min
from forecasting.records import Forecast, Score
from forecasting.scoring import forecast_samples, scores
from sites.errors import InputError
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import TimeGrid, uniform_grid

Unit = Literal["W", "kW", "MW", "frac"]
Label = Literal["start", "middle", "end"]
TO_KW = {"W": 0.001, "kW": 1.0, "MW": 1000.0}
MOST_OFFSET_MIN = 25.0
GRID_H = 48


@dataclass(frozen=True, kw_only=True)
class HistoryFile:
    """A user's measured history and what is said about it."""

    path: Path
    """CSV with a header."""
    time_column: str
    """Column of times, ISO 8601."""
    power_column: str
    """Column of the plant's power."""
    unit: Unit
    """Unit of power; ``frac`` is the share of the inverters' AC limit."""
    zone: str
    """Time zone of times without offset (IANA name or UTC)."""
    label: Label
    """What a time stands for in its interval."""
    curtailed_column: str | None = None
    """Column of 0 and 1: the plant was held back."""


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """What a backtest found."""

    scores: tuple[Score, ...]
    """Scores of all samples, by lead, season and state."""
    samples: pd.DataFrame
    """One row a scored interval (``forecasting.scoring.forecast_samples``)."""
    forecasts: tuple[Forecast, ...]
    """Forecasts as issued."""


def read_history(file: HistoryFile, site: Site) -> History:
    """Return a user's history on equal steps, labels moved to interval starts, gaps as NaN.

    Raises: InputError: columns that are not there, times that cannot be read or repeat, a unit or label that
    cannot be right.
    """
    source = str(file.path)
    if not file.path.is_file():
        raise InputError.single(source=source, field="", found="no such file", mend="give a CSV file")
    table = pd.read_csv(file.path)
    for column in (file.time_column, file.power_column, *([file.curtailed_column] if file.curtailed_column else ())):
        if column not in table.columns:
            raise InputError.single(
                source=source, field=column, found="no such column", mend=f"name one of: {', '.join(table.columns)}"
            )
    times = _times(table[file.time_column], file, source)
    step_s = float(pd.Series(times).diff().dt.total_seconds().median())
    shift_s = {"start": 0.0, "middle": 0.5, "end": 1.0}[file.label] * step_s
    times = times - pd.Timedelta(seconds=shift_s)
    if times.has_duplicates or not times.is_monotonic_increasing:
        where = int(np.flatnonzero(np.diff(times.as_unit("ns").asi8) <= 0)[0]) + 3
        raise InputError.single(
            source=source,
            field=f"{file.time_column}, row {where}",
            found=str(table[file.time_column].iloc[where - 2]),
            mend="give each time once, in order; times of the night of a clock change need their offset",
        )
    power = pd.to_numeric(table[file.power_column], errors="coerce").to_numpy(dtype=float)
    if file.unit == "frac":
        power = power * (sum(inverter.ac_kw for inverter in site.pv.inverters) if site.pv else 1.0)
    else:
        power = power * TO_KW[file.unit]
    grid = pd.date_range(times[0], times[-1], freq=pd.Timedelta(seconds=step_s))
    on_grid = pd.Series(power, index=times).reindex(grid, method=None)
    held: tuple[bool, ...] = ()
    if file.curtailed_column:
        flags = pd.Series(pd.to_numeric(table[file.curtailed_column], errors="coerce").to_numpy() > 0, index=times)
        held = tuple(bool(flag) for flag in flags.reindex(grid, fill_value=False))
    series = TimeSeries(start_utc=grid[0].to_pydatetime(), step_s=step_s, values=tuple(on_grid.to_numpy().tolist()))
    _check(series, file, site, source)
    return History(pv_kw=series, pv_curtailed=held)


def _times(column: pd.Series[str], file: HistoryFile, source: str) -> pd.DatetimeIndex:
    try:
        ZoneInfo(file.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InputError.single(
            source=source, field="zone", found=file.zone, mend="name an IANA time zone such as Europe/Rome, or UTC"
        ) from error
    try:
        times = pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"))
        if times.tz is None:
            times = times.tz_localize(file.zone)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError.single(
            source=source,
            field=file.time_column,
            found=str(error).splitlines()[0][:80],
            mend=f"write ISO times that exist once in {file.zone}, or with their offset",
        ) from error
    return times.tz_convert("UTC")


def _check(series: TimeSeries, file: HistoryFile, site: Site, source: str) -> None:
    clear = clear_power(site)
    if clear is None:
        raise InputError.single(source=site.name, field="pv", found="nothing", mend="a backtest needs a PV plant")
    values = np.array(series.values)
    finite = values[np.isfinite(values)]
    top = float(np.quantile(finite, 0.999)) if len(finite) else 0.0
    if not 0.1 * clear.model.ac_kw < top < 1.3 * clear.model.ac_kw:
        raise InputError.single(
            source=source,
            field=file.power_column,
            found=f"highest power {top:.4g} kW",
            mend=f"state the right unit: the plant gives up to {clear.model.ac_kw:.4g} kW AC",
        )
    clear_kw = clear.series_kw(series.start_utc, series.step_s, len(values))
    offset = label_offset_min(values, clear_kw, step_min=series.step_s / 60)
    if abs(offset) > MOST_OFFSET_MIN:
        more = " or more" if abs(offset) >= LARGEST_OFFSET_MIN else ""
        raise InputError.single(
            source=source,
            field=file.time_column,
            found=f"power that is {abs(offset):.0f} min{more} {'late' if offset > 0 else 'early'} against the sun",
            mend="state the right zone and label (start, middle or end)",
        )


def backtest(
    site: Site,
    history: History,
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    issue_every_h: float = 3.0,
    regrow_days: int = 7,
    first_days: int = 30,
    progress: Callable[[float], None] = lambda _: None,
    settings: ForestSettings = SETTINGS,
) -> Backtest:
    """Walk the forecaster through a past and score it.

    Args:
        site: plant and place.
        history: its measured past.
        start_utc: first issue; ``first_days`` after the start of the history where absent.
        end_utc: no issue at or after it; the end of the history where absent.
        issue_every_h: hours between forecasts.
        regrow_days: days between new forests; scores and level corrections are made every night.
        first_days: days of history before the first forecast.
        progress: is told the share that is done.
        settings: how forests are grown.

    Raises:
        InputError: less history than ``first_days`` and two more days.
    """
    series, clear = history.pv_kw, clear_power(site)
    if series is None or clear is None or series.end_utc - series.start_utc < timedelta(days=first_days + 2):
        raise InputError.single(
            source=site.name, field="history", found="too short", mend=f"give more than {first_days + 2} days"
        )
    now = midnight(start_utc or series.start_utc + timedelta(days=first_days))
    end = min(end_utc or series.end_utc, series.end_utc)
    span = end - now
    learner: SkyLearner | None = None
    issued: list[Forecast] = []
    night, begun = 0, now
    while now < end:
        if (now - begun) >= timedelta(days=night):
            regrow = night % regrow_days == 0
            learner = nightly_learner(site, history, now_utc=now, learner=learner, regrow=regrow, settings=settings)
            night += 1
        grid = backtest_grid(now)
        issued.append(forecast(site, history, issued_utc=now, grid=grid, scenarios=0, learner=learner, demand=False))
        progress(min(1.0, 1.0 - (end - now) / span))
        now += timedelta(hours=issue_every_h)
    samples = forecast_samples(issued, history, clear)
    southern = site.location.latitude < 0
    return Backtest(scores=scores(samples, LEVELS, southern=southern), samples=samples, forecasts=tuple(issued))


def backtest_grid(start_utc: datetime) -> TimeGrid:
    """Return the hours ahead that a backtest scores."""
    return uniform_grid(start_utc, hours=1.0, steps=GRID_H)
