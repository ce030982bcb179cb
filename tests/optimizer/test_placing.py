"""A plan's near intervals on nodes: whole path from the aggregate plan, few moves, and what finds no room is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from optimizer.check import check
from optimizer.ladder import answer
from optimizer.places import IslandShare, PlacedSpan, TaskPlaces
from optimizer.plan import Level, Plan
from optimizer.policies import policy
from optimizer.problem import JobProblem, LastPlan, PoolProblem, Problem, ProfileLevels
from sites.compute.records import CapLevel
from tests.optimizer.small_site import START, job, small_site


def pool(**change: Any) -> PoolProblem:
    """Two nodes of four GPUs in pairs, the small site's otherwise."""
    return small_site().pools[0].model_copy(update={"nodes": 2, "node_gpus": 4, "island_gpus": 2} | change)


def gang(name: str, gpus: int, **change: Any) -> JobProblem:
    """A job on all its GPUs or none, worth a lot and due soon."""
    given: dict[str, Any] = {"gpus_min": gpus, "gpus_max": gpus, "work_gpu_h": 2.0 * gpus, "value_usd": 60.0}
    return job(name, **(given | {"deadline_utc": START + timedelta(hours=3)} | change))


def placed(*jobs: JobProblem, pool_: PoolProblem | None = None, **change: Any) -> tuple[Problem, Plan]:
    problem = small_site(steps=16, hours=0.25, pools=(pool_ or pool(),), jobs=jobs, **change)
    plan = answer(problem)
    assert check(problem, plan) == ()
    assert plan.level in (Level.OPTIMAL, Level.BEST_FEASIBLE), plan.breaches
    return problem, plan


def assert_whole(problem: Problem, plan: Plan) -> None:
    """Every task of whole GPUs stands in every near interval with all its GPUs, and no island is overfull."""
    for step in range(8):
        row = plan.intervals[step]
        span = next(each for each in plan.placement if each.start_utc <= row.start_utc < each.until_utc)
        found = {each.name: sum(share.gpus for share in each.islands) for each in span.tasks}
        wanted = {each.name: round(each.gpus_by_interval[step]) for each in plan.jobs if each.gpus_by_interval[step]}
        modes = {mode.name: mode.gpus for mode in problem.services[0].modes} | {"off": 0}
        wanted |= {each.name: modes[each.modes[step]] for each in plan.services if modes[each.modes[step]]}
        missing = {each.name: each.gpus for each in span.left_out}
        assert found | missing == wanted
        used: dict[tuple[int, int], int] = {}
        for task in span.tasks:
            for share in task.islands:
                used[share.node, share.island] = used.get((share.node, share.island), 0) + share.gpus
        assert max(used.values(), default=0) <= problem.pools[0].island_gpus
        assert all(node < problem.pools[0].nodes for node, _ in used)


def test_a_plan_says_on_which_nodes_its_near_tasks_are() -> None:
    problem, plan = placed(gang("gang", 4), job("small"))
    assert_whole(problem, plan)
    assert {each.name for span in plan.placement for each in span.tasks} >= {"gang", "chat"}
    assert plan.placement[0].start_utc == problem.start_utc
    assert plan.placement[-1].until_utc == START + timedelta(hours=2)
    for before, after in zip(plan.placement, plan.placement[1:], strict=False):
        assert before.until_utc == after.start_utc


def test_the_same_problem_is_placed_alike() -> None:
    problem, plan = placed(gang("gang", 4), job("small"))
    assert answer(problem).placement == plan.placement


def test_groups_on_nvlink_get_whole_islands() -> None:
    _, plan = placed(gang("pairs", 4, group_gpus=2))
    islands = [
        share for span in plan.placement for each in span.tasks if each.name == "pairs" for share in each.islands
    ]
    assert islands
    assert all(share.gpus == 2 for share in islands)


def test_what_runs_stays_where_the_last_plan_has_it() -> None:
    there = (IslandShare(node=1, island=0, gpus=2), IslandShare(node=1, island=1, gpus=2))
    last = LastPlan(placed=(TaskPlaces(kind="job", name="gang", pool="h100", islands=there),))
    _, plan = placed(gang("gang", 4, running=True), last_plan=last)
    found = next(each for each in plan.placement[0].tasks if each.name == "gang")
    assert found.islands == there
    assert plan.placement[0].moved_gpus == 0


def test_groups_that_cannot_be_together_are_left_out_and_told() -> None:
    """Two groups of three on islands of four leave one GPU over on each: six GPUs are enough for the aggregate plan only."""
    big = pool(island_gpus=4)
    tasks = (gang("a", 3, group_gpus=3), gang("b", 3, group_gpus=3), gang("c", 2, group_gpus=2))
    problem = small_site(steps=16, hours=0.25, pools=(big,), jobs=tasks, services=())
    plan = answer(problem)
    ran = {each.name for each in plan.jobs if each.gpus_by_interval[0] > 0.0}
    if ran != {"a", "b", "c"}:
        pytest.fail(f"the aggregate plan has to run all three at once for this test, not {ran}")
    left = {each.name for each in plan.placement[0].left_out}
    assert left == {"c"}
    told = [breach for breach in plan.breaches if breach.reason_code == "PLACEMENT"]
    assert [breach.what for breach in told] == ["job c"]


def test_a_gang_larger_than_every_island_is_planned_nowhere_and_told() -> None:
    _, plan = placed(gang("wide", 4, group_gpus=4), job("small"))
    wide = next(each for each in plan.jobs if each.name == "wide")
    assert not wide.pool
    text = next(each.text for each in plan.decisions if each.what == "job wide does not run")
    assert "NVLink" in text


def test_memory_that_no_gpu_has_is_told() -> None:
    _, plan = placed(job("fat", memory_gb=200.0), pool_=pool(memory_gb=80.0))
    text = next(each.text for each in plan.decisions if each.what == "job fat does not run")
    assert "200 GB" in text


@pytest.mark.parametrize("change", [{"gpus": 0.0}, {"nodes": 0}, {"node_gpus": 0}])
def test_pools_without_gpus_or_nodes_have_nothing_placed(change: dict[str, Any]) -> None:
    problem = small_site(steps=8, hours=0.5, pools=(pool(**change),))
    plan = answer(problem)
    assert check(problem, plan) == ()
    assert all(not span.tasks and not span.left_out for span in plan.placement)


def test_rules_leave_places_to_the_devices() -> None:
    problem = small_site(pools=(pool(),))
    assert policy("rules").plan(problem).placement == ()


def test_a_failing_placement_costs_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> tuple[PlacedSpan, ...]:
        raise RuntimeError("no CP-SAT here")

    monkeypatch.setattr("optimizer.placing.spans_of", broken)
    plan = answer(small_site(pools=(pool(),)))
    assert plan.level is Level.OPTIMAL
    assert plan.placement == ()


def cut(gpus: int, parts: int, nodes: int = 1, **change: Any) -> PoolProblem:
    """Nodes of GPUs in parts, each with its share of the draw; training at 200 W a GPU only, vision at 300 W only."""
    levels = tuple(
        ProfileLevels(
            profile=profile,
            levels=(CapLevel(limit_w=watts / parts, power_w=watts / parts, idle_w=50 / parts, speed_frac=1.0),),
        )
        for profile, watts in (("training", 200.0), ("vision", 300.0))
    )
    own: dict[str, Any] = {
        "gpus": float(nodes * gpus * parts),
        "node_gpus": gpus * parts,
        "nodes": nodes,
        "island_gpus": 1,
    }
    return pool(mig_parts=parts, levels=levels, idle_w=50 / parts, **(own | change))


def test_two_limits_may_not_share_a_gpu_that_is_cut() -> None:
    idle = small_site().services[0].model_copy(update={"rate_rps": (0.0,) * 16})
    slow, fast = gang("slow", 2), gang("fast", 2, profile="vision")
    _, plan = placed(slow, fast, pool_=cut(2, 3), services=(idle,))
    first = plan.placement[0]
    assert {each.name: {share.island for share in each.islands} for each in first.tasks if each.kind == "job"} in (
        {"slow": {0}, "fast": {1}},
        {"slow": {1}, "fast": {0}},
    )
    assert not [each for each in plan.breaches if each.reason_code == "PLACEMENT"]
    _, plan = placed(slow, fast, pool_=cut(1, 4), services=(idle,))
    together = [{each.name for each in span.tasks if each.kind == "job"} for span in plan.placement]
    assert {"slow"} in together or {"fast"} in together
    assert {"slow", "fast"} not in together, "the one GPU has one limit at a time"
    alike = gang("fast", 2)
    _, plan = placed(slow, alike, pool_=cut(1, 4), services=(idle,))
    assert {"slow", "fast"} in [{each.name for each in span.tasks if each.kind == "job"} for span in plan.placement]


def test_the_check_finds_parts_of_one_gpu_at_two_limits_and_an_overfull_one() -> None:
    idle = small_site().services[0].model_copy(update={"rate_rps": (0.0,) * 16})
    problem, plan = placed(gang("slow", 2), gang("fast", 2, profile="vision"), pool_=cut(2, 3), services=(idle,))
    share = (IslandShare(node=0, island=0, gpus=2),)
    moved = tuple(
        span.model_copy(update={"tasks": tuple(each.model_copy(update={"islands": share}) for each in span.tasks)})
        for span in plan.placement
    )
    whats = {fault.what for fault in check(problem, plan.model_copy(update={"placement": moved}))}
    assert whats == {"limits of one GPU's parts differ", "more GPUs than the island has"}


def test_nodes_stay_on_for_parts_that_another_limit_keeps_apart() -> None:
    idle = small_site().services[0].model_copy(update={"rate_rps": (0.0,) * 16})
    two = cut(1, 4, nodes=2, can_power_off=True, nodes_on=2)
    _, plan = placed(gang("slow", 1), gang("fast", 1, profile="vision"), pool_=two, services=(idle,))
    assert {"slow", "fast"} in [{each.name for each in span.tasks if each.kind == "job"} for span in plan.placement]
    assert plan.pools[0].nodes_on[0] == 2
