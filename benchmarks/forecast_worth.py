"""What a forecast is worth in closed loop: litres of diesel and late jobs, at a PVOD plant with its archived NWP.

``python -m benchmarks.forecast_worth [--start 2018-10-15 ...] [--forecasts none history ...]``. An example site stands
at the plant: its arrays face as the plant's do, its sun is the plant's measured power scaled to the site's AC limit,
its air the plant's measured temperature. Half of the container's arrays are taken: from October to March they give
1000 kWh a day there, which is what the container takes; with all of them no diesel burns under any forecast. The same
days, jobs, requests and seed are run under the planner four times: *none* (clear-sky climatology), *history* (site's
past, learner grown at the start and scored every night), *blend* (with the archived prediction as well) and *perfect*
(sun, temperature and requests as they really come, as far as plans reach: also beyond the end, which no forecast is told
of). Nothing is made from the truth but the last. Plans count on the forecast's mean, so that all four pose problems of
one size; with ``--uncertainty scenarios`` on its scenarios, which takes three times as long.

Windows: the 15th of each month from October to March, fixed before any was run. Three days with new jobs, then three
without, since deadlines reach that far. A solve stops by its gap of 1 % of the plan's net value; the time limit is above
what solves take, so that a busy machine changes little. The last column says which rung of the ladder answered. Windows
are replicates: below them stand the means of the paired differences from *none* and their standard errors. *24 h off* is
the mean absolute error of the energy of the 24 h after each plan.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks.forecast_table import shared_file
from controller.capability import capability
from controller.studies.closed_loop import RECORD_DAYS, Outlook, Study, perfect_forecast, run_policy, stream_jobs
from controller.studies.compare import guards_of
from controller.studies.result import PolicyResult, result_of
from forecasting.demand.arrivals import actual_rate_rps
from forecasting.forecaster import forecast, nightly_learner
from forecasting.history import History
from forecasting.learn.learner import SkyLearner
from forecasting.nwp import NwpRun
from forecasting.records import Forecast
from optimizer.policies import policy
from optimizer.problem import SolveLimits
from sites.load import load_site
from sites.schema.energy import Pv, PvArray, PvInverter
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import TimeGrid
from sites.world import World

STEP_S = 900
DRAIN_DAYS = 3.0
BEYOND_DAYS = 3.0
"""Days of the world after the end, into which the last plans still look."""
PV_FRAC = 0.5
"""Share of the example's arrays: sun and load of the winter half-year are then about equal."""
WINDOWS = ("2018-10-15", "2018-11-15", "2018-12-15", "2019-01-15", "2019-02-15", "2019-03-15")
SCENARIOS = 5
Uncertainty = Literal["scenarios", "expected", "cautious"]
KINDS = ("none", "history", "blend", "perfect")
RUN_AGE_H = 6.0
"""Age of the archived prediction when used: its run times are not in the archive."""


def relocated(name: str, meta: pd.Series, pv_frac: float, uncertainty: Uncertainty) -> Site:
    """Return an example site at a plant's place, a share of its arrays facing as the plant's do."""
    site = load_site(name)
    kwp = pv_frac * sum(array.kwp for array in site.pv.arrays) if site.pv else 0.0
    ac_kw = pv_frac * sum(inverter.ac_kw for inverter in site.pv.inverters) if site.pv else 0.0
    tilt = float(str(meta["Array_Tilt"]).split()[-1].strip("°"))
    array = PvArray(name="field", kwp=kwp, inverter="field", tilt_deg=tilt, azimuth_deg=180.0, ground_cover_frac=0.0)
    location = site.location.model_copy(
        update={
            "latitude": float(meta["Latitude"]),
            "longitude": float(meta["Longitude"]),
            "altitude_m": 60.0,
            "time_zone": "Asia/Shanghai",
        }
    )
    pv = Pv(arrays=(array,), inverters=(PvInverter(name="field", ac_kw=ac_kw),))
    planning = site.planning.model_copy(update={"uncertainty": uncertainty})
    return site.model_copy(update={"pv": pv, "location": location, "planning": planning})


def archive(
    name: str, station: int, *, pv_frac: float = 1.0, uncertainty: Uncertainty = "expected"
) -> tuple[Site, pd.DataFrame]:
    """Return the site and its measured and predicted series on 15-min steps, short gaps filled."""
    table, meta = (
        pd.read_parquet(shared_file("solar/pvod_15min.parquet")),
        pd.read_csv(shared_file("solar/pvod_metadata.csv")),
    )
    rows = table[table["station"] == station].set_index("date_time").sort_index()
    rows = rows[~rows.index.duplicated()].asfreq("15min")
    top = rows["power"].quantile(0.999)
    site = relocated(name, meta.iloc[station], pv_frac, uncertainty)
    ac_kw = sum(inverter.ac_kw for inverter in site.pv.inverters) if site.pv else 0.0
    rows["pv_kw"] = (rows["power"] / top * ac_kw).clip(0.0, ac_kw).interpolate(limit=8)
    return site, rows


def series(values: pd.Series, start: datetime, end: datetime, *, parts: int = 1) -> TimeSeries:
    """Return values between two moments as a series, each step cut into ``parts``."""
    cut = values.loc[pd.Timestamp(start) : pd.Timestamp(end) - pd.Timedelta(seconds=1)].to_numpy(dtype=float)
    plain = tuple(np.repeat(cut, parts).tolist())
    return TimeSeries(start_utc=start, step_s=STEP_S / parts, values=plain)


def study_of(site: Site, rows: pd.DataFrame, start: datetime, days: float, seed: int) -> Study:
    """Return the study of ``days`` days from ``start`` and the drain."""
    begin, end = start - timedelta(days=RECORD_DAYS), start + timedelta(days=days + DRAIN_DAYS)
    zone = site.location.time_zone
    last = end + timedelta(days=BEYOND_DAYS)
    world = World(
        pv_available_kw=series(rows["pv_kw"], begin, last, parts=3),
        outdoor_c=series(rows["lmd_temperature"], begin, last, parts=3),
        rate_rps={
            service.name: actual_rate_rps(service, start_utc=begin, end_utc=last, zone=zone, seed=seed)
            for service in site.services
        },
    )
    return Study(
        site=site,
        start_utc=start,
        days=days,
        drain_days=DRAIN_DAYS,
        seed=seed,
        world=world,
        jobs=tuple(
            sorted(
                stream_jobs(site, start, start + timedelta(days=days), seed),
                key=lambda job: (job.release_utc, job.name),
            )
        ),
        work=capability(site),
    )


def known_past(rows: pd.DataFrame, start: datetime, recorded: History) -> History:
    """Return the plant's archive up to ``start``, then what the simulated site has measured."""
    first = rows.index[0].to_pydatetime()
    assert recorded.pv_kw is not None
    new = round((start - recorded.pv_kw.start_utc).total_seconds() / STEP_S)
    older = series(rows["pv_kw"], first, start)
    values = (*older.values, *recorded.pv_kw.values[new:])
    held = (*(False,) * len(older.values), *recorded.pv_curtailed[new:])
    return replace(recorded, pv_kw=TimeSeries(start_utc=first, step_s=STEP_S, values=values), pv_curtailed=held)


class Informed:
    """The forecaster as the product runs it: grown at the start of the study, scored and corrected every night."""

    def __init__(self, study: Study, rows: pd.DataFrame, run: NwpRun | None) -> None:
        self._rows, self._start, self._run = rows, study.start_utc, run
        self._learner: SkyLearner | None = None
        self._night = study.start_utc

    def __call__(self, site: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        """Return the forecast as known at ``now``."""
        past = known_past(self._rows, self._start, history)
        runs = () if self._run is None else (self._run,)
        if self._learner is None or now >= self._night:
            self._learner = nightly_learner(
                site, past, now_utc=now, learner=self._learner, runs=runs, regrow=self._learner is None
            )
            self._night += timedelta(days=1)
        fresh = tuple(replace(run, issued_utc=now - timedelta(hours=RUN_AGE_H)) for run in runs)
        return forecast(site, past, issued_utc=now, grid=grid, learner=self._learner, runs=fresh, scenarios=SCENARIOS)


def outlooks(study: Study, rows: pd.DataFrame) -> dict[str, Outlook]:
    """Return the four forecasters."""
    first, last = rows.index[0].to_pydatetime(), study.end_utc + timedelta(days=4)
    run = NwpRun(
        source="archived NWP",
        issued_utc=first,
        ghi_w_m2=series(rows["nwp_globalirrad"], first, last),
        dni_w_m2=series(rows["nwp_directirrad"], first, last),
        temp_air_c=series(rows["nwp_temperature"], first, last),
    )

    def none(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        unseen = replace(history, pv_kw=None, pv_curtailed=())
        return forecast(place, unseen, issued_utc=now, grid=grid, scenarios=SCENARIOS)

    def perfect(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        return perfect_forecast(study, none(place, history, now, grid))

    return {
        "none": none,
        "history": Informed(study, rows, None),
        "blend": Informed(study, rows, run),
        "perfect": perfect,
    }


@dataclass(frozen=True, kw_only=True)
class Found:
    """One forecast over one window."""

    result: PolicyResult
    off_kwh: float
    """Mean absolute error of the energy of the 24 h after each plan."""


class Watched:
    """A forecaster, and how far its next day's energy was off."""

    def __init__(self, outlook: Outlook, study: Study) -> None:
        self._outlook, self._study = outlook, study
        self.off_kwh: list[float] = []

    def __call__(self, site: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        """Return the forecast, unchanged."""
        told = self._outlook(site, history, now, grid)
        ends_h = np.cumsum(told.hours)
        day = ends_h <= 24.0 + 1e-9
        energy_kwh = float((np.array(told.pv_available_kw) * told.hours)[day].sum())
        span = timedelta(hours=float(ends_h[day][-1]))
        came_kwh = self._study.world.pv_available_kw.mean(now, now + span) * span / timedelta(hours=1)
        self.off_kwh.append(abs(energy_kwh - came_kwh))
        return told


def run(
    *,
    name: str,
    station: int,
    pv_frac: float,
    uncertainty: Uncertainty,
    start: datetime,
    days: float,
    seconds: float,
    replan_h: float,
    kinds: Sequence[str],
    say: Callable[[str], None],
) -> dict[str, Found]:
    """Return what was found for each forecast."""
    site, rows = archive(name, station, pv_frac=pv_frac, uncertainty=uncertainty)
    study = study_of(site, rows, start, days, seed=0)
    results = {}
    for kind, outlook in outlooks(study, rows).items():
        if kind not in kinds:
            continue
        watched = Watched(outlook, study)
        course = run_policy(
            study,
            kind,
            policy("planner").plan,
            guards=guards_of(site),
            limits=SolveLimits(seconds=seconds, gap_frac=0.01),
            replan_s=replan_h * 3600.0,
            outlook=watched,
        )
        results[kind] = Found(result=result_of(study, course), off_kwh=float(np.mean(watched.off_kwh)))
        say(line_of(kind, [results[kind]]))
    return results


HEAD = (
    f"{'forecast':<10}{'cost $':>9}{'fuel L':>9}{'genset kWh':>12}{'late jobs':>12}{'PV used kWh':>18}"
    f"{'unserved kWh':>14}{'24 h off':>10}  plans by rung"
)


def line_of(kind: str, found: Sequence[Found]) -> str:
    """Return a row of the table: one forecast over one or several windows, added up."""

    def total(name: str) -> float:
        return float(sum(getattr(each.result, name) for each in found))

    rungs = Counter[str]()
    for each in found:
        rungs.update(each.result.plan_levels)
    off_kwh = np.mean([each.off_kwh for each in found])
    late = f"{total('jobs_late'):.0f} of {total('jobs_total'):.0f}"
    sun = f"{total('pv_used_kwh'):.0f} of {total('pv_available_kwh'):.0f}"
    return (
        f"{kind:<10}{total('cost_usd'):>9.1f}{total('fuel_l'):>9.1f}{total('genset_kwh'):>12.0f}{late:>12}{sun:>18}"
        f"{total('unserved_kwh'):>14.1f}{off_kwh:>10.0f}  {dict(rungs)}"
    )


def worth_of(kind: str, windows: Sequence[dict[str, Found]]) -> str:
    """Return what a forecast saves over none, a window: mean of the paired differences and its standard error."""

    def saved(name: str) -> str:
        each = [float(getattr(w["none"].result, name)) - float(getattr(w[kind].result, name)) for w in windows]
        return f"{np.mean(each):.1f} +- {np.std(each, ddof=1) / np.sqrt(len(each)):.1f}"

    parts = f"{saved('cost_usd')} $, {saved('fuel_l')} L of diesel, {saved('jobs_late')} late jobs"
    return f"{kind} saves over none, a window of {len(windows)}: {parts}"


def main() -> None:
    """Print one line a forecast and window, what all windows come to, and what each forecast is worth."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast_worth")
    parser.add_argument("--site", default="container", help="example site that is put there")
    parser.add_argument("--station", type=int, default=1)
    parser.add_argument("--pv-frac", type=float, default=PV_FRAC, help="share of the example's arrays")
    parser.add_argument("--uncertainty", default="expected", choices=get_args(Uncertainty), help="as in the site file")
    parser.add_argument("--start", nargs="+", default=list(WINDOWS), help="first local days")
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=30.0, help="longest solve")
    parser.add_argument("--replan-hours", type=float, default=2.0, help="hours between plans")
    parser.add_argument("--forecasts", nargs="+", default=list(KINDS), choices=KINDS, help="only these")
    arguments = parser.parse_args()
    windows = []
    for text in arguments.start:
        print(f"{arguments.days:g} days from {text}, station {arguments.station}, site {arguments.site}\n{HEAD}")
        windows.append(
            run(
                name=arguments.site,
                station=arguments.station,
                pv_frac=arguments.pv_frac,
                uncertainty=arguments.uncertainty,
                start=datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=8),
                days=arguments.days,
                seconds=arguments.seconds,
                replan_h=arguments.replan_hours,
                kinds=arguments.forecasts,
                say=lambda line: print(line, flush=True),
            )
        )
    if len(windows) > 1:
        print(f"all {len(windows)}\n{HEAD}")
        for kind in windows[0]:
            print(line_of(kind, [window[kind] for window in windows]))
        if "none" in arguments.forecasts:
            for kind in windows[0]:
                if kind != "none":
                    print(worth_of(kind, windows))


if __name__ == "__main__":
    main()
