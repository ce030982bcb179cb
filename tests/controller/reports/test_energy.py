"""Energies from samples, gaps that are not zero, and the bridge from planned to happened."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.records.views import PlanHead, StoredPlan, TelemetryPoint
from controller.reports.bridge import bridge, planned_intervals
from controller.reports.energy import balance, fuel_used_l, genset_hours, measured_intervals
from controller.reports.period import day_span, week_span
from optimizer.plan import Interval, Plan
from sites.times import uniform_grid
from tests.controller.reports.random_plans import horizons, interval_rows

START = datetime(2025, 1, 15, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def _point(minutes: float, *, pv: float | None = 0.0, battery: float = 0.0, load: float = 10.0) -> TelemetryPoint:
    return TelemetryPoint(
        at_utc=START + timedelta(minutes=minutes),
        pv_kw=pv,
        pv_available_kw=pv,
        battery_kw=battery,
        genset_kw=0.0,
        load_kw=load,
        it_kw=load * 0.7,
        cooling_kw=load * 0.2,
        unserved_kw=0.0,
        soc_frac=0.5,
    )


def test_each_sample_holds_until_the_next() -> None:
    points = [_point(0, pv=60.0, battery=-50.0), _point(10, pv=0.0, battery=10.0)]
    found = balance(points, START + timedelta(minutes=20))
    assert found.measured_h == pytest.approx(20 / 60)
    assert found.pv_used_kwh == pytest.approx(10.0)
    assert found.battery_in_kwh == pytest.approx(50 / 6)
    assert found.battery_out_kwh == pytest.approx(10 / 6)
    assert found.load_kwh == pytest.approx(10 / 3)
    assert found.residual_kwh == pytest.approx(0.0, abs=1e-9)


def test_a_gap_is_unmeasured_time_not_zero() -> None:
    points = [_point(minutes) for minutes in (0, 5, 10, 100, 105)]
    found = balance(points, START + timedelta(minutes=110))
    assert found.measured_h == pytest.approx((10 + 15 + 10) / 60)
    assert found.load_kwh == pytest.approx(10.0 * found.measured_h)


def test_samples_far_apart_but_regular_have_no_gap() -> None:
    found = balance([_point(60.0 * hour) for hour in range(24)], START + timedelta(hours=24))
    assert found.measured_h == pytest.approx(24.0)


def test_a_sample_with_a_missing_flow_is_left_out() -> None:
    found = balance([_point(0), _point(5, pv=None), _point(10)], START + timedelta(minutes=15))
    assert found.measured_h == pytest.approx(10 / 60)


def test_intervals_without_a_sample_are_none() -> None:
    grid = uniform_grid(START, hours=0.5, steps=3)
    found = measured_intervals([_point(0), _point(15), _point(65)], grid)
    assert [each is None for each in found] == [False, True, False]
    assert found[0] is not None
    assert found[0].load_kw == pytest.approx(10.0)


def test_fuel_is_what_left_the_tank_and_what_came() -> None:
    points = [
        _point(0).model_copy(update={"tank_l": 1000.0}),
        _point(5),
        _point(10).model_copy(update={"tank_l": 1400.0}),
    ]
    assert fuel_used_l(points, delivered_l=500.0) == pytest.approx(100.0)
    assert fuel_used_l(points[:2], delivered_l=0.0) is None


def test_genset_hours() -> None:
    points = [_point(0), _point(5).model_copy(update={"genset_kw": 30.0}), _point(10)]
    assert genset_hours(points, START + timedelta(minutes=15)) == pytest.approx(5 / 60)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_bridge_closes_where_flows_balance(data: st.DataObject) -> None:
    horizon = data.draw(horizons())
    planned = data.draw(interval_rows(horizon))
    happened = data.draw(interval_rows(horizon))
    known: list[Interval | None] = [each if data.draw(st.booleans()) else None for each in happened]
    found = bridge(planned, known)
    assert found.residual_kwh == pytest.approx(0.0, abs=1e-6)
    terms = sum(term.effect_kwh for term in found.terms)
    assert found.planned_kwh + terms + found.residual_kwh == pytest.approx(found.happened_kwh)
    assert found.compared_h == sum(each.hours for each in known if each is not None)


def test_what_meters_disagree_by_is_the_residual() -> None:
    grid = uniform_grid(START, hours=1.0, steps=1)
    (planned,) = measured_intervals([_point(m, battery=10.0) for m in range(0, 60, 5)], grid)
    (happened,) = measured_intervals([_point(m, battery=10.5) for m in range(0, 60, 5)], grid)
    found = bridge([planned], [happened])
    assert found.residual_kwh == pytest.approx(0.5)


def test_the_newest_plan_made_by_then_was_in_force(measured: tuple[str, StoredPlan]) -> None:
    _, stored = measured
    begin = stored.plan.start_utc
    newer_head = stored.head.model_copy(update={"id": "b" * 32, "made_utc": begin + timedelta(hours=1)})
    newer_plan = stored.plan.model_copy(
        update={"intervals": tuple(each.model_copy(update={"it_kw": 99.0}) for each in stored.plan.intervals)}
    )
    newer = stored.model_copy(update={"head": newer_head, "plan": newer_plan})
    rejected = newer.model_copy(update={"head": newer_head.model_copy(update={"review": "rejected"})})
    grid = uniform_grid(begin - timedelta(hours=1), hours=1.0, steps=4)
    found = planned_intervals([_pair(newer), _pair(stored)], grid)
    assert [each and each.it_kw == 99.0 for each in found] == [None, False, True, True]
    assert planned_intervals([_pair(rejected), _pair(stored)], grid) == planned_intervals([_pair(stored)], grid)


def _pair(stored: StoredPlan) -> tuple[PlanHead, Plan]:
    return stored.head, stored.plan


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 1, 15), 24), (date(2025, 3, 9), 23), (date(2025, 11, 2), 25)])
def test_days_are_local_whatever_their_length(day: date, hours: int) -> None:
    span = day_span(day, NEW_YORK)
    assert span.hours == hours
    assert sum(span.grid(0.25).hours) == pytest.approx(hours)
    assert span.start_utc.astimezone(NEW_YORK).hour == 0


def test_weeks_run_from_monday_to_sunday() -> None:
    span = week_span(date(2025, 1, 15), NEW_YORK)
    assert span.title == "Mon 13 Jan to Sun 19 Jan 2025"
    assert span.hours == 168
