"""Rules of batch work: windows, priority where value does not decide, surplus only, and what may be done elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from optimizer.check import check
from optimizer.ladder import answer
from optimizer.plan import Level, Plan
from optimizer.planner import plan as planned
from optimizer.policies import policy
from optimizer.problem import BatteryProblem, GensetProblem, JobProblem, Problem, ReserveProblem
from tests.optimizer.small_site import START, job, small_site

WINDOWS = (
    (START + timedelta(hours=3), START + timedelta(hours=5)),
    (START + timedelta(hours=8), START + timedelta(hours=9)),
)


def solved(*jobs: JobProblem, **change: Any) -> tuple[Problem, Plan]:
    problem = small_site(jobs=jobs, **change)
    plan = answer(problem)
    assert check(problem, plan) == ()
    assert plan.level in (Level.OPTIMAL, Level.BEST_FEASIBLE)
    return problem, plan


def steps_of(plan: Plan, name: str) -> list[int]:
    planned = next(each for each in plan.jobs if each.name == name)
    return [step for step, gpus in enumerate(planned.gpus_by_interval) if gpus > 1e-6]


@pytest.mark.parametrize("name", ["planner", "rules", "fifo", "greedy", "cycle_charging"])
def test_jobs_run_within_their_windows_whatever_the_policy(name: str) -> None:
    problem = small_site(jobs=(job("night", windows_utc=WINDOWS, value_usd=60.0, work_gpu_h=10.0),))
    plan = policy(name).plan(problem)
    assert check(problem, plan) == ()
    assert set(steps_of(plan, "night")) <= {3, 4, 8}
    assert steps_of(plan, "night")


def test_all_windows_are_used_where_one_is_too_short() -> None:
    _, plan = solved(job("night", windows_utc=WINDOWS, value_usd=60.0, work_gpu_h=12.0))
    assert steps_of(plan, "night") == [3, 4, 8]
    assert next(each for each in plan.jobs if each.name == "night").done_frac == pytest.approx(1.0)


def test_a_job_that_waits_for_its_window_says_so() -> None:
    _, plan = solved(job("night", windows_utc=WINDOWS, value_usd=60.0))
    assert next(each for each in plan.decisions if each.what.startswith("job night")).reason_code == "WINDOW"
    long_past = ((START - timedelta(hours=9), START - timedelta(hours=1)),)
    _, plan = solved(job("never", windows_utc=long_past, value_usd=60.0))
    assert next(each for each in plan.decisions if each.what.startswith("job never")).reason_code == "WINDOW"


def test_windows_in_the_middle_of_intervals_and_in_quarter_hours_hold() -> None:
    windows = ((START + timedelta(minutes=20), START + timedelta(minutes=70)),)
    given = job("short", windows_utc=windows, value_usd=60.0, work_gpu_h=3.0)
    _, plan = solved(given, steps=24, hours=0.25)
    assert set(steps_of(plan, "short")) <= {1, 2, 3, 4}
    assert set(steps_of(plan, "short")) <= {2, 3}, "near intervals are worked in whole"


def test_what_may_not_be_interrupted_runs_on_beyond_its_window() -> None:
    _, plan = solved(job("held", running=True, preemptible=False, windows_utc=WINDOWS, value_usd=60.0, gpus_min=2.0))
    assert steps_of(plan, "held")[0] == 0


def test_windows_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="windows_utc do not ascend"):
        job("odd", windows_utc=(WINDOWS[1], WINDOWS[0]))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("hard", [False, True])
def test_of_two_jobs_worth_the_same_the_higher_priority_goes_first(order: tuple[int, int], hard: bool) -> None:
    """Both need all GPUs for the whole time to their deadline; value is no help."""
    twins = tuple(
        job(
            f"p{priority}",
            priority=priority,
            gpus_max=8.0,
            work_gpu_h=24.0,
            hard=hard,
            value_usd=90.0,
            late_usd_per_h=30.0,
            deadline_utc=START + timedelta(hours=3),
        )
        for priority in order
    )
    _, plan = solved(*twins, services=())
    assert steps_of(plan, "p1")[:3] == [0, 1, 2]
    assert not set(steps_of(plan, "p0")) & {0, 1, 2}


def test_value_goes_before_priority() -> None:
    usual = {"gpus_max": 8.0, "work_gpu_h": 24.0, "hard": True, "deadline_utc": START + timedelta(hours=3)}
    _, plan = solved(
        job("worth", value_usd=91.0, **usual), job("rank", value_usd=90.0, priority=5, **usual), services=()
    )
    assert steps_of(plan, "worth")
    assert not steps_of(plan, "rank")


def test_the_check_finds_surplus_work_on_diesel() -> None:
    problem, plan = solved(job("sun", value_usd=60.0, deadline_utc=START + timedelta(hours=4)))
    runs = [step for step in steps_of(plan, "sun") if plan.intervals[step].gensets[0].on]
    assert runs, "the job has to burn diesel for this test"
    only = problem.model_copy(update={"jobs": (problem.jobs[0].model_copy(update={"surplus_only": True}),)})
    assert any("on surplus only" in fault.what for fault in check(only, plan))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({}, "OFFSITE", "which its value pays for"),
        ({"value_usd": 30.0}, "OFFSITE", "more than it is worth"),
        ({"sovereign": True}, "SOVEREIGN", "may not leave the site"),
    ],
)
def test_a_job_that_is_left_out_is_told_what_elsewhere_costs_unless_its_data_stays(
    change: dict[str, Any], code: str, words: str
) -> None:
    late = job(
        "late",
        **({"work_gpu_h": 30.0, "hard": True, "value_usd": 80.0} | change),
        deadline_utc=START + timedelta(hours=2),
    )
    _, plan = solved(late, offsite_usd_per_gpu_h=2.0)
    told = [each for each in plan.decisions if each.what == "job late elsewhere"]
    assert [each.reason_code for each in told] == [code]
    assert words in told[0].text
    _, plan = solved(late)
    assert not [each for each in plan.decisions if each.what == "job late elsewhere"], (
        "without a price nothing is offered"
    )


def test_work_on_surplus_yields_where_whole_hours_have_put_it_beside_a_genset() -> None:
    """Diesel costs nothing and what is stored is held for a hard reserve: the genset runs in quarters of the job's hour."""
    small = small_site()
    battery = BatteryProblem(
        capacity_kwh=5.0,
        soc_frac=0.0,
        soc_max_frac=0.8,
        charge_kw=5.0,
        discharge_kw=5.0,
        charge_efficiency_frac=0.9,
        discharge_efficiency_frac=0.9,
    )
    machine = GensetProblem(name="g", max_kw=5.0, fuel_points=((0.0, 1.0), (5.0, 1.5)), hours_in_state=0.0)
    pool = small.pools[0].model_copy(update={"gpus": 1.0, "idle_w": 10.0, "host_kw": 0.0, "wall_factor": 1.0})
    usual = {"preemptible": False, "gpus_max": 0.5, "work_gpu_h": 0.1, "value_usd": 0.001, "late_usd_per_h": 0.0}
    problem = small_site(
        steps=4,
        hours=0.25,
        pv_available_kw=(0.0,) * 4,
        tiers=(),
        battery=battery,
        gensets=(machine,),
        tank=None,
        reserve=ReserveProblem(hard=True),
        pools=(pool,),
        services=(),
        jobs=(job("sun", surplus_only=True, deadline_utc=START + timedelta(minutes=6), **usual),),
    )
    plan = planned(problem)
    assert check(problem, plan) == ()


def without_battery(step_kw: float | None, **change: Any) -> Problem:
    small = small_site()
    genset = small.gensets[0].model_copy(update={"step_kw": step_kw, "on": True})
    gang = job("gang", gpus_min=8.0, gpus_max=8.0, work_gpu_h=16.0, value_usd=90.0, **change)
    return small_site(battery=None, gensets=(genset,), services=(), jobs=(gang,))


def test_a_job_whose_start_is_more_than_the_genset_takes_at_once_is_not_planned() -> None:
    """Eight GPUs at the lowest limit add 8 x 150 W at the GPUs, 1.27 kW at the wall."""
    for step_kw, runs in ((None, True), (1.3, True), (1.2, False)):
        problem = without_battery(step_kw)
        plan = answer(problem)
        assert check(problem, plan) == ()
        assert bool(steps_of(plan, "gang")) == runs
    told = next(each for each in plan.decisions if each.what == "job gang does not run")
    assert told.reason_code == "LOAD_STEP"
    assert "1.2 kW" in told.text
    assert steps_of(answer(without_battery(1.2, running=True)), "gang"), "one that runs needs no start"


def test_with_a_battery_the_inverter_takes_the_step() -> None:
    gang = job("gang", gpus_min=8.0, gpus_max=8.0, work_gpu_h=16.0, value_usd=90.0)
    assert not steps_of(answer(small_site(services=(), jobs=(gang,), inverter_kw=1.2)), "gang")
    assert steps_of(answer(small_site(services=(), jobs=(gang,), inverter_kw=9.0)), "gang")
