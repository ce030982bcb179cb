"""How the plant differed from its data sheet on a day, as the meters tell it; and a problem posed for the plant as it was.

Two factors are told apart from what control does:

    load   energy that the load took, over what the plans in force said for the same time                       (1)
    fuel   litres that left the tank, over what the gensets' curve says for the power they gave                 (2)

(1) is only as good as the plans were followed: by rules there is none, and an error in foreseen demand is in it. (2) needs some
litres to stand out from the float's noise. The battery stays out: what its gauge calls a share of usable capacity can't be told
apart from a capacity unlike the data sheet by a day's readings alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.records.views import TelemetryPoint
from controller.reports.energy import held
from controller.reports.gather import PeriodReport
from controller.reports.summary import litres_per_h
from optimizer.plan import Interval
from optimizer.problem import GensetProblem, Problem
from sites.record import Record
from sites.times import HOUR

LEAST_COMPARED = 0.9
"""Share of the day in which a plan has to have been in force for (1)."""
LEAST_L = 5.0
PLAUSIBLE = (0.7, 1.4)
"""A factor beyond these is no plant unlike its data sheet but something else."""


class Unlike(Record):
    """The factors of a day; none = could not be told."""

    load_factor: float | None = None
    fuel_factor: float | None = None


def plant_unlike(report: PeriodReport, points: Sequence[TelemetryPoint], gensets: Sequence[GensetProblem]) -> Unlike:
    """Return the factors of a day.

    Args:
        report: the day.
        points: its telemetry.
        gensets: as posed that day.
    """
    pairs = [(p, h) for p, h in zip(report.planned, report.happened, strict=True) if p is not None and h is not None]
    hours = sum(h.hours for _, h in pairs)
    load = None
    if hours >= LEAST_COMPARED * report.span.hours:
        load = _factor(sum(h.load_kw * h.hours for _, h in pairs), sum(p.load_kw * p.hours for p, _ in pairs))
    fuel = None
    modelled_l = modelled_fuel_l(points, gensets, report)
    if report.fuel_l is not None and modelled_l >= LEAST_L:
        fuel = _factor(report.fuel_l, modelled_l)
    return Unlike(load_factor=load, fuel_factor=fuel)


def modelled_fuel_l(points: Sequence[TelemetryPoint], gensets: Sequence[GensetProblem], report: PeriodReport) -> float:
    """Return the litres that the first genset's curve says for the power that all gensets gave."""
    if not gensets:
        return 0.0
    curve = gensets[0].fuel_points
    return sum(
        litres_per_h(curve, point.genset_kw) * ((until - start) / HOUR)
        for point, start, until in held(points, report.until_utc)
        if point.genset_kw is not None and point.genset_kw > 0.1
    )


def _factor(happened: float, modelled: float) -> float | None:
    if modelled <= 0:
        return None
    factor = happened / modelled
    return factor if PLAUSIBLE[0] <= factor <= PLAUSIBLE[1] else None


def as_it_was(problem: Problem, unlike: Unlike, happened: Sequence[Interval | None]) -> Problem:
    """Return the problem with the plant as the meters tell it; the same one if they tell nothing."""
    changed = problem
    if unlike.load_factor is not None:
        share = 1.0 - 1.0 / unlike.load_factor
        base = problem.cooling_base_kw or (0.0,) * len(problem.hours)
        more = [0.0 if each is None else each.load_kw * share for each in happened]
        base = tuple(max(kw + extra, 0.0) for kw, extra in zip(base, more, strict=True))
        changed = changed.model_copy(update={"cooling_base_kw": base})
    if unlike.fuel_factor is not None:
        gensets = tuple(_burning(each, unlike.fuel_factor) for each in problem.gensets)
        changed = changed.model_copy(update={"gensets": gensets})
    return changed


def _burning(genset: GensetProblem, factor: float) -> GensetProblem:
    points = tuple((kw, litres * factor) for kw, litres in genset.fuel_points)
    return genset.model_copy(update={"fuel_points": points})
