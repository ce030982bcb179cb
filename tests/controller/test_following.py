"""Setpoints of a plan: its interval, its jobs, and gensets that bring the battery back onto the plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.following import follow, planned_soc
from controller.snapshot import BatteryReading, Snapshot
from optimizer.places import IslandShare, PlacedSpan, TaskPlaces, Unplaced
from optimizer.plan import Plan
from optimizer.problem import BatteryProblem, GensetProblem, JobProblem, LoadTier, PoolSpeed, Problem
from optimizer.rules.roll import rules_plan

START = datetime(2025, 1, 1, tzinfo=UTC)


def problem(soc_frac: float = 0.15) -> Problem:
    """A dark day with a nearly empty battery: the genset has to run."""
    return Problem(
        site="test",
        start_utc=START,
        hours=(1.0, 1.0, 1.0),
        pv_available_kw=(0.0, 0.0, 0.0),
        tiers=(
            LoadTier(name="control", kw=(10.0,) * 3, shed_usd_per_kwh=20.0, critical=True),
            LoadTier(name="cabin", kw=(5.0,) * 3, shed_usd_per_kwh=1.0),
        ),
        battery=BatteryProblem(
            capacity_kwh=100.0,
            soc_frac=soc_frac,
            soc_min_frac=0.1,
            soc_reserve_frac=0.2,
            charge_kw=50.0,
            discharge_kw=50.0,
        ),
        gensets=(GensetProblem(name="g1", max_kw=40.0, min_kw=12.0, fuel_points=((0.0, 1.0), (40.0, 11.0))),),
        jobs=(
            JobProblem(
                name="later",
                profile="training",
                pools=(PoolSpeed(pool="none", speed=1.0),),
                work_gpu_h=1.0,
                gpus_max=1.0,
                release_utc=START,
                deadline_utc=START + timedelta(days=1),
                value_usd=1.0,
            ),
        ),
    )


def snapshot(soc_frac: float | None) -> Snapshot:
    return Snapshot(at_utc=START, battery=BatteryReading(soc_frac=soc_frac, power_kw=0.0, temperature_c=20.0))


def test_the_planned_soc_is_straight_between_the_ends_of_intervals() -> None:
    posed = problem()
    plan = rules_plan(posed)
    ends = [posed.battery.soc_frac, *(interval.soc_end_frac for interval in plan.intervals)]  # type: ignore[union-attr]
    middle = planned_soc(plan, posed, 1, START + timedelta(hours=1.5))
    assert middle == pytest.approx((ends[1] + ends[2]) / 2)


@pytest.mark.parametrize("missing_frac", [-0.05, 0.0, 0.05])
def test_a_genset_brings_the_battery_back_to_the_plan(missing_frac: float) -> None:
    posed = problem()
    plan = rules_plan(posed)
    assert plan.intervals[0].gensets[0].on
    planned_kw = plan.intervals[0].gensets[0].kw
    setpoints = follow(plan, posed, snapshot(0.15 - missing_frac), now=START)
    wanted_kw = min(max(planned_kw + missing_frac * 100.0 / 2.0, 12.0), 40.0)
    assert setpoints.gensets[0].run
    assert setpoints.gensets[0].kw == pytest.approx(wanted_kw)


def test_a_missing_soc_leaves_the_plan_as_it_is() -> None:
    posed = problem()
    plan = rules_plan(posed)
    setpoints = follow(plan, posed, snapshot(None), now=START)
    assert setpoints.gensets[0].kw == pytest.approx(max(plan.intervals[0].gensets[0].kw, 12.0))


def test_setpoints_expire() -> None:
    posed = problem()
    setpoints = follow(rules_plan(posed), posed, snapshot(0.15), now=START)
    assert timedelta(0) < setpoints.expires_utc - START <= timedelta(minutes=5)


def test_a_job_without_gpus_gets_no_command() -> None:
    posed = problem()
    assert follow(rules_plan(posed), posed, snapshot(0.15), now=START).jobs == ()


def placed_plan() -> tuple[Plan, Problem]:
    """A plan that runs two jobs, one of which has a place for an hour and the other finds no room."""
    posed = problem()
    plan = rules_plan(posed)
    running = [
        plan.jobs[0].model_copy(
            update={"name": name, "pool": "h100", "gpus_by_interval": (2.0,) * 3, "limit_w_by_interval": (300.0,) * 3}
        )
        for name in ("there", "without")
    ]
    shares = (IslandShare(node=1, island=0, gpus=2),)
    span = PlacedSpan(
        start_utc=START,
        until_utc=START + timedelta(hours=1),
        tasks=(TaskPlaces(kind="job", name="there", pool="h100", islands=shares),),
        left_out=(Unplaced(kind="job", name="without", pool="h100", gpus=2, why="no room"),),
    )
    return plan.model_copy(update={"jobs": tuple(running), "placement": (span,)}), posed


def test_jobs_go_where_the_plan_has_them_and_one_without_room_waits() -> None:
    plan, posed = placed_plan()
    orders = follow(plan, posed, snapshot(0.15), now=START + timedelta(minutes=30))
    assert [(each.name, each.islands) for each in orders.jobs] == [
        ("there", (IslandShare(node=1, island=0, gpus=2),)),
    ]


def test_beyond_what_is_placed_the_devices_choose() -> None:
    plan, posed = placed_plan()
    orders = follow(plan, posed, snapshot(0.15), now=START + timedelta(minutes=90))
    assert [(each.name, each.islands) for each in orders.jobs] == [("there", ()), ("without", ())]
