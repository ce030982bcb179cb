"""What a forecast is worth in closed loop: litres of diesel and late jobs, at a PVOD plant with its archived NWP.

``python -m benchmarks.forecast_worth [--site container] [--days N] [--station S] [--start 2019-02-04]``. An example
site stands at the plant: its arrays face as the plant's do, its sun is the plant's measured power scaled to the
site's AC limit, its air the plant's measured temperature. The same days, jobs, requests and seed are run under
the planner four times: *none* (clear-sky climatology), *history* (site's past, learner grown at the start),
*blend* (with the archived prediction) and *perfect* (what really happens). Nothing is made from the truth but
the last. Valid only where nearly all plans were found in time: the last column says which rung answered.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks.forecast_table import shared_file
from controller.capability import capability
from controller.studies.closed_loop import HISTORY_DAYS, Outlook, Study, perfect_forecast, run_policy, stream_jobs
from controller.studies.compare import guards_of
from controller.studies.result import PolicyResult, result_of
from forecasting.demand.arrivals import actual_rate_rps
from forecasting.forecaster import forecast, nightly_learner
from forecasting.history import History
from forecasting.nwp import NwpRun
from forecasting.records import Forecast
from optimizer.policies import policy
from optimizer.records import SolveLimits
from sites.load import load_site
from sites.schema.energy import Pv, PvArray, PvInverter
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.times import TimeGrid
from sites.world import World

STEP_S = 900


def relocated(name: str, meta: pd.Series) -> Site:
    """Return an example site at a plant's place, its arrays facing as the plant's do."""
    site = load_site(name)
    kwp = sum(array.kwp for array in site.pv.arrays) if site.pv else 0.0
    ac_kw = sum(inverter.ac_kw for inverter in site.pv.inverters) if site.pv else 0.0
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
    return site.model_copy(update={"pv": pv, "location": location})


def archive(name: str, station: int) -> tuple[Site, pd.DataFrame]:
    """Return the site and its measured and predicted series on 15-min steps, short gaps filled."""
    table, meta = (
        pd.read_parquet(shared_file("solar/pvod_15min.parquet")),
        pd.read_csv(shared_file("solar/pvod_metadata.csv")),
    )
    rows = table[table["station"] == station].set_index("date_time").sort_index()
    rows = rows[~rows.index.duplicated()].asfreq("15min")
    top = rows["power"].quantile(0.999)
    site = relocated(name, meta.iloc[station])
    ac_kw = sum(inverter.ac_kw for inverter in site.pv.inverters) if site.pv else 0.0
    rows["pv_kw"] = (rows["power"] / top * ac_kw).clip(0.0, ac_kw).interpolate(limit=8)
    return site, rows


def series(values: pd.Series, start: datetime, end: datetime, *, parts: int = 1) -> TimeSeries:
    """Return values between two moments as a series, each step cut into ``parts``."""
    cut = values.loc[pd.Timestamp(start) : pd.Timestamp(end) - pd.Timedelta(seconds=1)].to_numpy(dtype=float)
    plain = tuple(np.repeat(cut, parts).tolist())
    return TimeSeries(start_utc=start, step_s=STEP_S / parts, values=plain)


def study_of(site: Site, rows: pd.DataFrame, start: datetime, days: float, seed: int) -> Study:
    """Return the study of ``days`` days from ``start`` and a day's drain."""
    begin, end = start - timedelta(days=HISTORY_DAYS), start + timedelta(days=days + 1)
    zone = site.location.time_zone
    world = World(
        pv_available_kw=series(rows["pv_kw"], begin, end, parts=3),
        outdoor_c=series(rows["lmd_temperature"], begin, end, parts=3),
        rate_rps={
            service.name: actual_rate_rps(service, start_utc=begin, end_utc=end, zone=zone, seed=seed)
            for service in site.services
        },
    )
    return Study(
        site=site,
        start_utc=start,
        days=days,
        drain_days=1.0,
        seed=seed,
        world=world,
        jobs=tuple(stream_jobs(site, start, start + timedelta(days=days), seed)),
        work=capability(site),
    )


def outlooks(study: Study, rows: pd.DataFrame) -> dict[str, Outlook]:
    """Return the four forecasters."""
    site, start = study.site, study.start_utc
    first = rows.index[0].to_pydatetime()
    past = History(pv_kw=series(rows["pv_kw"], first, start))
    run = NwpRun(
        source="archived NWP",
        issued_utc=first,
        ghi_w_m2=series(rows["nwp_globalirrad"], first, study.end_utc + timedelta(days=4)),
        dni_w_m2=series(rows["nwp_directirrad"], first, study.end_utc + timedelta(days=4)),
        temp_air_c=series(rows["nwp_temperature"], first, study.end_utc + timedelta(days=4)),
    )
    alone = nightly_learner(site, past, now_utc=start)
    both = nightly_learner(site, past, now_utc=start, runs=(run,))

    def none(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        return forecast(place, replace(history, pv_kw=None, pv_curtailed=()), issued_utc=now, grid=grid)

    def own(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        return forecast(place, history, issued_utc=now, grid=grid, learner=alone)

    def blend(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        fresh = replace(run, issued_utc=now - timedelta(hours=6))
        return forecast(place, history, issued_utc=now, grid=grid, learner=both, runs=(fresh,))

    def perfect(place: Site, history: History, now: datetime, grid: TimeGrid) -> Forecast:
        inside = min(grid.end_utc, study.end_utc)
        lengths = []
        for begin, hours in zip(grid.starts_utc, grid.hours, strict=True):
            if begin < inside:
                lengths.append(min(hours, (inside - begin) / timedelta(hours=1)))
        cut = TimeGrid(start_utc=grid.start_utc, hours=tuple(lengths))
        return perfect_forecast(study, forecast(place, history, issued_utc=now, grid=cut))

    return {"none": none, "history": own, "blend": blend, "perfect": perfect}


def run(
    *,
    name: str,
    station: int,
    start: datetime,
    days: float,
    seconds: float,
    replan_h: float,
    say: Callable[[str], None],
) -> dict[str, PolicyResult]:
    """Return one result a forecast."""
    site, rows = archive(name, station)
    study = study_of(site, rows, start, days, seed=0)
    results = {}
    for kind, outlook in outlooks(study, rows).items():
        course = run_policy(
            study,
            kind,
            policy("planner").plan,
            guards=guards_of(site),
            limits=SolveLimits(seconds=seconds, gap_frac=0.01),
            replan_s=replan_h * 3600.0,
            outlook=outlook,
        )
        found = results[kind] = result_of(study, course)
        say(
            f"{kind:<10} cost {found.cost_usd:8.1f} $  fuel {found.fuel_l:7.1f} L"
            f"  late {found.jobs_late:3d} of {found.jobs_total}"
            f"  PV used {found.pv_used_kwh:7.0f} of {found.pv_available_kwh:.0f} kWh  unserved {found.unserved_kwh:.1f} kWh"
            f"  plans {found.plan_levels}"
        )
    return results


def main() -> None:
    """Print one line a forecast."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast_worth")
    parser.add_argument("--site", default="container", help="example site that is put there")
    parser.add_argument("--station", type=int, default=1)
    parser.add_argument("--start", default="2019-02-04")
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--seconds", type=float, default=1.0, help="longest solve")
    parser.add_argument("--replan-hours", type=float, default=1.0, help="hours between plans")
    arguments = parser.parse_args()
    start = datetime.fromisoformat(arguments.start).replace(tzinfo=UTC) - timedelta(hours=8)
    run(
        name=arguments.site,
        station=arguments.station,
        start=start,
        days=arguments.days,
        seconds=arguments.seconds,
        replan_h=arguments.replan_hours,
        say=lambda text: print(text, flush=True),
    )


if __name__ == "__main__":
    main()
