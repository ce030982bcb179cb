"""A plant unlike its data sheet: two factors from the meters, told only where they can be, and a problem posed with them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.records.views import StoredPlan, TelemetryPoint
from controller.reports.gather import PeriodReport
from controller.reports.unlike import Unlike, as_it_was, modelled_fuel_l, plant_unlike
from tests.controller.reports.measured_day import MIDNIGHT
from tests.controller.reports.test_period_page import day_report as day_report

CURVE = ((0.0, 2.0), (100.0, 32.0))


def running(kw: float, hours: int) -> list[TelemetryPoint]:
    """Return a genset that gives ``kw`` for the first hours of the day, read each ten minutes."""
    moments = [MIDNIGHT + timedelta(minutes=10 * index) for index in range(24 * 6)]
    return [
        TelemetryPoint(at_utc=at, genset_kw=kw if at < MIDNIGHT + timedelta(hours=hours) else 0.0) for at in moments
    ]


def gensets(measured: tuple[str, StoredPlan]) -> tuple[object, ...]:
    return tuple(g.model_copy(update={"fuel_points": CURVE}) for g in measured[1].problem.gensets)


def test_litres_are_held_against_the_curve(day_report: PeriodReport, measured: tuple[str, StoredPlan]) -> None:
    engines = gensets(measured)
    points = running(50.0, 4)
    assert modelled_fuel_l(points, engines, day_report) == pytest.approx(4 * 17.0)  # type: ignore[arg-type]
    burnt = day_report.model_copy(update={"fuel_l": 4 * 17.0 * 1.03})
    assert plant_unlike(burnt, points, engines).fuel_factor == pytest.approx(1.03)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hours", "fuel_l"), [(0, 3.0), (4, 500.0), (4, None)])
def test_too_little_or_too_strange_tells_nothing(
    day_report: PeriodReport, measured: tuple[str, StoredPlan], hours: int, fuel_l: float | None
) -> None:
    report = day_report.model_copy(update={"fuel_l": fuel_l})
    assert plant_unlike(report, running(50.0, hours), gensets(measured)).fuel_factor is None  # type: ignore[arg-type]


def test_a_day_hardly_planned_tells_nothing_of_the_load(
    day_report: PeriodReport, measured: tuple[str, StoredPlan]
) -> None:
    half = tuple(each if index % 2 else None for index, each in enumerate(day_report.planned))
    report = day_report.model_copy(update={"planned": half})
    assert plant_unlike(day_report, (), ()).load_factor is not None
    assert plant_unlike(report, (), ()).load_factor is None


def test_the_problem_draws_and_burns_as_it_was(day_report: PeriodReport, measured: tuple[str, StoredPlan]) -> None:
    problem = measured[1].problem.model_copy(
        update={"hours": (1.0,) * 4, "cooling_base_kw": (1.0, 1.0, 1.0, 0.0), "gensets": gensets(measured)}
    )
    happened = [each and each.model_copy(update={"load_kw": 110.0}) for each in day_report.happened[:3]]
    found = as_it_was(problem, Unlike(load_factor=1.1, fuel_factor=1.5), [*happened, None])
    assert found.cooling_base_kw == pytest.approx((11.0, 11.0, 11.0, 0.0))
    assert found.gensets[0].fuel_points == ((0.0, 3.0), (100.0, 48.0))
    assert as_it_was(problem, Unlike(), happened) == problem
