"""How the rules share power among gensets."""

from __future__ import annotations

from optimizer.check import check
from optimizer.problem import GensetProblem, LoadTier, Problem, TankProblem
from optimizer.rules.roll import rules_plan
from tests.optimizer.small_site import START


def test_a_genset_that_warms_up_carries_nothing_beside_one_under_its_minimum() -> None:
    """The big one is ordered to run; 1 kW is under its minimum load, and the small one warms up for the whole interval."""
    machines = (
        GensetProblem(name="big", max_kw=10.0, min_kw=4.0, on=True, must_run=(True,)),
        GensetProblem(name="cold", max_kw=10.0, min_kw=0.0, warmup_h=2.0, must_run=(True,)),
    )
    problem = Problem(
        site="two",
        start_utc=START,
        hours=(1.0,),
        pv_available_kw=(0.0,),
        tiers=(LoadTier(name="load", kw=(1.0,), shed_usd_per_kwh=20.0, critical=True),),
        gensets=machines,
    )
    plan = rules_plan(problem)
    assert [each.kw for each in plan.intervals[0].gensets] == [1.0, 0.0]
    assert not [fault for fault in check(problem, plan) if "rating" in fault.what]


def test_no_genset_starts_that_has_to_stop_in_a_long_step_for_lack_of_fuel() -> None:
    """It would run at least half an hour: a quarter now, and all of the hour after it, for which the fuel does not last."""
    machine = GensetProblem(name="g", max_kw=8.0, fuel_points=((0.0, 1.0), (8.0, 2.6)), min_run_h=0.5)
    problem = Problem(
        site="long",
        start_utc=START,
        hours=(0.25, 1.0, 0.25),
        pv_available_kw=(0.0,) * 3,
        tiers=(LoadTier(name="load", kw=(4.0, 0.0, 0.0), shed_usd_per_kwh=20.0, critical=True),),
        gensets=(machine,),
        tank=TankProblem(level_l=3.0, capacity_l=10.0, usd_per_l=1.6),
    )
    plan = rules_plan(problem)
    assert check(problem, plan) == ()
    assert not any(row.gensets[0].on for row in plan.intervals)


def test_a_genset_with_too_little_fuel_does_not_keep_a_smaller_one_off() -> None:
    """The big one runs, its fuel does not last; the small one carries what it can whether that is enough or not."""
    machines = (
        GensetProblem(name="big", max_kw=16.0, fuel_points=((0.0, 1.0), (16.0, 4.8)), on=True),
        GensetProblem(name="small", max_kw=5.0, fuel_points=((0.0, 0.5), (5.0, 1.6))),
    )
    for load_kw in (4.0, 5.0, 6.0):
        problem = Problem(
            site="low",
            start_utc=START,
            hours=(1.0,),
            pv_available_kw=(0.0,),
            tiers=(LoadTier(name="load", kw=(load_kw,), shed_usd_per_kwh=20.0, critical=True),),
            gensets=machines,
            tank=TankProblem(level_l=3.0, capacity_l=10.0, usd_per_l=1.6),
        )
        plan = rules_plan(problem)
        assert check(problem, plan) == ()
        assert [each.kw for each in plan.intervals[0].gensets] == [0.0, min(load_kw, 5.0)]
