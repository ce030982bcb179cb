"""Speed and memory of the forecaster on one core, and what the calibrator makes of a soiling step and of
curtailment.

Speed: the example container, a year of its typical weather as history. Peak memory (VmHWM) is that of a fresh
process that reads the history from plain numbers, grows the learner and forecasts, as the planning worker does.

Calibrator: SURFRAD 5-min GHI of four stations as if it were a plant's power, Ineichen clear sky as its model.
*Step*: from 15 June 2018 on 10 % less; counted are the clear days until the factor has gone at least 7 of the
10 % against the same run without a step. *Curtailment*: through July everything above 300 W/m2 from 9:30 to
16:00 is cut and marked; compared with the run without at the month's end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecast_surfrad import LONGITUDE
from benchmarks.forecast_table import Row, shared_file
from forecasting.calibration import Calibration, DaySamples
from forecasting.forecaster import forecast, nightly_learner
from forecasting.history import History
from forecasting.prepare import prepare_period
from forecasting.sun import Floats, clear_sky, sun_path
from sites.load import load_site
from sites.series import TimeSeries
from sites.times import planning_grid, uniform_grid

LATITUDE = {"Bondville_IL": 40.05, "Desert_Rock_NV": 36.62, "Fort_Peck_MT": 48.31, "Goodwin_Creek_MS": 34.25}
STEP_DAY = pd.Timestamp("2018-06-15", tz="UTC")
NIGHT = datetime(2025, 6, 9, 4, tzinfo=UTC)
START = NIGHT - timedelta(days=365)


def speed_rows() -> list[Row]:
    """Return seconds and megabytes, measured in a process of its own."""
    site = load_site("container")
    period = prepare_period(site, start_utc=START, end_utc=NIGHT + timedelta(days=2), step_s=900)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.npy"
        np.save(path, np.array([period.pv_available_kw.values, period.outdoor_c.values]))
        command = [sys.executable, "-m", "benchmarks.forecast_speed", str(path)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    train_s, long_s, hourly_s, bare_s, memory_mb = (float(part) for part in answer.stdout.split())
    return [
        Row("nightly retraining on a year, seconds", train_s, "< 60", train_s < 60),
        Row("48 h at 5 min with 100 scenarios, seconds", long_s, "< 1", long_s < 1),
        Row("hourly call, 80 steps, with learner, seconds", hourly_s, "< 0.1", hourly_s < 0.1),
        Row("hourly call, 80 steps, without learner, seconds", bare_s, "< 0.1", bare_s < 0.1),
        Row("peak memory, MB", memory_mb, "< 300", memory_mb < 300),
    ]


def measure(path: Path) -> str:
    """Return the five figures of ``speed_rows`` as text, history read from ``path``."""
    site = load_site("container")
    pv_kw, outdoor_c = (tuple(row.tolist()) for row in np.load(path))
    history = History(
        pv_kw=TimeSeries(start_utc=START, step_s=900, values=pv_kw),
        outdoor_c=TimeSeries(start_utc=START, step_s=900, values=outdoor_c),
    )
    began = time.perf_counter()
    learner = nightly_learner(site, history, now_utc=NIGHT)
    train_s = time.perf_counter() - began
    fine = uniform_grid(NIGHT, hours=1 / 12, steps=576)
    forecast(site, history, issued_utc=NIGHT, grid=planning_grid(NIGHT), learner=learner)
    long_s = _least(lambda: forecast(site, history, issued_utc=NIGHT, grid=fine, learner=learner, scenarios=100))
    hourly_s = _least(lambda: forecast(site, history, issued_utc=NIGHT, grid=planning_grid(NIGHT), learner=learner))
    bare_s = _least(lambda: forecast(site, history, issued_utc=NIGHT, grid=planning_grid(NIGHT)))
    return f"{train_s} {long_s} {hourly_s} {bare_s} {_peak_mb()}"


def _peak_mb() -> float:
    """Return this program's own peak memory. ``ru_maxrss`` is no use: over an exec it keeps that of the parent."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return float(line.split()[1]) / 1024


def _least(work: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of some runs: other work on the machine only adds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def calibrator_rows(*, quick: bool) -> list[Row]:
    """Return clear days until the step is found and the factor's move in a curtailed month, worst station."""
    table = pd.read_parquet(shared_file("solar/surfrad_2018_5min.parquet"))
    needed, moved = [], []
    for name, part in list(table.groupby("site"))[: 2 if quick else 4]:
        days = _days(str(name), part)
        free, dirty = _run(days), _run(days, dirty=True)
        held = _run(days, held=True)
        after = dirty.index >= STEP_DAY
        gone = (1 - dirty["factor"] / free["factor"])[after] >= 0.07
        counts = free["clear_days"][after]
        needed.append(float(counts[gone.to_numpy()].iloc[0] - counts.iloc[0] + 1) if gone.any() else float("inf"))
        end = pd.Timestamp("2018-07-31", tz="UTC")
        moved.append(abs(float(held["factor"][end] / free["factor"][end]) - 1))
    return [
        Row("10 % soiling step: clear days until found, worst station", max(needed), "<= 7", max(needed) <= 7),
        Row("a month of curtailment: move of the factor, worst station", max(moved), "<= 0.01", max(moved) <= 0.01),
    ]


def _days(name: str, part: pd.DataFrame) -> list[tuple[pd.Timestamp, DaySamples, Floats]]:
    """Return a station's local days with their local hours."""
    times = pd.DatetimeIndex(part["time_utc"])
    place = {"latitude_deg": LATITUDE[name], "longitude_deg": LONGITUDE[name], "altitude_m": 300.0}
    middle = times + pd.Timedelta(seconds=150)
    sun = sun_path(middle, **place)
    clear = clear_sky(middle, sun, **place).ghi_w_m2
    ghi = part["ghi"].to_numpy(dtype=float)
    local = times + pd.Timedelta(hours=LONGITUDE[name] / 15)
    found = []
    for day, rows in pd.Series(np.arange(len(times))).groupby(local.floor("D")):
        at = rows.to_numpy()
        samples = DaySamples(
            day=str(day)[:10],
            power_kw=ghi[at] / 1000,
            clear_kw=clear[at] / 1000,
            held=np.zeros(len(at), dtype=bool),
            elevation_deg=sun.elevation_deg[at],
            morning=sun.azimuth_deg[at] < 180,
            step_h=1 / 12,
        )
        hour = np.asarray(local[at].hour + local[at].minute / 60, dtype=float)
        found.append((pd.Timestamp(str(day)), samples, hour))
    return found


def _run(
    days: list[tuple[pd.Timestamp, DaySamples, Floats]], *, dirty: bool = False, held: bool = False
) -> pd.DataFrame:
    state = Calibration()
    rows = []
    for day, samples, hour in days:
        power, stopped = samples.power_kw, samples.held
        if dirty and day >= STEP_DAY:
            power = power * 0.9
        if held and day.month == 7:
            stopped = (hour >= 9.5) & (hour < 16) & (power > 0.3)
            power = np.where(stopped, 0.3, power)
        state = state.updated(DaySamples(**(vars(samples) | {"power_kw": power, "held": stopped})))
        rows.append((day, state.factor, state.clear_days))
    return pd.DataFrame(rows, columns=["day", "factor", "clear_days"]).set_index("day")


def run(*, quick: bool) -> list[Row]:
    """Return the table's rows."""
    return speed_rows() + calibrator_rows(quick=quick)


if __name__ == "__main__":
    print(measure(Path(sys.argv[1])))
