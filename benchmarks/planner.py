"""How fast the planner gets how close, beside the same problem given whole to HiGHS and in the naive form.

    python -m benchmarks.planner [--quick] [--only TEXT] [--seeds N]

Gap = (bound - plan) / |net value|; net value = value of work minus all costs; the bound comes from relaxations only and the
plan has passed the plant check. Wall seconds on this machine, one process of two threads; the load beside it is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import dataclass

from benchmarks.planner_naive import naive_program
from benchmarks.planner_problems import container_problem, equal_grid, production_grid
from optimizer.check import check
from optimizer.model.build import build
from optimizer.model.layout import layout_of
from optimizer.planner import plan
from optimizer.problem import Problem, SolveLimits
from optimizer.solve.session import NoPlanFoundError
from optimizer.solve.whole import solve_whole
from sites.times import TimeGrid, uniform_grid


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table."""

    name: str
    grid: TimeGrid
    jobs: int
    scenarios: int
    target_gap: float
    target_s: float


CASES = (
    Case(name="80 steps, 200 jobs", grid=production_grid(), jobs=200, scenarios=0, target_gap=0.005, target_s=4),
    Case(name="80 steps, 1000 jobs", grid=production_grid(), jobs=1000, scenarios=0, target_gap=0.005, target_s=4),
    Case(name="192 steps, 200 jobs", grid=equal_grid(), jobs=200, scenarios=0, target_gap=0.005, target_s=8),
    Case(name="192 steps, 1000 jobs", grid=equal_grid(), jobs=1000, scenarios=0, target_gap=0.005, target_s=8),
    Case(
        name="80 steps, 200 jobs, 5 scenarios",
        grid=production_grid(),
        jobs=200,
        scenarios=5,
        target_gap=0.01,
        target_s=15,
    ),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="one case, one seed, no growth")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--whole-seconds", type=float, default=60.0, help="time for whole HiGHS and the naive form")
    parser.add_argument("--only", default="", help="cases whose name contains this, and nothing beside them")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"{'case':34} {'s median':>8} {'worst':>6} {'target':>6}   {'gap median':>10} {'worst':>7} {'target':>7}  faults"
    )
    for case in CASES[:1] if options.quick else CASES:
        if options.only in case.name:
            _row(case, 1 if options.quick else options.seeds)
    if options.only:
        return
    seconds = 5.0 if options.quick else options.whole_seconds
    _beside(CASES[0], seconds)
    if not options.quick:
        _growth()


def _solve(problem: Problem, gap: float, seconds: float) -> tuple[float, float, int]:
    limits = SolveLimits(seconds=seconds, gap_frac=gap)
    posed = problem.model_copy(update={"limits": limits})
    start = time.perf_counter()
    try:
        made = plan(posed)
    except NoPlanFoundError:
        return time.perf_counter() - start, float("inf"), 1
    spent = time.perf_counter() - start
    return spent, made.gap_frac if made.gap_frac is not None else float("inf"), len(check(posed, made))


def _row(case: Case, seeds: int) -> None:
    found = []
    for seed in range(seeds):
        problem = container_problem(seed, jobs=case.jobs, grid=case.grid, scenarios=case.scenarios)
        found.append(_solve(problem, case.target_gap, case.target_s))
    times, gaps = [one[0] for one in found], [one[1] for one in found]
    print(
        f"{case.name:34} {statistics.median(times):8.2f} {max(times):6.2f} {case.target_s:6.0f}   "
        f"{statistics.median(gaps):10.3%} {max(gaps):7.2%} {case.target_gap:7.2%}  {sum(one[2] for one in found)}",
        flush=True,
    )


def _beside(case: Case, seconds: float) -> None:
    problem = container_problem(0, jobs=case.jobs, grid=case.grid)
    print(f"\nbeside it, {case.name}, seed 0, {seconds:.0f} s (gap by the program's own bound)")
    for name, program in (
        ("whole model, HiGHS", build(layout_of(problem)).program),
        ("naive form, HiGHS", naive_program(problem)),
    ):
        answer = solve_whole(program, seconds=seconds, gap_frac=case.target_gap)
        gap = (answer.cost - answer.bound) / max(abs(answer.cost), 1.0) if answer.found else float("nan")
        print(
            f"  {name:22} {len(program.cost):7d} variables, {int(program.integer.sum()):6d} integer: "
            f"{answer.seconds:6.1f} s, {'gap ' + format(gap, '.2%') if answer.found else 'no plan found'}",
            flush=True,
        )


def _growth() -> None:
    print("\nhow time grows (seed 0, gap 0.5 %, 30 s at most)")
    for jobs in (50, 200, 500, 1000):
        _grown(f"jobs {jobs}", container_problem(0, jobs=jobs))
    for steps in (24, 48, 96, 192):
        grid = uniform_grid(production_grid().start_utc, hours=48.0 / steps, steps=steps)
        _grown(f"steps {steps}", container_problem(0, jobs=100, grid=grid))
    for gensets in (1, 2, 4):
        _grown(f"gensets {gensets}", container_problem(0, jobs=100, gensets=gensets))
    for scenarios in (1, 3, 5, 10):
        _grown(f"scenarios {scenarios}", container_problem(0, jobs=100, scenarios=scenarios))


def _grown(name: str, problem: Problem) -> None:
    spent, gap, _ = _solve(problem, 0.005, 30.0)
    print(f"  {name:16} {spent:6.2f} s  gap {gap:.2%}", flush=True)


if __name__ == "__main__":
    main()
