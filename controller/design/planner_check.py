"""Finalists and the base case in closed loop with the real planner, over weighted four-day windows of the year.

The year is cut into windows of four days. They are sorted by how much diesel and sun the year kernel saw in them for the
winner and cut into as many strata as windows are wanted; the middle window of each stratum stands for all of it, with its
size as weight. The same windows serve all designs. Each is run by ``controller.studies`` (the daemon's forecast, planner,
guards and the perturbed plant), beginning at the state of charge that the kernel had there. The weighted figures stand
beside the kernel's for the same windows: that difference is what the kernel's rule of thumb misses, the perturbation
included. A window that was run is kept in the study's folder under the hash of all it depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from controller.design.context import Context, Group
from controller.design.evaluate import judge, tables
from controller.design.place import YEAR
from controller.design.sized import sized_site
from controller.studies.compare import run_comparison
from optimizer.plan import Level
from optimizer.sizing.full import trace
from optimizer.sizing.inputs import Floats
from sites.schema.site import Site
from sites.times import HOUR

WINDOW_DAYS = 4
TICK_S = 300.0
"""Seconds between setpoints of the closed loop."""
SOLVE_S = 12.0
"""Longest solve of a plan: several times the daemon's, so that a busy machine changes little."""
FIGURES = ("fuel_l", "load_kwh", "unserved_kwh")
"""Compared between kernel and planner."""
Progress = Callable[[int, int], None]
"""Called with the windows done and all."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A design to be run with the planner."""

    title: str
    context: Context
    """Of the study; for the base case with the base site's own sizes as the only grid point."""
    group: Group
    at: tuple[int, ...]
    """Grid coordinates."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of the year for one design."""

    day: int
    weight: float
    """Windows of the year that it stands for."""
    kernel: dict[str, float]
    planner: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A design with the kernel and with the planner."""

    title: str
    row: pd.Series
    windows: tuple[Window, ...]

    def total(self, who: str, name: str) -> float:
        """Return a figure summed over the year by weight; ``who`` is ``kernel`` or ``planner``."""
        return float(sum(window.weight * getattr(window, who)[name] for window in self.windows))


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A window to run; plain data for another process."""

    site: Site
    start_utc: datetime
    seed: int
    folder: Path
    replan_h: float
    solve_s: float

    def key(self) -> str:
        """Return the hash of all that the result depends on."""
        how = f"{self.start_utc}|{self.seed}|{self.replan_h}|{self.solve_s}|{TICK_S}|{WINDOW_DAYS}"
        text = f"{self.site.model_dump_json()}|{how}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]


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


def check_with_planner(
    candidates: Sequence[Candidate],
    *,
    site_folder: Path,
    kept_in: Path,
    count: int,
    replan_h: float,
    solve_s: float = SOLVE_S,
    workers: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> tuple[Checked, ...]:
    """Run designs, the winner first, with the real planner over ``count`` windows of the first weather year."""
    seen = [_course(candidate) for candidate in candidates]
    step_h = candidates[0].context.step_h
    windows = windows_of(seen[0][1], step_h, count)
    tasks = [
        _task(candidate, row, course, day, site_folder, replan_h, solve_s)
        for candidate, (row, course) in zip(candidates, seen, strict=True)
        for day, _ in windows
    ]
    results = _run_all(tasks, kept_in, workers, progress)
    steps = round(WINDOW_DAYS * 24.0 / step_h)
    checked = []
    for candidate, (row, course) in zip(candidates, seen, strict=True):
        own = []
        for day, weight in windows:
            begin = round(day * 24.0 / step_h)
            kernel = {name: float(course[name][begin : begin + steps].sum()) for name in FIGURES}
            soc = course["soc_frac"]
            kernel["stored_kwh"] = float(
                (soc[begin + steps - 1] - _soc_at(candidate, course, begin)) * row["battery_kwh"]
            )
            own.append(Window(day=day, weight=weight, kernel=kernel, planner=next(results)))
        checked.append(Checked(title=candidate.title, row=row, windows=tuple(own)))
    return tuple(checked)


def _course(candidate: Candidate) -> tuple[pd.Series, dict[str, Floats]]:
    """Return a candidate's row and its course over the first weather year."""
    context, group = candidate.context, candidate.group
    at = np.array([candidate.at], dtype=np.int64)
    years = tables(context, group, years=1)
    judged = judge(context, group, at, years)
    course = trace(years[0], context.step_h, judged.designs, group.kit)
    row = judged.rows.iloc[0]
    course["sun_kw"] = context.weather[group.years].sun_kw_per_kwp[0] * float(row["pv_kwp"])
    return row, course


def _soc_at(candidate: Candidate, course: dict[str, Floats], begin: int) -> float:
    return float(course["soc_frac"][begin - 1]) if begin else candidate.group.kit.soc_initial_frac


def _task(
    candidate: Candidate,
    row: pd.Series,
    course: dict[str, Floats],
    day: int,
    folder: Path,
    replan_h: float,
    solve_s: float,
) -> _Task:
    group = candidate.group
    begin = round(day * 24.0 / candidate.context.step_h)
    first = datetime(YEAR, 1, 1, tzinfo=UTC) - timedelta(hours=round(group.site.location.longitude / 15.0))
    return _Task(
        site=sized_site(group.site, row, soc_frac=_soc_at(candidate, course, begin)),
        start_utc=first + timedelta(days=day),
        seed=candidate.context.seed,
        folder=folder,
        replan_h=replan_h,
        solve_s=solve_s,
    )


def _run_all(tasks: Sequence[_Task], kept_in: Path, workers: int, progress: Progress) -> Iterator[dict[str, float]]:
    """Return an iterator over the results in the order of the tasks; runs only those that are not kept yet."""
    kept_in.mkdir(parents=True, exist_ok=True)
    files = [kept_in / f"{task.key()}.json" for task in tasks]
    left = {file: task for file, task in zip(files, tasks, strict=True) if not file.exists()}
    done = len(tasks) - len(left)
    progress(done, len(tasks))
    if workers > 1 and len(left) > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_quiet) as pool:
            for future in as_completed([pool.submit(_run, task, file) for file, task in left.items()]):
                future.result()
                done += 1
                progress(done, len(tasks))
    else:
        for file, task in left.items():
            _run(task, file)
            done += 1
            progress(done, len(tasks))
    return iter([json.loads(file.read_text(encoding="utf-8")) for file in files])


def _quiet() -> None:
    """Leave the terminal to the one progress bar."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _run(task: _Task, file: Path) -> None:
    result = run_comparison(
        task.site,
        policies=("planner",),
        start_utc=task.start_utc,
        days=float(WINDOW_DAYS),
        drain_days=0.0,
        seed=task.seed,
        folder=task.folder,
        replan_s=task.replan_h * HOUR.total_seconds(),
        solve_seconds=task.solve_s,
        tick_s=TICK_S,
    )[0]
    battery = task.site.battery
    stored = (result.soc_end_frac - battery.soc_initial_frac) * battery.capacity_kwh if battery else 0.0
    found = {name: float(getattr(result, name)) for name in (*FIGURES, "work_value_usd", "jobs_late", "jobs_done")}
    fresh = file.with_suffix(".tmp")
    found |= {
        "stored_kwh": stored,
        "plans": float(result.plans),
        "plans_in_gap": float(result.plan_levels.get(Level.OPTIMAL.value, 0)),
    }
    fresh.write_text(json.dumps(found), encoding="utf-8")
    fresh.replace(file)
