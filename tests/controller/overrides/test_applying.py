"""Orders in a problem, and what the real planner then does on the small site."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.overrides.applying import with_orders
from controller.overrides.comparing import compare
from controller.overrides.judging import faults_of, nearest
from controller.overrides.orders import (
    CapPool,
    Disable,
    ForbidGenset,
    HoldJob,
    HoldSoc,
    Order,
    PinJob,
    RunGenset,
    ShedTier,
    Standing,
    StopService,
)
from optimizer.ladder import answer
from optimizer.plan import JobPlan, Level, Plan
from optimizer.problem import Problem
from sites.times import require_utc
from tests.optimizer.small_site import START, small_site

SITE = small_site()
ZONE = ZoneInfo("Europe/Berlin")


def standing(order: Order, *, begin: float | None = None, until: float = 14.0) -> Standing:
    return Standing(
        order=order,
        from_utc=None if begin is None else START + timedelta(hours=begin),
        expires_utc=START + timedelta(hours=until),
    )


def solved(*orders: Standing, problem: Problem = SITE) -> tuple[Problem, Plan]:
    under = with_orders(problem, orders)
    plan = answer(under)
    assert plan.level in (Level.OPTIMAL, Level.BEST_FEASIBLE, Level.RELAXED), plan.breaches
    return under, plan


def job_of(plan: Plan, name: str) -> JobPlan:
    return next(job for job in plan.jobs if job.name == name)


@pytest.fixture(scope="module")
def free() -> tuple[Problem, Plan]:
    """The problem without orders and its plan."""
    return solved()


def test_an_order_that_has_expired_changes_nothing() -> None:
    assert with_orders(SITE, [standing(ForbidGenset(genset="g1"), until=0.0)]) == SITE


def test_an_order_about_nothing_here_changes_nothing() -> None:
    orders = [standing(ForbidGenset(genset="g9")), standing(CapPool(pool="x", limit_w=100)), standing(HoldJob(job="z"))]
    assert with_orders(SITE, orders).model_copy(update={"gensets": SITE.gensets}) == SITE


@pytest.mark.parametrize(("name", "hour"), [("a", 1), ("c", 4), ("a", 7)])
def test_a_pinned_job_starts_then_even_one_that_is_not_worth_its_energy(name: str, hour: int) -> None:
    start = START + timedelta(hours=hour)
    _, plan = solved(standing(PinJob(job=name, start_utc=start, gpus=3.0)))
    job = job_of(plan, name)
    assert job.start_utc == start
    assert min(job.gpus_by_interval[hour : hour + 2]) >= 2.999
    assert job.done_frac > (0.99 if name == "a" else 0.6)


def test_a_pin_whose_moment_has_come_holds_the_job() -> None:
    under = with_orders(SITE, [standing(PinJob(job="a", start_utc=START - timedelta(hours=1)))])
    pinned = next(job for job in under.jobs if job.name == "a")
    assert (pinned.running, pinned.preemptible, pinned.release_utc) == (True, False, START)


def test_a_held_job_waits_until_the_order_ends() -> None:
    _, plan = solved(standing(HoldJob(job="a"), until=5.0))
    start = job_of(plan, "a").start_utc
    assert start is not None
    assert start >= START + timedelta(hours=5)
    left = with_orders(SITE, [standing(HoldJob(job="a"), until=11.0)])
    assert "a" not in [job.name for job in left.jobs]


def test_a_genset_runs_and_rests_as_ordered() -> None:
    _, ran = solved(standing(RunGenset(genset="g1"), begin=2.0, until=5.0))
    assert [row.gensets[0].on for row in ran.intervals[2:5]] == [True] * 3
    low = small_site(battery=SITE.battery.model_copy(update={"soc_frac": 0.3}) if SITE.battery else None)
    _, without = solved(standing(ForbidGenset(genset="g1"), until=6.0), problem=low)
    assert not any(row.gensets[0].on for row in without.intervals[:6])
    assert with_orders(SITE, [standing(Disable(device="genset g1"))]).gensets[0].forbidden == (True,) * 14


def test_the_battery_is_held_and_that_costs_diesel(free: tuple[Problem, Plan]) -> None:
    order = standing(HoldSoc(soc_frac=0.55), begin=1.0, until=6.0)
    problem, plan = solved(order)
    assert min(row.soc_end_frac for row in plan.intervals[1:6]) >= 0.549
    told = compare(free, (problem, plan), {})
    assert told.after.fuel_l > told.before.fuel_l + 0.5
    assert told.after.net_cost_usd > told.before.net_cost_usd
    assert faults_of(order, free[1], problem, plan, ZONE) == ()


def test_a_capped_pool_keeps_under_its_limit() -> None:
    problem, plan = solved(standing(CapPool(pool="h100", limit_w=240.0)))
    limits = [watts for job in plan.jobs for watts in job.limit_w_by_interval]
    assert max(limits) <= 240.0
    assert problem.services[0].modes == ()
    assert [level.limit_w for level in problem.pools[0].levels[0].levels] == [200.0, 240.0]
    assert problem.pools[0].levels[0].levels[1].speed_frac == pytest.approx(0.7 + 0.18 * 40 / 75)
    assert with_orders(SITE, [standing(CapPool(pool="h100", limit_w=300.0))]).services == SITE.services


def test_what_is_disabled_is_not_used() -> None:
    problem, plan = solved(standing(Disable(device="pool h100")))
    assert not any(job.pool for job in plan.jobs)
    assert problem.pools[0].host_kw == pytest.approx(0.4 + 1.06 * 0.05 * 8)
    dark = with_orders(SITE, [standing(Disable(device="pv"), until=12.0)])
    assert sum(dark.pv_available_kw[:12]) == 0.0
    assert dark.pv_available_kw[12:] == SITE.pv_available_kw[12:]


def test_load_and_service_go_without() -> None:
    under = with_orders(SITE, [standing(ShedTier(tier="cabin"), until=2.0), standing(StopService(service="chat"))])
    assert under.tiers[1].kw == (0.0, 0.0, *(0.5,) * 12)
    assert under.services[0].rate_rps == (0.0,) * 14


def test_problems_under_orders_are_documents_that_can_be_read_again() -> None:
    orders: list[Order] = [
        PinJob(job="a", start_utc=START + timedelta(hours=11)),
        HoldJob(job="b"),
        HoldSoc(soc_frac=0.5),
        CapPool(pool="h100", limit_w=240.0),
        Disable(device="pool h100"),
    ]
    under = with_orders(SITE, [standing(order) for order in orders])
    assert Problem.model_validate_json(under.model_dump_json()) == under


def test_a_battery_that_cannot_be_held_is_told_with_the_nearest_that_works(free: tuple[Problem, Plan]) -> None:
    order = standing(HoldSoc(soc_frac=0.95), until=4.0)
    problem, plan = solved(order)
    faults = faults_of(order, free[1], problem, plan, ZONE)
    assert "can be held at" in faults[0]
    found = nearest(order, free[1], problem, plan, solve=lambda each: solved(each), zone=ZONE)
    assert found is not None
    assert isinstance(found.order, HoldSoc)
    assert 0.5 <= found.order.soc_frac < 0.95
    assert faults_of(found, free[1], *solved(found), ZONE) == ()


def test_a_genset_that_may_not_rest_so_long_is_told_with_the_nearest_that_works() -> None:
    low = small_site(battery=SITE.battery.model_copy(update={"soc_frac": 0.25}) if SITE.battery else None)
    before = solved(problem=low)
    order = standing(ForbidGenset(genset="g1"), until=9.0)
    problem, plan = solved(order, problem=low)
    faults = faults_of(order, before[1], problem, plan, ZONE)
    assert any("critical" in fault or "hosts and cooling" in fault for fault in faults)
    found = nearest(order, before[1], problem, plan, solve=lambda each: solved(each, problem=low), zone=ZONE)
    assert found is not None
    assert START < require_utc(found.expires_utc) < order.expires_utc


def test_a_job_that_finds_no_gpus_then_is_told_when_it_does() -> None:
    gang = SITE.jobs[0].model_copy(
        update={"name": "gang", "gpus_min": 6.0, "gpus_max": 6.0, "work_gpu_h": 18.0, "running": True}
    )
    full = small_site(jobs=(SITE.jobs[0], gang.model_copy(update={"preemptible": False})))
    before = solved(problem=full)
    order = standing(PinJob(job="a", start_utc=START, gpus=4.0))
    problem, plan = solved(order, problem=full)
    faults = faults_of(order, before[1], problem, plan, ZONE)
    assert faults, job_of(plan, "a").start_utc
    assert "interrupted" in faults[0] or "at the earliest" in faults[0]
    found = nearest(order, before[1], problem, plan, solve=lambda each: solved(each, problem=full), zone=ZONE)
    assert found is not None
    assert isinstance(found.order, PinJob)
    assert START + timedelta(hours=2) <= found.order.start_utc <= START + timedelta(hours=6)
