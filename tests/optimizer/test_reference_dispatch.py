"""Unit commitment cases of the PyPSA test suite (MIT), optima confirmed by brute force: the known optima exactly."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from optimizer.ladder import answer
from optimizer.plan import Level, Status
from optimizer.problem import GensetProblem, LoadTier, Problem, ReserveProblem
from tests.shared_data import shared_path

CASES = ("uc1_min_load", "uc2_min_up_3", "uc3_min_up_4_already_up_1", "uc4_min_down_2_down_1_before")


def _genset(number: int, given: dict[str, Any]) -> GensetProblem:
    down_before = given.get("down_time_before", 0)
    up_before = given.get("up_time_before", 0 if down_before else 1)
    return GensetProblem(
        name=f"g{number}",
        max_kw=given["p_max"],
        min_kw=given["p_min"],
        energy_usd_per_kwh=given["mc"],
        min_run_h=given.get("min_up_time", 0),
        min_down_h=given.get("min_down_time", 0),
        on=up_before > 0,
        hours_in_state=up_before or down_before or 1,
    )


def _problem(case: dict[str, Any], **more: Any) -> Problem:
    load = [float(kw) for kw in case["load"]]
    return Problem(
        site="reference",
        start_utc=datetime(2025, 1, 1, tzinfo=UTC),
        hours=(1.0,) * len(load),
        pv_available_kw=(0.0,) * len(load),
        tiers=(LoadTier(name="load", kw=tuple(load), shed_usd_per_kwh=900.0, critical=True),),
        gensets=tuple(_genset(number, given) for number, given in enumerate(case["gens"])),
        **more,
    )


@pytest.mark.parametrize("name", CASES)
def test_known_optimum(name: str) -> None:
    case = json.loads(shared_path("reference/dispatch/unit_commitment_cases.json").read_text())[name]
    plan = answer(_problem(case["input"]))
    known = case["brute_force"]
    assert plan.level is Level.OPTIMAL
    assert plan.status is Status.FEASIBLE
    assert sum(plan.cost_terms_usd.values()) == pytest.approx(known["objective"], abs=1e-3)
    for place in range(len(known["status"])):
        assert [row.gensets[place].on for row in plan.intervals] == [bool(on) for on in known["status"][place]]
        assert [row.gensets[place].kw for row in plan.intervals] == pytest.approx(known["dispatch"][place], abs=1e-3)


def test_reserve_that_no_genset_can_hold_is_infeasible_as_posed() -> None:
    case = {"load": [95.0, 95.0], "gens": [{"p_min": 10.0, "p_max": 100.0, "mc": 0.4}]}
    plan = answer(_problem(case, reserve=ReserveProblem(load_frac=0.1, hard=True)))
    assert plan.status is Status.INFEASIBLE_AS_POSED
    assert plan.level is Level.RELAXED
    assert plan.breaches[0].what == "operating reserve"
    assert plan.breaches[0].amount == pytest.approx(4.5, abs=1e-3)
    assert [row.gensets[0].kw for row in plan.intervals] == pytest.approx([95.0, 95.0], abs=1e-3)
    met = answer(_problem(case, reserve=ReserveProblem(load_frac=0.05, hard=True)))
    assert met.status is Status.FEASIBLE
