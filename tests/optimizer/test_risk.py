"""Scenarios with a weight on the darkest."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.ladder import answer
from optimizer.model.layout import layout_of, risk_weights
from optimizer.problem import GensetProblem, LoadTier, Problem, PvScenario, TankProblem
from tests.optimizer.small_site import START


@pytest.mark.parametrize(
    ("risk", "expected"),
    [(0.0, [0.5, 0.1, 0.4]), (1.0, [0.5, 0.5, 0.0]), (0.5, [0.5, 0.3, 0.2])],
)
def test_the_darkest_fifth_gets_the_risk_weight(risk: float, expected: list[float]) -> None:
    """The second is the darkest with a probability of 0.1; the other half of the fifth is the first's."""
    found = risk_weights(np.array([0.5, 0.1, 0.4]), np.array([20.0, 5.0, 90.0]), risk)
    assert found == pytest.approx(expected)
    assert found.sum() == pytest.approx(1.0)


def two_skies(risk: float) -> Problem:
    """Five kilowatts of load: sun for it nine times out of ten, else nothing; a started genset costs $6 and no fuel."""
    return Problem(
        site="skies",
        start_utc=START,
        hours=(1.0, 1.0),
        pv_available_kw=(5.0, 5.0),
        scenarios=(
            PvScenario(weight=0.9, pv_available_kw=(5.0, 5.0)),
            PvScenario(weight=0.1, pv_available_kw=(0.0, 0.0)),
        ),
        risk_weight=risk,
        tiers=(LoadTier(name="load", kw=(5.0, 5.0), shed_usd_per_kwh=4.0),),
        gensets=(GensetProblem(name="g", max_kw=6.0, start_usd=6.0, fuel_points=((0.0, 0.0), (6.0, 0.0))),),
        tank=TankProblem(level_l=10.0, capacity_l=10.0, usd_per_l=1.0),
    )


@pytest.mark.parametrize(("risk", "runs"), [(0.0, False), (0.2, True), (1.0, True)])
def test_the_weight_decides_whether_a_genset_starts_for_a_rare_dark_sky(risk: float, runs: bool) -> None:
    """Load unserved costs $40 in the dark: $4 in the mean, below the start; 0.8 x 4 + 0.2 x 20 = $7.2 with a fifth on it."""
    plan = answer(two_skies(risk))
    assert any(row.gensets[0].on for row in plan.intervals) == runs


def test_without_scenarios_the_risk_weight_changes_nothing() -> None:
    layout = layout_of(two_skies(1.0).model_copy(update={"scenarios": ()}))
    assert layout.weights.tolist() == [1.0]
