"""Why each decision was taken and what the other choice would cost.

    genset starts   the other choice is not to run it in that run; its cost comes from the energy model with the genset kept
                    off and work free to be dropped at its price (an estimate), or from solving the whole problem again (exact)
    genset stops    the other choice is to run on for the interval
    jobs            the other choice is to start now, to wait, or to run a job that is left out; priced at the marginal prices
                    of energy of the plan
    serving modes   the other choice is to keep the mode before; priced likewise

Estimates are differences of linear programs or of marginal prices with everything else as planned; they are labelled by
``exact = False``. A negative estimate says that the other choice would have been worth it at the margin: with whole units it
was not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.explain.jobs import job_decisions
from optimizer.explain.services import service_decisions
from optimizer.model.energy import Flex, build_energy
from optimizer.plan import Decision, Plan
from optimizer.problem import Problem
from optimizer.solve.decompose import Solved
from optimizer.solve.session import Session
from sites.reasons import reason_text

MOST_STARTS = 6


def decisions_of(problem: Problem, plan: Plan, solved: Solved) -> tuple[Decision, ...]:
    """Return the decisions of a plan, gensets first."""
    return (
        *_genset_decisions(problem, plan, solved),
        *job_decisions(problem, plan),
        *service_decisions(problem, plan),
    )


def runs_of(plan: Plan, place: int, was_on: bool) -> list[tuple[int, int]]:
    """Return (first interval, one past the last) of each run of a genset that starts within the plan."""
    on = [row.gensets[place].on for row in plan.intervals]
    runs, first = [], None
    before = was_on
    for step, now in enumerate([*on, False]):
        if now and not before:
            first = step
        if before and not now and first is not None:
            runs.append((first, step))
            first = None
        before = now
    return runs


def _genset_decisions(problem: Problem, plan: Plan, solved: Solved) -> Iterator[Decision]:
    estimates = 0
    for place, genset in enumerate(problem.gensets):
        for first, last in runs_of(plan, place, genset.on):
            row = plan.intervals[first]
            cost = None
            code = _start_code(problem, plan, place, first, last)
            if (
                code != "OPERATOR"
                and estimates < MOST_STARTS
                and solved.deadline.left_s() > 0.05 * solved.deadline.seconds
            ):
                cost = _without_run_usd(solved, place, first, last)
                estimates += 1
            yield Decision(
                what=f"genset {genset.name} starts {row.start_utc:%d %H:%MZ}",
                reason_code=code,
                text=_start_text(plan, first, last, code, cost),
                cost_of_alternative_usd=cost,
            )
        yield from _stops(problem, plan, place)


def _start_code(problem: Problem, plan: Plan, place: int, first: int, last: int) -> str:
    genset, battery = problem.gensets[place], problem.battery
    if genset.must_run and any(genset.must_run[first:last]):
        return "OPERATOR"
    rows = plan.intervals[first : min(last + 4, len(plan.intervals))]
    if any(row.bound_by == "RESERVE" for row in rows):
        return "RESERVE"
    lowest = min((row.soc_end_frac for row in plan.intervals[first:]), default=1.0)
    if battery is None or lowest <= battery.soc_min_frac + 0.02:
        return "BATTERY_EMPTY"
    if lowest <= battery.soc_reserve_frac + 0.02:
        return "SOC_RESERVE"
    return "GENSET_CHEAPER"


def _start_text(plan: Plan, first: int, last: int, code: str, cost: float | None) -> str:
    rows = plan.intervals[first:last]
    hours = sum(row.hours for row in rows)
    low = min(row.soc_end_frac for row in plan.intervals[first:])
    text = f"runs {hours:.2f} h because {reason_text(code)}; the battery's lowest point after it is {low:.0%}"
    if cost is not None:
        text += (
            f"; not running it then would cost about ${abs(cost):.2f} {'more' if cost >= 0.0 else 'less'} (LP estimate)"
        )
    return text


def _stops(problem: Problem, plan: Plan, place: int) -> Iterator[Decision]:
    genset, was_on = problem.gensets[place], problem.gensets[place].on
    litre = problem.tank.usd_per_l if problem.tank is not None else 0.0
    for row in plan.intervals:
        now = row.gensets[place].on
        if was_on and not now:
            low_l = genset.fuel_points[0][1] if genset.fuel_points else 0.0
            slope = (genset.fuel_points[-1][1] - low_l) / max(genset.fuel_points[-1][0], 1e-9)
            spend = low_l * litre + genset.run_usd_per_h
            gain = genset.max_kw * max(0.0, row.price_usd_per_kwh - slope * litre - genset.energy_usd_per_kwh)
            dearer = spend > gain
            yield Decision(
                what=f"genset {genset.name} stops {row.start_utc:%d %H:%MZ}",
                reason_code="NOT_WORTH" if not row.bound_by else row.bound_by,
                text=f"a kWh is worth ${row.price_usd_per_kwh:.3f} then, "
                + ("less than running on would cost" if dearer else "running on may be worth about as much"),
                cost_of_alternative_usd=(spend - gain) * row.hours if dearer else None,
            )
        was_on = now


def _without_run_usd(solved: Solved, place: int, first: int, last: int) -> float | None:
    """Return the extra cost of keeping a genset off in a run, other gensets free, work droppable at 1.1 x its price."""
    layout, rows = solved.course.layout, solved.course.rows
    price = solved.flows.row_duals[rows.balance].sum(axis=0) / layout.hours
    batch_kw = solved.load.batch_kw if solved.load.batch_kw is not None else np.zeros(layout.steps)
    flex = Flex(
        less_kw=layout.cooling * batch_kw,
        more_kw=np.zeros(layout.steps),
        price_usd_per_kwh=np.minimum(price, 2.0),
    )
    energy = build_energy(layout, solved.load, flex)
    session = Session(energy.program)
    session.fix(energy.columns.on, solved.on)
    base = session.solve(seconds=1.0)
    off = solved.on.copy()
    off[place, first:last] = 0.0
    upper = np.maximum(off, solved.on)
    upper[place, first:last] = 0.0
    others = np.arange(len(off)) != place
    upper[others] = energy.program.upper[energy.columns.on][others]
    session.bounds(energy.columns.on, np.zeros_like(off), upper)
    changed = session.solve(seconds=1.0)
    return float(changed.cost - base.cost) if base.found and changed.found else None
