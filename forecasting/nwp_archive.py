"""Past runs of a weather model, put together as a learner may see them: for each time what had been predicted for it.

A run is taken for a time only if it was issued before it. Among those the newest counts that was issued at least
``LEAD_H`` before the time, else the newest at all: what a plan mostly asks for lies half a day ahead, and a record made
of the shortest leads would flatter the source there. For times after ``now`` the newest run counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from forecasting.nwp import NwpRun
from forecasting.records import StoredPrediction
from forecasting.sun import Floats
from forecasting.weather.predictions import run_of
from sites.series import TimeSeries
from sites.times import HOUR

LEAD_H = 12.0
KEPT_DAYS = 60
"""Days of past runs that are looked at."""
APART = timedelta(hours=1)
"""Runs nearer to each other than this say the same: of the older ones one is taken."""
QUANTITIES = ("ghi_w_m2", "dni_w_m2", "temp_air_c", "humidity_pct", "wind_m_s", "pressure_hpa", "snow_cm")


def known_runs(runs: Iterable[NwpRun], *, now: datetime) -> tuple[NwpRun, ...]:
    """Return one run a source: its past runs and its newest one put together, as known at ``now``.

    The issue time is that of the newest run. Runs issued after ``now`` or more than ``KEPT_DAYS`` before are left out.
    """
    first = now - timedelta(days=KEPT_DAYS)
    usable = [run for run in runs if first <= run.issued_utc <= now]
    ordered = sorted(usable, key=lambda run: (run.source, run.issued_utc))
    return tuple(_together(_thinned(list(group)), now) for _, group in groupby(ordered, key=lambda run: run.source))


def _thinned(runs: list[NwpRun]) -> list[NwpRun]:
    """Return the newest run and those before it that were issued far enough apart."""
    kept: list[NwpRun] = []
    for run in runs[:-1]:
        if not kept or run.issued_utc - kept[-1].issued_utc >= APART:
            kept.append(run)
    return [*kept, runs[-1]]


def _together(runs: Sequence[NwpRun], now: datetime) -> NwpRun:
    newest = runs[-1]
    step_s = newest.ghi_w_m2.step_s
    before = min(run.ghi_w_m2.start_utc for run in runs)
    start = newest.ghi_w_m2.start_utc
    start -= timedelta(seconds=math.ceil((start - before).total_seconds() / step_s) * step_s)
    end = max(run.ghi_w_m2.end_utc for run in runs)
    count = math.ceil((end - start).total_seconds() / step_s)
    parts = {name: _quantity(runs, name, now, start, step_s, count) for name in QUANTITIES}
    ghi = parts.pop("ghi_w_m2")
    assert ghi is not None
    return run_of(newest.source, newest.issued_utc, ghi, parts)


def _quantity(
    runs: Sequence[NwpRun], name: str, now: datetime, start: datetime, step_s: float, count: int
) -> TimeSeries | None:
    """Return one quantity of all runs on one grid; None when no run has it."""
    begins_h = np.arange(count) * step_s / 3600.0
    whole = np.full(count, np.nan)
    given = False
    for least_h in (0.0, LEAD_H):
        for run in runs:
            part: TimeSeries | None = getattr(run, name)
            if part is None:
                continue
            given = True
            values = _placed(part, start, step_s, count)
            taken = np.isfinite(values) & (begins_h >= (run.issued_utc - start) / HOUR + least_h)
            whole = np.where(taken, values, whole)
    part = getattr(runs[-1], name)
    if part is not None:
        whole = np.where(begins_h >= (now - start) / HOUR, _placed(part, start, step_s, count), whole)
    return TimeSeries(start_utc=start, step_s=step_s, values=tuple(whole.tolist())) if given else None


def _placed(part: TimeSeries, start: datetime, step_s: float, count: int) -> Floats:
    """Return a series on a grid, each step with the value of the interval that holds its middle; NaN outside."""
    middles_s = (np.arange(count) + 0.5) * step_s - (part.start_utc - start).total_seconds()
    at = np.floor(middles_s / part.step_s).astype(int)
    inside = (at >= 0) & (at < len(part.values))
    values = np.array(part.values, dtype=float)
    return np.where(inside, values[np.clip(at, 0, len(values) - 1)], np.nan)


def stored(run: NwpRun) -> StoredPrediction:
    """Return a run as it is kept in the store."""
    parts = {name: part for name in QUANTITIES if (part := getattr(run, name)) is not None}
    ghi = run.ghi_w_m2
    return StoredPrediction(
        source=run.source,
        issued_utc=run.issued_utc,
        start_utc=ghi.start_utc,
        step_s=ghi.step_s,
        values={
            name: tuple(
                None if math.isnan(value) else value
                for value in _placed(part, ghi.start_utc, ghi.step_s, len(ghi.values)).tolist()
            )
            for name, part in parts.items()
        },
    )


def restored(document: StoredPrediction) -> NwpRun:
    """Return the run of a stored document."""
    parts = {
        name: TimeSeries(
            start_utc=document.start_utc,
            step_s=document.step_s,
            values=tuple(math.nan if value is None else value for value in values),
        )
        for name, values in document.values.items()
    }
    ghi = parts.pop("ghi_w_m2")
    return run_of(document.source, document.issued_utc, ghi, parts)
