"""Policies side by side on one study: run, bound, and the table that says what each is worth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from controller.guards.chain import apply_guards
from controller.guards.records import GuardMemory
from controller.jobs_file import read_jobs
from controller.setpoints import Setpoints
from controller.snapshot import Snapshot
from controller.studies.closed_loop import Guards, Outlook, Study, prepare_study, run_policy
from controller.studies.foresight import foresight_bound
from controller.studies.outlooks import site_outlook
from controller.studies.result import PolicyResult, result_of
from forecasting.prepare import read_weather
from optimizer.policies import POLICIES, policy
from optimizer.problem import SolveLimits
from sites.errors import InputError
from sites.schema.site import Site

ORACLE = "oracle"


def run_comparison(
    site: Site,
    *,
    policies: Sequence[str],
    start_utc: datetime,
    days: float,
    drain_days: float = 3.0,
    seed: int = 0,
    folder: Path | None = None,
    weather: Path | None = None,
    jobs_file: Path | None = None,
    replan_s: float = 3600.0,
    solve_seconds: float | None = None,
    tick_s: float = 60.0,
) -> tuple[PolicyResult, ...]:
    """Return one result a policy, in the order asked for; progress goes to stderr.

    Raises:
        InputError: an unknown policy, a weather or job file that cannot be used.
    """
    known = tuple(dict.fromkeys((*POLICIES, ORACLE)))
    for name in policies:
        if name not in known:
            raise InputError.single(source="--policy", field="", found=name, mend=f"name one of: {', '.join(known)}")
    study = prepare_study(
        site,
        start_utc=start_utc,
        days=days,
        drain_days=drain_days,
        seed=seed,
        folder=folder,
        weather=read_weather(str(weather), kind="csv", site=site) if weather else None,
        jobs=read_jobs(jobs_file, site) if jobs_file else None,
    )
    limits = SolveLimits(seconds=solve_seconds or site.planning.solve_seconds, gap_frac=0.005)
    results = []
    columns = (TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for name in policies:
            task = progress.add_task(name, total=1.0)
            if name == ORACLE:
                results.append(foresight_bound(study, policy("planner").plan))
            else:
                outlook = site_outlook(site, folder=folder, start_utc=start_utc)
                results.append(_run(study, name, outlook, limits, replan_s, tick_s, partial(progress.update, task)))
            progress.update(task, completed=1.0)
    return tuple(results)


def _run(
    study: Study,
    name: str,
    outlook: Outlook,
    limits: SolveLimits,
    replan_s: float,
    tick_s: float,
    progress: Callable[..., None],
) -> PolicyResult:
    course = run_policy(
        study,
        name,
        policy(name).plan,
        replan_s=replan_s,
        tick_s=tick_s,
        guards=guards_of(study.site),
        limits=limits,
        progress=lambda share: progress(completed=share),
        outlook=outlook,
    )
    return result_of(study, course)


def guards_of(site: Site) -> Guards:
    """Return the daemon's guards as the closed loop calls them, with their own memory."""
    memory = GuardMemory()

    def guard(snapshot: Snapshot, setpoints: Setpoints) -> Setpoints:
        nonlocal memory
        result = apply_guards(snapshot, setpoints, site, memory)
        memory = result.memory
        return result.setpoints

    return guard


def comparison_table(results: Sequence[PolicyResult]) -> None:
    """Print the policies side by side, and how much of what could be gained over ``fifo`` each gains."""
    table = Table(title=_title(results[0]))
    table.add_column("")
    for result in results:
        table.add_column(result.policy, justify="right")
    for label, row in _rows(results):
        table.add_row(label, *row)
    console = Console()
    console.print(table)
    for line in verdicts(results):
        console.print(line)


def _title(result: PolicyResult) -> str:
    begin = f"{result.start_utc:%Y-%m-%d %H:%M}Z"
    return f"{result.days:g} days from {begin}, then {result.drain_days:g} without new jobs"


def _rows(results: Sequence[PolicyResult]) -> list[tuple[str, list[str]]]:
    rows: list[tuple[str, list[str]]] = [
        ("cost [$]", [f"{r.cost_usd:,.0f}" for r in results]),
    ]
    terms = list(dict.fromkeys(name for r in results if r.policy != ORACLE for name in r.cost_terms_usd))
    rows += [
        (
            f"  {name.replace('_', ' ')}",
            ["" if r.policy == ORACLE else f"{r.cost_terms_usd[name]:,.0f}" for r in results],
        )
        for name in terms
    ]
    rows += [
        ("fuel [L]", [f"{r.fuel_l:,.0f}" for r in results]),
        ("PV used [kWh]", [f"{r.pv_used_kwh:,.0f}" for r in results]),
        ("PV curtailed [kWh]", [f"{r.pv_available_kwh - r.pv_used_kwh:,.0f}" for r in results]),
        ("load served [kWh]", [f"{r.load_kwh:,.0f}" for r in results]),
        ("unserved [kWh]", [f"{r.unserved_kwh:,.1f}" for r in results]),
        ("work done [$]", [f"{r.work_value_usd:,.0f}" for r in results]),
        ("jobs done", [f"{r.jobs_done} of {r.jobs_total}" for r in results]),
        ("deadlines missed", [f"{r.jobs_late}" for r in results]),
        ("P99 breach windows", [f"{r.p99_breach_windows:.0f} of {r.windows}" if r.windows else "" for r in results]),
        ("requests turned away", [f"{r.unserved_requests / max(r.requests, 1.0):.3%}" for r in results]),
        ("battery through [kWh]", [f"{r.battery_out_kwh:,.0f}" for r in results]),
        ("genset starts", [f"{r.genset_starts}" for r in results]),
        ("genset hours", [f"{r.genset_hours:.1f}" for r in results]),
        ("SoC at the end", [f"{r.soc_end_frac:.0%}" for r in results]),
    ]
    return rows


def verdicts(results: Sequence[PolicyResult]) -> list[str]:
    """Return, for each policy, its saving against ``fifo`` in $ and litres, and as a share of what foresight would save."""
    by_name = {result.policy: result for result in results}
    base, bound = by_name.get("fifo"), by_name.get(ORACLE)
    lines = []
    for result in results:
        if base is None or result.policy in {"fifo", ORACLE}:
            continue
        saved_usd, saved_l = base.cost_usd - result.cost_usd, base.fuel_l - result.fuel_l
        line = f"{result.policy}: {saved_usd:+,.0f} $ and {saved_l:+,.0f} L saved against fifo"
        if bound is not None:
            line += f"; (fifo - {result.policy}) / (fifo - oracle) = {saved_usd / (base.cost_usd - bound.cost_usd):.2f}"
        lines.append(line)
    if bound is not None:
        beaten = [result.policy for result in results if result.cost_usd < bound.cost_usd - 1e-6]
        lines += [f"BUG: {name} costs less than the perfect-foresight bound" for name in beaten]
    return lines
