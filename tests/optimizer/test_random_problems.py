"""Random problems: every answer passes the plant check, none crashes, level and gap are true."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from optimizer.check import check
from optimizer.ladder import answer
from optimizer.planner import plan
from optimizer.policies import POLICIES
from optimizer.records import Level, Plan, Problem, Status
from tests.strategies import problems

FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@MANY
@given(problems())
def test_planner_answers_pass_the_plant_check(problem: Problem) -> None:
    found = plan(problem)
    assert [str(fault) for fault in check(problem, found)] == []
    assert found.level in (Level.OPTIMAL, Level.BEST_FEASIBLE, Level.RELAXED)
    assert (found.level is Level.RELAXED) == (found.status is Status.INFEASIBLE_AS_POSED)


@FEW
@given(problems())
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
