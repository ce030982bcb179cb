"""The search finds the optimum of the reference grid, and of made-up bowls and ridges, within its budget."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.sizing.inputs import Sizes
from optimizer.sizing.search import halton, search
from optimizer.sizing.simple import SimpleBattery, SimplePrices, price, simulate
from tests.optimizer.sizing.test_simple_reference import container_year, load_json

GENSET = np.array([0.001, *np.arange(10.0, 161.0, 10.0)])
BATTERY = np.array([0.001, *np.arange(100.0, 6001.0, 100.0)])
PV = np.array([0.001, *np.arange(25.0, 1501.0, 25.0)])


@pytest.mark.parametrize("which", [0, 1])
def test_finds_the_optimum_of_the_grid_in_a_thousand_simulations(which: int) -> None:
    optimum = load_json("mdc_year_grid_optima.json")["optima"][which]
    series = container_year()

    def evaluate(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes = Sizes(genset_kw=GENSET[at[:, 0]], battery_kwh=BATTERY[at[:, 1]], pv_kw=PV[at[:, 2]])
        cost = price(series, sizes, simulate(series, sizes, SimpleBattery()), SimplePrices())
        return cost.npc_usd, np.maximum(0.0, cost.shed_frac - optimum["max_shed_rate"] - 1e-12)

    found = search(evaluate, (GENSET.size, BATTERY.size, PV.size), budget=1000)
    assert found.simulations <= 1000
    assert found.breach == 0.0
    assert (GENSET[found.best[0]], BATTERY[found.best[1]], PV[found.best[2]]) == (
        optimum["gen_kw"],
        optimum["bat_kwh"],
        optimum["pv_kw"],
    )
    assert found.cost == pytest.approx(optimum["npc"], rel=1e-9)


def test_says_when_nothing_is_allowed() -> None:
    found = search(lambda at: (at.sum(axis=1) * 1.0, np.ones(len(at))), (5, 5), budget=30)
    assert found.breach > 0.0
    assert found.simulations <= 25


def test_bends_along_a_ridge() -> None:
    def ridge(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = at[:, 0] / 40.0, at[:, 1] / 40.0
        return 1.0 + (1.0 - x) ** 2 + 20.0 * (y - x * x) ** 2, np.zeros(len(at))

    found = search(ridge, (61, 61), budget=600)
    assert found.cost == pytest.approx(1.0, abs=2e-3)


def test_spread_is_even() -> None:
    points = np.array(halton(200, (10, 10)))
    assert np.bincount(points[:, 0], minlength=10).min() >= 15
