"""The winner in closed loop with the real planner, over weighted four-day windows of the year.

The year is cut into windows of four days. They are sorted by how much diesel and sun the year kernel saw in
them and cut into as many strata as windows are wanted; the middle window of each stratum stands for all of it,
with its size as weight. Each is run by ``controller.studies`` (the daemon's forecast, planner, guards and the
perturbed plant), beginning at the state of charge that the kernel had there. The weighted figures stand beside
the kernel's for the same windows: that difference is what the kernel's rule of thumb misses, the perturbation
included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from controller.design.context import Context
from controller.design.detail import Detail
from controller.design.place import YEAR
from controller.studies.compare import run_comparison
from optimizer.sizing.inputs import Floats
from sites.schema.site import Site
from sites.times import HOUR

WINDOW_DAYS = 4
TICK_S = 300.0
"""Seconds between setpoints of the closed loop."""
GROWING = (
    "capacity_kwh",
    "charge_kw",
    "discharge_kw",
    "standby_kw",
    "heater_kw",
    "thermal_mass_kwh_per_k",
    "loss_kw_per_k",
)
"""Fields of a battery that grow with its capacity."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of the year."""

    day: int
    weight: float
    """Windows of the year that it stands for."""
    kernel: dict[str, float]
    planner: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class PlannerCheck:
    """The windows and what they add up to."""

    windows: tuple[Window, ...]
    replan_h: float
    """Hours between plans."""

    def total(self, who: str, name: str) -> float:
        """Return a figure summed over the year by weight; ``who`` is ``kernel`` or ``planner``."""
        return float(sum(window.weight * getattr(window, who)[name] for window in self.windows))

    def table(self) -> dict[str, object]:
        """Return names and rows for the report."""
        rows = [
            [
                f"day {window.day} to {window.day + WINDOW_DAYS}, weight {window.weight:.0f}",
                *(f"{window.kernel[name]:,.0f}" for name in ("fuel_l", "load_kwh", "unserved_kwh")),
                *(f"{window.planner[name]:,.0f}" for name in ("fuel_l", "load_kwh", "unserved_kwh")),
                f"{window.planner['work_value_usd']:,.0f}",
            ]
            for window in self.windows
        ]
        sums = [
            "year, by weight",
            *(f"{self.total('kernel', name):,.0f}" for name in ("fuel_l", "load_kwh", "unserved_kwh")),
            *(f"{self.total('planner', name):,.0f}" for name in ("fuel_l", "load_kwh", "unserved_kwh")),
            f"{self.total('planner', 'work_value_usd'):,.0f}",
        ]
        return {
            "names": [
                "window",
                "kernel: diesel [L]",
                "load [kWh]",
                "unserved [kWh]",
                "planner: diesel [L]",
                "load [kWh]",
                "unserved [kWh]",
                "work done [$]",
            ],
            "rows": [*rows, sums],
            "note": "The kernel's rules beside the real planner in closed loop on the perturbed plant (less battery, "
            "hungrier computers, random demand and jobs), for windows that stand for the year by their weight; "
            f"a new plan every {self.replan_h:g} h.",
        }


def windows_of(course: dict[str, Floats], step_h: float, count: int) -> list[tuple[int, float]]:
    """Return the first day and the weight of ``count`` windows that stand for the year."""
    steps = round(WINDOW_DAYS * 24.0 / step_h)
    whole = course["fuel_l"].size // steps
    fuel = course["fuel_l"][: whole * steps].reshape(whole, steps).sum(axis=1)
    sun = course["sun_kw"][: whole * steps].reshape(whole, steps).sum(axis=1)
    order = np.lexsort((-sun, fuel))
    strata = np.array_split(order, min(count, whole))
    scale = 365.0 / (whole * WINDOW_DAYS)
    return [(int(part[len(part) // 2]) * WINDOW_DAYS, len(part) * scale) for part in strata]


def sized_site(site: Site, detail: Detail) -> Site:
    """Return the site file of a design."""
    row = detail.row
    changes: dict[str, object] = {}
    if site.pv is not None:
        scale = float(row["pv_kwp"]) / sum(array.kwp for array in site.pv.arrays)
        arrays = tuple(array.model_copy(update={"kwp": array.kwp * scale}) for array in site.pv.arrays)
        inverters = tuple(each.model_copy(update={"ac_kw": each.ac_kw * scale}) for each in site.pv.inverters)
        changes["pv"] = site.pv.model_copy(update={"arrays": arrays, "inverters": inverters})
    if site.battery is not None:
        scale = float(row["battery_kwh"]) / site.battery.capacity_kwh
        grown = {name: getattr(site.battery, name) * scale for name in GROWING}
        changes["battery"] = site.battery.model_copy(update=grown)
        changes["bus"] = site.bus.model_copy(update={"inverter_kw": site.bus.inverter_kw * scale})
    if site.gensets:
        count = int(row["genset_count"]) if row["genset_kw"] > 0 else 0
        first = site.gensets[0]
        changes["gensets"] = tuple(
            first.model_copy(update={"name": f"diesel-{index + 1}", "rating_kw": float(row["genset_kw"])})
            for index in range(count)
        )
    return site.model_copy(update=changes)


def check_with_planner(
    context: Context, detail: Detail, folder: Path, count: int, *, replan_h: float = 1.0
) -> PlannerCheck:
    """Run the design with the real planner over ``count`` windows of the first weather year."""
    group = context.groups[detail.group]
    site = sized_site(group.site, detail)
    first = datetime(YEAR, 1, 1, tzinfo=UTC) - timedelta(hours=round(site.location.longitude / 15.0))
    steps = round(WINDOW_DAYS * 24.0 / context.step_h)
    found = []
    for day, weight in windows_of(detail.course, context.step_h, count):
        begin = round(day * 24.0 / context.step_h)
        soc = float(detail.course["soc_frac"][begin - 1]) if begin else group.kit.soc_initial_frac
        started = site
        if site.battery is not None:
            held = min(max(soc, site.battery.soc_min_frac), site.battery.soc_max_frac)
            started = site.model_copy(update={"battery": site.battery.model_copy(update={"soc_initial_frac": held})})
        result = run_comparison(
            started,
            policies=("planner",),
            start_utc=first + timedelta(days=day),
            days=float(WINDOW_DAYS),
            drain_days=0.0,
            seed=context.seed,
            folder=folder,
            replan_s=replan_h * HOUR.total_seconds(),
            tick_s=TICK_S,
        )[0]
        part = slice(begin, begin + steps)
        kernel = {name: float(detail.course[name][part].sum()) for name in ("fuel_l", "load_kwh", "unserved_kwh")}
        planner = {name: float(getattr(result, name)) for name in (*kernel, "work_value_usd")}
        found.append(Window(day=day, weight=weight, kernel=kernel, planner=planner))
    return PlannerCheck(windows=tuple(found), replan_h=replan_h)
