"""A plan in figures."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.reports.figures import PlanView, plan_figures
from controller.reports.summary import days_left, litres_per_h, planned_fuel_l, summarise
from tests.controller.reports.drawing_checks import assert_inside
from tests.controller.web.container_day import FUEL, container_day


@pytest.mark.parametrize(("kw", "litres"), [(15, 5.0), (30, 9.6), (22.5, 7.3), (60, 16.7), (66, 18.18), (9, 3.16)])
def test_fuel_curve(kw: float, litres: float) -> None:
    assert litres_per_h(FUEL, kw) == pytest.approx(litres)


def test_a_constant_fuel_curve() -> None:
    assert litres_per_h(((10.0, 3.0),), 40.0) == 3.0


def test_figures_of_a_day_add_up() -> None:
    day = container_day()
    summary = summarise(day.plan, day.problem)
    battery_in = sum(max(-each.battery_kw, 0) * each.hours for each in day.plan.intervals)
    battery_out = sum(max(each.battery_kw, 0) * each.hours for each in day.plan.intervals)
    assert summary.pv_used_kwh + summary.genset_kwh + battery_out == pytest.approx(summary.load_kwh + battery_in)
    assert summary.genset_starts == 1
    assert summary.fuel_l == pytest.approx(5.0 * litres_per_h(FUEL, 50.0))
    assert summary.fuel_usd == pytest.approx(summary.fuel_l * 1.6)
    assert (summary.jobs_running, summary.jobs_late, summary.jobs_waiting) == (10, 1, 1)
    assert summary.pv_used_frac is not None
    assert 0 < summary.pv_used_frac < 1


def test_fuel_until_a_moment_is_part_of_the_whole() -> None:
    day = container_day()
    start = day.plan.start_utc
    half = planned_fuel_l(day.plan, day.problem.gensets, until=start + timedelta(hours=17))
    assert 0 < half < planned_fuel_l(day.plan, day.problem.gensets)
    assert planned_fuel_l(day.plan, day.problem.gensets, until=start) == 0


@pytest.mark.parametrize(
    ("tank", "burnt", "days"), [(1000.0, 40.0, 30.0), (400.0, 40.0, 0.0), (None, 40.0, None), (1000.0, 0.0, None)]
)
def test_days_left(tank: float | None, burnt: float, days: float | None) -> None:
    assert days_left(tank, 400.0, burnt, 48.0) == days


def test_a_plan_has_all_its_figures_in_three_widths() -> None:
    day = container_day()
    view = PlanView(
        plan=day.plan,
        problem=day.problem,
        forecast=day.forecast,
        zone=ZoneInfo("America/New_York"),
        now_utc=day.snapshot.at_utc,
    )
    figures = plan_figures(view)
    assert [each.name for each in figures] == ["power", "soc", "pv", "schedule", "caps", "price"]
    for each in figures:
        assert len(each.drawings) == 3
        assert each.title
        assert each.lead
        for drawing in each.drawings:
            assert_inside(drawing)


def test_a_site_without_battery_jobs_or_forecast_has_fewer_figures() -> None:
    day = container_day()
    view = PlanView(
        plan=day.plan.model_copy(
            update={"jobs": (), "services": (), "intervals": _without_gensets(day.plan.intervals)}
        ),
        problem=day.problem.model_copy(update={"battery": None, "jobs": ()}),
        forecast=None,
        zone=ZoneInfo("UTC"),
        now_utc=None,
    )
    assert [each.name for each in plan_figures(view)] == ["power", "price"]


def _without_gensets(intervals: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(each.model_copy(update={"gensets": ()}) for each in intervals)  # type: ignore[attr-defined]
