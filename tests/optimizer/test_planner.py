"""The planner as a whole: stable, indifferent to time zones and to how time is cut, and right about what it says."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.check import check
from optimizer.explain.what_if import answer_what_if, deliver, force_job_now, genset_off
from optimizer.objective import hot_kwh
from optimizer.plan import Level, Plan, Status
from optimizer.planner import plan
from optimizer.policies import POLICIES
from optimizer.problem import FuelDelivery, GensetProblem, LastPlan, Problem, PvScenario, ReserveProblem, RoomProblem

_spec = importlib.util.spec_from_file_location("small_site", Path(__file__).with_name("small_site.py"))
assert _spec is not None
assert _spec.loader is not None
small = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small)
START = small.START


def _same(first: Plan, second: Plan) -> bool:
    return first.model_copy(update={"solve_seconds": 0.0}) == second.model_copy(update={"solve_seconds": 0.0})


def _genset(problem: Problem, **change: object) -> Problem:
    changed = problem.gensets[0].model_copy(update=change)
    return problem.model_copy(update={"gensets": (changed, *problem.gensets[1:])})


def _energy_kwh(made: Plan, field: str) -> float:
    return sum(getattr(row, field) * row.hours for row in made.intervals)


def test_plan_is_good_and_passes_the_check() -> None:
    problem = small.small_site()
    made = plan(problem)
    assert made.level is Level.OPTIMAL
    assert [str(fault) for fault in check(problem, made)] == []
    for name in ("rules", "fifo", "cycle_charging", "greedy", "greenswitch"):
        assert POLICIES[name].plan(problem).net_value_usd <= made.bound_usd + 1e-6, name


def test_equal_problems_get_equal_plans() -> None:
    problem = small.small_site()
    assert _same(plan(problem), plan(problem))


@pytest.fixture
def far_zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Chatham"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_host_time_zone_changes_nothing(far_zone: None) -> None:
    there = plan(small.small_site())
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    assert _same(there, plan(small.small_site()))


def test_splitting_a_step_conserves_energy_and_feasibility() -> None:
    whole = small.small_site(jobs=())
    halves = {
        "hours": tuple(h / 2 for h in whole.hours for _ in (0, 1)),
        "pv_available_kw": tuple(kw for kw in whole.pv_available_kw for _ in (0, 1)),
        "tiers": tuple(
            tier.model_copy(update={"kw": tuple(kw for kw in tier.kw for _ in (0, 1))}) for tier in whole.tiers
        ),
        "services": tuple(
            service.model_copy(update={"rate_rps": tuple(rate for rate in service.rate_rps for _ in (0, 1))})
            for service in whole.services
        ),
    }
    split = Problem.model_validate(whole.model_copy(update=halves).model_dump())
    first, second = plan(whole), plan(split)
    assert [str(fault) for fault in check(split, second)] == []
    assert second.net_value_usd >= first.net_value_usd - 0.001 * abs(first.net_value_usd)
    assert _energy_kwh(second, "load_kw") == pytest.approx(_energy_kwh(first, "load_kw"), rel=0.02)


def test_replanning_on_an_unchanged_forecast_keeps_the_plan_and_a_price_moves_it() -> None:
    problem = small.small_site()
    first = plan(problem)
    last = LastPlan(
        genset_on=tuple(tuple(row.gensets[g].on for row in first.intervals) for g in range(len(problem.gensets))),
        service_modes=tuple(service.modes for service in first.services),
        change_usd=0.05,
    )
    again = plan(problem.model_copy(update={"last_plan": last}))
    for before, now in zip(first.intervals[:6], again.intervals[:6], strict=True):
        assert [genset.on for genset in before.gensets] == [genset.on for genset in now.gensets]
    assert [service.modes[:6] for service in again.services] == [service.modes[:6] for service in first.services]
    assert any(row.gensets[0].on for row in first.intervals)
    assert problem.tank is not None
    dear = problem.tank.model_copy(update={"usd_per_l": 40.0})
    moved = plan(problem.model_copy(update={"last_plan": last, "tank": dear}))
    assert sum(row.gensets[0].on for row in moved.intervals) < sum(row.gensets[0].on for row in first.intervals)


def test_a_small_gain_does_not_change_the_plan() -> None:
    problem = small.small_site(jobs=())
    calm = problem.services[0].model_copy(update={"rate_rps": (2.0,) * 14})
    problem = problem.model_copy(update={"services": (calm,)})
    first = plan(problem)
    other = tuple(tuple("x2" for _ in problem.hours) for _ in problem.services)
    last = LastPlan(genset_on=(), service_modes=other, change_usd=50.0)
    kept = plan(problem.model_copy(update={"last_plan": last}))
    assert set(kept.services[0].modes[:6]) == {"x2"}
    assert set(first.services[0].modes[:6]) != {"x2"}


def test_more_sun_never_costs_more() -> None:
    problem = small.small_site(jobs=())
    sunny = problem.model_copy(update={"pv_available_kw": tuple(kw + 1.0 for kw in problem.pv_available_kw)})
    assert plan(sunny).net_value_usd >= plan(problem).net_value_usd - 1e-3


def test_diesel_is_burnt_only_after_it_is_delivered() -> None:
    problem = small.small_site(jobs=(), pv_available_kw=(0.0,) * 14)
    assert problem.tank is not None
    tank = problem.tank.model_copy(
        update={"level_l": 0.0, "deliveries": (FuelDelivery(at_utc=START + timedelta(hours=5), litres=50.0),)}
    )
    made = plan(problem.model_copy(update={"tank": tank}))
    assert not any(row.gensets[0].on for row in made.intervals[:5])
    assert any(row.gensets[0].on for row in made.intervals[5:])


def test_a_test_run_is_done_and_quiet_hours_are_kept() -> None:
    problem = small.small_site(jobs=())
    test_run = tuple(step == 9 for step in range(14))
    quiet = tuple(step < 6 for step in range(14))
    made = plan(_genset(problem, must_run=test_run, forbidden=quiet))
    assert made.intervals[9].gensets[0].on
    assert not any(row.gensets[0].on for row in made.intervals[:6])


def test_surplus_only_work_never_runs_on_diesel() -> None:
    ordered = tuple(step in (9, 10, 11) for step in range(14))
    only = small.job("sun", surplus_only=True, value_usd=50.0, deadline_utc=START + timedelta(hours=30))
    made = plan(_genset(small.small_site(jobs=(only,)), must_run=ordered))
    for step, row in enumerate(made.intervals):
        if row.gensets[0].on:
            assert made.jobs[0].gpus_by_interval[step] == 0.0


def test_a_running_job_that_may_not_stop_goes_on() -> None:
    held = small.job("held", running=True, preemptible=False, value_usd=0.01, gpus_min=2.0)
    made = plan(small.small_site(jobs=(held,)))
    assert made.jobs[0].gpus_by_interval[0] >= 2.0
    assert made.jobs[0].gpus_by_interval[1] >= 2.0


@pytest.mark.parametrize(("checkpoint_h", "goes_on"), [(0.0, False), (1.0, True)])
def test_a_running_job_is_paused_only_where_that_is_worth_its_restart(checkpoint_h: float, goes_on: bool) -> None:
    """In the dark before a sunny day, work is cheaper later; a restart that loses an hour of four GPUs is dearer."""
    jobs = (small.job("a", running=True, checkpoint_h=checkpoint_h, value_usd=6.0, late_usd_per_h=0.0, gpus_min=1.0),)
    sun = tuple(20.0 if step > 4 else 0.0 for step in range(14))
    made = plan(small.small_site(jobs=jobs, pv_available_kw=sun, services=()))
    assert (made.jobs[0].gpus_by_interval[0] > 0.0) is goes_on
    assert made.cost_terms_usd.get("pauses", 0.0) == 0.0


def test_work_gives_way_before_the_room_gets_hotter_than_computers_bear() -> None:
    """The cooling can carry away little more than idle hosts for some hours; the room's own heat capacity bridges one."""
    weak = tuple(1.2 if 3 <= step < 9 else 10.0 for step in range(14))
    plenty = small.small_site(pv_available_kw=(12.0,) * 14)
    posed = plenty.model_copy(update={"room": RoomProblem(removable_kw=weak, store_kwh=0.3)})
    free, held = plan(plenty), plan(posed)
    assert [str(fault) for fault in check(posed, held)] == []
    assert max(hot_kwh(posed, free.intervals)) > 0.1
    assert max(hot_kwh(posed, held.intervals)) < 1e-6
    assert "INLET_HOT" not in {breach.reason_code for breach in held.breaches}
    assert held.work_value_usd > 0.5 * free.work_value_usd


def test_near_gpus_are_whole_and_limits_whole_watts() -> None:
    made = plan(small.small_site(steps=28, hours=0.5))
    for job in made.jobs:
        for gpus, limit_w in zip(job.gpus_by_interval[:4], job.limit_w_by_interval[:4], strict=True):
            assert gpus == round(gpus)
            assert limit_w == round(limit_w)


def test_genset_start_has_an_exact_price_on_request_and_an_estimate_else() -> None:
    problem = small.small_site(pv_available_kw=(0.0,) * 14)
    for exact in (False, True):
        starts = [
            one for one in plan(problem, exact=exact).decisions if " starts " in one.what and "genset" in one.what
        ]
        assert starts
        assert all(one.exact is exact for one in starts)
        assert all(one.cost_of_alternative_usd is not None for one in starts)
    assert all((one.cost_of_alternative_usd or 0.0) > -0.01 for one in starts)


def test_what_if_is_answered_by_solving_again() -> None:
    problem = small.small_site(pv_available_kw=(0.0,) * 14)
    base = plan(problem)
    forced = answer_what_if("c now", base, force_job_now(problem, "c"), plan)
    assert forced.plan.jobs[2].gpus_by_interval[0] == 4.0
    assert forced.extra_cost_usd > 0.0
    off = answer_what_if("no genset", base, genset_off(problem, "g1"), plan)
    assert not any(row.gensets[0].on for row in off.plan.intervals)
    assert off.extra_cost_usd > 0.0
    more = answer_what_if("fuel", base, deliver(problem, 10.0, START + timedelta(hours=2)), plan)
    assert more.extra_cost_usd == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("name", ["planner", "rules"])
def test_a_job_that_ends_within_its_margin_is_not_late(name: str) -> None:
    problem = small.small_site()
    ends = {job.name: job.end_utc for job in POLICIES[name].plan(problem).jobs if job.done_frac > 0.999}
    job = next(job for job in problem.jobs if job.name in ends)
    end = ends[job.name]
    assert end is not None

    def due(promised: timedelta) -> Problem:
        posed = job.model_copy(
            update={"deadline_utc": max(end - timedelta(minutes=5), job.release_utc + timedelta(minutes=1))}
        )
        asked = posed.model_copy(update={"promised_utc": end + promised, "late_usd_per_h": 0.0, "hard": False})
        return problem.model_copy(update={"jobs": (asked,)})

    for promised, late in ((timedelta(days=3), False), (timedelta(days=-1), True)):
        made = POLICIES[name].plan(due(promised))
        assert made.jobs[0].done_frac > 0.999
        assert made.jobs[0].late is late
        assert any("misses its deadline" in breach.text for breach in made.breaches) is late


def test_every_job_has_a_reason() -> None:
    made = plan(small.small_site(pv_available_kw=(0.0,) * 14))
    for job in made.jobs:
        assert any(one.what.startswith(f"job {job.name} ") for one in made.decisions), job.name
    assert {one.reason_code for one in made.decisions if one.what == "job c does not run"} == {"NOT_WORTH"}


def test_scenarios_make_the_commitment_careful_and_stay_under_their_bound() -> None:
    sunny = small.small_site(jobs=())
    dark = PvScenario(weight=0.5, pv_available_kw=tuple(0.1 * kw for kw in sunny.pv_available_kw))
    bright = PvScenario(weight=0.5, pv_available_kw=tuple(1.9 * kw for kw in sunny.pv_available_kw))
    problem = sunny.model_copy(update={"scenarios": (dark, bright)})
    made = plan(problem)
    assert made.bound_usd is not None
    assert made.net_value_usd <= made.bound_usd + 1e-6
    assert [str(fault) for fault in check(problem, made)] == []


def test_a_full_charge_is_reached_when_it_is_due() -> None:
    problem = small.small_site(pv_available_kw=(9.0,) * 14, jobs=())
    free = plan(
        problem.model_copy(update={"battery": problem.battery.model_copy(update={"end_value_usd_per_kwh": 0.0})})
    )
    due = problem.battery.model_copy(update={"end_value_usd_per_kwh": 0.0, "full_by_h": 8.0, "soc_frac": 0.3})
    made = plan(problem.model_copy(update={"battery": due}))
    assert max(row.soc_end_frac for row in made.intervals[:8]) >= 0.99 - 1e-6
    assert "full_charge" not in made.cost_terms_usd
    assert free.level is Level.OPTIMAL


def test_spare_gensets_count_as_reserve_within_the_ups_time() -> None:
    asked = ReserveProblem(load_frac=3.0, hard=True)
    problem = small.small_site(reserve=asked, jobs=(), battery=None, pv_available_kw=(6.0,) * 14)
    without = plan(problem)
    assert any(breach.what == "operating reserve" for breach in without.breaches) or any(
        row.gensets[0].on for row in without.intervals
    )
    bridged = plan(problem.model_copy(update={"reserve": asked.model_copy(update={"ups_kw": 8.0, "ups_h": 0.25})}))
    assert bridged.status is Status.FEASIBLE
    assert not any(row.gensets[0].on for row in bridged.intervals)


def test_idle_nodes_are_powered_off_and_booted_in_time() -> None:
    problem = small.small_site(pv_available_kw=(0.0,) * 14)
    pool = problem.pools[0].model_copy(
        update={"nodes": 4, "can_power_off": True, "boot_h": 0.5, "boot_kwh": 0.02, "host_kw": 1.0}
    )
    on = plan(problem.model_copy(update={"pools": (pool.model_copy(update={"can_power_off": False}),)}))
    posed = problem.model_copy(update={"pools": (pool,)})
    made = plan(posed)
    assert [str(fault) for fault in check(posed, made)] == []
    assert made.net_value_usd > on.net_value_usd + 0.1
    assert min(made.pools[0].nodes_on) < 4
    assert on.pools == ()


@pytest.mark.parametrize("genset_kw", [8.0, 40.0])
def test_a_site_without_batch_work_and_with_idle_nodes_off_still_runs_its_genset(genset_kw: float) -> None:
    """Nodes off made the search's batch power negative; a genset far larger than the load looked like one never needed."""
    problem = small.small_site(steps=44, pv_available_kw=(0.0,) * 44, jobs=())
    pool = problem.pools[0].model_copy(
        update={"nodes": 4, "can_power_off": True, "boot_h": 0.1, "boot_kwh": 0.02, "host_kw": 1.0}
    )
    problem = problem.model_copy(update={"pools": (pool,)})
    curve = ((0.0, genset_kw / 16.0), (genset_kw, genset_kw / 4.0 + genset_kw / 16.0))
    dark = _genset(problem, max_kw=genset_kw, min_kw=0.3 * genset_kw, fuel_points=curve)
    made = plan(dark)
    assert [str(fault) for fault in check(dark, made)] == []
    assert any(row.gensets[0].on for row in made.intervals)
    assert made.bound_usd - made.net_value_usd < 0.05 * made.work_value_usd


def test_a_floor_of_charge_asked_for_by_a_person_is_kept_on_a_fine_grid() -> None:
    steps = 56
    problem = small.small_site(steps=steps, hours=0.25, pv_available_kw=(0.0,) * steps, jobs=())
    floor = tuple(0.5 if 30 <= step < 40 else 0.0 for step in range(steps))
    posed = problem.model_copy(update={"battery": problem.battery.model_copy(update={"soc_floor_frac": floor})})
    made = plan(posed)
    assert [str(fault) for fault in check(posed, made)] == []
    assert min(row.soc_end_frac for row in made.intervals[30:40]) >= 0.5 - 1e-6


def test_the_smallest_set_to_give_up_is_named() -> None:
    dark = small.small_site(pv_available_kw=(0.0,) * 14, jobs=(), gensets=())
    battery = dark.battery.model_copy(update={"soc_frac": 0.35})
    critical = dark.services[0].model_copy(update={"critical": True})
    made = plan(dark.model_copy(update={"battery": battery, "services": (critical,)}), exact=True)
    assert made.status is Status.INFEASIBLE_AS_POSED
    told = next(one for one in made.decisions if one.what == "smallest set to give up")
    assert told.exact
    assert "hosts and cooling" in told.text
    assert plan(small.small_site()).decisions[0].what != "smallest set to give up"


def test_hard_reserve_is_held_where_it_can_be() -> None:
    problem = small.small_site(reserve=ReserveProblem(load_frac=0.3, hard=True))
    made = plan(problem)
    assert made.status is Status.FEASIBLE
    for row in made.intervals:
        assert row.reserve_kw >= 0.3 * row.load_kw - 1e-3


def test_minimum_load_in_the_middle_of_the_day_curtails_sun_not_physics() -> None:
    big = GensetProblem(
        name="g1", max_kw=30.0, min_kw=15.0, fuel_points=((0.0, 1.0), (30.0, 9.0)), must_run=(True,) * 14, on=True
    )
    made = plan(small.small_site(jobs=(), gensets=(big,)))
    assert any(breach.reason_code == "GENSET_MIN_LOAD" for breach in made.breaches)
    assert all(row.battery_kw >= -10.0 - 1e-6 for row in made.intervals)
