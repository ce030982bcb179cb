"""Random problems: every answer passes the plant check, none crashes, level and gap are true."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings

from optimizer.check import check
from optimizer.ladder import answer
from optimizer.plan import Level, Plan, Status
from optimizer.planner import plan
from optimizer.policies import POLICIES
from optimizer.problem import BatteryProblem, GensetProblem, PoolProblem, Problem, ReserveProblem, TankProblem
from optimizer.rules.roll import rules_plan
from optimizer.rules.styles import STYLES
from optimizer.workload import island_size
from tests.strategies import START, problems

FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

LITTLE_FUEL = Problem(
    site="little fuel",
    start_utc=START,
    hours=(0.25,) * 6,
    pv_available_kw=(0.0,) * 6,
    battery=BatteryProblem(
        capacity_kwh=5.0,
        soc_frac=0.0,
        soc_max_frac=0.8,
        charge_kw=5.0,
        discharge_kw=5.0,
        charge_efficiency_frac=0.9,
        discharge_efficiency_frac=0.9,
    ),
    gensets=(
        GensetProblem(
            name="g0",
            max_kw=17.6,
            min_kw=2.8,
            fuel_points=((0.0, 1.0), (17.6, 5.28)),
            min_run_h=2.0,
            hours_in_state=0.0,
        ),
    ),
    tank=TankProblem(level_l=3.0, capacity_l=500.0, usd_per_l=1.6),
    reserve=ReserveProblem(hard=True),
    pools=(PoolProblem(name="p0", gpus=0.0, idle_w=10.0, host_kw=0.002),),
)
"""Fuel for less than the minimum run time of the genset."""


@MANY
@given(problems())
def test_planner_answers_pass_the_plant_check(problem: Problem) -> None:
    found = plan(problem)
    assert [str(fault) for fault in check(problem, found)] == []
    assert found.level in (Level.OPTIMAL, Level.BEST_FEASIBLE, Level.RELAXED)
    assert (found.level is Level.RELAXED) == (found.status is Status.INFEASIBLE_AS_POSED)


@FEW
@given(problems())
def test_every_near_task_of_whole_gpus_has_a_place_or_a_reason(problem: Problem) -> None:
    found = answer(problem)
    spans = {span.start_utc: span for span in found.placement}
    for pool in (pool for pool in problem.pools if pool.node_gpus and pool.gpus and spans):
        planned = {each.name: each.gpus_by_interval[0] for each in found.jobs if each.pool == pool.name}
        span = spans[problem.start_utc]
        placed = {each.name: each for each in span.tasks if each.pool == pool.name}
        left = {each.name: each.gpus for each in span.left_out if each.pool == pool.name}
        for name, gpus in planned.items():
            if gpus >= 0.5 and abs(gpus - round(gpus)) < 1e-3:
                there = sum(share.gpus for share in placed[name].islands) if name in placed else left[name]
                assert there == round(gpus)
        used: dict[tuple[int, int], int] = {}
        for each in placed.values():
            for share in each.islands:
                used[share.node, share.island] = used.get((share.node, share.island), 0) + share.gpus
        assert all(number <= island_size(pool) for number in used.values())
        assert sum(used.values()) <= pool.gpus
        told = {breach.what for breach in found.breaches if breach.reason_code == "PLACEMENT"}
        assert {f"job {name}" for name in left if name in planned} <= told


@settings(FEW, max_examples=100)
@given(problems())
@example(LITTLE_FUEL)
def test_plans_of_the_rules_pass_the_plant_check(problem: Problem) -> None:
    for style in STYLES:
        assert [str(fault) for fault in check(problem, rules_plan(problem, style=style))] == [], style


@FEW
@given(problems())
@example(LITTLE_FUEL)
def test_no_policy_is_worth_more_than_the_bound(problem: Problem) -> None:
    bound = answer(problem).bound_usd
    assert bound is not None
    held = any(job.running and not job.preemptible for job in problem.jobs)
    for name in () if held else ("rules", "fifo", "cycle_charging", "greedy"):
        other = POLICIES[name].plan(problem)
        scale = 1.0 + abs(bound) + sum(abs(usd) for usd in other.cost_terms_usd.values())
        assert other.net_value_usd <= bound + 1e-5 * scale, name


@FEW
@given(problems(most_steps=8))
def test_documents_come_back_as_they_were(problem: Problem) -> None:
    assert Problem.model_validate_json(problem.model_dump_json()) == problem
    found = answer(problem)
    assert Plan.model_validate_json(found.model_dump_json()) == found
