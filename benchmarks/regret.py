"""Regret: what each policy costs above the perfect-foresight bound, eight four-day windows over the year at two sites.

    python -m benchmarks.regret --results regret.jsonl      every case not yet in the file, two processes; then the table
    python -m benchmarks.regret --results regret.jsonl --show     the table of what is there
    python -m benchmarks.regret --quick                     one winter window of the cabinet, as CI runs it
    python -m benchmarks.regret --treatments --days 1 --drain-days 2 --results sun.jsonl
                                                            ways to treat an uncertain sun, one against the other

Replanned hourly with 2 s a solve, on the perturbed plant; sites, windows, demand and jobs in :mod:`benchmarks.regret_cases`.
Same weather, jobs, start and drain for all; energy missing from the battery at the end and every litre burnt are priced.

    regret            cost - cost of the bound, $
    of net            regret / net value of the bound,  net value = value of all work that came - cost       target <= 3 %
    of cost           regret / cost of the bound
    share of gain     (cost of fifo - cost) / (cost of fifo - cost of the bound), in $; beside it litres saved against fifo

``knowing`` is the planner with perfect forecasts on a plant as its data sheets say, against the bound of that plant: what it
leaves is looseness of the bound and plans that end at their horizon, not forecasts or a plant that differs. The results file
holds one case a line; a run that was stopped goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.regret_cases import (
    BOUND,
    DRAIN_DAYS,
    KNOWING,
    KNOWING_BOUND,
    POLICIES,
    SITES,
    TREATMENTS,
    WINDOW_DAYS,
    Case,
    cases,
    site_of,
    start_utc,
)
from controller.studies.closed_loop import own_past, perfect_forecast, prepare_study, run_policy
from controller.studies.compare import guards_of
from controller.studies.foresight import foresight_bound
from controller.studies.result import PolicyResult, result_of
from optimizer.policies import policy
from optimizer.problem import SolveLimits

TARGET = 0.03
BOUND_SECONDS = 60.0
TICK_S = 60.0
Results = dict[str, PolicyResult]


def run_case(
    case: Case, *, days: float, drain_days: float, seconds: float, bound_seconds: float, tick_s: float
) -> PolicyResult:
    """Return what one policy did in one window, or the bound of that window."""
    knowing = case.policy in (KNOWING, KNOWING_BOUND)
    site = site_of(case.site, perturbed=not knowing, uncertainty=TREATMENTS.get(case.policy))
    study = prepare_study(
        site,
        start_utc=start_utc(site, case.window),
        days=days,
        drain_days=drain_days,
        beyond_days=3.0 if knowing else 0.0,
    )
    if case.policy in (BOUND, KNOWING_BOUND):
        found = foresight_bound(study, policy("planner").plan, seconds=bound_seconds)
        return found.model_copy(update={"policy": case.policy})
    outlook = None
    if knowing:
        outlook = lambda *known: perfect_forecast(study, own_past(*known))  # noqa: E731
    course = run_policy(
        study,
        case.policy,
        policy("planner" if knowing or case.policy in TREATMENTS else case.policy).plan,
        tick_s=tick_s,
        guards=guards_of(site),
        limits=SolveLimits(seconds=seconds),
        outlook=outlook,
    )
    return result_of(study, course)


def read_results(path: Path) -> Results:
    """Return the finished cases of a results file; a line cut short by a stop counts as not run."""
    found: Results = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[entry["case"]] = PolicyResult.model_validate(entry["result"])
    return found


def run(wanted: Sequence[Case], path: Path | None, *, processes: int, **options: float) -> Results:
    """Run every case that is not in the file yet and return all results."""
    found = read_results(path) if path else {}
    todo = [case for case in wanted if case.key not in found]
    begin = time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(run_case, case, **options): case for case in todo}
        for count, future in enumerate(as_completed(futures), 1):
            case, result = futures[future], future.result()
            found[case.key] = result
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"case": case.key, "result": result.model_dump(mode="json")}) + "\n")
            spent = time.monotonic() - begin
            left_min = spent / count * (len(todo) - count) / 60.0
            print(f"{count}/{len(todo)} {case.key}: {result.cost_usd:,.1f} $, {left_min:.0f} min left", flush=True)
    return found


def table(
    results: Mapping[str, PolicyResult], site: str, windows: Iterable[int], policies: Iterable[str] = POLICIES
) -> Table:
    """Return the table of a site, summed over the windows in which every policy has run."""
    names = [*policies, BOUND]
    full = [w for w in windows if all(f"{site}/{w}/{name}" in results for name in names)]
    spans = {f"{r.days:g} + {r.drain_days:g} days" for r in (results[f"{site}/{w}/{BOUND}"] for w in full)}
    shown = Table(title=f"{site}: {len(full)} windows of {', '.join(sorted(spans))}")
    for heading in (
        "",
        "cost [$]",
        "regret [$]",
        "of net",
        "worst",
        "of cost",
        "share of gain",
        "fuel [L]",
        "saved [L]",
    ):
        shown.add_column(heading, justify="right" if heading else "left")
    for name in (*names, KNOWING):
        base = KNOWING_BOUND if name == KNOWING else BOUND
        have = [w for w in full if f"{site}/{w}/{name}" in results and f"{site}/{w}/{base}" in results]
        if have:
            shown.add_row(name, *_row(results, site, name, base, have))
    return shown


def _row(results: Mapping[str, PolicyResult], site: str, name: str, base: str, windows: list[int]) -> list[str]:
    own = [results[f"{site}/{w}/{name}"] for w in windows]
    bounds = [results[f"{site}/{w}/{base}"] for w in windows]
    fifo = [results.get(f"{site}/{w}/fifo") for w in windows]
    regrets = [a.cost_usd - b.cost_usd for a, b in zip(own, bounds, strict=True)]
    nets = [b.work_offered_usd - b.cost_usd for b in bounds]
    cost, bound_usd = sum(r.cost_usd for r in own), sum(r.cost_usd for r in bounds)
    litres = sum(r.fuel_l for r in own)
    first = [r for r in fifo if r is not None]
    fifo_usd, fifo_l = sum(r.cost_usd for r in first), sum(r.fuel_l for r in first)
    comparable = name not in (KNOWING, "fifo") and len(first) == len(windows)
    return [
        f"{cost:,.0f}",
        f"{sum(regrets):,.0f}",
        f"{sum(regrets) / sum(nets):.1%}",
        f"{max(r / n for r, n in zip(regrets, nets, strict=True)):.1%}",
        f"{sum(regrets) / abs(bound_usd):.0%}",
        f"{(fifo_usd - cost) / (fifo_usd - bound_usd):.2f}" if comparable else "",
        f"{litres:,.0f}",
        f"{fifo_l - litres:,.0f}" if comparable else "",
    ]


def faults(results: Mapping[str, PolicyResult]) -> list[str]:
    """Return every policy that cost less than the bound of its window: a bug of bound, ledger or plant."""
    found = []
    for key, result in results.items():
        site, window, name = key.split("/")
        base = KNOWING_BOUND if name in (KNOWING, KNOWING_BOUND) else BOUND
        bound = results.get(f"{site}/{window}/{base}")
        if bound is not None and result.cost_usd < bound.cost_usd - 1e-6:
            found.append(f"BUG: {key} costs {result.cost_usd:.2f} $, less than its bound {bound.cost_usd:.2f} $")
    return found


def verdict(results: Mapping[str, PolicyResult], site: str, windows: Iterable[int]) -> str:
    """Return whether the planner met the target at a site, over the windows that it ran."""
    keys = [(f"{site}/{w}/planner", f"{site}/{w}/{BOUND}") for w in windows]
    pairs = [(results[a], results[b]) for a, b in keys if a in results and b in results]
    if not pairs:
        return f"{site}: no window ran yet"
    regret = sum(a.cost_usd - b.cost_usd for a, b in pairs)
    net = sum(b.work_offered_usd - b.cost_usd for _, b in pairs)
    met = "met" if regret <= TARGET * net else "MISSED"
    return f"{site}: regret of the planner {regret / net:.2%} of net value, target <= {TARGET:.0%}: {met}"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Regret of every policy against the perfect-foresight bound.")
    parser.add_argument("--quick", action="store_true", help="one winter window of the cabinet, cut to a day")
    parser.add_argument("--results", type=Path, help="file of finished cases: read, and added to")
    parser.add_argument("--show", action="store_true", help="only print the table of the file")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--site", choices=SITES, action="append", help="only this site")
    parser.add_argument("--window", type=int, choices=range(8), action="append", help="only this window")
    parser.add_argument("--solve-seconds", type=float, default=2.0)
    parser.add_argument("--treatments", action="store_true", help="only the planner, with each way to treat the sun")
    parser.add_argument("--days", type=float, help="days of each window in which jobs come")
    parser.add_argument("--drain-days", type=float, help="days after that")
    arguments = parser.parse_args()
    sites = ("cabinet",) if arguments.quick else tuple(arguments.site or SITES)
    windows = (0,) if arguments.quick else tuple(arguments.window or range(8))
    names = (BOUND, *TREATMENTS) if arguments.treatments else (BOUND, *POLICIES, KNOWING, KNOWING_BOUND)
    wanted = () if arguments.show else cases(sites=sites, windows=windows, names=names)
    options = {
        "days": arguments.days or (1.0 if arguments.quick else WINDOW_DAYS),
        "drain_days": arguments.drain_days or (2.0 if arguments.quick else DRAIN_DAYS),
        "seconds": arguments.solve_seconds,
        "bound_seconds": 15.0 if arguments.quick else BOUND_SECONDS,
        "tick_s": 300.0 if arguments.quick else TICK_S,
    }
    results = run(wanted, arguments.results, processes=arguments.processes, **options)
    console = Console(width=120)
    for site in sites:
        console.print(table(results, site, windows, TREATMENTS if arguments.treatments else POLICIES))
        if not arguments.treatments:
            print(verdict(results, site, windows))
    bugs = faults(results)
    print("\n".join(bugs) or "nothing costs less than its bound")
    if bugs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
