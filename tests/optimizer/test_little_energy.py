"""Too little fuel or energy: the tank is never overdrawn, and the fewest demands to give up are proved, not guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from optimizer.check import check
from optimizer.explain.fewest import fewest
from optimizer.plan import Plan, Status
from optimizer.planner import plan
from optimizer.problem import BatteryProblem, GensetProblem, LoadTier, Problem, TankProblem

START = datetime(2025, 3, 28, 22, tzinfo=UTC)
HOURS = 12


def _tier(name: str, kw: float, usd: float) -> LoadTier:
    return LoadTier(name=name, kw=(kw,) * HOURS, shed_usd_per_kwh=usd, critical=True)


def _problem(tiers: tuple[LoadTier, ...], **parts: object) -> Problem:
    given: dict[str, object] = {
        "site": "little energy",
        "start_utc": START,
        "hours": (1.0,) * HOURS,
        "pv_available_kw": (0.0,) * HOURS,
        "tiers": tiers,
    }
    return Problem.model_validate(given | parts)


@pytest.mark.parametrize("level_l", [20.0, 40.0, 55.0])
def test_a_fuel_curve_that_is_not_convex_never_overdraws_the_tank(level_l: float) -> None:
    genset = GensetProblem(
        name="g", max_kw=60.0, min_kw=6.0, fuel_points=((0.0, 0.5), (30.0, 9.6), (60.0, 18.0)), on=True
    )
    tank = TankProblem(level_l=level_l, capacity_l=500.0, usd_per_l=1.6)
    problem = _problem((_tier("load", 30.0, 9.0),), gensets=(genset,), tank=tank)
    made = plan(problem)
    assert made.status is Status.INFEASIBLE_AS_POSED
    assert [str(fault) for fault in check(problem, made)] == []


def _three_tiers() -> Problem:
    """Return a battery for half of the load: two cheap tiers are as large as one dear one."""
    battery = BatteryProblem(capacity_kwh=30.0, soc_frac=0.95, charge_kw=10.0, discharge_kw=10.0)
    return _problem((_tier("a", 1.0, 20.0), _tier("b", 1.0, 20.5), _tier("c", 2.0, 60.0)), battery=battery)


def _told(made: Plan) -> tuple[str, bool]:
    return next((one.text, one.exact) for one in made.decisions if one.what == "smallest set to give up")


def test_fewest_demands_are_not_the_cheapest() -> None:
    problem = _three_tiers()
    assert fewest(problem, seconds=5.0).least == 1
    text, exact = _told(plan(problem))
    assert not exact
    assert "the plan gives up tier a, tier b; at least 1" in text


def test_solving_again_shows_that_the_fewest_will_do() -> None:
    text, exact = _told(plan(_three_tiers(), exact=True))
    assert exact
    assert "without tier c it can" in text


def test_a_demand_that_can_be_met_needs_none_given_up() -> None:
    problem = _problem((_tier("a", 1.0, 20.0),), battery=_three_tiers().battery)
    assert fewest(problem, seconds=5.0).least == 0
    assert plan(problem).status is Status.FEASIBLE
