"""Chained services under one budget: modes are chosen so that the stages keep it together, whoever plans."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.chains import Rooms, least_s, time_s
from optimizer.check import check
from optimizer.ladder import answer
from optimizer.plan import Level, Plan
from optimizer.policies import policy
from optimizer.problem import ChainProblem, ChainStage, Problem, ServiceProblem
from optimizer.workload import menu
from sites.compute.records import ServingMode
from tests.optimizer.small_site import small_site

SLOW_S, QUICK_S = 0.8, 0.3


def mode(name: str, p99_s: float, busy_w: float) -> ServingMode:
    return (
        small_site()
        .services[0]
        .modes[0]
        .model_copy(update={"name": name, "p99_s": p99_s, "busy_w": busy_w, "idle_w": 60.0, "rate_rps": 5.0})
    )


def service(name: str, **change: Any) -> ServiceProblem:
    """A service of two modes: a slow one on little power, a quick one on much."""
    given = {
        "name": name,
        "modes": (mode("slow", SLOW_S, 150.0), mode("quick", QUICK_S, 350.0)),
        "rate_rps": (3.0,) * 6,
        "value_usd_per_request": 0.001,
        "unserved_usd_per_request": 0.003,
    }
    return ServiceProblem.model_validate(given | change)


def chained(
    budget_s: float, *services: ServiceProblem, first: tuple[float, ...] = (1.0, 1.0), **change: Any
) -> Problem:
    stages = services or (service("ear"), service("mouth"))
    chain = ChainProblem(
        name="voice",
        p99_s=budget_s,
        stages=tuple(
            ChainStage(service=each.name, first_frac=share) for each, share in zip(stages, first, strict=True)
        ),
    )
    return small_site(steps=6, services=stages, chains=(chain,), jobs=(), **change)


def modes_of(plan: Plan, step: int = 0) -> dict[str, str]:
    return {each.name: each.modes[step] for each in plan.services}


def planned(problem: Problem, name: str = "planner") -> Plan:
    plan = policy(name).plan(problem)
    assert check(problem, plan) == ()
    return plan


POLICIES = ["planner", "rules", "greedy", "fifo", "cycle_charging", "greenswitch"]


@pytest.mark.parametrize(
    ("budget_s", "chosen"),
    [
        (2 * SLOW_S, ["slow", "slow"]),
        (SLOW_S + QUICK_S, ["quick", "slow"]),
        (2 * QUICK_S, ["quick", "quick"]),
    ],
)
def test_the_leanest_modes_are_taken_that_keep_the_budget_together(budget_s: float, chosen: list[str]) -> None:
    plan = planned(chained(budget_s))
    assert plan.level is Level.OPTIMAL
    for step in range(6):
        assert sorted(modes_of(plan, step).values()) == chosen


def test_what_a_stage_hands_on_early_counts_less() -> None:
    """Both slow take 1.6 s one after the other; with a first output after half of the first stage 1.2 s."""
    assert sorted(modes_of(planned(chained(1.2))).values()) == ["quick", "slow"]
    assert sorted(modes_of(planned(chained(1.2, first=(0.5, 1.0)))).values()) == ["slow", "slow"]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("budget_s", [0.1, 0.5, 0.6, 1.0, 1.1, 1.3, 2.0])
def test_every_policy_keeps_the_budget(name: str, budget_s: float) -> None:
    plan = planned(chained(budget_s), name)
    assert plan.level is not Level.SAFE_STATE


@pytest.mark.parametrize("budget_s", [0.1, 0.5])
def test_a_budget_that_no_modes_keep_is_told_and_leaves_a_stage_out(budget_s: float) -> None:
    plan = planned(chained(budget_s))
    assert "off" in modes_of(plan).values()
    told = next(breach for breach in plan.breaches if breach.what == "chain voice")
    assert told.amount == pytest.approx(2 * QUICK_S - budget_s)
    assert told.unit == "s"


def test_a_critical_chain_without_time_is_infeasible_as_posed() -> None:
    stages = service("ear", critical=True), service("mouth", critical=True)
    plan = answer(chained(0.5, *stages))
    assert plan.level is Level.RELAXED
    assert plan.breaches[0].what in ("service ear", "service mouth")


def test_three_stages_and_a_service_that_counts_twice() -> None:
    stages = (service("ear"), service("mind"), service("mouth"))
    plan = planned(chained(SLOW_S + 2 * QUICK_S, *stages, first=(1.0, 1.0, 1.0)))
    assert sorted(modes_of(plan).values()) == ["quick", "quick", "slow"]
    twice = chained(4 * QUICK_S, service("ear"), service("ear2"))
    doubled = twice.chains[0].model_copy(update={"stages": (*twice.chains[0].stages, *twice.chains[0].stages)})
    plan = planned(twice.model_copy(update={"chains": (doubled,)}))
    assert sorted(modes_of(plan).values()) == ["quick", "quick"]


def test_the_decomposition_keeps_budgets_too() -> None:
    """Ninety intervals and more modes than are solved whole."""
    steps = 90
    stages = tuple(service(name, rate_rps=(3.0,) * steps, switch_usd=0.01) for name in ("ear", "mouth"))
    chain = ChainProblem(name="voice", p99_s=1.1, stages=tuple(ChainStage(service=each.name) for each in stages))
    problem = small_site(steps=steps, hours=0.5, services=stages, chains=(chain,))
    plan = planned(problem)
    assert plan.level in (Level.OPTIMAL, Level.BEST_FEASIBLE)
    assert plan.gap_frac is not None
    assert plan.gap_frac < 0.02
    assert {tuple(sorted(modes_of(plan, step).values())) for step in range(steps)} == {("quick", "slow")}


def test_who_chooses_first_leaves_the_others_the_time_of_their_quickest() -> None:
    rooms = Rooms(chained(1.1))
    slow, quick = service("ear").modes
    assert slow.p99_s <= rooms.most_s("ear")
    rooms.take("ear", slow)
    assert quick.p99_s <= rooms.most_s("mouth") < slow.p99_s
    assert Rooms(small_site()).most_s("chat") == float("inf")


def test_the_check_finds_a_chain_that_takes_too_long() -> None:
    problem = chained(2.0)
    plan = planned(problem)
    tight = problem.model_copy(update={"chains": (problem.chains[0].model_copy(update={"p99_s": 1.0}),)})
    assert any("longer than its budget" in fault.what for fault in check(tight, plan))
    menus = {each.name: {mode.name: mode for mode in menu(each)} for each in problem.services}
    modes = {name: menus[name][chosen] for name, chosen in modes_of(plan).items()}
    assert time_s(problem.chains[0], modes) == pytest.approx(2 * SLOW_S)
    assert least_s(problem, problem.chains[0]) == pytest.approx(2 * QUICK_S)


def test_a_chain_of_a_service_that_is_not_there_is_refused() -> None:
    chain = ChainProblem(name="voice", p99_s=1.0, stages=(ChainStage(service="nobody"),))
    with pytest.raises(ValueError, match=r"chains\.voice: no service nobody"):
        small_site(chains=(chain,))
