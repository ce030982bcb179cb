"""Rows for running and resting gensets (33), (34): no plan breaks them, and the bound gains by them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

import optimizer.model.build
from optimizer.model.build import build
from optimizer.model.layout import layout_of
from optimizer.problem import Problem
from optimizer.solve.relax import relax
from optimizer.solve.session import Deadline
from optimizer.solve.whole import solve_whole
from tests.optimizer.small_site import small_site
from tests.strategies import problems

SOME = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def _costs(problem: Problem) -> tuple[float, float]:
    """Return the cost of the relaxation and of the best plan that whole commitments, modes and jobs allow."""
    exact = solve_whole(build(layout_of(problem)).program, seconds=30.0, gap_frac=1e-7)
    assert exact.found
    return relax(problem, Deadline(30.0)).cost, exact.cost


@SOME
@given(problems())
def test_the_relaxation_stays_under_the_best_plan(problem: Problem) -> None:
    bound, best = _costs(problem)
    assert bound <= best + 1e-5 * max(1.0, abs(best))


def test_a_night_on_diesel_is_bounded_more_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = small_site()
    with_rows, best = _costs(problem)
    monkeypatch.setattr(optimizer.model.build, "add_states", lambda *_: None)
    without, _ = _costs(problem)
    assert without < with_rows <= best + 1e-5
