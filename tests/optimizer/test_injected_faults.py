"""What must never kill a plan: an executable plan or a safe state every time, with the reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta

import pytest

from benchmarks.planner_problems import START, container_problem
from optimizer.check import check
from optimizer.ladder import answer, climb
from optimizer.plan import Level, Plan, Status
from optimizer.problem import Problem, SolveLimits
from sites.times import uniform_grid

Fault = Callable[[Problem], Problem]


def _base() -> Problem:
    grid = uniform_grid(START, hours=1.0, steps=12)
    return container_problem(1, jobs=8, grid=grid, limits=SolveLimits(seconds=5.0))


def _changed(problem: Problem, part: str, **update: object) -> Problem:
    return problem.model_copy(update={part: getattr(problem, part).model_copy(update=update)})


def _each(problem: Problem, part: str, **update: object) -> Problem:
    rows = tuple(row.model_copy(update=update) for row in getattr(problem, part))
    return problem.model_copy(update={part: rows})


def _demand(problem: Problem, factor: float) -> Problem:
    services = tuple(
        service.model_copy(update={"rate_rps": tuple(rate * factor for rate in service.rate_rps)})
        for service in problem.services
    )
    return problem.model_copy(update={"services": services})


def _nan_sun(problem: Problem) -> Problem:
    sun = list(problem.pv_available_kw)
    sun[3] = sun[4] = math.nan
    return problem.model_copy(update={"pv_available_kw": tuple(sun)})


FAULTS: dict[str, tuple[Fault, str]] = {
    "SoC 0.1 % under its limit": (lambda p: _changed(p, "battery", soc_frac=0.099), ""),
    "SoC missing": (lambda p: _changed(p, "battery", soc_frac=math.nan), "SENSOR_LOST"),
    "NaN in the sun": (_nan_sun, "SENSOR_LOST"),
    "empty tank": (lambda p: _changed(p, "tank", level_l=0.0, reserve_l=0.0), ""),
    "all gensets out": (lambda p: _each(p, "gensets", available=False), ""),
    "no sun, no gensets, empty battery": (
        lambda p: _changed(_each(p, "gensets", available=False), "battery", soc_frac=0.1).model_copy(
            update={"pv_available_kw": (0.0,) * len(p.hours)}
        ),
        "INFEASIBLE_AS_POSED",
    ),
    "no GPUs": (lambda p: _each(p, "pools", gpus=0.0), "INFEASIBLE_AS_POSED"),
    "a job larger than the site": (lambda p: _each(p, "jobs", gpus_max=5000.0, gpus_min=5000.0), "DEADLINE"),
    "deadlines passed": (
        lambda p: _each(
            p, "jobs", release_utc=START - timedelta(hours=9), deadline_utc=START - timedelta(hours=1), hard=True
        ),
        "DEADLINE",
    ),
    "ten times the demand": (lambda p: _demand(p, 10.0), "INFEASIBLE_AS_POSED"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_answered(name: str) -> None:
    inject, code = FAULTS[name]
    problem = inject(_base())
    found = answer(problem)
    assert found.level in (Level.OPTIMAL, Level.BEST_FEASIBLE, Level.RELAXED)
    if not any(breach.reason_code == "SENSOR_LOST" for breach in found.breaches):
        assert [str(fault) for fault in check(problem, found)] == []
    assert not code or code in {breach.reason_code for breach in found.breaches}
    assert (found.status is Status.INFEASIBLE_AS_POSED) == any(
        breach.reason_code == "INFEASIBLE_AS_POSED" for breach in found.breaches
    )


def test_sun_wholly_unknown_is_a_safe_state() -> None:
    problem = _base().model_copy(update={"pv_available_kw": (math.nan,) * 12})
    found = answer(problem)
    assert found.level is Level.SAFE_STATE
    assert "pv_available_kw" in found.breaches[0].text


def test_a_crashing_solver_falls_to_the_rules() -> None:
    def crash(problem: Problem) -> Plan:
        raise MemoryError("out of memory")

    found = climb(_base(), crash, policy="planner")
    assert found.level is Level.RULES
    assert "out of memory" in found.breaches[-1].text


def test_a_plan_that_fails_its_check_is_not_used() -> None:
    def lie(problem: Problem) -> Plan:
        true = answer(problem)
        rows = (true.intervals[0].model_copy(update={"battery_kw": 1e4}), *true.intervals[1:])
        return true.model_copy(update={"intervals": rows})

    found = climb(_base(), lie, policy="planner")
    assert found.level is Level.RULES
    assert "does not balance" in found.breaches[-1].text
