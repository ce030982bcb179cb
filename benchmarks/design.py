"""Speed of site design, with the targets beside it, and the microgrids package in the same run.

One-core rates count processor time, the others wall time.

``python -m benchmarks.design [--quick]``: design-years a second of the simple and the full model on one core, the
63,257-design grid of the reference on all cores with its optimum, 10,000 designs times 20 weather years, how
much halving the step changes, how many simulations the search needs, and how far PV energy, cost and ageing lie from
figures of others. ``--quick`` takes a tenth of the designs.
The year is the reference container's where it is at hand, else a made-up one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.design_accuracy import accuracy
from controller.design.place import YEAR, powers_kw
from forecasting.prepare import site_weather
from forecasting.sun import quick_sun_path, sun_path
from forecasting.weather.calendar import weather_for_period
from optimizer.rules.deferral import DeferralParams
from optimizer.rules.dispatch import CYCLE_CHARGING, LOAD_FOLLOWING, RuleParams
from optimizer.sizing import full
from optimizer.sizing.battery_life import life_band
from optimizer.sizing.full_params import FullParams
from optimizer.sizing.inputs import Floats, Sizes, YearSeries
from optimizer.sizing.lifecycle import LifePrices, YearFigures, life_cost
from optimizer.sizing.search import search
from optimizer.sizing.simple import SimpleBattery, SimplePrices, price, simulate
from sites.load import find_site, load_site
from sites.plant.battery import BatteryParams
from sites.plant.genset import GensetParams
from sites.plant.thermal import ClimateParams

SHARED = Path(os.environ.get("MDC_SHARED", Path(__file__).resolve().parents[2] / "shared"))
GENSET = np.array([0.001, *np.arange(10.0, 161.0, 10.0)])
BATTERY = np.array([0.001, *np.arange(100.0, 6001.0, 100.0)])
PV = np.array([0.001, *np.arange(25.0, 1501.0, 25.0)])
KIT = full.Equipment(
    battery=BatteryParams(1.0, 0.4, 0.4, self_use_kw=3e-4, heat_capacity_kwh_per_k=0.003, ua_kw_per_k=2e-4),
    engine=GensetParams(1.0, 0.04, 0.1, 0.16, 0.217, 0.279),
    climate=ClimateParams(110.0),
    rule=RuleParams(LOAD_FOLLOWING, False, 0.2, 0.3),
    deferral=DeferralParams(eco_power_frac=0.6, eco_speed_frac=0.8),
    shared=FullParams(mttf_h=full.MTTF_H),
)


def line(what: str, found: str, target: str = "") -> None:
    """Print one row of the table."""
    print(f"{what:62s} {found:>32s}   {target}")


def container_year() -> YearSeries:
    """Return the reference year, or a made-up one of the same size."""
    path = SHARED / "reference/design/mdc_year_inputs.csv"
    if path.exists():
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        load = np.array([float(row["load_kw"]) for row in rows])
        sun = np.array([float(row["pv_ac_kw_per_kwp"]) for row in rows])
        outdoor = np.array([float(row["temp_air_c"]) for row in rows])
    else:
        hour = np.arange(8760.0)
        load = 80.0 + 20.0 * np.sin(2 * np.pi * (hour % 24) / 24)
        sun = np.maximum(0.0, np.sin(2 * np.pi * ((hour % 24) / 24 - 0.25))) * 0.7
        outdoor = 15.0 + 10.0 * np.sin(2 * np.pi * (hour / 8760 - 0.25))
    return YearSeries(load_kw=load, pv_kw_per_kwp=sun, outdoor_c=outdoor, step_h=1.0)


def surroundings(series: YearSeries, wait_h: float = 48.0) -> full.Surroundings:
    """Return the full model's surroundings: half of the load waits."""
    return full.Surroundings(
        house_kw=np.full(series.load_kw.size, 4.5),
        service_kw=0.5 * series.load_kw,
        works=(full.Work(kw=0.4 * series.load_kw, wait_h=wait_h),),
        pv_kw_per_kwp=series.pv_kw_per_kwp,
        outdoor_c=series.outdoor_c,
        step_h=series.step_h,
    )


def full_designs(count: int) -> full.Designs:
    """Return a fan of container designs."""
    dice = np.random.default_rng(1)
    same = np.ones(count)
    return full.Designs(
        genset_kw=dice.uniform(40.0, 90.0, count),
        genset_count=same * 2.0,
        battery_kwh=dice.uniform(500.0, 3000.0, count),
        pv_kw=dice.uniform(200.0, 900.0, count),
        batch_kw=same * 60.0,
        cooling_kw=same * 120.0,
        service_scale=same,
        tank_l=same * 1e6,
    )


def part(designs: full.Designs, begin: int, end: int) -> full.Designs:
    """Return some of the designs."""
    return full.Designs(**{name: getattr(designs, name)[begin:end] for name in designs.__dataclass_fields__})


def timed(work: Callable[[], object]) -> float:
    """Return the processor seconds of one call on one thread: other programs on the machine do not count."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def grid(series: YearSeries, workers: int) -> tuple[Sizes, Floats, Floats]:
    """Return sizes, NPC and shed share of the reference grid."""
    sizes = Sizes.grid(GENSET, BATTERY, PV)
    edges = np.linspace(0, sizes.count, 8 * workers + 1).astype(int)

    def run(index: int) -> tuple[Floats, Floats]:
        some = sizes.take(slice(int(edges[index]), int(edges[index + 1])))
        cost = price(series, some, simulate(series, some, SimpleBattery()), SimplePrices())
        return cost.npc_usd, cost.shed_frac

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(run, range(8 * workers)))
    return sizes, np.concatenate([npc for npc, _ in found]), np.concatenate([shed for _, shed in found])


def speeds(series: YearSeries, quick: bool) -> None:
    """Simple and full model on one core, the microgrids package beside them."""
    count = 2048 if quick else 16384
    sizes = Sizes.grid(GENSET, BATTERY, PV).take(np.arange(0, count) * 3)
    simulate(series, sizes.take(slice(0, 8)), SimpleBattery())
    best = min(timed(lambda: simulate(series, sizes, SimpleBattery())) for _ in range(3))
    line("simple model, one core [design-years/s]", f"{count / best:,.0f}", ">= 50,000")
    around, some = surroundings(series), full_designs(1024 if quick else 4096)
    table = full.step_table(around, KIT, seed=1, draw=0)
    full.simulate(table, 1.0, part(some, 0, 8), KIT)
    best = min(timed(lambda: full.simulate(table, 1.0, some, KIT)) for _ in range(3))
    line("full model, one core [design-years/s]", f"{some.count / best:,.0f}", ">= 5,000")
    theirs = microgrids_rate(series, 10 if quick else 60)
    line("microgrids package, one core [design-years/s]", theirs, "48-82 seen elsewhere")


def microgrids_rate(series: YearSeries, count: int) -> str:
    """Return the design-years a second of the microgrids package, or why there is none."""
    try:
        import microgrids
    except ImportError:
        return "package not installed"
    project = microgrids.Project(25, 0.08, 1.0)
    begin = time.thread_time()
    for index in range(count):
        generator = microgrids.DispatchableGenerator(100.0 + index, 0.0274, 0.2461, 1.2, 500.0, 0.02, 15000.0)
        store = microgrids.Battery(1200.0, 300.0, 6.0, 15.0, 6000.0, 0.5, 0.5, 0.05, 0.1, 0.5)
        sun = microgrids.Photovoltaic(600.0, series.pv_kw_per_kwp, 1000.0, 15.0, 25.0, 1.0)
        microgrids.Microgrid(project, series.load_kw, generator, store, {"pv": sun}).simulate()
    return f"{count / (time.thread_time() - begin):,.1f}"


def grid_and_search(series: YearSeries, workers: int) -> None:
    """The reference grid on all cores, its optima, and the search."""
    grid(series, workers)
    begin, used = time.perf_counter(), time.process_time()
    sizes, npc, shed = grid(series, workers)
    spent = f"{time.perf_counter() - begin:.2f} ({time.process_time() - used:.2f} of processor)"
    line(f"grid of {sizes.count:,} designs, {workers} cores [s]", spent, "<= 2")
    path = SHARED / "reference/design/mdc_year_grid_optima.json"
    optima = json.loads(path.read_text(encoding="utf-8"))["optima"] if path.exists() else []
    for optimum in optima:
        limit = optimum["max_shed_rate"]
        best = int(np.argmin(np.where(shed <= limit + 1e-12, npc, np.inf)))
        same = (sizes.genset_kw[best], sizes.battery_kwh[best], sizes.pv_kw[best]) == (
            optimum["gen_kw"],
            optimum["bat_kwh"],
            optimum["pv_kw"],
        )
        error = abs(npc[best] / optimum["npc"] - 1.0)
        line(f"  optimum, shed <= {limit:g}", f"{'same' if same else 'OTHER'}, NPC {error:.0e} off", "same, 1e-9")

        def evaluate(at: np.ndarray, limit: float = limit) -> tuple[Floats, Floats]:
            some = Sizes(genset_kw=GENSET[at[:, 0]], battery_kwh=BATTERY[at[:, 1]], pv_kw=PV[at[:, 2]])
            cost = price(series, some, simulate(series, some, SimpleBattery()), SimplePrices())
            return cost.npc_usd, np.maximum(0.0, cost.shed_frac - limit - 1e-12)

        found = search(evaluate, (GENSET.size, BATTERY.size, PV.size))
        hit = abs(found.cost / optimum["npc"] - 1.0) < 1e-9
        line("  search", f"{found.simulations} simulations, {'same' if hit else 'OTHER'}", "<= 1,000")


def weather_years(series: YearSeries, workers: int, quick: bool) -> None:
    """Many designs over many weather years with the full model."""
    designs = full_designs(1024 if quick else 10000)
    years = 4 if quick else 20
    around = surroundings(series)
    tables = [full.step_table(around, KIT, seed=2, draw=draw) for draw in range(years)]
    edges = np.linspace(0, designs.count, 2 * workers + 1).astype(int)
    tasks = [(table, int(a), int(b)) for table in tables for a, b in pairwise(edges)]
    begin, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda task: full.simulate(task[0], 1.0, part(designs, task[1], task[2]), KIT), tasks))
    spent = f"{time.perf_counter() - begin:.1f} ({time.process_time() - used:.1f} of processor)"
    line(f"{designs.count:,} designs x {years} years, full, {workers} cores [s]", spent, "<= 60 (10,000 x 20)")


def halving(series: YearSeries) -> None:
    """What halving the step does to fuel and cost of 64 container designs, under the rules that studies use."""
    designs = full_designs(64)
    rules = (
        ("load following", RuleParams(LOAD_FOLLOWING, False, 0.2, 0.3), (0.4, 0.8)),
        ("cycle charging", RuleParams(CYCLE_CHARGING, False, 0.2, 0.8), (0.8, 1.0)),
    )
    for name, rule, (low, high) in rules:
        deferral = KIT.deferral._replace(soc_low_frac=low, soc_high_frac=high)
        for wait_h in (0.0, 48.0):
            kit = full.Equipment(
                battery=KIT.battery, engine=KIT.engine, climate=KIT.climate, rule=rule, deferral=deferral
            )
            around = surroundings(series, wait_h)
            runs = [
                full.simulate(full.step_table(place, kit), place.step_h, designs, kit)
                for place in (around, around.finer(2))
            ]
            what = f"step halved, {name}, work waits {wait_h:g} h"
            for figure, values in (
                ("fuel", [run["fuel_l"] for run in runs]),
                ("LCOE", [lcoe(run, designs, kit) for run in runs]),
            ):
                change = np.abs(values[1] / values[0] - 1.0)
                line(f"{what}: {figure}", f"median {np.median(change):.2%}, worst {change.max():.2%}", "<= 0.5 %")


def lcoe(totals: full.Totals, designs: full.Designs, kit: full.Equipment) -> Floats:
    """Return the levelised cost of each design at the default prices."""
    life = life_band("lfp", totals, designs, kit, end_frac=0.7)
    year = YearFigures(
        fuel_l=totals["fuel_l"],
        genset_h=totals["genset_h"],
        starts=totals["starts"],
        served_kwh=totals["load_kwh"] - totals["unserved_kwh"] - totals["batch_shed_kwh"],
        unserved_kwh=totals["unserved_kwh"],
        late_kwh_h=totals["late_kwh_h"],
    )
    return life_cost(designs, year, life, LifePrices()).lcoe_usd_per_kwh


def site_year() -> None:
    """The PV chain over a year of the container, and what the quick sun position changes."""
    base = find_site("container")
    site = load_site(base)
    source = site_weather(site, folder=base.parent)
    begin = datetime(YEAR, 1, 1, tzinfo=UTC) - timedelta(hours=source.utc_offset_h)
    frame = weather_for_period(source, start_utc=begin, end_utc=begin + timedelta(days=365), step_s=3600)
    powers_kw({"site": site}, frame, 3600)
    best_ms = 1e3 * min(timed(lambda: powers_kw({"site": site}, frame, 3600)) for _ in range(5))
    line("PV, a site-year of two arrays at hourly steps [ms]", f"{best_ms:.1f}", "<= 20")
    times = pd.DatetimeIndex(frame.index) + pd.Timedelta(minutes=30)
    here = {"latitude_deg": site.location.latitude, "longitude_deg": site.location.longitude}
    quick, exact = quick_sun_path(times, **here), sun_path(times, **here, altitude_m=0.0)
    away = np.abs(quick.elevation_deg - exact.elevation_deg).max()
    line("  quick sun position against SPA, worst hour [degrees]", f"{away:.4f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the designs")
    quick = parser.parse_args().quick
    series = container_year()
    workers = min(2, os.cpu_count() or 1)
    speeds(series, quick)
    grid_and_search(series, workers)
    weather_years(series, workers, quick)
    halving(series)
    site_year()
    for row in accuracy(SHARED / "reference"):
        line(*row)


if __name__ == "__main__":
    main()
