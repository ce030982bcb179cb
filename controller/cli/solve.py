"""``mdc solve``: solve a stored or hand-written planning problem."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.output import Format, FormatOption, write
from sites.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.plan import Plan
    from optimizer.problem import Problem

EXIT_NO_PLAN = 3


def solve(
    problem: Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="A planning problem as JSON.")],
    policy: Annotated[str, typer.Option(help="Policy that plans.")] = "planner",
    seconds: Annotated[float | None, typer.Option(min=0.05, help="Longest solve; from the problem if absent.")] = None,
    explain: Annotated[str | None, typer.Option(help="Explain one job: when it runs and why not now.")] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Price each genset start by solving again instead of an estimate.")
    ] = False,
    job_now: Annotated[str | None, typer.Option(help="What if this job were forced now?")] = None,
    genset_off: Annotated[str | None, typer.Option(help="What if this genset stayed off?")] = None,
    deliver: Annotated[
        str | None, typer.Option(help="What if diesel came? LITRES@TIME, e.g. 500@2025-06-17T08:00Z.")
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Solve a planning problem and print the plan with its bound, gap and reasons.

    Exit code 3 when the demand cannot be met as posed; the relaxed plan is printed all the same.

    Example: [bold]mdc solve problem.json --explain risk-run-1[/bold]
    """
    from optimizer.documents import read_problem
    from optimizer.ladder import answer
    from optimizer.policies import POLICIES

    if policy not in POLICIES:
        mend = f"name one of: {', '.join(POLICIES)}"
        raise InputError.single(source="--policy", field="", found=policy, mend=mend)
    posed = read_problem(problem)
    if seconds is not None:
        posed = posed.model_copy(update={"limits": posed.limits.model_copy(update={"seconds": seconds})})
    made = answer(posed, exact=True) if exact and policy == "planner" else POLICIES[policy].plan(posed)
    if job_now or genset_off or deliver:
        write(_what_if(posed, made, job_now, genset_off, deliver, POLICIES[policy].plan))
    elif format is Format.JSON:
        write(made.model_dump_json())
    elif explain is not None:
        write(_explained(made, explain))
    else:
        write(as_text(made))
    if made.status.value == "infeasible_as_posed" or made.level.value == "safe_state":
        raise typer.Exit(EXIT_NO_PLAN)


def as_text(plan: Plan) -> str:
    """Return a plan as a person reads it: worth, flows by interval, jobs, decisions, what is given up."""
    gap = "no bound" if plan.gap_frac is None else f"gap {plan.gap_frac:.2%} of net value"
    lines = [
        f"{plan.site}: {plan.level} ({plan.status}), net value ${plan.net_value_usd:.2f}, {gap}, "
        f"{plan.solve_seconds:.1f} s",
        f"  work ${plan.work_value_usd:.2f}; "
        + ", ".join(f"{name} ${usd:.2f}" for name, usd in plan.cost_terms_usd.items()),
        "",
        "start      hours    sun  battery  gensets   load   shed   SoC   $/kWh  bound by",
    ]
    for row in plan.intervals:
        gensets_kw = sum(genset.kw for genset in row.gensets)
        lines.append(
            f"{row.start_utc:%d %H:%MZ}  {row.hours:5.2f} {row.pv_used_kw:6.1f} {row.battery_kw:8.1f} {gensets_kw:8.1f}"
            f" {row.load_kw:6.1f} {row.shed_kw:6.1f} {row.soc_end_frac:5.0%} {row.price_usd_per_kwh:7.3f}  {row.bound_by}"
        )
    lines += ["", *(f"{one.what}: {one.text} [{one.reason_code}]" for one in plan.decisions)]
    lines += [f"given up: {one.text} [{one.reason_code}]" for one in plan.breaches]
    return "\n".join(lines)


def _explained(plan: Plan, job: str) -> str:
    planned = next((one for one in plan.jobs if one.name == job), None)
    if planned is None:
        known = ", ".join(one.name for one in plan.jobs) or "none"
        raise InputError.single(source="--explain", field="", found=job, mend=f"name a job of the problem: {known}")
    reasons = [one for one in plan.decisions if one.what.startswith(f"job {job} ")]
    lines = [f"{one.what}: {one.text} [{one.reason_code}]" for one in reasons]
    lines += [_alternative(one.cost_of_alternative_usd, one.exact) for one in reasons]
    lines += [f"given up: {one.text}" for one in plan.breaches if one.what == f"job {job}"]
    lines.append(f"done {planned.done_frac:.0%} within the horizon" + (", late" if planned.late else ""))
    return "\n".join(line for line in lines if line)


def _alternative(usd: float | None, exact: bool) -> str:
    if usd is None:
        return ""
    return f"the other choice would cost ${usd:.2f} more ({'solved again' if exact else 'LP estimate'})"


def _what_if(
    problem: Problem,
    base: Plan,
    job_now: str | None,
    genset_off: str | None,
    deliver: str | None,
    planner: Callable[[Problem], Plan],
) -> str:
    from optimizer.explain import what_if as ask

    asked: list[tuple[str, Callable[[], Problem]]] = []
    if job_now:
        asked.append((f"job {job_now} forced now", lambda: ask.force_job_now(problem, job_now)))
    if genset_off:
        asked.append((f"genset {genset_off} kept off", lambda: ask.genset_off(problem, genset_off)))
    if deliver:
        litres, at_utc = _delivery(deliver)
        asked.append((f"{litres:g} L delivered {at_utc:%d %H:%MZ}", lambda: ask.deliver(problem, litres, at_utc)))
    lines = []
    for question, change in asked:
        try:
            found = ask.answer_what_if(question, base, change(), planner)
        except KeyError as error:
            raise InputError.single(source="what if", field="", found=question, mend=str(error.args[0])) from error
        lines.append(f"{question}: costs ${found.extra_cost_usd:.2f} more (solved again, {found.plan.level})")
    return "\n".join(lines)


def _delivery(text: str) -> tuple[float, datetime]:
    litres, _, moment = text.partition("@")
    try:
        at_utc = datetime.fromisoformat(moment)
        if at_utc.tzinfo is None or float(litres) <= 0.0:
            raise ValueError
        return float(litres), at_utc
    except ValueError as error:
        mend = "write LITRES@TIME with an offset, e.g. 500@2025-06-17T08:00Z"
        raise InputError.single(source="--deliver", field="", found=text, mend=mend) from error
